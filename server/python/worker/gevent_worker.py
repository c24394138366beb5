"""worker_class = "gevent": a greenlet a request, all on gevent's own loop."""
import sys

from appd_worker import fit

waits = {}


def patch():
    """Makes the standard library cooperative, before anything else imports it."""
    try:
        from gevent import monkey
    except ImportError:
        raise fit.Refused("worker_class = \"gevent\" needs the package gevent in %s" % sys.executable) from None
    monkey.patch_all()


def serve(engine):
    """Watches the engine's descriptor until the worker has to leave."""
    import gevent
    import gevent.event

    loop = gevent.get_hub().loop
    done = gevent.event.Event()

    def one(exchange):
        engine.serve(exchange)
        turn()

    def turn():
        while True:
            exchange = engine.poll()
            if exchange is None:
                break
            gevent.spawn(one, exchange)
        for number in engine.waited():
            event = waits.pop(number, None)
            if event is not None:
                event.set()
        if engine.leaving():
            done.set()

    watcher = loop.io(engine.fileno(), 1)
    watcher.start(turn)
    turn()
    done.wait()
    watcher.stop()


def wait(number):
    """Parks the greenlet until the client of request number has gone on."""
    import gevent.event

    event = waits[number] = gevent.event.Event()
    event.wait()
