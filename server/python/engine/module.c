/* module.c is the extension module appd_engine, as the bootstrap uses it. */
#include "python.h"
#include "shim.h"
#include "_cgo_export.h"

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static PyObject *on_order; /* called with a kind, a descriptor and a number */

static void replace(PyObject **at, PyObject *o) {
	PyObject *old = *at;
	*at = o == Py_None ? NULL : o;
	if (*at)
		Py_IncRef(*at);
	if (old)
		Py_DecRef(old);
}

static PyObject *configure(PyObject *self, PyObject *args, PyObject *kw) {
	static char *names[] = {"application", "base", "file_wrapper", "on_error", "on_note", "on_wait", "on_child",
		"pre_request", "post_request", "on_order", NULL};
	PyObject *o[10];
	if (!PyArg_ParseTupleAndKeywords(args, kw, "OOOOOOOOOO:configure", names, &o[0], &o[1], &o[2], &o[3], &o[4], &o[5],
			&o[6], &o[7], &o[8], &o[9]))
		return NULL;
	PyObject **at[] = {&settings.application, &settings.base, &settings.file_wrapper, &settings.on_error,
		&settings.on_note, &settings.on_wait, &settings.on_child, &settings.pre_request, &settings.post_request, &on_order};
	for (int i = 0; i < 10; i++)
		replace(at[i], o[i]);
	return none();
}

/* raise_text raises a RuntimeError with a text that Go allocated. */
static PyObject *raise_text(char *text) {
	PyErr_SetString(PyExc_RuntimeError, text);
	free(text);
	return NULL;
}

/* start(handoff): reads what the supervisor handed over; returns the settings in
 * force as JSON. Nothing is accepted before ready(). */
static PyObject *start(PyObject *self, PyObject *args) {
	const char *text;
	char *settings_json = NULL;
	int threads = 1;
	if (!PyArg_ParseTuple(args, "s:start", &text))
		return NULL;
	char *bad = appd_start((char *)text, &settings_json, &threads);
	if (bad)
		return raise_text(bad);
	slack_restore(); /* Go has made its monitor by now */
	settings.one_thread = threads == 1;
	if (threads_setup(appd_epoll(), threads) < 0) {
		free(settings_json);
		PyErr_SetString(PyExc_OSError, "cannot start the engine's threads");
		return NULL;
	}
	descriptors_after();
	PyObject *o = PyUnicode_FromStringAndSize(settings_json, strlen(settings_json));
	free(settings_json);
	return o;
}

static PyObject *ready(PyObject *self, PyObject *args) {
	const char *files;
	if (!PyArg_ParseTuple(args, "s:ready", &files))
		return NULL;
	signals_on_stack();
	char *bad = appd_ready((char *)files);
	return bad ? raise_text(bad) : none();
}

/* watch(files): tells the supervisor of source files that were loaded later. */
static PyObject *watch(PyObject *self, PyObject *args) {
	const char *files;
	if (!PyArg_ParseTuple(args, "s:watch", &files) || forked_raises())
		return NULL;
	char *bad = appd_watch((char *)files);
	return bad ? raise_text(bad) : none();
}

/* drain(signal): leave as if the supervisor had said so, because of a signal that was
 * sent by hand; 0 if it is the application's wish. */
static PyObject *drain(PyObject *self, PyObject *args) {
	int signal;
	if (!PyArg_ParseTuple(args, "i:drain", &signal) || forked_raises())
		return NULL;
	appd_drain(signal);
	return none();
}

/* close(): ends the engine, before the interpreter does. */
static PyObject *close_engine(PyObject *self, PyObject *unused) {
	if (settings.forked)
		return none();
	PyThreadState *ts = PyEval_SaveThread();
	appd_close();
	PyEval_RestoreThread(ts);
	return none();
}

static PyObject *fileno_(PyObject *self, PyObject *unused) { return PyLong_FromLongLong(appd_epoll()); }

/* waited(): the ids whose wait for a client is over, for gevent. */
static PyObject *waited(PyObject *self, PyObject *unused) {
	PyObject *list = PyList_New(0);
	uint64_t id;
	while (list && !settings.forked && (id = appd_waited())) {
		PyObject *o = PyLong_FromLongLong(id);
		if (o && PyList_Append(list, o) == 0) {
			Py_DecRef(o);
			continue;
		}
		Py_DecRef(list);
		list = NULL;
	}
	return list;
}

