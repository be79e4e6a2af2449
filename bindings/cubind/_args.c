/* Call arguments: what METH_FASTCALL|METH_KEYWORDS hands over, put in the order of the parameters; and the texts that
 * say which argument was wrong.  All of it is off the hot path: a positional call of full length never comes here.
 */
#include "_impl.h"
#include <stdarg.h>

/* The `position`th name in the space-separated list: a new str. */
static PyObject *param_name(const cu_func_spec *f, int position) {
    const char *name = f->params;
    for (; position > 0; position--) name = strchr(name, ' ') + 1;
    return PyUnicode_FromStringAndSize(name, (Py_ssize_t)strcspn(name, " "));
}

static int find_param(const cu_func_spec *f, const char *wanted, Py_ssize_t wanted_len) {
    const char *name = f->params;
    for (int i = 0; i < f->n_params; i++) {
        size_t len = strcspn(name, " ");
        if (len == (size_t)wanted_len && memcmp(name, wanted, len) == 0) return i;
        name += len + 1;
    }
    return -1;
}

static int too_many(const cu_func_spec *f, Py_ssize_t n) {
    const char *were = n == 1 ? "was" : "were";
    if (f->n_required == f->n_params)
        PyErr_Format(PyExc_TypeError, "%s() takes %d positional argument%s but %zd %s given", f->name, f->n_params,
                     f->n_params == 1 ? "" : "s", n, were);
    else
        PyErr_Format(PyExc_TypeError, "%s() takes from %d to %d positional arguments but %zd %s given", f->name,
                     f->n_required, f->n_params, n, were);
    return -1;
}

/* "'a'", "'a' and 'b'", "'a', 'b', and 'c'": the parameters i with wanted[i], as CPython lists missing arguments. */
static PyObject *name_list(const cu_func_spec *f, const uint8_t *wanted, int count) {
    PyObject *text = PyUnicode_FromString("");
    for (int i = 0, done = 0; i < f->n_params && text; i++) {
        if (!wanted[i]) continue;
        const char *glue = done == 0 ? "" : done < count - 1 ? ", " : count == 2 ? " and " : ", and ";
        PyObject *name = param_name(f, i);
        PyObject *longer = name ? PyUnicode_FromFormat("%U%s'%U'", text, glue, name) : NULL;
        Py_XDECREF(name);
        Py_DECREF(text);
        text = longer;
        done++;
    }
    return text;
}

static int missing(const cu_func_spec *f, PyObject **out) {
    uint8_t absent[UINT8_MAX] = {0};
    int count = 0;
    for (int i = 0; i < f->n_required; i++) count += absent[i] = out[i] == NULL;
    PyObject *names = name_list(f, absent, count);
    if (!names) return -1;
    PyErr_Format(PyExc_TypeError, "%s() missing %d required positional argument%s: %U", f->name, count,
                 count == 1 ? "" : "s", names);
    Py_DECREF(names);
    return -1;
}

static int unexpected(const cu_func_spec *f, PyObject *keyword) {
    uint8_t all[UINT8_MAX];
    memset(all, 1, sizeof all);
    PyObject *names = name_list(f, all, f->n_params);
    if (!names) return -1;
    if (f->n_params == 0)
        PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%S' (it takes no arguments)", f->name,
                     keyword);
    else
        PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%S' (accepted: %U)", f->name, keyword,
                     names);
    Py_DECREF(names);
    return -1;
}

/* Where each keyword's value goes is also written to `positions`. */
static int take_keywords(PyObject *const *values, PyObject *kw, const cu_func_spec *f, PyObject **out,
                         uint8_t *positions) {
    Py_ssize_t n = PyTuple_Size(kw);
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *keyword = PyTuple_GetItem(kw, i);
        Py_ssize_t len;
        const char *name = PyUnicode_AsUTF8AndSize(keyword, &len);
        if (!name) PyErr_Clear(); /* a lone surrogate: not a name of ours */
        int position = name ? find_param(f, name, len) : -1;
        if (position < 0) return unexpected(f, keyword);
        if (out[position]) {
            PyErr_Format(PyExc_TypeError, "%s() got multiple values for argument '%U'", f->name, keyword);
            return -1;
        }
        out[position] = values[i];
        positions[i] = (uint8_t)position;
    }
    return 0;
}

