"""A Tornado application on the socket that appd holds."""
import asyncio
import os
import signal
import socket

import tornado.httpserver
import tornado.web

busy = set()


class Page(tornado.web.RequestHandler):
    """Is busy until its answer has been sent: close_all_connections() would cut it off."""

    def prepare(self):
        busy.add(self)

    def finish(self, chunk=None):
        sent = super().finish(chunk)
        sent.add_done_callback(lambda _: busy.discard(self))
        return sent


class Hello(Page):
    def get(self):
        self.write("tornado %d under appd\n" % os.getpid())


class Slow(Page):
    async def get(self):
        self.write("slow")
        await self.flush()
        await asyncio.sleep(1)
        self.write("ly\n")


async def main():
    server = tornado.httpserver.HTTPServer(tornado.web.Application([("/", Hello), ("/slow", Slow)]))
    listener = socket.socket(fileno=3)  # LISTEN_FDS
    listener.setblocking(False)
    server.add_socket(listener)
    leave = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, leave.set)
    await leave.wait()
    server.stop()
    while busy:
        await asyncio.sleep(0.05)
    await server.close_all_connections()


asyncio.run(main())
