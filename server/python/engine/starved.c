/* starved.c tells a request that takes long from one whose thread waits for a
 * processor. Where all processors are taken, threads wait for milliseconds with
 * requests of microseconds; whoever took those for slow ones would hand connections on
 * that nobody else could serve any sooner.
 */
#include "python.h"
#include "shim.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* A thread that serves. */
struct server {
	_Atomic pid_t id; /* 0: has not begun */
	clockid_t clock;  /* of the processor time that it used */
	int64_t used;     /* of that, at the last look */
};
static struct server *servers;
static int room;
static _Atomic int count;

int starved_setup(int threads) {
	room = threads;
	return (servers = calloc(threads, sizeof *servers)) ? 0 : -1;
}

/* starved_join says that the calling thread serves. */
void starved_join(void) {
	int i = atomic_fetch_add(&count, 1);
	if (i < room && pthread_getcpuclockid(pthread_self(), &servers[i].clock) == 0)
		servers[i].id = syscall(SYS_gettid); /* which older C libraries have no name for */
}

/* runnable: the thread runs or could run, as the third word of its stat says. */
static bool runnable(pid_t id) {
	char text[128];
	snprintf(text, sizeof text, "/proc/self/task/%d/stat", (int)id);
	int fd = open(text, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (fd >= 0)
		close(fd);
	text[n < 0 ? 0 : n] = 0;
	char *end = strrchr(text, ')'); /* of its name, which may hold anything */
	return end && end[1] == ' ' && end[2] == 'R';
}

/* starved looks how much processor time the threads got since the last look. If ask
 * is set it says whether one of them could run and got less than enough. */
bool starved(bool ask, int64_t enough) {
	bool any = false;
	for (int i = 0; i < room && servers[i].id; i++) {
		struct server *s = &servers[i];
		struct timespec t;
		if (clock_gettime(s->clock, &t) < 0)
			continue; /* the thread has ended */
		int64_t used = t.tv_sec * 1000000000ll + t.tv_nsec;
		if (ask && !any && used - s->used < enough)
			any = runnable(s->id);
		s->used = used;
	}
	return any;
}
