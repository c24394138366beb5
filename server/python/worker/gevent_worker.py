"""worker_class = "gevent": a greenlet a request, all on gevent's own loop."""
import functools
import sys

from appd_worker import fit

waits = {}
forker = None  # the greenlet that has forked this process, in such a child


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

    from appd_worker import forked

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
    forked.in_children.append(functools.partial(become_child, watcher))
    watcher.start(turn)
    turn()
    done.wait()
    watcher.stop()


def become_child(watcher):
    """In a child that a greenlet has forked, whose hub runs on with all greenlets: the
    engine's descriptor is closed there."""
    global forker
    import gevent

    watcher.stop()
    forker = gevent.getcurrent()


def end_child(kind, error, trace):
    """Ends the child that comes back from the application. Requests of other greenlets
    that end there are their parent's: they only rest."""
    import gevent
    import gevent.event

    from appd_worker import forked

    if gevent.getcurrent() is not forker:
        gevent.event.Event().wait()
    forked.end(kind, error, trace)


def wait(number):
    """Parks the greenlet until the client of request number has gone on."""
    import gevent.event

    if number not in waits:
        waits[number] = gevent.event.Event()
    waits[number].wait()
