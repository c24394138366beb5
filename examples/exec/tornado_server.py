"""A Tornado application on the socket that appd holds."""
import asyncio
import os
import signal
import socket

import tornado.httpserver
import tornado.web


class Hello(tornado.web.RequestHandler):
    def get(self):
        self.write("tornado %d under appd\n" % os.getpid())


class Slow(tornado.web.RequestHandler):
    async def get(self):
        await asyncio.sleep(1)
        self.write("slowly\n")


async def main():
    server = tornado.httpserver.HTTPServer(tornado.web.Application([("/", Hello), ("/slow", Slow)]))
    listener = socket.socket(fileno=3)  # LISTEN_FDS
    listener.setblocking(False)
    server.add_socket(listener)
    leave = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, leave.set)
    await leave.wait()
    server.stop()
    await server.close_all_connections()


asyncio.run(main())
