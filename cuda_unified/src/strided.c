/* Copies and fills of arrays with any strides, by copies of rows that the driver has: there is no kernel behind them.
 *
 * Dimensions that lie together in both arrays are merged; what is left of them inside is a row of bytes.  The longest dimension that
 * can be a pitch makes rows a plane (cuMemcpy2DAsync), another that is a multiple of it makes planes a box (cuMemcpy3DAsync), and the
 * others are loops of calls.  A transposed matrix takes one call for each of its rows or columns, whichever are fewer.
 */
#include "native.h"

typedef struct {
    int n;
    int64_t shape[MOST_DIMENSIONS], to[MOST_DIMENSIONS], from[MOST_DIMENSIONS]; /* outermost first; strides in bytes */
    uint64_t to_at, from_at;
    size_t row; /* bytes that lie together */
    int to_type, from_type;
} plan;

enum { MOST_PITCH = INT32_MAX };

/* ---- making it simple ------------------------------------------------------------------------------------------------------ */

static void remove_dimension(plan *p, int i) {
    p->n--;
    for (; i < p->n; i++) {
        p->shape[i] = p->shape[i + 1];
        p->to[i] = p->to[i + 1];
        p->from[i] = p->from[i + 1];
    }
}

static void swap(int64_t *a, int i, int k) {
    int64_t x = a[i];
    a[i] = a[k];
    a[k] = x;
}

/* So that the destination is written upwards, in its own order. */
static void order(plan *p) {
    for (int i = 0; i < p->n; i++) {
        if (p->to[i] >= 0) continue;
        p->to_at += (uint64_t)((p->shape[i] - 1) * p->to[i]);
        p->from_at += (uint64_t)((p->shape[i] - 1) * p->from[i]);
        p->to[i] = -p->to[i];
        p->from[i] = -p->from[i];
    }
    for (int i = 1; i < p->n; i++)
        for (int k = i; k && p->to[k - 1] < p->to[k]; k--) {
            swap(p->shape, k, k - 1);
            swap(p->to, k, k - 1);
            swap(p->from, k, k - 1);
        }
}

static void merge(plan *p) {
    for (int i = p->n - 1; i > 0; i--)
        if (p->to[i - 1] == p->to[i] * p->shape[i] && p->from[i - 1] == p->from[i] * p->shape[i]) {
            p->shape[i - 1] *= p->shape[i];
            p->to[i - 1] = p->to[i];
            p->from[i - 1] = p->from[i];
            remove_dimension(p, i);
        }
}

static int type_of(const array_object *a) {
    if (!(a->flags & BY_DEVICE)) return CU_MEMORYTYPE_HOST;
    return a->flags & BY_HOST ? CU_MEMORYTYPE_UNIFIED : CU_MEMORYTYPE_DEVICE;
}

static int make_plan(plan *p, const array_object *to, const array_object *from) {
    p->n = 0;
    for (int i = 0; i < to->ndim; i++) {
        if (to->shape[i] == 1) continue;
        if (!to->strides[i] && to->size) {
            PyErr_SetString(PyExc_ValueError, "several elements of the destination are one place in memory");
            return -1;
        }
        p->shape[p->n] = to->shape[i];
        p->to[p->n] = to->strides[i];
        p->from[p->n++] = from->strides[i];
    }
    p->to_at = to->pointer;
    p->from_at = from->pointer;
    p->to_type = type_of(to);
    p->from_type = type_of(from);
    p->row = to->dtype->itemsize;
    order(p);
    merge(p);
    if (p->n && p->to[p->n - 1] == (int64_t)p->row && p->from[p->n - 1] == (int64_t)p->row)
        p->row *= (size_t)p->shape[--p->n];
    return 0;
}

/* ---- calls ---------------------------------------------------------------------------------------------------------------- */

typedef struct {
    int64_t rows, planes;
    int64_t to_pitch, from_pitch, to_height, from_height;
} box;

static int is_pitch(const plan *p, int64_t stride) {
    return stride >= (int64_t)p->row && stride <= MOST_PITCH;
}

