/* python.h declares the part of CPython's stable ABI, as of 3.9, that the engine
 * uses. No header of CPython is needed, so one shared object fits every version.
 *
 * Every name is weak: the linker asks for nobody's libpython, the dynamic loader
 * finds the names in the interpreter that loads the engine, and the few that are
 * younger than 3.9 may be missing. Only the two leading words of an object are
 * looked into, which the stable ABI promises.
 */
#ifndef APPD_PYTHON_H
#define APPD_PYTHON_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef ssize_t Py_ssize_t;
typedef struct PyObject {
	Py_ssize_t refcnt;
	struct PyObject *type;
} PyObject;
typedef struct PyThreadState PyThreadState;
typedef PyObject *(*PyCFunction)(PyObject *self, PyObject *args);

typedef struct {
	const char *name;
	PyCFunction meth;
	int flags;
	const char *doc;
} PyMethodDef;

typedef struct {
	int slot;
	void *pfunc;
} PyType_Slot;

typedef struct {
	const char *name;
	int basicsize;
	int itemsize;
	unsigned int flags;
	PyType_Slot *slots;
} PyType_Spec;

typedef struct {
	PyObject base;
	PyObject *(*init)(void);
	Py_ssize_t index;
	PyObject *copy;
} PyModuleDef_Base;

typedef struct {
	PyModuleDef_Base base;
	const char *name;
	const char *doc;
	Py_ssize_t size;
	PyMethodDef *methods;
	void *slots, *traverse, *clear, *free;
} PyModuleDef;

/* Numbers of typeslots.h, methodobject.h, object.h and moduleobject.h. */
enum {
	Py_nb_bool = 9,
	Py_tp_call = 50,
	Py_tp_dealloc = 52,
	Py_tp_doc = 56,
	Py_tp_iter = 62,
	Py_tp_iternext = 63,
	Py_tp_methods = 64,
	METH_VARARGS = 1,
	METH_KEYWORDS = 2,
	METH_NOARGS = 4,
	METH_O = 8,
	PYTHON_API_VERSION = 1013,
};
#define Py_TPFLAGS_DEFAULT (1u << 18)
#define Py_TPFLAGS_LIST (1ul << 25)
#define Py_TPFLAGS_TUPLE (1ul << 26)
#define Py_TPFLAGS_BYTES (1ul << 27)
#define Py_TPFLAGS_STR (1ul << 28)
#define Py_TPFLAGS_DICT (1ul << 29)
#define Py_TPFLAGS_EXCEPTION (1ul << 30)

#define PYAPI extern __attribute__((weak))

PYAPI PyObject _Py_NoneStruct, _Py_TrueStruct, _Py_FalseStruct;
PYAPI PyObject PyList_Type, PyTuple_Type, PyBytes_Type, PyUnicode_Type, PyDict_Type;
PYAPI PyObject *PyExc_TypeError, *PyExc_ValueError, *PyExc_RuntimeError, *PyExc_OSError, *PyExc_MemoryError,
	*PyExc_ImportError, *PyExc_AssertionError, *PyExc_StopIteration;

PYAPI void Py_IncRef(PyObject *);
PYAPI void Py_DecRef(PyObject *);
PYAPI unsigned long PyType_GetFlags(PyObject *);
PYAPI PyObject *PyType_FromSpec(PyType_Spec *);
PYAPI PyObject *PyType_GenericAlloc(PyObject *, Py_ssize_t);
PYAPI void PyObject_Free(void *);
PYAPI PyObject *PyModule_Create2(PyModuleDef *, int);
PYAPI int PyModule_AddObject(PyObject *, const char *, PyObject *);
PYAPI int PyModule_AddIntConstant(PyObject *, const char *, long);
PYAPI int PyModule_AddStringConstant(PyObject *, const char *, const char *);
PYAPI PyObject *PyCFunction_NewEx(PyMethodDef *, PyObject *, PyObject *);

