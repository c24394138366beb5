/* serve.c calls the application for one request and sends what it returns. */
#include "python.h"
#include "shim.h"
#include "_cgo_export.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct settings settings;
PyObject *exchange_type;

static void dealloc(PyObject *self) {
	struct exchange *x = (struct exchange *)self;
	free(x->request.vars);
	appd_body_free(x->request.body, x->request.body_room);
	free(x->head);
	PyObject *type = self->type;
	PyObject_Free(self);
	Py_DecRef(type);
}

static PyType_Slot slots[] = {
	{Py_tp_dealloc, dealloc},
	{Py_tp_doc, (void *)"start_response of one request (PEP 3333)."},
	{Py_tp_call, answer_start},
	{0},
};

static PyType_Spec spec = {
	.name = "appd_engine.Exchange",
	.basicsize = sizeof(struct exchange),
	.flags = Py_TPFLAGS_DEFAULT,
	.slots = slots,
};

int serve_setup(void) {
	return (exchange_type = PyType_FromSpec(&spec)) ? 0 : -1;
}

/* exchange_take returns an exchange for the next request. */
struct exchange *exchange_take(void) {
	struct exchange *x = (struct exchange *)PyType_GenericAlloc(exchange_type, 0);
	if (x) {
		x->request.file = -1;
		x->length = -1;
	}
	return x;
}

static void clear(struct exchange *x) {
	x->environ = NULL;
	x->request.id = 0;
	x->head_used = x->head_count = x->reason_length = 0;
	x->status = 0;
	x->length = -1;
	x->sent = 0;
	x->no_body = x->head_sent = x->ended = x->gone = x->cut = x->done_with_answer = false;
}

/* exchange_reset makes an exchange ready for the next request. One that the
 * application still holds a reference to is left to it, dead, and replaced. */
struct exchange *exchange_reset(struct exchange *x) {
	clear(x);
	if (x->base.refcnt == 1)
		return x;
	Py_DecRef(&x->base);
	return exchange_take();
}

/* forked_raises raises, and is not 0, in a child that the application forked. */
int forked_raises(void) {
	if (settings.forked)
		PyErr_SetString(PyExc_RuntimeError, "this process was forked by the application: only its parent serves");
	return settings.forked;
}

/* came_back ends a child that the application forked and that returned, or raised,
 * to where only the parent may go on. It is called after whatever runs code of the
 * application's. */
void came_back(void) {
	PyObject *kind, *value, *trace;
	if (!settings.forked)
		return;
	PyErr_Fetch(&kind, &value, &trace);
	PyErr_NormalizeException(&kind, &value, &trace);
	PyObject_CallFunctionObjArgs(settings.on_child, kind ? kind : Py_None, value ? value : Py_None, trace ? trace : Py_None, NULL);
	_exit(1); /* not reached: on_child ends the process */
}

/* fail logs the exception that is set and answers 500, or breaks off what was begun. */
static void fail(struct exchange *x) {
	PyObject *kind, *value, *trace;
	PyErr_Fetch(&kind, &value, &trace);
	PyErr_NormalizeException(&kind, &value, &trace);
	PyObject *o = PyObject_CallFunctionObjArgs(settings.on_error, x->environ ? x->environ : Py_None, kind, value,
		trace ? trace : Py_None, x->gone ? Py_None : kind, NULL);
	came_back();
	if (o)
		Py_DecRef(o);
	else
		PyErr_WriteUnraisable(settings.on_error);
	Py_DecRef(kind);
	if (value)
		Py_DecRef(value);
	if (trace)
		Py_DecRef(trace);
	if (!x->gone && !x->ended)
		appd_failed(x->request.id);
	if (!x->head_sent && !x->ended && answer_plain(x, 500, "Internal Server Error", "500 Internal Server Error\n") < 0)
		PyErr_Clear();
	if (!x->ended) {
		appd_break(x->request.id);
		x->ended = true;
	}
}