/* Takes the dimensions of one call out of the plan; those that stay are looped over. */
static box take_box(plan *p) {
    box b = {1, 1, (int64_t)p->row, (int64_t)p->row, 1, 1};
    int best = -1, second = -1;
    for (int i = 0; i < p->n; i++)
        if (is_pitch(p, p->to[i]) && is_pitch(p, p->from[i]) && (best < 0 || p->shape[i] > p->shape[best])) best = i;
    if (best < 0) return b;
    b.to_height = b.from_height = b.rows = p->shape[best];
    b.to_pitch = p->to[best];
    b.from_pitch = p->from[best];
    remove_dimension(p, best);
    for (int i = 0; i < p->n; i++)
        if (p->from[i] > 0 && p->to[i] % b.to_pitch == 0 && p->from[i] % b.from_pitch == 0 &&
            p->to[i] / b.to_pitch >= b.rows && p->from[i] / b.from_pitch >= b.rows &&
            (second < 0 || p->shape[i] > p->shape[second]))
            second = i;
    if (second < 0) return b;
    b.planes = p->shape[second];
    b.to_height = p->to[second] / b.to_pitch;
    b.from_height = p->from[second] / b.from_pitch;
    remove_dimension(p, second);
    return b;
}

static CUresult copy_plane(const plan *p, const box *b, uint64_t to, uint64_t from, CUstream stream) {
    CUDA_MEMCPY2D c;
    memset(&c, 0, sizeof c);
    c.srcMemoryType = (CUmemorytype)p->from_type;
    c.dstMemoryType = (CUmemorytype)p->to_type;
    c.srcHost = (void *)(uintptr_t)from;
    c.dstHost = (void *)(uintptr_t)to;
    c.srcDevice = from;
    c.dstDevice = to;
    c.srcPitch = (size_t)b->from_pitch;
    c.dstPitch = (size_t)b->to_pitch;
    c.WidthInBytes = p->row;
    c.Height = (size_t)b->rows;
    return D.cuMemcpy2DAsync_v2(&c, stream);
}

static CUresult copy_box(const plan *p, const box *b, uint64_t to, uint64_t from, CUstream stream) {
    CUDA_MEMCPY3D c;
    memset(&c, 0, sizeof c);
    c.srcMemoryType = (CUmemorytype)p->from_type;
    c.dstMemoryType = (CUmemorytype)p->to_type;
    c.srcHost = (void *)(uintptr_t)from;
    c.dstHost = (void *)(uintptr_t)to;
    c.srcDevice = from;
    c.dstDevice = to;
    c.srcPitch = (size_t)b->from_pitch;
    c.dstPitch = (size_t)b->to_pitch;
    c.srcHeight = (size_t)b->from_height;
    c.dstHeight = (size_t)b->to_height;
    c.WidthInBytes = p->row;
    c.Height = (size_t)b->rows;
    c.Depth = (size_t)b->planes;
    return D.cuMemcpy3DAsync_v2(&c, stream);
}

static CUresult copy_once(const plan *p, const box *b, uint64_t to, uint64_t from, CUstream stream) {
    if (b->planes > 1) return copy_box(p, b, to, from, stream);
    if (b->rows > 1) return copy_plane(p, b, to, from, stream);
    return D.cuMemcpyAsync(to, from, p->row, stream);
}

static void copy_rows(const plan *p, const box *b, uint64_t to, uint64_t from) {
    for (int64_t z = 0; z < b->planes; z++)
        for (int64_t y = 0; y < b->rows; y++)
            memcpy((char *)(uintptr_t)to + z * b->to_height * b->to_pitch + y * b->to_pitch,
                   (const char *)(uintptr_t)from + z * b->from_height * b->from_pitch + y * b->from_pitch, p->row);
}

/* The next of the loops; 0 after the last. */
static int advance(const plan *p, int64_t *index, uint64_t *to, uint64_t *from) {
    for (int i = p->n; i--;) {
        *to += (uint64_t)p->to[i];
        *from += (uint64_t)p->from[i];
        if (++index[i] < p->shape[i]) return 1;
        index[i] = 0;
        *to -= (uint64_t)(p->to[i] * p->shape[i]);
        *from -= (uint64_t)(p->from[i] * p->shape[i]);
    }
    return 0;
}

static CUresult run(const plan *p, const box *b, int on_host, CUstream stream) {
    int64_t index[MOST_DIMENSIONS] = {0};
    uint64_t to = p->to_at, from = p->from_at;
    CUresult status = CUDA_SUCCESS;
    do {
        if (on_host)
            copy_rows(p, b, to, from);
        else
            status = copy_once(p, b, to, from, stream);
    } while (!status && advance(p, index, &to, &from));
    return status;
}

static int get_pair(PyObject *args, array_object **to, array_object **from, PyObject **stream) {
    if (!PyArg_ParseTuple(args, "O!O!|O", Array_type, to, Array_type, from, stream)) return -1;
    if (!array_usable(*to) || !array_usable(*from)) return -1;
    int same = (*to)->ndim == (*from)->ndim && (*to)->dtype->itemsize == (*from)->dtype->itemsize;
    for (int i = 0; same && i < (*to)->ndim; i++) same = (*to)->shape[i] == (*from)->shape[i];
    if (!same) PyErr_SetString(PyExc_ValueError, "arrays of different shapes or sizes of elements");
    return same ? 0 : -1;
}

