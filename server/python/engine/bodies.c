/* bodies.c is the memory of request bodies. Go fills it while a body arrives; with
 * the request it becomes C's, so that wsgi.input reads it without a call.
 *
 * A freed chunk of this size is what glibc gives back to the kernel at once, and
 * every next upload would fault its pages in again: a few are kept.
 */
#include "python.h"
#include "shim.h"

#include <pthread.h>
#include <stdlib.h>

enum { SPARES = 4 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *spares[SPARES];
static int count;

/* appd_body is realloc. */
char *appd_body(char *p, size_t n) {
	if (p || n != APPD_BODY)
		return realloc(p, n);
	pthread_mutex_lock(&lock);
	if (count > 0)
		p = spares[--count];
	pthread_mutex_unlock(&lock);
	return p ? p : malloc(n);
}

void appd_body_free(char *p, size_t room) {
	if (room == APPD_BODY && !settings.forked) { /* a child may find the lock taken for ever */
		pthread_mutex_lock(&lock);
		if (count < SPARES) {
			spares[count++] = p;
			p = NULL;
		}
		pthread_mutex_unlock(&lock);
	}
	free(p);
}
