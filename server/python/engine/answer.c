/* answer.c is start_response, write() and the way of an answer's bytes to Go.
 *
 * The head is checked and packed when the application calls start_response, so a
 * mistake raises where it was made; it leaves with the first piece of the body.
 */
#include "python.h"
#include "shim.h"
#include "_cgo_export.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* More than this waiting to be sent makes an application wait for its client. */
enum { MUCH = 1 << 20, LITTLE = 256 << 10 };

const char *(*utf8_and_size)(PyObject *, Py_ssize_t *);

void answer_note(const char *level, const char *text) {
	PyObject *kind, *value, *trace;
	PyErr_Fetch(&kind, &value, &trace);
	PyObject *o = PyObject_CallFunction(settings.on_note, "ss", level, text);
	if (o)
		Py_DecRef(o);
	else
		PyErr_Clear();
	came_back(); /* handlers of logs are the application's */
	PyErr_Restore(kind, value, trace);
}

/* text is the latin-1 bytes of a str. */
struct text {
	const char *p;
	Py_ssize_t n;
	PyObject *owner; /* to be released, or NULL */
};

static int text_of(PyObject *o, const char *what, struct text *t) {
	t->owner = NULL;
	if (!has_flag(o, Py_TPFLAGS_STR)) {
		PyErr_Format(PyExc_TypeError, "%s must be a str, not %R", what, o->type);
		return -1;
	}
	if (utf8_and_size && (t->p = utf8_and_size(o, &t->n))) {
		Py_ssize_t i = 0;
		while (i < t->n && (unsigned char)t->p[i] < 0x80)
			i++;
		if (i == t->n)
			return 0; /* ASCII: the same bytes in both encodings */
	}
	PyErr_Clear();
	if (!(t->owner = PyUnicode_AsLatin1String(o))) {
		PyErr_Clear();
		PyErr_Format(PyExc_ValueError, "%s must hold latin-1 characters only: %R", what, o);
		return -1;
	}
	t->p = PyBytes_AsString(t->owner);
	t->n = PyBytes_Size(t->owner);
	return 0;
}

static inline void text_end(struct text *t) {
	if (t->owner)
		Py_DecRef(t->owner);
}