/* ---- before and after a call ----------------------------------------------------------------------------------------------- */

/* Work of the stream begins when the array is ready, as far as is known.  A stream that is captured waits for nothing outside. */
static int follow(stream_object *s, const array_object *a) {
    CUstreamCaptureStatus state = CU_STREAM_CAPTURE_STATUS_NONE;
    CUresult status;
    stream_object *from = a->stream;
    if (!from || from == s || from->closed || (from->handle == s->handle && from->context == s->context)) return 0;
    if (CALL(s->context, is_default_stream(s->handle), status, D.cuStreamIsCapturing(s->handle, &state))) return -1;
    return !status && state != CU_STREAM_CAPTURE_STATUS_NONE ? 0 : stream_follows(s->handle, s->context, from);
}

static int end_of(array_object *a, memory_end *e) {
    e->pointer = a->pointer;
    e->buffer = (buffer_object *)Py_XNewRef((PyObject *)a->buffer);
    if (e->buffer) return 0;
    e->buffer = buffer_new(a->pointer, a->size * a->dtype->itemsize, a->context, a->flags);
    if (!e->buffer) return -1;
    e->buffer->owner = Py_NewRef((PyObject *)a);
    return 0;
}

/* Keeps the memory of both until what the stream has now is done. */
static int keep(stream_object *s, array_object *to, array_object *from) {
    memory_end ends[2];
    memset(ends, 0, sizeof ends);
    if (!end_of(to, &ends[0]) && (!from || !end_of(from, &ends[1]))) return keep_until_done(s, ends);
    CUresult status; /* no memory to say what is kept: then nothing may go on */
    CALL_QUIETLY(s->context, status, D.cuStreamSynchronize(s->handle));
    (void)status;
    return release_ends(ends), -1;
}

static int is_stream_argument(PyObject *o) {
    if (o && is_stream(o)) return stream_usable((stream_object *)o);
    PyErr_SetString(PyExc_TypeError, "a Stream is wanted");
    return 0;
}

/* copy_strided(to, from, stream|None): in the order of the stream; between memory of the host at once, and without one */
static PyObject *copy_strided(PyObject *Py_UNUSED(module), PyObject *args) {
    array_object *to, *from;
    PyObject *stream = NULL;
    plan p;
    if (get_pair(args, &to, &from, &stream) || make_plan(&p, to, from)) return NULL;
    if (to->read_only) return PyErr_SetString(PyExc_ValueError, "the destination is read-only"), NULL;
    if (!to->size) Py_RETURN_NONE;
    box b = take_box(&p);
    CUresult status = CUDA_SUCCESS;
    if (!(to->flags & BY_DEVICE) && !(from->flags & BY_DEVICE)) {
        Py_BEGIN_ALLOW_THREADS run(&p, &b, 1, NULL);
        Py_END_ALLOW_THREADS Py_RETURN_NONE;
    }
    if (!is_stream_argument(stream)) return NULL;
    stream_object *s = (stream_object *)stream;
    keep_poll();
    if (follow(s, to) || follow(s, from)) return NULL;
    if (CALL(s->context, is_default_stream(s->handle), status, run(&p, &b, 0, s->handle))) return NULL;
    if (!status) return keep(s, to, from) ? NULL : Py_NewRef(Py_None);
    return fail(status,
                b.planes > 1 ? "cuMemcpy3DAsync"
                : b.rows > 1 ? "cuMemcpy2DAsync"
                             : "cuMemcpyAsync",
                "row=%zu, rows=%lld, planes=%lld, stream=%R", p.row, (long long)b.rows, (long long)b.planes, stream);
}

/* copy_calls(to, from): how many calls of the driver that copy would be */
static PyObject *copy_calls(PyObject *Py_UNUSED(module), PyObject *args) {
    array_object *to, *from;
    PyObject *stream = NULL;
    plan p;
    if (get_pair(args, &to, &from, &stream) || make_plan(&p, to, from)) return NULL;
    take_box(&p);
    int64_t calls = to->size != 0;
    for (int i = 0; i < p.n; i++) calls *= p.shape[i];
    return PyLong_FromLongLong(calls);
}

/* ---- fills --------------------------------------------------------------------------------------------------------------------- */

static CUresult set_words(uint64_t at, size_t pitch, uint32_t value, int word, size_t width, size_t height,
                          CUstream s) {
    if (word == 4) return D.cuMemsetD2D32Async(at, pitch, value, width, height, s);
    if (word == 2) return D.cuMemsetD2D16Async(at, pitch, (unsigned short)value, width, height, s);
    return D.cuMemsetD2D8Async(at, pitch, (unsigned char)value, width, height, s);
}

