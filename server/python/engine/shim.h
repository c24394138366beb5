/* shim.h is what the C side (one thread of Python, one request) and the Go side
 * (the event loop) of the engine know of each other, and what the files of the
 * C side share.
 *
 *   epoll_wait --> appd_turn ==> request --> environ.c --> application(environ, exchange)
 *                  (Go)                                         |
 *   one write  <-- appd_answer <== head + bytes <-- answer.c <--'
 */
#ifndef APPD_SHIM_H
#define APPD_SHIM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>
#include <sys/types.h>

/* A request as Go hands it to C. vars is C memory that Go fills and grows: count
 * times a uint32 length of the name, a uint32 length of the value, name, value. */
struct appd_request {
	uint64_t id; /* the exchange in Go's table; 0: none, or its answer has ended */
	char *vars;
	uint32_t capacity, used, count;
	char *body;       /* in memory, C's to free; NULL: none, spooled or streaming */
	size_t body_room;
	int32_t file;     /* descriptor of a spooled body, -1: it is in memory or streams */
	int64_t size;     /* of the body, -1: only its end will tell */
	uint8_t streamed; /* the body is read from the front while the application runs */
	uint8_t head;     /* HEAD: no body in the answer */
};

/* The head of an answer as C hands it to Go; packed like the variables. */
struct appd_head {
	int32_t status;
	uint32_t reason_length, fields_length, count;
	const char *reason, *fields;
	int64_t length; /* of the body; -1: only its end will tell */
	uint8_t no_length, no_body;
};

enum { APPD_LAST = 1, APPD_DONE = 2 }; /* the answer ends; and so does the request */

/* APPD_WRITING in the number of a request says that its answer is waited for, not its body. */
#define APPD_WRITING (1ull << 31)

/* appd_queue is how many requests may start, appd_unsettled how many connections
 * are new and empty; Go sets them after whatever changes them. Atomic, in words that
 * both languages have. */
extern int32_t appd_queue, appd_unsettled;

static inline int32_t appd_load(int32_t *p) { return __atomic_load_n(p, __ATOMIC_RELAXED); }

/* Memory of bodies, see bodies.c. */
enum { APPD_BODY = 128 << 10 };
char *appd_body(char *p, size_t n);
void appd_body_free(char *p, size_t room);

/* appd_wake wakes one waiting thread; appd_end makes all of them leave. */
void appd_wake(void);
void appd_end(void);
void appd_order(const char *kind, int fd, int number);

/* appd_marks is 1 for the engine's descriptors; see descriptors.c. */
enum { APPD_MARKS = 1 << 16 };
extern uint8_t appd_marks[APPD_MARKS];

#ifdef APPD_PYTHON_H

/* An exchange: the Python object that is start_response, and everything about one
 * request that has to live until its answer ended. */
struct exchange {
	PyObject base;
	struct appd_request request;
	PyObject *environ;  /* borrowed from serve's frame, for hooks */
	char *head;         /* packed fields of the answer */
	uint32_t head_capacity, head_used, head_count;
	char reason[128];
	uint32_t reason_length;
	int status;         /* 0: start_response was not called */
	int64_t length;     /* declared Content-Length, -1: none */
	int64_t sent;       /* bytes of the body that were given to Go */
	bool no_body;       /* HEAD, 204, 304 */
	bool head_sent, ended, gone, cut;
	bool done_with_answer; /* the application has nothing to do after its answer */
	bool answering, reading; /* a thread without the GIL is in Go, or reads the body's file, for it */
};

/* Set once by configure(), see module.c. */
struct settings {
	PyObject *application;   /* the WSGI callable */
	PyObject *base;          /* the constant part of every environ */
	PyObject *file_wrapper;  /* the class whose instances may go through sendfile */
	PyObject *on_error;      /* called with the environ when the application raised */
	PyObject *on_note;       /* called with a level and a text for the log */
	PyObject *on_wait;       /* gevent: called to wait cooperatively; NULL: block */
	PyObject *on_child;      /* called in a forked child that came back; ends it */
	PyObject *pre_request, *post_request;
	bool one_thread;
	bool forked; /* this process is a child that the application forked: Go does not live here */
};
extern struct settings settings;
extern PyObject *exchange_type, *input_type;
extern const char *(*utf8_and_size)(PyObject *, Py_ssize_t *);

/* environ.c */
int environ_setup(void);
PyObject *environ_build(struct exchange *x, PyObject *input);

/* answer.c */
PyObject *answer_start(PyObject *self, PyObject *args, PyObject *kw);
int answer_send(struct exchange *x, const char *p, size_t n, bool last);
int answer_file(struct exchange *x, int fd, int64_t off, int64_t n);
int answer_plain(struct exchange *x, int status, const char *reason, const char *text);
void answer_settle(struct exchange *x);
void answer_note(const char *level, const char *text);
extern PyMethodDef exchange_methods[];

/* input.c */
int input_setup(void);
PyObject *input_new(struct exchange *x);
void input_end(PyObject *input);

/* serve.c */
int serve_setup(void);
struct exchange *exchange_take(void);
struct exchange *exchange_reset(struct exchange *x);
void serve(struct exchange *x);
int forked_raises(void);
void came_back(void);

/* threads.c */
PyObject *threads_run(PyObject *self, PyObject *unused);
PyObject *threads_poll(PyObject *self, PyObject *unused);
PyObject *threads_serve(PyObject *self, PyObject *exchange);
int threads_setup(int epoll, int threads);
void threads_close(void);
bool threads_leaving(void);

/* starved.c */
int starved_setup(int threads);
void starved_join(void);
bool starved(bool ask, int64_t enough);

/* slack.c */
void slack_restore(void);

/* signals.c */
void signals_before(void);
void signals_after(void);
void signals_on_stack(void);

/* descriptors.c */
void descriptors_before(void);
void descriptors_after(void);
void descriptors_close(void);

#endif
#endif
