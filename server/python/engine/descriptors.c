/* descriptors.c remembers which descriptors are the engine's, for the moment when
 * the application forks: Go cannot run in the child, C has to close them. */
#include "python.h"
#include "shim.h"

#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

uint8_t appd_marks[APPD_MARKS];

static bool seen[APPD_MARKS];

/* each calls f for every open descriptor. */
static void each(void (*f)(int fd)) {
	DIR *d = opendir("/proc/self/fd");
	struct dirent *e;
	while (d && (e = readdir(d))) {
		int fd = atoi(e->d_name);
		if (e->d_name[0] != '.' && fd != dirfd(d) && fd < APPD_MARKS)
			f(fd);
	}
	if (d)
		closedir(d);
}

static void see(int fd) { seen[fd] = true; }
static void mark_new(int fd) {
	if (!seen[fd])
		appd_marks[fd] = 1;
}

/* descriptors_before and descriptors_after embrace the engine's start: what is new
 * in between is its own, Go's descriptors included. */
void descriptors_before(void) { each(see); }
void descriptors_after(void) { each(mark_new); }

void descriptors_close(void) {
	for (int fd = 0; fd < APPD_MARKS; fd++)
		if (appd_marks[fd])
			close(fd);
}
