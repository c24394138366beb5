/* environ.c builds the environ of a request.
 *
 * Requests of one front look alike: the same names in the same order, and most
 * values are equal too. So a few environs are kept as templates, each with the
 * packed variables it was made from. A request whose names fit a template gets a
 * copy of its dict and sets only what differs; any other is built name by name,
 * with interned keys, and becomes a template itself.
 *
 * Copying a dict may collect garbage, which runs code of the application's, and then
 * other threads: whatever was read of a template before is looked at again after it.
 */
#include "python.h"
#include "shim.h"

#include <stdlib.h>
#include <string.h>

enum { TEMPLATES = 4, MAX_VARS = 256, KEYS = 1024, MAX_KEY = 64, MAX_DIFFERENT = 8 };

struct template {
	char *vars;
	uint32_t capacity, used, count;
	uint32_t stamp; /* another one after each change */
	PyObject *dict;
	PyObject *keys[MAX_VARS];
};
static struct template templates[TEMPLATES];
static int newest;

struct key {
	uint32_t hash, length;
	PyObject *object;
	char name[MAX_KEY];
};
static struct key keys[KEYS]; /* by hash; a clash is not kept */
static PyObject *input_key, *timeout_key, *uri_key, *raw_uri_key;

int environ_setup(void) {
	input_key = PyUnicode_InternFromString("wsgi.input");
	timeout_key = PyUnicode_InternFromString("appd.timeout");
	uri_key = PyUnicode_InternFromString("REQUEST_URI");
	raw_uri_key = PyUnicode_InternFromString("RAW_URI");
	return input_key && timeout_key && uri_key && raw_uri_key ? 0 : -1;
}

/* key_for returns a new reference to the interned str of a name. */
static PyObject *key_for(const char *name, uint32_t n) {
	uint32_t h = 2166136261u;
	for (uint32_t i = 0; i < n; i++)
		h = (h ^ (unsigned char)name[i]) * 16777619u;
	struct key *k = &keys[h % KEYS];
	if (k->object && k->hash == h && k->length == n && memcmp(k->name, name, n) == 0) {
		Py_IncRef(k->object);
		return k->object;
	}
	PyObject *o = PyUnicode_DecodeLatin1(name, n, NULL);
	if (!o || n > MAX_KEY)
		return o;
	if (!k->object) { /* names come from clients too: the table never grows nor churns, and */
		PyUnicode_InternInPlace(&o); /* what is interned stays for ever in some versions */
		Py_IncRef(o);
		k->object = o;
		k->hash = h;
		k->length = n;
		memcpy(k->name, name, n);
	}
	return o;
}

struct cursor {
	const char *name, *value, *at;
	uint32_t name_length, value_length;
};

static inline void step(struct cursor *c) {
	memcpy(&c->name_length, c->at, 4);
	memcpy(&c->value_length, c->at + 4, 4);
	c->name = c->at + 8;
	c->value = c->name + c->name_length;
	c->at = c->value + c->value_length;
}

static int set(PyObject *d, PyObject *key, const char *value, uint32_t n) {
	PyObject *v = PyUnicode_DecodeLatin1(value, n, NULL);
	if (!v)
		return -1;
	int bad = PyDict_SetItem(d, key, v);
	Py_DecRef(v);
	return bad;
}

/* from_template returns a new environ, or NULL without an error if the names of
 * the request are not those of the template. */
static PyObject *from_template(const struct template *t, const struct appd_request *r, int *different) {
	if (t->count != r->count || !t->dict)
		return NULL;
	uint16_t todo[MAX_VARS];
	const char *values[MAX_VARS];
	uint32_t lengths[MAX_VARS];
	int n = 0;
	struct cursor a = {.at = t->vars}, b = {.at = r->vars};
	for (uint32_t i = 0; i < r->count; i++) {
		step(&a);
		step(&b);
		if (a.name_length != b.name_length || memcmp(a.name, b.name, a.name_length) != 0)
			return NULL;
		if (a.value_length == b.value_length && memcmp(a.value, b.value, a.value_length) == 0)
			continue;
		todo[n] = (uint16_t)i;
		values[n] = b.value;
		lengths[n++] = b.value_length;
	}
	PyObject *dict = t->dict;
	uint32_t stamp = t->stamp;
	Py_IncRef(dict);
	PyObject *d = PyDict_Copy(dict);
	Py_DecRef(dict);
	if (d && t->stamp != stamp) {
		Py_DecRef(d);
		return NULL;
	}
	for (int i = 0; d && i < n; i++)
		if (set(d, t->keys[todo[i]], values[i], lengths[i]) < 0) {
			Py_DecRef(d);
			d = NULL;
		}
	*different = n;
	return d;
}