/* A call in a program passes the same tuple of names each time.  What was found out about it is kept, with the tuple,
 * so that names are compared once only; a later tuple may take its place. */
#ifndef Py_GIL_DISABLED
enum { SITES = 256, SITE_NAMES = 13 };
static struct site {
    const cu_func_spec *f;
    PyObject *kw;
    uint8_t n, n_names, in_order, positions[SITE_NAMES]; /* in_order: every parameter, as declared */
} sites[SITES];

static struct site *site_of(PyObject *kw, const cu_func_spec *f) {
    return &sites[((uintptr_t)kw >> 4 ^ (uintptr_t)f >> 3) % SITES];
}

/* A call that was seen before, or NULL. */
static inline const struct site *known_site(Py_ssize_t n, PyObject *kw, const cu_func_spec *f) {
    const struct site *site = site_of(kw, f);
    return site->kw == kw && site->f == f && site->n == n ? site : NULL;
}

static int known_keywords(PyObject *const *given, Py_ssize_t n, PyObject *kw, const cu_func_spec *f, PyObject **out) {
    const struct site *site = known_site(n, kw, f);
    if (!site) return 0;
    for (Py_ssize_t i = 0; i < n; i++) out[i] = given[i];
    for (int i = 0; i < site->n_names; i++) out[site->positions[i]] = given[n + i];
    return 1;
}

static void remember(Py_ssize_t n, PyObject *kw, const cu_func_spec *f, const uint8_t *positions) {
    struct site *site = site_of(kw, f);
    Py_ssize_t n_names = PyTuple_Size(kw);
    if (n_names > SITE_NAMES) return;
    for (Py_ssize_t i = 0; i < n_names; i++)
        if (!PyUnicode_CheckExact(PyTuple_GetItem(kw, i))) return; /* only what runs no code when it goes */
    Py_XDECREF(site->kw);
    *site = (struct site){.f = f, .kw = Py_NewRef(kw), .n = (uint8_t)n, .n_names = (uint8_t)n_names};
    memcpy(site->positions, positions, (size_t)n_names);
    site->in_order = n + n_names == f->n_params;
    for (Py_ssize_t i = 0; i < n_names; i++) site->in_order &= positions[i] == n + i;
}
#else
static int known_keywords(PyObject *const *given, Py_ssize_t n, PyObject *kw, const cu_func_spec *f, PyObject **out) {
    (void)given, (void)n, (void)kw, (void)f, (void)out;
    return 0;
}
static void remember(Py_ssize_t n, PyObject *kw, const cu_func_spec *f, const uint8_t *positions) {
    (void)n, (void)kw, (void)f, (void)positions;
}
#endif

static CU_COLD int new_keywords(PyObject *const *given, Py_ssize_t n, PyObject *kw, const cu_func_spec *f,
                                PyObject **out) {
    uint8_t positions[UINT8_MAX];
    if (take_keywords(given + n, kw, f, out, positions)) return -1;
    for (Py_ssize_t i = n; i < f->n_required; i++)
        if (!out[i]) return missing(f, out);
    remember(n, kw, f, positions);
    return 0;
}

/* Not inlined, so that cubind_args saves no registers. */
static __attribute__((noinline)) int some_arguments(PyObject *const **a, Py_ssize_t n, PyObject *kw,
                                                    const cu_func_spec *f, PyObject **out) {
    Py_ssize_t n_params = f->n_params;
    if (n > n_params) return too_many(f, n);
    for (Py_ssize_t i = n; i < n_params; i++) out[i] = NULL;
    if (!kw || !known_keywords(*a, n, kw, f, out)) {
        if (n) memcpy(out, *a, (size_t)n * sizeof *out);
        if (kw ? new_keywords(*a, n, kw, f, out) : n < f->n_required && missing(f, out)) return -1;
    }
    *a = out;
    return 0;
}

