/* input.c is wsgi.input: the body of one request, from memory, from a spooled
 * file or as a stream from the front, with an end of file at its end.
 *
 * read() copies from the source right into the bytes it returns; only readline()
 * and iteration keep a piece of 8 KiB in between. A body that was cut short
 * raises instead of looking complete.
 */
#include "python.h"
#include "shim.h"
#include "_cgo_export.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PIECE = 8 << 10, STREAM_PIECE = 64 << 10 };

struct input {
	PyObject base;
	struct exchange *x; /* NULL after the request's end */
	int64_t offset;     /* of the source */
	char *ahead;        /* PIECE bytes read for readline */
	uint32_t from, to;  /* what of it is not returned yet */
	bool end;
	bool busy; /* somebody waits for bytes */
};

PyObject *input_type;

PyObject *input_new(struct exchange *x) {
	struct input *in = (struct input *)PyType_GenericAlloc(input_type, 0);
	if (in)
		in->x = x;
	return &in->base;
}

/* input_end cuts the input off its request, whose body is gone from now on. */
void input_end(PyObject *self) { ((struct input *)self)->x = NULL; }

static void dealloc(PyObject *self) {
	free(((struct input *)self)->ahead);
	PyObject *type = self->type;
	PyObject_Free(self);
	Py_DecRef(type);
}

/* from_memory copies what is there. */
static int64_t from_memory(struct input *in, char *p, size_t n) {
	int64_t left = in->x->request.size - in->offset, got = left < (int64_t)n ? left : (int64_t)n;
	if (got > 0)
		memcpy(p, in->x->request.body + in->offset, got);
	return got;
}

/* from_file reads a spooled body, whose file is there until the end of the request. */
static int64_t from_file(struct input *in, char *p, size_t n) {
	struct exchange *x = in->x;
	int fd = x->request.file;
	x->reading = true;
	PyThreadState *ts = PyEval_SaveThread();
	int64_t got = pread(fd, p, n, in->offset);
	PyEval_RestoreThread(ts);
	x->reading = false;
	return got;
}

/* from_front waits for the front; the request may end meanwhile. -2 stands for an
 * exception that is set. */
static int64_t from_front(struct input *in, char *p, size_t n) {
	uint64_t id = in->x->request.id;
	int64_t got;
	if (!settings.on_wait) {
		PyThreadState *ts = PyEval_SaveThread();
		got = appd_read(id, p, n);
		PyEval_RestoreThread(ts);
		return got;
	}
	while ((got = appd_read_later(id, p, n)) == -2) {
		PyObject *o = PyObject_CallFunction(settings.on_wait, "K", (unsigned long long)id);
		if (!o)
			return -2;
		Py_DecRef(o);
	}
	return got;
}

/* source reads up to n bytes: how many, 0 at the end, -1 with an exception. */
static Py_ssize_t source(struct input *in, char *p, size_t n) {
	if (in->end || n == 0)
		return 0;
	struct exchange *x = in->x;
	if (!x) {
		PyErr_SetString(PyExc_ValueError, "wsgi.input was read after the end of its request");
		return -1;
	}
	if (in->busy) {
		PyErr_SetString(PyExc_RuntimeError, "wsgi.input is being read by somebody else");
		return -1;
	}
	if (forked_raises())
		return -1;
	in->busy = true;
	int64_t got;
	if (x->request.streamed)
		got = from_front(in, p, n);
	else
		got = x->request.file < 0 ? from_memory(in, p, n) : from_file(in, p, n);
	in->busy = false;
	if (got == -2)
		return -1;
	if (got < 0) {
		PyErr_SetString(PyExc_OSError, "the request's body was cut short: the client went away or was silent for too long");
		return -1;
	}
	if (got == 0)
		in->end = true;
	in->offset += got;
	return got;
}

/* take copies what readline left over, then reads the source until n are there. */
static Py_ssize_t take(struct input *in, char *p, size_t n) {
	size_t have = in->to - in->from;
	if (have > n)
		have = n;
	if (have)
		memcpy(p, in->ahead + in->from, have);
	in->from += have;
	while (have < n) {
		Py_ssize_t got = source(in, p + have, n - have);
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		have += got;
	}
	return have;
}

/* known is how many bytes are left, -1 if only the end will tell, or the source why
 * there are none. */
static int64_t known(const struct input *in) {
	if (in->end)
		return in->to - in->from;
	if (!in->x || in->x->request.size < 0)
		return -1;
	return in->x->request.size - in->offset + (in->to - in->from);
}

/* exactly returns bytes of n, or fewer if the body ends before. */
static PyObject *exactly(struct input *in, int64_t n) {
	PyObject *o = PyBytes_FromStringAndSize(NULL, n);
	if (!o)
		return NULL;
	Py_ssize_t got = take(in, PyBytes_AsString(o), n);
	if (got == n)
		return o;
	PyObject *shorter = got < 0 ? NULL : PyBytes_FromStringAndSize(PyBytes_AsString(o), got);
	Py_DecRef(o);
	return shorter;
}