static bool is_bytes(PyObject *o) {
	if (is_exactly(o, PyBytes_Type) || has_flag(o, Py_TPFLAGS_BYTES))
		return true;
	PyErr_Format(PyExc_TypeError, "the application must give bytes, not %R", o->type);
	return false;
}

/* send_all sends the n items of a list or tuple, all of which are there already,
 * as one piece. */
static int send_all(struct exchange *x, PyObject *(*item)(PyObject *, Py_ssize_t), PyObject *list, Py_ssize_t n) {
	size_t total = 0;
	for (Py_ssize_t i = 0; i < n; i++) {
		if (!is_bytes(item(list, i)))
			return -1;
		total += PyBytes_Size(item(list, i));
	}
	if (x->length < 0 && !x->head_sent && (total > 0 || !x->no_body))
		x->length = total;
	if (n == 0)
		return answer_send(x, "", 0, true);
	if (n == 1) {
		PyObject *only = item(list, 0); /* which another thread may take out of the list meanwhile */
		Py_IncRef(only);
		int bad = answer_send(x, PyBytes_AsString(only), total, true);
		Py_DecRef(only);
		return bad;
	}
	char *p = malloc(total ? total : 1);
	if (!p) {
		PyErr_NoMemory();
		return -1;
	}
	size_t at = 0;
	for (Py_ssize_t i = 0; i < n; i++) {
		size_t part = PyBytes_Size(item(list, i));
		memcpy(p + at, PyBytes_AsString(item(list, i)), part);
		at += part;
	}
	int bad = answer_send(x, p, total, true);
	free(p);
	return bad;
}

/* send_each sends each item as soon as the application gives it. */
static int send_each(struct exchange *x, PyObject *result) {
	PyObject *it = PyObject_GetIter(result), *item;
	came_back();
	if (!it)
		return -1;
	int bad = 0;
	while (!bad && !x->gone && !x->cut && (item = PyIter_Next(it))) {
		came_back();
		if (!is_bytes(item))
			bad = -1;
		else if (PyBytes_Size(item) > 0)
			bad = answer_send(x, PyBytes_AsString(item), PyBytes_Size(item), false);
		Py_DecRef(item);
		if (x->ended && x->no_body)
			break;
	}
	came_back();
	Py_DecRef(it);
	if (bad || PyErr_Occurred())
		return -1;
	return x->ended || x->gone ? 0 : answer_send(x, "", 0, true);
}

/* place_of asks a file_wrapper for the descriptor and the offset of its file. */
static bool place_of(PyObject *wrapper, int *fd, int64_t *off) {
	PyObject *f = PyObject_GetAttrString(wrapper, "place");
	PyObject *o = f ? PyObject_CallFunctionObjArgs(f, NULL) : NULL;
	bool there = o && has_flag(o, Py_TPFLAGS_TUPLE) && PyTuple_Size(o) == 2;
	if (there) {
		*fd = PyLong_AsLongLong(PyTuple_GetItem(o, 0));
		*off = PyLong_AsLongLong(PyTuple_GetItem(o, 1));
	}
	if (f)
		Py_DecRef(f);
	if (o)
		Py_DecRef(o);
	PyErr_Clear();
	return there && *fd >= 0 && *off >= 0;
}

/* send_file sends a wrapped regular file from its current offset; false means
 * that it is none, and has to be read like any other iterable. */
