/* slack.c keeps Go's monitor thread from costing more than the requests.
 *
 * A thread of C that calls Go and returns looks to Go's scheduler like one that
 * stays in a system call. Its monitor then takes the processor away at each of its
 * ticks, and because it found work it ticks on every 20 microseconds: 6 % of all
 * CPU time under load. A thread's timer slack, by which the kernel may delay its
 * timers, is inherited by the threads it makes. So it is raised before Go starts
 * (constructors with a priority come first) and put back afterwards.
 */
#include "python.h"
#include "shim.h"

#include <sys/prctl.h>

enum { SLACK_NS = 4000000 };

static int before = -1;

/* before_go runs before Go's own constructor. */
__attribute__((constructor(101))) static void before_go(void) {
	before = prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0);
	prctl(PR_SET_TIMERSLACK, SLACK_NS, 0, 0, 0);
	descriptors_before();
	signals_before();
}

void slack_restore(void) {
	if (before > 0)
		prctl(PR_SET_TIMERSLACK, before, 0, 0, 0);
}