PYAPI PyObject *PyDict_New(void);
PYAPI PyObject *PyDict_Copy(PyObject *);
PYAPI PyObject *PyDict_GetItemWithError(PyObject *, PyObject *);
PYAPI int PyDict_SetItem(PyObject *, PyObject *, PyObject *);
PYAPI PyObject *PyList_New(Py_ssize_t);
PYAPI int PyList_Append(PyObject *, PyObject *);
PYAPI Py_ssize_t PyList_Size(PyObject *);
PYAPI PyObject *PyList_GetItem(PyObject *, Py_ssize_t);
PYAPI PyObject *PyTuple_New(Py_ssize_t);
PYAPI Py_ssize_t PyTuple_Size(PyObject *);
PYAPI PyObject *PyTuple_GetItem(PyObject *, Py_ssize_t);
PYAPI int PyTuple_SetItem(PyObject *, Py_ssize_t, PyObject *);
PYAPI PyObject *PyBytes_FromStringAndSize(const char *, Py_ssize_t);
PYAPI Py_ssize_t PyBytes_Size(PyObject *);
PYAPI char *PyBytes_AsString(PyObject *);
PYAPI PyObject *PyUnicode_DecodeLatin1(const char *, Py_ssize_t, const char *);
PYAPI PyObject *PyUnicode_AsLatin1String(PyObject *);
PYAPI PyObject *PyUnicode_FromStringAndSize(const char *, Py_ssize_t);
PYAPI PyObject *PyUnicode_InternFromString(const char *);
PYAPI void PyUnicode_InternInPlace(PyObject **);
PYAPI PyObject *PyLong_FromLongLong(long long);
PYAPI long long PyLong_AsLongLong(PyObject *);
PYAPI PyObject *PyBool_FromLong(long);
PYAPI double PyFloat_AsDouble(PyObject *);

PYAPI int PyArg_ParseTuple(PyObject *, const char *, ...);
PYAPI int PyArg_ParseTupleAndKeywords(PyObject *, PyObject *, const char *, char **, ...);
PYAPI PyObject *Py_BuildValue(const char *, ...);
PYAPI PyObject *PyObject_CallFunctionObjArgs(PyObject *, ...);
PYAPI PyObject *PyObject_CallFunction(PyObject *, const char *, ...);
PYAPI PyObject *PyObject_GetAttrString(PyObject *, const char *);
PYAPI int PyObject_IsTrue(PyObject *);
PYAPI PyObject *PyObject_GetIter(PyObject *);
PYAPI PyObject *PyIter_Next(PyObject *);

PYAPI PyObject *PyErr_Occurred(void);
PYAPI void PyErr_Clear(void);
PYAPI void PyErr_SetNone(PyObject *);
PYAPI void PyErr_SetString(PyObject *, const char *);
PYAPI PyObject *PyErr_Format(PyObject *, const char *, ...);
PYAPI PyObject *PyErr_NoMemory(void);
PYAPI void PyErr_Fetch(PyObject **, PyObject **, PyObject **);
PYAPI void PyErr_NormalizeException(PyObject **, PyObject **, PyObject **);
PYAPI void PyErr_Restore(PyObject *, PyObject *, PyObject *);
PYAPI void PyErr_WriteUnraisable(PyObject *);
PYAPI int PyErr_CheckSignals(void);
PYAPI int PyErr_ExceptionMatches(PyObject *);
PYAPI int Py_AddPendingCall(int (*)(void *), void *);

PYAPI int PyGILState_Ensure(void);
PYAPI void PyGILState_Release(int);
PYAPI PyThreadState *PyEval_SaveThread(void);
PYAPI void PyEval_RestoreThread(PyThreadState *);

#define Py_None (&_Py_NoneStruct)
#define is_exactly(o, t) ((o)->type == &(t))
#define has_flag(o, f) ((PyType_GetFlags((o)->type) & (f)) != 0)

static inline PyObject *none(void) {
	Py_IncRef(Py_None);
	return Py_None;
}

#endif