typedef struct {
    const char *bytes;
    size_t size;
    int word, uniform; /* bytes that a call sets at once; whether all words of an element are the same */
} pattern;

static pattern pattern_of(const char *bytes, size_t size, const plan *p) {
    pattern f = {bytes, size, size % 4 ? size % 2 ? 1 : 2 : 4, 1};
    uint64_t all = p->to_at | size;
    for (int i = 0; i < p->n; i++) all |= (uint64_t)p->to[i];
    while (all % (unsigned)f.word) f.word /= 2;
    for (size_t i = (size_t)f.word; i < size; i++) f.uniform &= bytes[i] == bytes[i - (size_t)f.word];
    return f;
}

static CUresult set_plane(const plan *p, const box *b, const pattern *f, uint64_t at, CUstream s) {
    uint32_t value = 0;
    CUresult status = CUDA_SUCCESS;
    size_t word = (size_t)f->word;
    memcpy(&value, f->bytes, word);
    if (f->uniform) return set_words(at, (size_t)b->to_pitch, value, f->word, p->row / word, (size_t)b->rows, s);
    for (size_t i = 0; i < f->size && !status; i += word) { /* a row is one element: each word of it is a column */
        memcpy(&value, f->bytes + i, word);
        status = set_words(at + i, (size_t)b->to_pitch, value, f->word, 1, (size_t)b->rows, s);
    }
    return status;
}

static CUresult set_all(const plan *p, const box *b, const pattern *f, int on_host, CUstream s) {
    int64_t index[MOST_DIMENSIONS] = {0};
    uint64_t to = p->to_at, from = p->from_at;
    CUresult status = CUDA_SUCCESS;
    do
        for (int64_t z = 0; z < b->planes && !status; z++) {
            uint64_t at = to + (uint64_t)(z * b->to_height * b->to_pitch);
            if (!on_host) status = set_plane(p, b, f, at, s);
            for (int64_t y = 0; on_host && y < b->rows; y++)
                for (size_t x = 0; x < p->row; x += f->size)
                    memcpy((char *)(uintptr_t)at + y * b->to_pitch + x, f->bytes, f->size);
        }
    while (!status && advance(p, index, &to, &from));
    return status;
}

/* fill_strided(array, bytes of one element, stream|None) */
static PyObject *fill_strided(PyObject *Py_UNUSED(module), PyObject *args) {
    array_object *a;
    const char *bytes;
    Py_ssize_t size;
    PyObject *stream;
    plan p;
    if (!PyArg_ParseTuple(args, "O!y#O", Array_type, &a, &bytes, &size, &stream)) return NULL;
    if (!array_usable(a) || make_plan(&p, a, a)) return NULL;
    if (a->read_only || (size_t)size != a->dtype->itemsize)
        return PyErr_SetString(PyExc_ValueError,
                               a->read_only ? "the array is read-only" : "not the bytes of one element"),
               NULL;
    if (!a->size) Py_RETURN_NONE;
    pattern f = pattern_of(bytes, (size_t)size, &p);
    if (!f.uniform && p.row > (size_t)size) { /* elements that lie together are rows of their own */
        p.shape[p.n] = (int64_t)(p.row / (size_t)size);
        p.to[p.n] = p.from[p.n] = size;
        p.n++;
        p.row = (size_t)size;
    }
    box b = take_box(&p);
    CUresult status;
    if (!(a->flags & BY_DEVICE)) {
        Py_BEGIN_ALLOW_THREADS set_all(&p, &b, &f, 1, NULL);
        Py_END_ALLOW_THREADS Py_RETURN_NONE;
    }
    if (!is_stream_argument(stream)) return NULL;
    stream_object *s = (stream_object *)stream;
    keep_poll();
    if (follow(s, a) || CALL(s->context, is_default_stream(s->handle), status, set_all(&p, &b, &f, 0, s->handle)))
        return NULL;
    if (!status) return keep(s, a, NULL) ? NULL : Py_NewRef(Py_None);
    return fail(status,
                f.word == 4   ? "cuMemsetD2D32Async"
                : f.word == 2 ? "cuMemsetD2D16Async"
                              : "cuMemsetD2D8Async",
                "elements=%zu, stream=%R", a->size, stream);
}

static PyMethodDef functions[] = {
    {"copy_strided", copy_strided, METH_VARARGS, NULL},
    {"copy_calls", copy_calls, METH_VARARGS, NULL},
    {"fill_strided", fill_strided, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

int strided_ready(PyObject *module) {
    return PyModule_AddFunctions(module, functions);
}