/* rest reads a stream of unknown length to its end, or to limit bytes. */
static PyObject *rest(struct input *in, int64_t limit) {
	char *p = NULL;
	size_t used = 0, capacity = 0;
	for (;;) {
		if (limit >= 0 && (int64_t)used == limit)
			break;
		if (capacity - used < STREAM_PIECE) {
			capacity = capacity ? 2 * capacity : 2 * STREAM_PIECE;
			char *q = realloc(p, capacity);
			if (!q) {
				free(p);
				return PyErr_NoMemory();
			}
			p = q;
		}
		size_t want = capacity - used;
		if (limit >= 0 && want > (size_t)limit - used)
			want = (size_t)limit - used;
		Py_ssize_t got = take(in, p + used, want);
		if (got < 0) {
			free(p);
			return NULL;
		}
		used += got;
		if ((size_t)got < want)
			break;
	}
	PyObject *o = PyBytes_FromStringAndSize(p, used);
	free(p);
	return o;
}

/* limit reads the optional size argument: -1 for none, None or negative. */
static int limit_of(PyObject *args, const char *format, int64_t *limit) {
	PyObject *o = NULL;
	*limit = -1;
	if (!PyArg_ParseTuple(args, format, &o))
		return -1;
	if (!o || o == Py_None)
		return 0;
	long long n = PyLong_AsLongLong(o);
	if (n == -1 && PyErr_Occurred())
		return -1;
	*limit = n < 0 ? -1 : n;
	return 0;
}

static PyObject *input_read(PyObject *self, PyObject *args) {
	struct input *in = (struct input *)self;
	int64_t n, left = known(in);
	if (limit_of(args, "|O:read", &n) < 0)
		return NULL;
	if (left < 0)
		return rest(in, n);
	return exactly(in, n < 0 || n > left ? left : n);
}

/* line returns the next line, of at most limit bytes if that is not negative. */
static PyObject *line(struct input *in, int64_t limit) {
	char *p = NULL;
	size_t used = 0;
	for (bool done = limit == 0; !done;) {
		if (in->from == in->to) {
			if (!in->ahead && !(in->ahead = malloc(PIECE))) {
				free(p);
				return PyErr_NoMemory();
			}
			Py_ssize_t got = source(in, in->ahead, PIECE);
			if (got < 0) {
				free(p);
				return NULL;
			}
			in->from = 0;
			in->to = got;
			if (got == 0)
				break;
		}
		size_t n = in->to - in->from;
		char *nl = memchr(in->ahead + in->from, '\n', n);
		if (nl) {
			n = nl + 1 - (in->ahead + in->from);
			done = true;
		}
		if (limit >= 0 && n >= (size_t)limit - used) {
			n = (size_t)limit - used;
			done = true;
		}
		char *q = realloc(p, used + n);
		if (!q) {
			free(p);
			return PyErr_NoMemory();
		}
		p = q;
		memcpy(p + used, in->ahead + in->from, n);
		in->from += n;
		used += n;
	}
	PyObject *o = PyBytes_FromStringAndSize(p ? p : "", used);
	free(p);
	return o;
}

static PyObject *input_readline(PyObject *self, PyObject *args) {
	int64_t n;
	if (limit_of(args, "|O:readline", &n) < 0)
		return NULL;
	return line((struct input *)self, n);
}

static PyObject *input_readlines(PyObject *self, PyObject *args) {
	int64_t hint, total = 0;
	if (limit_of(args, "|O:readlines", &hint) < 0)
		return NULL;
	PyObject *list = PyList_New(0);
	while (list) {
		PyObject *o = line((struct input *)self, -1);
		Py_ssize_t n = o ? PyBytes_Size(o) : 0;
		if (o && n == 0) {
			Py_DecRef(o);
			break;
		}
		if (!o || PyList_Append(list, o) < 0) {
			Py_DecRef(list);
			list = NULL;
		}
		if (o)
			Py_DecRef(o);
		total += n;
		if (hint > 0 && total >= hint)
			break;
	}
	return list;
}

static PyObject *iter(PyObject *self) {
	Py_IncRef(self);
	return self;
}

static PyObject *iternext(PyObject *self) {
	PyObject *o = line((struct input *)self, -1);
	if (o && PyBytes_Size(o) == 0) {
		Py_DecRef(o);
		return NULL;
	}
	return o;
}

/* An application may wrap the input in something that closes it. */
static PyObject *input_close(PyObject *self, PyObject *unused) { return none(); }
static PyObject *input_readable(PyObject *self, PyObject *unused) { return PyBool_FromLong(1); }

static PyMethodDef methods[] = {
	{"read", input_read, METH_VARARGS, "read(size=-1): bytes of the body, b'' at its end."},
	{"readline", input_readline, METH_VARARGS, "readline(size=-1): the next line with its newline."},
	{"readlines", input_readlines, METH_VARARGS, "readlines(hint=-1): a list of lines."},
	{"readable", input_readable, METH_NOARGS, "True."},
	{"close", input_close, METH_NOARGS, "Does nothing: the body belongs to the server."},
	{0},
};

static PyType_Slot slots[] = {
	{Py_tp_dealloc, dealloc},
	{Py_tp_doc, (void *)"The body of a request (wsgi.input)."},
	{Py_tp_iter, iter},
	{Py_tp_iternext, iternext},
	{Py_tp_methods, methods},
	{0},
};

static PyType_Spec spec = {
	.name = "appd_engine.Input",
	.basicsize = sizeof(struct input),
	.flags = Py_TPFLAGS_DEFAULT,
	.slots = slots,
};

int input_setup(void) { return (input_type = PyType_FromSpec(&spec)) ? 0 : -1; }
