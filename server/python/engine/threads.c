/* threads.c is how the threads of Python wait: in epoll, without the GIL.
 *
 *   waiting --epoll_wait--> appd_turn --> inside the application --> waiting
 *      GIL released           (Go)          GIL held, "busy"
 *
 * The thread that completed a request serves it. While every thread is inside the
 * application for more than 2 ms, and none of them only waits for a processor, the
 * mover, a thread of C that never takes the GIL, moves bytes in their place; it starts
 * and accepts nothing.
 */
#include "python.h"
#include "shim.h"
#include "_cgo_export.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 16, TICK_NS = 2000000, QUIET_TICKS = 50, SLOW_SECONDS = 2, QUICK = 20 };

int32_t appd_queue, appd_unsettled;
static int epoll_fd = -1, wake_fd = -1, thread_count = 1;
static _Atomic int busy, leaving, parked;
static _Atomic unsigned started; /* requests that began, ever */
static _Atomic bool accepting_stopped;
static _Atomic int64_t slow_until; /* one event at a time until then: requests take long here */
static pthread_mutex_t accept_lock = PTHREAD_MUTEX_INITIALIZER;
static int park_fd = -1;

/* race_begins lets the other side of a race go first, and race_ends says that it
 * could. In the race for the event that ends the worker, race_lingers keeps the mover in
 * epoll, and race_delays whoever sends the event, and for longer the thread that has
 * come out of the application. All in builds for tests (races.go). */
#ifdef APPD_RACE_MS
static void race_begins(void) { nanosleep(&(struct timespec){.tv_nsec = APPD_RACE_MS * 1000000}, NULL); }
static void race_ends(void) { dprintf(STDERR_FILENO, "raced\n"); }
static void race_lingers(void) {
	if (getenv("APPD_RACE_END"))
		appd_move(2 * APPD_RACE_MS);
}
static void race_delays(int times) {
	for (int i = 0; i < times && getenv("APPD_RACE_END"); i++)
		nanosleep(&(struct timespec){.tv_nsec = APPD_RACE_MS * 1000000 / 3}, NULL);
}
#else
static inline void race_begins(void) {}
static inline void race_ends(void) {}
static inline void race_lingers(void) {}
static inline void race_delays(int times) {}
#endif

static void poke(int fd) {
	uint64_t one = 1;
	while (write(fd, &one, sizeof one) < 0 && errno == EINTR)
		;
}

void appd_wake(void) { poke(wake_fd); }

void appd_end(void) {
	race_delays(1);
	leaving = 1;
	poke(wake_fd);
	poke(park_fd);
}

/* enter and leave count the threads inside the application. */
static void enter(void) {
	atomic_fetch_add(&busy, 1);
	atomic_fetch_add_explicit(&started, 1, memory_order_relaxed);
	if (atomic_load(&parked) && atomic_exchange(&parked, 0))
		poke(park_fd);
}

static void leave(void) { atomic_fetch_sub(&busy, 1); }

/* all_busy: nobody but the mover could take a request. */
static bool all_busy(void) { return atomic_load(&busy) >= thread_count; }

/* stop_accepting leaves new connections to other workers, and accept_again is what a
 * thread calls before it waits. The mover says that it stops before it looks for the
 * last time whether all are busy, and a thread counts as idle before it looks whether
 * the mover has stopped: one of the two sees the other, so that a worker that waits
 * accepts. */
static void stop_accepting(void) {
	if (accepting_stopped)
		return;
	pthread_mutex_lock(&accept_lock);
	accepting_stopped = true;
	if (all_busy()) {
		race_begins();
		appd_accept(0);
		race_ends();
	} else {
		accepting_stopped = false;
	}
	pthread_mutex_unlock(&accept_lock);
}

static void accept_again(void) {
	if (!atomic_load(&accepting_stopped))
		return;
	pthread_mutex_lock(&accept_lock);
	if (accepting_stopped) {
		appd_accept(1);
		accepting_stopped = false;
	}
	pthread_mutex_unlock(&accept_lock);
}