/* forget makes room in a template. */
static void forget(struct template *t) {
	PyObject *dict = t->dict;
	uint32_t n = t->count;
	t->stamp++;
	t->dict = NULL;
	t->count = 0;
	for (uint32_t i = 0; dict && i < n; i++)
		Py_DecRef(t->keys[i]);
	if (dict)
		Py_DecRef(dict);
}

/* fill makes t what r and its environ are; nothing in here collects garbage. */
static bool fill(struct template *t, const struct appd_request *r, PyObject *dict) {
	if (t->capacity < r->used) {
		char *p = realloc(t->vars, r->used);
		if (!p)
			return false;
		t->vars = p;
		t->capacity = r->used;
	}
	t->used = r->used;
	memcpy(t->vars, r->vars, r->used);
	struct cursor c = {.at = t->vars};
	for (uint32_t i = 0; i < r->count; i++) {
		step(&c);
		if (!(t->keys[i] = key_for(c.name, c.name_length))) {
			PyErr_Clear();
			while (i-- > 0)
				Py_DecRef(t->keys[i]);
			return false;
		}
	}
	t->count = r->count;
	t->dict = dict;
	return true;
}

/* remember makes a template of what was just built. A failure only costs speed. */
static void remember(const struct appd_request *r, PyObject *environ) {
	if (r->count > MAX_VARS || r->used > (64 << 10))
		return;
	PyObject *dict = PyDict_Copy(environ);
	if (!dict) {
		PyErr_Clear();
		return;
	}
	struct template *t = &templates[newest = (newest + 1) % TEMPLATES];
	forget(t);
	if (!fill(t, r, dict))
		Py_DecRef(dict);
}

/* name_uri gives the target of the request the name that gunicorn has for it, too. */
static int name_uri(PyObject *d) {
	PyObject *uri = PyDict_GetItemWithError(d, uri_key); /* borrowed */
	if (!uri)
		return PyErr_Occurred() ? -1 : 0;
	return PyDict_SetItem(d, raw_uri_key, uri);
}

static PyObject *from_scratch(const struct appd_request *r) {
	PyObject *d = PyDict_Copy(settings.base);
	struct cursor c = {.at = r->vars};
	for (uint32_t i = 0; d && i < r->count; i++) {
		step(&c);
		PyObject *key = key_for(c.name, c.name_length);
		if (!key || set(d, key, c.value, c.value_length) < 0) {
			Py_DecRef(d);
			d = NULL;
		}
		if (key)
			Py_DecRef(key);
	}
	if (d && name_uri(d) < 0) {
		Py_DecRef(d);
		d = NULL;
	}
	if (d)
		remember(r, d);
	return d;
}

/* environ_build returns the environ of a request, a plain dict of its own. */
PyObject *environ_build(struct exchange *x, PyObject *input) {
	PyObject *d = NULL;
	int different = 0;
	for (int i = 0; i < TEMPLATES && !d; i++) {
		d = from_template(&templates[(newest + TEMPLATES - i) % TEMPLATES], &x->request, &different);
		if (!d && PyErr_Occurred())
			return NULL;
	}
	if (d && different > 0 && name_uri(d) < 0) {
		Py_DecRef(d);
		return NULL;
	}
	static uint32_t far;
	if (d && different > MAX_DIFFERENT && ++far % 256 == 0)
		remember(&x->request, d); /* the template was made from an unusual request */
	if (!d && !(d = from_scratch(&x->request)))
		return NULL;
	PyObject *timeout = PyCFunction_NewEx(&exchange_methods[0], &x->base, NULL);
	if (!timeout || PyDict_SetItem(d, timeout_key, timeout) < 0 || PyDict_SetItem(d, input_key, input) < 0) {
		Py_DecRef(d);
		d = NULL;
	}
	if (timeout)
		Py_DecRef(timeout);
	return d;
}