static PyObject *leaving_(PyObject *self, PyObject *unused) {
	came_back();
	return PyBool_FromLong(threads_leaving());
}

/* dump_to(descriptor, signal): where stacks go, and the signal on which the
 * interpreter's faulthandler writes them there. */
static PyObject *dump_to(PyObject *self, PyObject *args) {
	int fd, signal;
	if (!PyArg_ParseTuple(args, "ii:dump_to", &fd, &signal))
		return NULL;
	appd_dump_to(fd, signal);
	return none();
}

static PyObject *set_title(PyObject *self, PyObject *args) {
	const char *text;
	if (!PyArg_ParseTuple(args, "s:set_title", &text))
		return NULL;
	appd_title((char *)text);
	return none();
}

/* after_fork(): runs in a child that the application forked. Go does not live
 * there: nothing calls it from now on, and its descriptors are closed, so that no
 * connection is held open. */
static PyObject *after_fork(PyObject *self, PyObject *unused) {
	settings.forked = true;
	threads_close();
	descriptors_close();
	return none();
}

struct order {
	char kind[16];
	int fd;
	int number;
};

/* obey runs an order of the supervisor that takes Python, in a thread of its own:
 * the application's threads may be busy for long, or for ever. */
static void *obey(void *arg) {
	struct order *order = arg;
	int state = PyGILState_Ensure();
	PyObject *o = on_order ? PyObject_CallFunction(on_order, "sii", order->kind, order->fd, order->number) : none();
	if (o)
		Py_DecRef(o);
	else
		PyErr_WriteUnraisable(on_order);
	PyGILState_Release(state);
	appd_obeyed(order->kind, order->fd);
	free(order);
	return NULL;
}

/* appd_order is called by Go; it does not wait. */
void appd_order(const char *kind, int fd, int number) {
	struct order *order = calloc(1, sizeof *order);
	pthread_t id;
	if (!order)
		return;
	strncpy(order->kind, kind, sizeof order->kind - 1);
	order->fd = fd;
	order->number = number;
	sigset_t all, old;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	if (pthread_create(&id, NULL, obey, order) == 0)
		pthread_detach(id);
	else
		free(order);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static PyMethodDef methods[] = {
	{"configure", (PyCFunction)(void *)configure, METH_VARARGS | METH_KEYWORDS, "What to call, and with which environ."},
	{"start", start, METH_VARARGS, "start(handoff): takes over what the supervisor handed down; returns settings as JSON."},
	{"ready", ready, METH_VARARGS, "ready(files): begins to accept and says so; files is a JSON list."},
	{"watch", watch, METH_VARARGS, "watch(files): source files that were loaded after ready()."},
	{"run", threads_run, METH_NOARGS, "run(): serves on this thread until the worker leaves."},
	{"poll", threads_poll, METH_NOARGS, "poll(): an exchange that may start, or None."},
	{"serve", threads_serve, METH_O, "serve(exchange): one request."},
	{"waited", waited, METH_NOARGS, "waited(): ids whose wait is over."},
	{"leaving", leaving_, METH_NOARGS, "leaving(): whether the worker has nothing left to do."},
	{"fileno", fileno_, METH_NOARGS, "fileno(): what a loop of Python's watches."},
	{"drain", drain, METH_VARARGS, "drain(signal): leave gracefully."},
	{"close", close_engine, METH_NOARGS, "close(): ends the engine."},
	{"dump_to", dump_to, METH_VARARGS, "dump_to(descriptor, signal)."},
	{"set_title", set_title, METH_VARARGS, "set_title(text): the name in ps."},
	{"after_fork", after_fork, METH_NOARGS, "after_fork(): for os.register_at_fork."},
	{0},
};

static PyModuleDef definition = {
	.base = {.base = {.refcnt = 1}},
	.name = "appd_engine",
	.doc = "appd's event loop and protocols inside this interpreter.",
	.size = -1,
	.methods = methods,
};

__attribute__((visibility("default"))) PyObject *PyInit_appd_engine(void) {
	signals_after();
	*(void **)&utf8_and_size = dlsym(RTLD_DEFAULT, "PyUnicode_AsUTF8AndSize");
	if (environ_setup() < 0 || input_setup() < 0 || serve_setup() < 0)
		return NULL;
	PyObject *m = PyModule_Create2(&definition, PYTHON_API_VERSION);
	if (m && PyModule_AddStringConstant(m, "version", appd_version()) < 0)
		return NULL;
	return m;
}
