"""An aiohttp application on the socket that appd holds."""
import asyncio
import os
import socket

from aiohttp import web


async def hello(request):
    return web.Response(text="aiohttp %d under appd\n" % os.getpid())


async def slow(request):
    answer = web.StreamResponse()
    await answer.prepare(request)
    await answer.write(b"slow")
    await asyncio.sleep(1)
    await answer.write(b"ly\n")
    return answer


app = web.Application()
app.add_routes([web.get("/", hello), web.get("/slow", slow)])
web.run_app(app, sock=socket.socket(fileno=3), print=None)  # LISTEN_FDS; it leaves in order on TERM