/* is_token: the characters of a field name, RFC 9110 section 5.6.2. */
static bool is_token(const char *p, Py_ssize_t n) {
	static const char others[] = "!#$%&'*+-.^_`|~";
	if (n == 0)
		return false;
	for (Py_ssize_t i = 0; i < n; i++) {
		unsigned char c = p[i], l = c | 0x20;
		if (!((l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') || (c && strchr(others, c))))
			return false;
	}
	return true;
}

/* is_clean: no control character but the tab, so that nothing can be injected. */
static bool is_clean(const char *p, Py_ssize_t n) {
	for (Py_ssize_t i = 0; i < n; i++) {
		unsigned char c = p[i];
		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

static bool is_name(const char *p, Py_ssize_t n, const char *name) {
	return (size_t)n == strlen(name) && strncasecmp(p, name, n) == 0;
}

/* is_hop_by_hop: fields that only the server may set, PEP 3333. */
static bool is_hop_by_hop(const char *p, Py_ssize_t n) {
	static const char *const names[] = {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te",
		"trailer", "trailers", "transfer-encoding", "upgrade"};
	char first = p[0] | 0x20;
	if (first != 'c' && first != 'k' && first != 'p' && first != 't' && first != 'u')
		return false;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (is_name(p, n, names[i]))
			return true;
	return false;
}

static int parse_status(struct exchange *x, PyObject *o) {
	struct text t;
	if (text_of(o, "the status", &t) < 0)
		return -1;
	const char *p = t.p;
	bool good = t.n >= 3 && p[0] >= '2' && p[0] <= '9' && p[1] >= '0' && p[1] <= '9' && p[2] >= '0' && p[2] <= '9' &&
		(t.n == 3 || p[3] == ' ') && is_clean(p, t.n);
	if (good) {
		x->status = (p[0] - '0') * 100 + (p[1] - '0') * 10 + (p[2] - '0');
		Py_ssize_t n = t.n > 4 ? t.n - 4 : 0;
		x->reason_length = n < (Py_ssize_t)sizeof x->reason ? n : (Py_ssize_t)sizeof x->reason;
		memcpy(x->reason, p + 4, x->reason_length);
		good = x->status <= 599;
	}
	text_end(&t);
	if (!good) {
		x->status = 0;
		PyErr_Format(PyExc_ValueError, "the status must be like \"200 OK\", from 200 to 599: %R", o);
		return -1;
	}
	return 0;
}

static int parse_length(struct exchange *x, const struct text *v) {
	int64_t n = 0;
	for (Py_ssize_t i = 0; i < v->n; i++) {
		if (v->p[i] < '0' || v->p[i] > '9' || n > (INT64_MAX - 9) / 10)
			return -1;
		n = n * 10 + (v->p[i] - '0');
	}
	if (v->n == 0 || (x->length >= 0 && x->length != n))
		return -1;
	x->length = n;
	return 0;
}

static int append_field(struct exchange *x, const struct text *name, const struct text *value) {
	size_t need = x->head_used + 8 + name->n + value->n;
	if (need > (64 << 20)) {
		PyErr_SetString(PyExc_ValueError, "the headers are too large");
		return -1;
	}
	if (need > x->head_capacity) {
		char *p = realloc(x->head, 2 * need);
		if (!p) {
			PyErr_NoMemory();
			return -1;
		}
		x->head = p;
		x->head_capacity = 2 * need;
	}
	char *p = x->head + x->head_used;
	uint32_t n = name->n, v = value->n;
	memcpy(p, &n, 4);
	memcpy(p + 4, &v, 4);
	memcpy(p + 8, name->p, n);
	memcpy(p + 8 + n, value->p, v);
	x->head_used = need;
	x->head_count++;
	return 0;
}

static int check_field(struct exchange *x, const struct text *name, const struct text *value, PyObject *o) {
	if (!is_token(name->p, name->n))
		PyErr_Format(PyExc_ValueError, "not a header name: %R", o);
	else if (!is_clean(value->p, value->n))
		PyErr_Format(PyExc_ValueError, "control characters in the value of a header: %R", o);
	else if (is_hop_by_hop(name->p, name->n))
		PyErr_Format(PyExc_ValueError, "hop-by-hop headers belong to the server (PEP 3333): %R", o);
	else if (is_name(name->p, name->n, "content-length")) {
		if (parse_length(x, value) == 0)
			return 1;
		PyErr_Format(PyExc_ValueError, "not a Content-Length, or a second one: %R", o);
	} else if (is_name(name->p, name->n, "status"))
		PyErr_Format(PyExc_ValueError, "the status is not a header: %R", o);
	else
		return 0;
	return -1;
}

static int parse_field(struct exchange *x, PyObject *o) {
	if (!has_flag(o, Py_TPFLAGS_TUPLE) || PyTuple_Size(o) != 2) {
		PyErr_Format(PyExc_TypeError, "a header must be a tuple (name, value), not %R", o);
		return -1;
	}
	struct text name, value;
	if (text_of(PyTuple_GetItem(o, 0), "the name of a header", &name) < 0)
		return -1;
	if (text_of(PyTuple_GetItem(o, 1), "the value of a header", &value) < 0) {
		text_end(&name);
		return -1;
	}
	int kind = check_field(x, &name, &value, o);
	if (kind == 0)
		kind = append_field(x, &name, &value);
	text_end(&name);
	text_end(&value);
	return kind < 0 ? -1 : 0;
}

static int parse_head(struct exchange *x, PyObject *status, PyObject *headers) {
	x->status = 0;
	x->head_used = x->head_count = 0;
	x->length = -1;
	if (!has_flag(headers, Py_TPFLAGS_LIST)) {
		PyErr_Format(PyExc_TypeError, "the headers must be a list, not %R", headers->type);
		return -1;
	}
	Py_ssize_t n = PyList_Size(headers);
	for (Py_ssize_t i = 0; i < n && i < PyList_Size(headers); i++)
		if (parse_field(x, PyList_GetItem(headers, i)) < 0)
			return -1;
	return parse_status(x, status);
}

static PyObject *answer_write(PyObject *self, PyObject *data);
static PyObject *exchange_timeout(PyObject *self, PyObject *seconds);

PyMethodDef exchange_methods[] = {
	{"timeout", exchange_timeout, METH_O, "timeout(seconds): the limit of this request, counted from its start; 0: none."},
	{"write", answer_write, METH_O, "write(data): sends bytes of the body at once (PEP 3333)."},
	{0},
};

/* raise_again raises the exc_info that came too late. */
static PyObject *raise_again(PyObject *info) {
	PyObject *value = PyTuple_GetItem(info, 1), *trace = PyTuple_GetItem(info, 2);
	if (!has_flag(value, Py_TPFLAGS_EXCEPTION)) {
		PyErr_SetString(PyExc_AssertionError, "the answer has begun, and exc_info holds no exception");
		return NULL;
	}
	if (trace == Py_None)
		trace = NULL;
	else
		Py_IncRef(trace);
	Py_IncRef(value->type); /* whatever the first of the three says */
	Py_IncRef(value);
	PyErr_Restore(value->type, value, trace);
	return NULL;
}

/* answer_start is start_response(status, headers, exc_info=None). */
PyObject *answer_start(PyObject *self, PyObject *args, PyObject *kw) {
	static char *names[] = {"status", "response_headers", "exc_info", NULL};
	struct exchange *x = (struct exchange *)self;
	PyObject *status, *headers, *info = NULL;
	if (!kw && PyTuple_Size(args) == 2) {
		status = PyTuple_GetItem(args, 0);
		headers = PyTuple_GetItem(args, 1);
	} else if (!PyArg_ParseTupleAndKeywords(args, kw, "OO|O:start_response", names, &status, &headers, &info)) {
		return NULL;
	}
	if (info && info != Py_None && (!has_flag(info, Py_TPFLAGS_TUPLE) || PyTuple_Size(info) != 3)) {
		PyErr_SetString(PyExc_TypeError, "exc_info must be what sys.exc_info() returns");
		return NULL;
	}
	bool again = info && info != Py_None;
	if (again && x->head_sent)
		return raise_again(info);
	if (!again && x->status) {
		PyErr_SetString(PyExc_AssertionError, "start_response was called a second time without exc_info");
		return NULL;
	}
	if (!x->request.id) {
		PyErr_SetString(PyExc_RuntimeError, "start_response was called after the end of its request");
		return NULL;
	}
	if (parse_head(x, status, headers) < 0) {
		x->status = 0;
		return NULL;
	}
	x->no_body = x->request.head || x->status == 204 || x->status == 304;
	return PyCFunction_NewEx(&exchange_methods[1], self, NULL);
}

/* wait_for_client blocks until little is left to be sent. */
static int wait_for_client(struct exchange *x) {
	int64_t left = 0;
	if (settings.on_wait) {
		while ((left = appd_wait_later(x->request.id, LITTLE)) == -2) {
			PyObject *o = PyObject_CallFunction(settings.on_wait, "K", (unsigned long long)(x->request.id | APPD_WRITING));
			if (!o)
				return -1;
			Py_DecRef(o);
		}
	} else {
		uint64_t id = x->request.id;
		PyThreadState *ts = PyEval_SaveThread();
		left = appd_wait(id, LITTLE);
		PyEval_RestoreThread(ts);
	}
	if (left < 0)
		x->gone = true;
	return 0;
}

static void fill_head(struct exchange *x, struct appd_head *h) {
	h->status = x->status;
	h->reason = x->reason;
	h->reason_length = x->reason_length;
	h->fields = x->head;
	h->fields_length = x->head_used;
	h->count = x->head_count;
	h->no_body = x->no_body;
	h->length = x->length;
	h->no_length = x->status == 204 || (x->no_body && x->length < 0);
}

/* cut_to_length keeps a body within its declared length, and says when it is full. */
static size_t cut_to_length(struct exchange *x, size_t n, bool *last) {
	if (x->no_body) {
		*last = true;
		return 0;
	}
	if (x->length < 0)
		return n;
	int64_t left = x->length - x->sent;
	if ((int64_t)n > left) {
		if (!x->cut)
			answer_note("warning", "the application gave more bytes than its Content-Length: the rest was cut off");
		x->cut = true;
		n = left;
	}
	if ((int64_t)n == left)
		*last = true;
	return n;
}

/* finish_early ends an answer that fell short of its declared length. */
static int finish_early(struct exchange *x) {
	answer_note("error", "the application gave fewer bytes than its Content-Length: the connection is broken off");
	appd_break(x->request.id);
	x->ended = true;
	return 0;
}

/* let_others releases the GIL for a moment. */
static void let_others(void) {
	PyThreadState *ts = PyEval_SaveThread();
	nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
	PyEval_RestoreThread(ts);
}

/* take_turn waits until no other thread gives a part of this answer: the application may
 * have handed write() to several. */
static void take_turn(struct exchange *x) {
	while (x->answering)
		let_others();
}

/* answer_settle waits until no thread needs the exchange any more, which is about to end. */
void answer_settle(struct exchange *x) {
	while (x->answering || x->reading)
		let_others();
}

/* answer_send gives the next piece of the body, with the head before the first.
 * A piece that fills the declared length ends the answer. It returns -1 with an
 * exception only for mistakes of the application; a client that went away sets gone. */
int answer_send(struct exchange *x, const char *p, size_t n, bool last) {
	struct appd_head head;
	take_turn(x);
	if (!x->status) {
		PyErr_SetString(PyExc_AssertionError, "the application gave a body before it called start_response");
		return -1;
	}
	n = cut_to_length(x, n, &last);
	if (x->ended || x->gone)
		return 0;
	if (last && !x->no_body && x->length >= 0 && x->sent + (int64_t)n < x->length) {
		if (x->head_sent || n > 0)
			return finish_early(x);
		answer_note("error", "the application gave no body although it set a Content-Length");
		return answer_plain(x, 500, "Internal Server Error", "500 Internal Server Error\n");
	}
	if (!x->head_sent)
		fill_head(x, &head);
	int flags = last ? APPD_LAST | (x->done_with_answer ? APPD_DONE : 0) : 0;
	uint64_t id = x->request.id;
	struct appd_head *h = x->head_sent ? NULL : &head;
	int64_t waiting;
	x->head_sent = true; /* before other threads run: nobody may change it from now on */
	if (settings.one_thread) {
		waiting = appd_answer(id, h, (char *)p, n, flags);
	} else {
		x->answering = true;
		PyThreadState *ts = PyEval_SaveThread();
		waiting = appd_answer(id, h, (char *)p, n, flags);
		PyEval_RestoreThread(ts);
		x->answering = false;
	}
	x->sent += n;
	if (last)
		x->ended = true;
	if (flags & APPD_DONE)
		x->request.id = 0;
	if (waiting < 0)
		x->gone = true;
	else if (waiting > MUCH && !last)
		return wait_for_client(x);
	return 0;
}

/* answer_file gives n bytes of a file by sendfile and ends the answer. */
int answer_file(struct exchange *x, int fd, int64_t off, int64_t n) {
	struct appd_head head;
	take_turn(x);
	if (x->length < 0)
		x->length = x->sent + n;
	bool last = false;
	n = cut_to_length(x, n, &last);
	if (!last || n == 0)
		return answer_send(x, "", 0, true);
	fill_head(x, &head);
	struct appd_head *h = x->head_sent ? NULL : &head;
	uint64_t id = x->request.id;
	x->head_sent = x->answering = true;
	PyThreadState *ts = PyEval_SaveThread();
	int64_t sent = appd_sendfile(id, h, fd, off, n);
	PyEval_RestoreThread(ts);
	x->answering = false;
	x->sent += sent < 0 ? 0 : sent;
	if (sent < n) { /* the client went away, or the file became shorter */
		appd_break(x->request.id);
		x->gone = true;
	}
	x->ended = true;
	return 0;
}

/* answer_plain answers a short text of the server's own. */
int answer_plain(struct exchange *x, int status, const char *reason, const char *text) {
	static const struct text name = {"Content-Type", 12, NULL}, value = {"text/plain; charset=utf-8", 25, NULL};
	x->head_used = x->head_count = 0;
	x->status = status;
	x->reason_length = strlen(reason);
	memcpy(x->reason, reason, x->reason_length);
	x->length = strlen(text);
	x->no_body = x->request.head;
	if (append_field(x, &name, &value) < 0)
		PyErr_Clear();
	return answer_send(x, text, x->length, true);
}

/* answer_write is the callable that start_response returns. */
static PyObject *answer_write(PyObject *self, PyObject *data) {
	struct exchange *x = (struct exchange *)self;
	if (!has_flag(data, Py_TPFLAGS_BYTES)) {
		PyErr_Format(PyExc_TypeError, "write() takes bytes, not %R", data->type);
		return NULL;
	}
	if (!x->request.id) {
		PyErr_SetString(PyExc_RuntimeError, "write() was called after the end of its request");
		return NULL;
	}
	if (forked_raises())
		return NULL;
	if (PyBytes_Size(data) > 0 && answer_send(x, PyBytes_AsString(data), PyBytes_Size(data), false) < 0)
		return NULL;
	if (x->gone) {
		PyErr_SetString(PyExc_OSError, "the client went away");
		return NULL;
	}
	return none();
}

static PyObject *exchange_timeout(PyObject *self, PyObject *seconds) {
	struct exchange *x = (struct exchange *)self;
	double n = PyFloat_AsDouble(seconds);
	if ((n == -1 && PyErr_Occurred()) || forked_raises())
		return NULL;
	if (!(n >= 0 && n < 1e9)) {
		PyErr_SetString(PyExc_ValueError, "a timeout is a number of seconds, 0 for none");
		return NULL;
	}
	if (x->request.id)
		appd_timeout(x->request.id, (int64_t)(n * 1000));
	return none();
}
