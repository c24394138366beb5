"""Children that the application forks: ordinary processes of Python's, in which the
engine is off and appd's signal handlers are gone."""
import os
import signal
import sys
import threading

STRAY = ("SIGHUP", "SIGUSR1", "SIGUSR2", "SIGWINCH", "SIGINT")
handlers = {}  # of appd's, by signal
in_children = []  # what else has to be done in a child


def handle(name, handler):
    """Installs a handler that children do not keep."""
    number = getattr(signal, name)
    handlers[number] = lambda number, frame: handler()
    signal.signal(number, handlers[number])


def ignore_stray():
    """Lets signals pass that were meant for the supervisor. A handler, not SIG_IGN:
    programs that the application starts must not inherit deafness."""
    for name in STRAY:
        handle(name, lambda: None)


def keep_writing():
    """Has a terminal not stop us for the lines that we write there. It can be told to
    do so at any time (stty tostop), and asks for nothing less than being ignored; what
    the application starts belongs to the same process group and would be stopped, too."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)


def watch(engine):
    """Prepares every child that will be forked: Process.terminate() and a terminal's
    Ctrl-C work there. Signals wait meanwhile, because Python forgets those that
    arrive before the child is its own."""
    held = threading.local()

    def before():
        held.mask = signal.pthread_sigmask(signal.SIG_BLOCK, handlers)

    def in_parent():
        signal.pthread_sigmask(signal.SIG_SETMASK, held.mask)

    def in_child():
        engine.after_fork()
        for number, handler in handlers.items():
            if signal.getsignal(number) is handler:
                signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        for do in in_children:
            do()
        in_parent()

    os.register_at_fork(before=before, after_in_parent=in_parent, after_in_child=in_child)


def end(kind, error, trace):
    """Ends a child that came back from the application: only the parent can answer.
    kind is None if the application returned, else what it raised."""
    status = 1
    if kind is None:
        print("a child that the application forked came back to the server, which ends it: it has to end by itself, with os._exit()", file=sys.stderr)
    elif not issubclass(kind, SystemExit):
        sys.excepthook(kind, error, trace)
    elif isinstance(error.code, int):
        status = error.code & 255
    elif error.code is None:
        status = 0
    else:
        print(error.code, file=sys.stderr)
    leave(status)


def leave(status):
    """Ends the process without waiting for threads."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            pass
    os._exit(status)
