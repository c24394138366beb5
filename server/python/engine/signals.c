/* signals.c makes Python's signal handlers and Go live in one process.
 *
 * A handler must not run on the small stack of a goroutine, so Go has all of them run
 * on the thread's alternate stack (SA_ONSTACK). The main thread's is faulthandler's,
 * which has room for five signals that arrive at once: a sixth would end the process.
 * It gets a larger one. And signals belong to Python's threads, which they have to
 * wake: Go's threads are made while they are blocked.
 */
#include "python.h"
#include "shim.h"

#include <pthread.h>
#include <signal.h>

static char stack[256 << 10]; /* what nobody uses of it costs nothing */
static sigset_t before;

/* signals_before runs on the main thread, before Go starts; signals_after undoes what
 * only Go's threads should inherit. */
void signals_before(void) {
	static const int go_needs[] = {SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS, SIGURG, SIGPROF};
	sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof stack}, NULL);
	sigset_t set;
	sigfillset(&set);
	for (size_t i = 0; i < sizeof go_needs / sizeof *go_needs; i++)
		sigdelset(&set, go_needs[i]);
	pthread_sigmask(SIG_SETMASK, &set, &before);
}

void signals_after(void) { pthread_sigmask(SIG_SETMASK, &before, NULL); }

/* signals_on_stack does for handlers that were installed since Go started what Go did
 * for those before: CPython does so only since 3.9.3, other libraries may not. */
void signals_on_stack(void) {
	for (int i = 1; i < NSIG; i++) {
		struct sigaction a;
		if (sigaction(i, NULL, &a) < 0 || a.sa_flags & SA_ONSTACK || a.sa_handler == SIG_DFL || a.sa_handler == SIG_IGN)
			continue;
		a.sa_flags |= SA_ONSTACK;
		sigaction(i, &a, NULL);
	}
}