/* coarse is the time in nanoseconds, as exact as the kernel's ticks. */
static int64_t coarse(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static void move(void) {
	slow_until = coarse() + SLOW_SECONDS * 1000000000ll;
	while (all_busy() && !leaving) {
		stop_accepting(); /* again, if a thread waited for a moment */
		appd_move(TICK_NS / 1000000);
	}
	race_lingers();
	if (appd_load(&appd_queue) > 0 || leaving)
		poke(wake_fd); /* the event may have been ours, and threads wait */
}

/* mover watches the threads at every tick, and sleeps after a quiet moment until
 * the next request begins. It looks less often while requests are quick. */
static void *mover(void *unused) {
	unsigned before = 0, quiet = 0;
	struct timespec tick = {.tv_nsec = TICK_NS};
	while (!leaving) {
		nanosleep(&tick, NULL);
		unsigned now = started;
		bool stuck = all_busy() && now == before;
		tick.tv_nsec = now - before > QUICK && !all_busy() ? 4 * TICK_NS : TICK_NS;
		if (!starved(stuck, TICK_NS / 2) && stuck)
			move();
		quiet = now == before && busy == 0 ? quiet + 1 : 0;
		before = now;
		if (quiet < QUIET_TICKS)
			continue;
		quiet = 0;
		parked = 1;
		uint64_t n;
		if (busy == 0 && started == now && read(park_fd, &n, sizeof n) < 0 && errno != EINTR)
			break;
		parked = 0;
	}
	return NULL;
}

/* threads_setup starts the mover; epoll is the loop's descriptor. */
int threads_setup(int epoll, int threads) {
	struct epoll_event e = {.events = EPOLLIN | EPOLLET};
	epoll_fd = epoll;
	thread_count = threads;
	wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	park_fd = eventfd(0, EFD_CLOEXEC);
	e.data.u64 = (uint64_t)(uint32_t)-2 << 32 | (uint32_t)wake_fd; /* no event of the loop's */
	if (wake_fd < 0 || park_fd < 0 || starved_setup(threads) < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, wake_fd, &e) < 0)
		return -1;
	sigset_t all, old;
	pthread_t id;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old); /* signals belong to Python's threads */
	int bad = pthread_create(&id, NULL, mover, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (bad)
		return -1;
	pthread_detach(id);
	return 0;
}

bool threads_leaving(void) { return leaving; }

/* threads_close closes what a forked child shares with its parent. */
void threads_close(void) {
	close(wake_fd);
	close(park_fd);
	leaving = 1;
}

/* lost ends the process when epoll fails: nothing would ever arrive again. */
static void lost(void) {
	dprintf(STDERR_FILENO, "appd: the worker cannot wait for requests: %s; has the application closed descriptors that it did not open?\n",
		strerror(errno));
	_exit(1);
}

/* wait_events waits without the GIL; -1 means that a signal handler raised. */
static int wait_events(struct epoll_event *e, int max, PyThreadState **ts) {
	for (;;) {
		int n = epoll_wait(epoll_fd, e, max, appd_load(&appd_unsettled) ? 0 : -1);
		if (n == 0)
			sched_yield(); /* the front that has just connected goes on to write, perhaps on this processor */
		if (n >= 0)
			return n;
		if (errno != EINTR)
			lost();
		PyEval_RestoreThread(*ts);
		int bad = PyErr_CheckSignals();
		came_back();
		*ts = PyEval_SaveThread();
		if (bad)
			return -1;
		if (leaving)
			return 0;
	}
}

/* threads_run is run(): it serves on the calling thread until the worker leaves. */
PyObject *threads_run(PyObject *self, PyObject *unused) {
	struct epoll_event e[BATCH];
	struct exchange *x = exchange_take();
	if (!x)
		return NULL;
	int n = 0;
	starved_join();
	PyThreadState *ts = PyEval_SaveThread();
	while (!leaving && x) {
		/* What is harvested is this thread's. Other threads, and where requests take
		 * long other workers, get what is left in epoll. */
		int max = thread_count == 1 && (!slow_until || coarse() > slow_until) ? BATCH : 1;
		accept_again();
		race_delays(3);
		if ((n = wait_events(e, max, &ts)) < 0)
			break;
		int have = appd_turn(&x->request, e, n);
		if (appd_load(&appd_queue) > 0 && !all_busy() && thread_count > 1)
			poke(wake_fd);
		while (have && x) {
			enter();
			PyEval_RestoreThread(ts);
			serve(x);
			x = exchange_reset(x);
			bool interrupted = PyErr_CheckSignals() < 0;
			came_back();
			ts = PyEval_SaveThread();
			leave();
			if (interrupted) {
				n = -1;
				goto end;
			}
			have = x && appd_load(&appd_queue) > 0 ? appd_next(&x->request) : 0;
		}
	}
end:
	poke(wake_fd); /* the next thread leaves too */
	PyEval_RestoreThread(ts);
	if (x)
		Py_DecRef(&x->base);
	return PyErr_Occurred() ? NULL : none();
}

/* threads_poll is poll() for an event loop of Python's: an exchange that may start,
 * or None if there is none. It never blocks. */
PyObject *threads_poll(PyObject *self, PyObject *unused) {
	struct exchange *x = exchange_take();
	if (!x)
		return NULL;
	int have = !settings.forked && appd_load(&appd_queue) > 0 ? appd_next(&x->request) : 0;
	while (!have && !leaving) {
		struct epoll_event e;
		int n = epoll_wait(epoll_fd, &e, 1, 0);
		if (n < 0 && errno != EINTR)
			lost();
		if (n < 0 || (n == 0 && !appd_load(&appd_unsettled)))
			break;
		have = appd_turn(&x->request, &e, n);
	}
	if (have)
		return &x->base;
	Py_DecRef(&x->base);
	return none();
}
