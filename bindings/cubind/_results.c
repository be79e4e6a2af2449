/* What happens to C memory around a call: values typed by an attribute, arrays that C wrote to, callbacks in records. */
#include "_impl.h"

/* ---- values whose type depends on an attribute ------------------------------------------------------------------------ */

static const cu_tag *find_tag(const cu_tag *tags, int n_tags, int64_t value) {
    for (int i = 0; i < n_tags; i++)
        if (tags[i].value == value) return &tags[i];
    PyErr_Format(PyExc_ValueError, "%lld: these bindings do not know the type of this attribute's value",
                 (long long)value);
    return NULL;
}

/* One value's size in C.  Text has no size of its own: `count` is the longest that the library gives. */
static size_t size_of(cu_module *m, const cu_tag *tag) {
    return tag->type.kind == CU_TEXT ? (size_t)tag->count : cubind_sizeof_type(m, tag->type);
}

int cubind_tagged_room(cu_module *m, const cu_tag *tags, int n_tags, int64_t value, size_t given, cu_frame *fr,
                       cu_tagged *out) {
    const cu_tag *tag = find_tag(tags, n_tags, value);
    if (!tag) return -1;
    size_t one = size_of(m, tag), size = given == CU_NO_ARRAY ? one : given;
    if (size < one || (tag->count < 0 && size % one != 0)) {
        PyErr_Format(PyExc_ValueError, "a value of this attribute takes %zu bytes, not %zu", one, size);
        return -1;
    }
    /* never less than 8 bytes: a driver may write a wider integer than its documentation says */
    out->data = cubind_frame_alloc(fr, size < 8 ? 8 : size);
    out->tag = tag;
    out->size = size;
    return out->data ? 0 : -1;
}

static int text_from(PyObject *o, cu_frame *fr, cu_tagged *out) {
    const char *text;
    if (cubind_string(o, 0, &text) || cubind_frame_keep(fr, o)) return -1;
    out->data = (void *)(uintptr_t)text;
    out->size = strlen(text) + 1;
    return 0;
}

int cubind_tagged_from(cu_module *m, const cu_tag *tags, int n_tags, int64_t value, PyObject *o, cu_frame *fr,
                       cu_tagged *out) {
    const cu_tag *tag = find_tag(tags, n_tags, value);
    if (!tag) return -1;
    out->tag = tag;
    if (tag->type.kind == CU_TEXT) return text_from(o, fr, out);
    size_t size = cubind_sizeof_type(m, tag->type);
    PyObject *keep = NULL;
    out->data = cubind_frame_alloc(fr, size < 8 ? 8 : size);
    out->size = size;
    if (!out->data || cubind_store(out->data, o, m, tag->type, 0, &keep)) return -1;
    int failed = keep ? cubind_frame_keep(fr, keep) : 0;
    Py_XDECREF(keep);
    return failed;
}

PyObject *cubind_tagged_value(cu_module *m, const cu_tagged *t) {
    if (t->tag->type.kind == CU_TEXT) return cubind_text(t->data, t->size, 0);
    if (t->tag->count < 0) return cubind_list(t->data, m, t->tag->type, t->size / cubind_sizeof_type(m, t->tag->type));
    return cubind_load(t->data, m, t->tag->type, 0, NULL);
}

int cubind_tagged_array_room(cu_module *m, const cu_tag *tags, int n_tags, const int *values, size_t n,
                             const size_t *sizes, cu_frame *fr, void ***data, cu_tagged **out) {
    *data = cubind_frame_alloc(fr, (n ? n : 1) * sizeof **data);
    *out = cubind_frame_alloc(fr, (n ? n : 1) * sizeof **out);
    if (!*data || !*out) return -1;
    if (n && !values) {
        PyErr_SetString(PyExc_ValueError, "the attributes are needed, not None");
        return -1;
    }
    for (size_t i = 0; i < n; i++) {
        if (cubind_tagged_room(m, tags, n_tags, values[i], sizes ? sizes[i] : CU_NO_ARRAY, fr, &(*out)[i])) return -1;
        (*data)[i] = (*out)[i].data;
    }
    return 0;
}

PyObject *cubind_tagged_array_value(cu_module *m, const cu_tagged *t, size_t n) {
    PyObject *list = PyList_New((Py_ssize_t)n);
    for (size_t i = 0; list && i < n; i++) {
        PyObject *value = cubind_tagged_value(m, &t[i]);
        if (!value || PyList_SetItem(list, (Py_ssize_t)i, value)) Py_CLEAR(list);
    }
    return list;
}

/* ---- after a call ----------------------------------------------------------------------------------------------------- */

/* Keeps the callbacks that stand in a record's fields, also in nested records. */
static int keep_fields(const cu_record_spec *spec, char *memory, cu_module *m, enum cu_keep how, void *owner) {
    for (int i = 0; i < spec->n_fields; i++) {
        const cu_field_spec *f = &spec->fields[i];
        if (f->kind == CU_RECORD && f->count == 0) {
            if (keep_fields(&m->record_specs[f->aux], memory + f->offset, m, how, owner)) return -1;
        } else if (f->kind == CU_FUNC && f->link >= 0) {
            void *c_fn, *c_data;
            memcpy(&c_fn, memory + f->offset, sizeof c_fn);
            memcpy(&c_data, memory + spec->fields[f->link].offset, sizeof c_data);
            /* in a union these may be other bytes: what is no registered callback is left alone */
            if (cubind_callback_keep_user(c_fn, c_data, m, how, owner)) return -1;
        }
    }
    return 0;
}

int cubind_record_keep(PyObject *record, cu_module *m, enum cu_keep how, void *owner) {
    if (!cubind_is_record(record)) return 0; /* None, or an address of memory that is the caller's */
    cu_record *r = (cu_record *)record;
    return keep_fields(r->spec, r->ptr, r->module ? r->module : m, how, owner);
}

/* An output that says more about a failure goes with the exception, as a note (PEP 678). */
PyObject *cubind_note(PyObject *null, const char *name, PyObject *value) {
    PyObject *type, *error, *traceback;
    PyErr_Fetch(&type, &error, &traceback);
    PyErr_NormalizeException(&type, &error, &traceback);
    if (error && value && value != Py_None) {
        PyObject *text = PyUnicode_FromFormat("%s: %S", name, value);
        /* interned, as the attribute's own name is: CPython's cache of attributes keeps every new string for a while */
        PyObject *add_note = text ? PyUnicode_InternFromString("add_note") : NULL;
        PyObject *done = add_note ? PyObject_CallMethodObjArgs(error, add_note, text, NULL) : NULL;
        if (!done) PyErr_Clear(); /* the failure itself matters more */
        Py_XDECREF(add_note);
        Py_XDECREF(text);
        Py_XDECREF(done);
    }
    Py_XDECREF(value);
    PyErr_Restore(type, error, traceback);
    return null;
}

int cubind_array_back(PyObject *o, cu_module *m, cu_type t, const void *items, size_t n) {
    size_t size = cubind_sizeof_type(m, t);
    if (cubind_is_record(o) || PyObject_CheckBuffer(o) || !PySequence_Check(o)) return 0; /* C wrote there directly */
    for (size_t i = 0; i < n; i++) {
        PyObject *item = PySequence_GetItem(o, (Py_ssize_t)i);
        if (!item) return -1;
        if (cubind_is_record(item)) memcpy(((cu_record *)item)->ptr, (const char *)items + i * size, size);
        Py_DECREF(item);
    }
    return 0;
}
