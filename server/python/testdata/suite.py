"""One path for each rule of PEP 3333, behind wsgiref's validator where the rule is kept."""
import hashlib
import io
import os
import sys
import time
from wsgiref.validate import validator

closed = []


def reply(start_response, body, status="200 OK", headers=()):
    start_response(status, [("Content-Type", "text/plain")] + list(headers))
    return [body]


def environ(environ, start_response):
    names = environ["QUERY_STRING"].split(",")
    lines = ["%s=%s" % (n, environ.get(n, "<none>")) for n in names]
    return reply(start_response, "\n".join(lines).encode("latin-1"))


def read(environ, start_response):
    digest, size = hashlib.sha256(), 0
    while True:
        data = environ["wsgi.input"].read(70000)
        if not data:
            break
        digest.update(data)
        size += len(data)
    return reply(start_response, ("%d %s %s" % (size, digest.hexdigest(), environ["CONTENT_LENGTH"])).encode())


def lines(environ, start_response):
    source = environ["wsgi.input"]
    out = [source.readline(), source.readline(), b"|"] + source.readlines(1)
    out += [b"|"] + list(source) + [b"|", source.read(10)]
    return reply(start_response, b"".join(out))


def generator(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    for i in range(3):
        yield b"item %d\n" % i
        if i == 0:
            yield b""


def wait_for(path):
    """Returns when the test has made a file."""
    for _ in range(1200):
        if os.path.exists(path):
            return
        time.sleep(0.05)
    raise TimeoutError(path)


def lockstep(environ, start_response):
    """Gives each item only when the test has seen the one before."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    for i in range(3):
        yield b"item %d\n" % i
        wait_for("%s/%d" % (environ["QUERY_STRING"], i))


def hold(environ, start_response):
    """Answers when the file is there that the query names."""
    wait_for(environ["QUERY_STRING"])
    return reply(start_response, b"held %d" % os.getpid())


def many(environ, start_response):
    start_response("201 Made", [("Content-Type", "text/plain"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X-Odd", "\xe9\t")])
    return [b"one ", b"two ", b"", b"three"]


def hints(environ, start_response):
    environ["wsgi.early_hints"]([("Link", "</style.css>; rel=preload; as=style")])
    return reply(start_response, b"after hints")


def write(environ, start_response):
    w = start_response("200 OK", [("Content-Type", "text/plain")])
    w(b"written ")
    return [b"returned"]


class Closing:
    def __init__(self, items):
        self.items = iter(items)

    def __iter__(self):
        return self

    def __next__(self):
        item = next(self.items)
        if isinstance(item, Exception):
            raise item
        return item

    def close(self):
        closed.append(1)


def close(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return Closing([b"a", b"b"])


def close_raise(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return Closing([b"begun ", ValueError("in the middle")])


def counted(environ, start_response):
    """Each kind of answer with a close() that says that it was called."""
    kind = environ["QUERY_STRING"]
    said = [("Content-Length", "4")] if kind in ("longer", "shorter") else []
    status = "304 Not Modified" if kind == "no_body" else "200 OK"

    class Said(Closing):
        def close(self):
            print("%s %s was closed;" % (environ["REQUEST_METHOD"], kind), file=sys.stderr, flush=True)

    if kind == "file":
        file = io.BytesIO(b"a file")
        file.close = lambda: Said.close(None)
        result = environ["wsgi.file_wrapper"](file)
    elif kind == "client_leaves":
        result = Said(b"x" * 65536 for _ in range(10000))
    else:
        result = Said({"longer": [b"123", b"456"], "shorter": [b"12"], "raises": [b"12", ValueError("on purpose")],
                       "raises_at_once": [ValueError("on purpose")], "no_bytes": ["text"], "nothing": []}.get(kind, [b"12", b"34"]))
    if kind != "no_start":
        write = start_response(status, said)
        if kind == "written":
            write(b"before")
    return result


def close_count(environ, start_response):
    return reply(start_response, b"%d" % len(closed))


def endless(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/octet-stream")])

    def items():
        try:
            while True:
                yield b"x" * 65536
        finally:
            closed.append("endless")
            print("endless was closed", file=sys.stderr)

    return items()


def raising(environ, start_response):
    raise RuntimeError("raised on purpose")


def exiting(environ, start_response):
    sys.exit(7)


def error_page(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "99")])
    try:
        raise KeyError("lost")
    except KeyError:
        start_response("500 Replaced", [("Content-Type", "text/html")], sys.exc_info())
    return [b"replaced"]


def replaced_late(environ, start_response):
    """Nothing was sent as long as all items were empty."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b""
    try:
        raise KeyError("lost")
    except KeyError:
        start_response("500 Replaced", [("Content-Type", "text/plain")], sys.exc_info())
    yield b"replaced"


def late_error(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"sent"
    try:
        raise KeyError("too late")
    except KeyError:
        start_response("500 Never", [("Content-Type", "text/plain")], sys.exc_info())


def late_nothing(environ, start_response):
    """exc_info without an exception, in all its forms."""
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    write(b"sent")
    for info in ((None, None, None), ("a", "b", "c"), (ValueError, None, None), (ValueError, ValueError, 5)):
        try:
            start_response("500 Never", [], info)
        except AssertionError:
            write(b", refused")
    try:
        start_response("500 Never", [], (None, KeyError("raised"), None))
    except KeyError:
        write(b", raised")
    return []


def twice(environ, start_response):
    start_response("200 OK", [])
    start_response("200 OK", [])
    return []


def nothing(environ, start_response):
    return [b"no head"]


def headers(environ, start_response):
    """Mistakes in the head, by number."""
    bad = [
        ("200 OK", [("Connection", "close")]),
        ("200 OK", [("Transfer-Encoding", "chunked")]),
        ("200 OK", [("keep-alive", "timeout=5")]),
        ("200 OK", [("Proxy-Authenticate", "Basic")]),
        ("200 OK", [("Proxy-Authorization", "Basic")]),
        ("200 OK", [("TE", "trailers")]),
        ("200 OK", [("Trailers", "X")]),
        ("200 OK", [("Upgrade", "websocket")]),
        ("200 OK", [("X", "a\nb")]),
        ("200 OK", [("X", "a\x00b")]),
        ("200 OK", [("X\r\n", "a")]),
        ("200 OK\r\nX: y", []),
        ("200 OK", [("X", "a\r\nSet-Cookie: b")]),
        ("200 OK", [("X Y", "a")]),
        ("200 OK", [("", "a")]),
        ("200 OK", [("X", "\u20ac")]),
        ("200 OK", [("X", b"bytes")]),
        ("200 OK", [["X", "list"]]),
        ("200 OK", (("X", "tuple"),)),
        ("OK", []),
        ("200 O\nK", []),
        (200, []),
        ("199 Early", []),
        ("200 OK", [("Content-Length", "-1")]),
        ("200 OK", [("Content-Length", "1"), ("Content-Length", "2")]),
        ("200 OK", [("Status", "500")]),
    ]
    seen = []
    for status, fields in bad:
        try:
            start_response(status, fields)
            seen.append("accepted %r" % ((status, fields),))
        except (ValueError, TypeError):
            pass
    return reply(start_response, ("%d refused %s" % (len(bad) - len(seen), seen)).encode())


def longer(environ, start_response):
    start_response("200 OK", [("Content-Length", "4")])
    return iter([b"12", b"34", b"56", b"78"])


def shorter(environ, start_response):
    start_response("200 OK", [("Content-Length", "10")])
    return iter([b"12345"])


def none_of_it(environ, start_response):
    start_response("200 OK", [("Content-Length", "10")])
    return []


def text(environ, start_response):
    start_response("200 OK", [])
    return ["text"]


def no_content(environ, start_response):
    start_response("204 No Content", [])
    return []


def not_modified(environ, start_response):
    start_response("304 Not Modified", [("ETag", '"1"')])
    return []


def status(environ, start_response):
    """Answers with a body even where none is allowed, at once or in pieces."""
    code, _, pieces = environ["QUERY_STRING"].partition("&")
    start_response(code + " As Asked", [("Content-Type", "text/plain"), ("X-Kept", "yes")])
    return (piece for piece in (b"not ", b"allowed")) if pieces else [b"not allowed"]


def unread(environ, start_response):
    """Refuses an upload without a look at it."""
    return reply(start_response, b"too large " * 20, "413 Too Large")


def unread_file(environ, start_response):
    """A file that sendfile sends: nobody reads it."""
    class File(io.FileIO):
        def close(self):
            print("closed at %d;" % self.tell(), file=sys.stderr)
            super().close()

    stream = File(environ["QUERY_STRING"], "rb")
    stream.seek(3)
    start_response("200 OK", [("Content-Type", "application/octet-stream"), ("Content-Length", "100000")])
    return environ["wsgi.file_wrapper"](stream)


def big(environ, start_response):
    size = int(environ["QUERY_STRING"])
    start_response("200 OK", [("Content-Type", "application/octet-stream"), ("Content-Length", str(size))])
    return (b"y" * 65536 for _ in range(size // 65536))


def file(environ, start_response):
    stream = open(environ["QUERY_STRING"], "rb")
    stream.seek(3)
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return environ["wsgi.file_wrapper"](stream)


def memory_file(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return environ["wsgi.file_wrapper"](io.BytesIO(b"from memory"), 4)


def sleep(environ, start_response):
    time.sleep(float(environ["QUERY_STRING"] or 1))
    return reply(start_response, b"slept %d" % os.getpid())


def spin(environ, start_response):
    while True:
        pass


def crash(environ, start_response):
    import ctypes

    ctypes.string_at(0)


def timeout(environ, start_response):
    environ["appd.timeout"](float(environ["QUERY_STRING"]))
    time.sleep(0.5)
    return reply(start_response, b"still here")


def forked(environ, start_response):
    """A child that outlives the request must not hold its connection."""
    pid = os.fork()
    if pid == 0:
        time.sleep(20)
        os._exit(0)
    return reply(start_response, b"%d" % pid)


def descriptors(environ, start_response):
    """What a forked child still has open of the engine's."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        names = []
        for fd in os.listdir("/proc/self/fd"):
            try:
                names.append(os.readlink("/proc/self/fd/" + fd))
            except OSError:
                pass
        os.write(writer, " ".join(names).encode())
        os._exit(0)
    os.close(writer)
    names = os.read(reader, 100000)
    os.close(reader)
    os.wait()
    return reply(start_response, names)


KEPT = (environ, read, lines, generator, lockstep, hold, hints, write, close, close_raise, close_count, endless, raising,
        exiting, error_page, replaced_late, late_error, no_content, not_modified, big, memory_file, sleep, timeout)
BROKEN = (many, status, unread, unread_file, late_nothing, twice, nothing, counted, headers, longer, shorter, none_of_it, text, file, spin, crash, forked, descriptors)
paths = {f.__name__: validator(f) for f in KEPT}
paths.update({f.__name__: f for f in BROKEN})
paths["unchecked_endless"] = endless
paths["unchecked_generator"] = generator


def application(environ, start_response):
    return paths[environ["PATH_INFO"].strip("/").split("/")[0] or "generator"](environ, start_response)