static bool send_file(struct exchange *x, PyObject *wrapper, int *bad) {
	struct stat st;
	int fd;
	int64_t off;
	if (!place_of(wrapper, &fd, &off) || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return false;
	int64_t n = st.st_size > off ? st.st_size - off : 0;
	if (x->length >= 0 && n > x->length - x->sent)
		n = x->length - x->sent;
	*bad = answer_file(x, fd, off, n);
	return true;
}

static int send_result(struct exchange *x, PyObject *result) {
	int bad = 0;
	x->done_with_answer = !settings.post_request && (is_exactly(result, PyList_Type) || is_exactly(result, PyTuple_Type));
	if (is_exactly(result, PyList_Type))
		return send_all(x, PyList_GetItem, result, PyList_Size(result));
	if (is_exactly(result, PyTuple_Type))
		return send_all(x, PyTuple_GetItem, result, PyTuple_Size(result));
	if (result->type == settings.file_wrapper && x->status && !settings.on_wait && send_file(x, result, &bad))
		return bad;
	return send_each(x, result);
}

/* end_result calls close() of what the application returned, once. */
static void end_result(struct exchange *x, PyObject *result) {
	if (!is_exactly(result, PyList_Type) && !is_exactly(result, PyTuple_Type)) {
		PyObject *close = PyObject_GetAttrString(result, "close"), *o = NULL;
		if (!close) {
			PyErr_Clear();
		} else {
			o = PyObject_CallFunctionObjArgs(close, NULL);
			came_back();
			if (!o)
				fail(x);
		}
		if (close)
			Py_DecRef(close);
		if (o)
			Py_DecRef(o);
	}
	Py_DecRef(result);
}

/* after calls the post_request hook, which sees every request that pre_request saw. */
static void after(struct exchange *x, PyObject *environ) {
	PyObject *list = PyList_New(0);
	const char *p = x->head;
	for (uint32_t i = 0; list && i < x->head_count; i++) {
		uint32_t n, v;
		memcpy(&n, p, 4);
		memcpy(&v, p + 4, 4);
		PyObject *name = PyUnicode_DecodeLatin1(p + 8, n, NULL), *value = PyUnicode_DecodeLatin1(p + 8 + n, v, NULL);
		PyObject *pair = name && value ? PyTuple_New(2) : NULL;
		if (pair && PyTuple_SetItem(pair, 0, name) == 0 && PyTuple_SetItem(pair, 1, value) == 0)
			PyList_Append(list, pair);
		if (pair)
			Py_DecRef(pair);
		p += 8 + n + v;
	}
	PyObject *o = NULL, *reason = PyUnicode_DecodeLatin1(x->reason, x->reason_length, NULL);
	if (list && reason)
		o = PyObject_CallFunction(settings.post_request, "OiOOL", environ, x->status, reason, list, (long long)x->sent);
	came_back();
	if (reason)
		Py_DecRef(reason);
	if (list)
		Py_DecRef(list);
	if (o)
		Py_DecRef(o);
	else
		PyErr_WriteUnraisable(settings.post_request);
}

static void before(PyObject *environ) {
	PyObject *o = PyObject_CallFunctionObjArgs(settings.pre_request, environ, NULL);
	came_back();
	if (o)
		Py_DecRef(o);
	else
		PyErr_WriteUnraisable(settings.pre_request);
}

/* serve runs one request from environ to close(). It returns without an exception. */
void serve(struct exchange *x) {
	PyObject *input = input_new(x), *result;
	PyObject *environ = input ? environ_build(x, input) : NULL;
	if (!environ) {
		fail(x);
		goto end;
	}
	x->environ = environ;
	if (settings.pre_request)
		before(environ);
	result = PyObject_CallFunctionObjArgs(settings.application, environ, &x->base, NULL);
	came_back();
	if (!result || send_result(x, result) < 0)
		fail(x);
	if (result)
		end_result(x, result);
	if (settings.post_request)
		after(x, environ);
	x->environ = NULL;
end:
	answer_settle(x);
	if (x->request.id)
		appd_done(x->request.id); /* breaks off what a client that went away did not take */
	x->request.id = 0;
	if (input) {
		input_end(input);
		Py_DecRef(input);
	}
	if (environ)
		Py_DecRef(environ);
	appd_body_free(x->request.body, x->request.body_room);
	x->request.body = NULL;
	x->request.body_room = 0;
}

/* threads_serve is serve(exchange) of an exchange that poll() returned. */
PyObject *threads_serve(PyObject *self, PyObject *o) {
	if (o->type != exchange_type || !((struct exchange *)o)->request.id) {
		PyErr_SetString(PyExc_TypeError, "serve() takes an exchange of poll()");
		return NULL;
	}
	serve((struct exchange *)o);
	return none();
}