int cubind_args(PyObject *const **a, Py_ssize_t n, PyObject *kw, const cu_func_spec *f, PyObject **out) {
#ifndef Py_GIL_DISABLED
    const struct site *site = kw ? known_site(n, kw, f) : NULL;
    if (site && site->in_order) return 0; /* they lie where they belong */
#endif
    return some_arguments(a, n, kw, f, out);
}

/* ---- texts of errors --------------------------------------------------------------------------------------------- */

/* "'str'" for the type of an object, or "None", as messages name what was given. */
PyObject *cubind_type_text(PyObject *o) {
    if (o == Py_None) return PyUnicode_FromString("None");
    PyObject *name = PyType_GetName(Py_TYPE(o));
    if (!name) return NULL;
    PyObject *text = PyUnicode_FromFormat("'%U'", name);
    Py_DECREF(name);
    return text;
}

int cubind_expected(PyObject *o, const char *format, ...) {
    va_list va;
    va_start(va, format);
    PyObject *what = PyUnicode_FromFormatV(format, va);
    va_end(va);
    PyObject *given = what ? cubind_type_text(o) : NULL;
    if (given) PyErr_Format(PyExc_TypeError, "expected %U, not %U", what, given);
    Py_XDECREF(what);
    Py_XDECREF(given);
    return -1;
}

/* What `old` was raised from and in, and whether that is shown, belongs to the new exception as well. */
static void copy_context(PyObject *fresh, PyObject *old) {
    PyObject *cause = PyException_GetCause(old), *context = PyException_GetContext(old);
    if (cause) PyException_SetCause(fresh, cause);
    if (context) PyException_SetContext(fresh, context);
    PyObject *suppress = PyObject_GetAttrString(old, "__suppress_context__");
    if (!suppress || PyObject_SetAttrString(fresh, "__suppress_context__", suppress)) PyErr_Clear();
    Py_XDECREF(suppress);
}

/* Only the plain classes that converters raise: a subclass may need other arguments, or be the user's own. */
static int is_plain_error(PyObject *type) {
    return type == PyExc_TypeError || type == PyExc_ValueError || type == PyExc_OverflowError ||
           type == PyExc_BufferError;
}

/* A new exception, not a changed one: code called by a converter may raise the same instance more than once. */
void cubind_prefix_error(const char *format, ...) {
    PyObject *type, *old, *traceback;
    PyErr_Fetch(&type, &old, &traceback);
    if (type && is_plain_error(type)) PyErr_NormalizeException(&type, &old, &traceback);
    if (type && is_plain_error(type)) {
        va_list va;
        va_start(va, format);
        PyObject *prefix = PyUnicode_FromFormatV(format, va);
        va_end(va);
        PyObject *text = prefix ? PyUnicode_FromFormat("%U%S", prefix, old) : NULL;
        PyObject *fresh = text ? PyObject_CallFunctionObjArgs(type, text, NULL) : NULL;
        if (fresh) {
            copy_context(fresh, old);
            Py_DECREF(old);
            old = fresh;
        } else {
            PyErr_Clear(); /* the error without its prefix says more than this one would */
        }
        Py_XDECREF(prefix);
        Py_XDECREF(text);
    }
    PyErr_Restore(type, old, traceback);
}

PyObject *cubind_bad_arg(const cu_func_spec *f, int position) {
    const char *name = f->params, *end;
    for (; position > 0; position--) name = strchr(name, ' ') + 1;
    char copy[64] = ""; /* made without Python objects, which must not be made while an error is set */
    for (end = name; *end && *end != ' ' && end - name < (ptrdiff_t)sizeof copy - 1; end++) copy[end - name] = *end;
    cubind_prefix_error("%s() argument '%s': ", f->name, copy);
    return NULL;
}
