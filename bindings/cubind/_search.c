/* Finding and opening one library.
 *
 * Order: an explicit path in $<override_env>, and nothing else then; what the process has already; installed wheels
 * below sys.path; $CUDA_PATH and $CUDA_HOME; the system's loader; our own library, where the specification names one
 * and $CUBIND_DEVICE does not forbid it.  A library that follows another one has no choice: with our own driver goes our own
 * runtime, with the vendor's the vendor's.  What needs Python (sys.path) or must not race with
 * os.environ is read first, with the GIL; then files are looked at under one mutex, without Python.  A search that
 * failed is not remembered: the next call looks again, since a library may have been installed in between.
 */
#include "_search.h"
#include <stdarg.h>

static os_mutex opening = OS_MUTEX_INIT; /* guards every `found`; its holder never waits for the GIL */

/* Another thread may have held it when this process was forked off. */
void search_after_fork(void) {
    static const os_mutex fresh = OS_MUTEX_INIT;
    opening = fresh;
}

/* ---- text -------------------------------------------------------------------------------------------------------- */

void text_add(text *t, const char *format, ...) {
    for (;;) {
        va_list args;
        va_start(args, format);
        int n = vsnprintf(t->s ? t->s + t->n : NULL, t->room - t->n, format, args);
        va_end(args);
        if (n < 0) return;
        if (t->n + (size_t)n < t->room) {
            t->n += (size_t)n;
            return;
        }
        size_t room = 2 * (t->n + (size_t)n + 256);
        char *s = realloc(t->s, room);
        if (!s) {
            if (t->s) t->s[t->n] = 0;
            return;
        }
        t->s = s;
        t->room = room;
    }
}

int text_raise(text *t, const char *error_class) {
    PyObject *type = cubind_error_class(error_class);
    PyObject *message = type ? PyUnicode_DecodeFSDefault(t->s ? t->s : "out of memory") : NULL;
    free(t->s);
    t->s = NULL;
    if (message) PyErr_SetObject(type, message);
    Py_XDECREF(message);
    return -1;
}

/* ---- candidates -------------------------------------------------------------------------------------------------- */

static int add_place(search *s, const char *root, const char *folder, const char *name, const char *how, int foreign) {
    if (s->n == s->room) {
        size_t room = 2 * s->room + 32;
        place *places = realloc(s->places, room * sizeof *places);
        if (!places) return -1;
        s->places = places;
        s->room = room;
    }
    size_t size = strlen(root) + strlen(folder) + strlen(name) + 3;
    char *path = malloc(size);
    if (!path) return -1;
    snprintf(path, size, "%s/%s/%s", root, folder, name);
    s->places[s->n++] = (place){path, how, foreign};
    return 0;
}

/* Every folder below one root, and in it first the names we want, then those we only tell about. */
static int add_root(search *s, const char *root, const char *const *folders, const cu_library_spec *spec,
                    const char *how) {
    for (; folders && *folders; folders++) {
        for (const char *const *name = spec->sonames; *name; name++)
            if (add_place(s, root, *folders, *name, how, 0)) return -1;
        for (const char *const *name = spec->foreign; name && *name; name++)
            if (add_place(s, root, *folders, *name, how, 1)) return -1;
    }
    return 0;
}

static int add_sys_path(search *s, const cu_library_spec *spec) {
    PyObject *path = PySys_GetObject("path");
    if (!path || !PyList_Check(path)) return 0;
    for (Py_ssize_t i = 0; i < PyList_Size(path); i++) {
        PyObject *entry = PyList_GetItem(path, i);
        PyObject *bytes = entry && PyUnicode_Check(entry) ? PyUnicode_EncodeFSDefault(entry) : NULL;
        if (!bytes) { /* not a string, or one that cannot name a file */
            PyErr_Clear();
            continue;
        }
        const char *root = PyBytes_AsString(bytes);
        int failed = add_root(s, *root ? root : ".", spec->wheel_dirs, spec, "wheel");
        Py_DECREF(bytes);
        if (failed) return -1;
    }
    return 0;
}

static enum device_choice device_choice(void) {
    const char *value = getenv("CUBIND_DEVICE");
    if (!value || !*value || !strcmp(value, "auto")) return DEVICE_AUTO;
    return !strcmp(value, "gpu") ? DEVICE_GPU : !strcmp(value, "cpu") ? DEVICE_CPU : DEVICE_UNKNOWN;
}

/* Our own library lies in the package, beside this extension module. */
static int add_stand_in(search *s, const cu_library_spec *spec) {
    s->device = spec->stand_in ? device_choice() : DEVICE_GPU;
    const char *own = s->device == DEVICE_GPU ? NULL : os_file_of((const void *)(uintptr_t)add_stand_in);
    const char *slash = own ? strrchr(own, '/') : NULL;
    if (!slash) return 0;
    size_t folder = (size_t)(slash + 1 - own), size = folder + strlen(spec->stand_in) + 1;
    s->stand_in = malloc(size);
    if (!s->stand_in) return -1;
    snprintf(s->stand_in, size, "%.*s%s", (int)folder, own, spec->stand_in);
    return 0;
}

int search_collect(search *s, const cu_library_spec *spec, int with_python) {
    const char *override = spec->override_env ? getenv(spec->override_env) : NULL;
    if (override && *override) return (s->override = strdup(override)) ? 0 : -1;
    if (add_stand_in(s, spec) || (with_python && add_sys_path(s, spec))) return -1;
    static const char *const homes[] = {"CUDA_PATH", "CUDA_HOME"};
    for (int i = 0; i < 2; i++) {
        const char *home = getenv(homes[i]), *other = i ? getenv(homes[0]) : NULL;
        if (!home || !*home || (other && !strcmp(home, other))) continue;
        s->n_homes++;
        if (add_root(s, home, spec->home_dirs, spec, homes[i])) return -1;
    }
    return 0;
}

int search_depends(const search *s, const cu_library_spec *spec) {
    return spec->follows && !s->override && (s->device == DEVICE_AUTO || s->device == DEVICE_CPU);
}

int search_follow(search *s, const cu_library_spec *spec, found *leader) {
    void *handle = leader ? found_handle(leader) : NULL;
    if (!handle || !os_symbol(handle, CPU_DEVICE_MARK)) {
        /* without any driver the vendor's library can at least say what it is */
        if (handle || s->device == DEVICE_AUTO) s->device = DEVICE_GPU;
        return 0;
    }
    s->device = DEVICE_CPU;
    const char *slash = strrchr(leader->path, '/'), *name = strrchr(spec->stand_in, '/');
    size_t folder = slash ? (size_t)(slash - leader->path) : 0, size = folder + strlen(spec->stand_in) + 2;
    char *beside = slash && name ? malloc(size) : NULL;
    if (!beside) return slash && name ? -1 : 0;
    snprintf(beside, size, "%.*s%s", (int)folder, leader->path, name);
    free(s->stand_in);
    s->stand_in = beside;
    return 0;
}

void search_free(search *s) {
    for (size_t i = 0; i < s->n; i++) free(s->places[i].path);
    free(s->places);
    free(s->override);
    free(s->stand_in);
}

/* ---- opening: under the mutex, without the GIL ------------------------------------------------------------------- */

static void *open_override(const search *s, const cu_library_spec *spec, text *report) {
    void *handle = os_open(s->override, 0);
    if (!handle && report)
        text_add(report, "\n  $%s: %s (no other place is tried while it is set)", spec->override_env, os_error());
    return handle;
}

static void *open_loaded(const cu_library_spec *spec) {
    void *handle = NULL;
    for (const char *const *name = spec->sonames; *name && !handle; name++) handle = os_open(*name, 1);
    return handle;
}

static void *open_file(const search *s, const char **how, text *report) {
    for (size_t i = 0; i < s->n; i++) {
        const place *p = &s->places[i];
        if (p->foreign) continue;
        void *handle = os_exists(p->path) ? os_open(p->path, 0) : NULL;
        *how = p->how;
        if (handle) return handle;
        if (!report) continue;
        text_add(report, "\n  %s%s: ", strcmp(p->how, "wheel") ? "$" : "", p->how);
        if (os_exists(p->path))
            text_add(report, "%s", os_error());
        else
            text_add(report, "no file %s", p->path);
    }
    return NULL;
}

static void *open_by_system(const cu_library_spec *spec, text *report) {
    for (const char *const *name = spec->sonames; *name; name++) {
        void *handle = os_open(*name, 0);
        if (handle) return handle;
        if (report) text_add(report, "\n  system: %s", os_error());
    }
    return NULL;
}

static void *open_stand_in(const search *s, text *report) {
    void *handle = s->stand_in ? os_open(s->stand_in, 0) : NULL;
    if (!handle && s->stand_in && report) text_add(report, "\n  CPU device: %s", os_error());
    return handle;
}

/* A driver may be installed where there is no GPU.  One that lacks the functions is taken as it is. */
static int has_device(void *handle) {
    int (*init)(unsigned) = (int (*)(unsigned))(uintptr_t)os_symbol(handle, "cuInit");
    int (*count)(int *) = (int (*)(int *))(uintptr_t)os_symbol(handle, "cuDeviceGetCount");
    int n = 0;
    return !init || !count || (init(0) == 0 && count(&n) == 0 && n > 0);
}

static void *open_vendors(const search *s, const cu_library_spec *spec, const char **how, text *report) {
    *how = "process";
    void *handle = open_loaded(spec);
    if (!handle) handle = open_file(s, how, report);
    if (handle) return handle;
    *how = "system";
    return open_by_system(spec, report);
}

/* What is there, or our own library in its place; a failure is remembered nowhere. */
static void *open_either(const search *s, const cu_library_spec *spec, found *out, const char **how, text *report) {
    void *handle = s->device == DEVICE_CPU ? NULL : open_vendors(s, spec, how, report);
    if (s->device == DEVICE_GPU || (handle && (!s->stand_in || has_device(handle)))) return handle;
    void *own = open_stand_in(s, report);
    if (!own) return handle;
    *how = "cpu";
    const char *path = handle ? os_path(handle) : NULL;
    if (s->device == DEVICE_AUTO) out->instead_of = strdup(path ? path : handle ? spec->sonames[0] : "");
    return own;
}

/* ---- what to say when nothing was found -------------------------------------------------------------------------- */

static void report_foreign(text *report, const char *name, const char *path, const cu_library_spec *spec) {
    text_add(report, "\nfound %s at %s, which is of another CUDA version: these bindings are for %s", name, path,
             spec->sonames[0]);
}

static void report_failure(const search *s, const cu_library_spec *spec, text *report) {
    if (!s->override) {
        for (size_t i = 0; i < s->n; i++) {
            const char *path = s->places[i].path;
            if (s->places[i].foreign && os_exists(path)) report_foreign(report, strrchr(path, '/') + 1, path, spec);
        }
        for (const char *const *name = spec->foreign; name && *name; name++) {
            void *handle = os_peek(*name);
            if (!handle) continue;
            const char *path = os_path(handle);
            report_foreign(report, *name, path ? path : "a folder of the system's loader", spec);
            os_close(handle);
        }
    }
    if (spec->hint) text_add(report, "\n%s", spec->hint);
}

static void report_start(const search *s, const cu_library_spec *spec, text *report) {
    text_add(report, "%s was not found; looked at", spec->title);
    if (s->override) return;
    if (spec->override_env) text_add(report, "\n  $%s: not set", spec->override_env);
    text_add(report, "\n  loaded already: no %s", spec->sonames[0]);
    if (spec->home_dirs && *spec->home_dirs && !s->n_homes) text_add(report, "\n  $CUDA_PATH, $CUDA_HOME: not set");
}

/* ---- the result -------------------------------------------------------------------------------------------------- */

static void find_resolver(void *handle, const cu_library_spec *spec, found *out) {
    if (!spec->resolver) return;
    out->resolver = os_symbol(handle, spec->resolver);
    const char *suffix = strstr(spec->resolver, "_v");
    char first[64];
    if (out->resolver || !suffix || (size_t)(suffix - spec->resolver) >= sizeof first) return;
    snprintf(first, sizeof first, "%.*s", (int)(suffix - spec->resolver), spec->resolver);
    out->resolver_v1 = os_symbol(handle, first);
}

static int look_everywhere(const search *s, const cu_library_spec *spec, found *out, text *report) {
    const char *how = "override";
    void *handle = NULL;
    if (report) report_start(s, spec, report);
    if (s->override)
        handle = open_override(s, spec, report);
    else if (s->device != DEVICE_UNKNOWN)
        handle = open_either(s, spec, out, &how, report);
    else if (report)
        text_add(report, "\n  nothing: $CUBIND_DEVICE is neither auto nor gpu nor cpu");
    if (!handle) {
        if (report) report_failure(s, spec, report);
        return -1;
    }
    const char *path = os_path(handle);
    out->path = strdup(path ? path : s->override ? s->override : spec->sonames[0]);
    if (!out->path) return -1;
    out->how = how;
    find_resolver(handle, spec, out);
    os_publish(&out->handle, handle);
    return 0;
}

void *found_handle(found *f) {
#if defined(__GNUC__)
    return __atomic_load_n(&f->handle, __ATOMIC_ACQUIRE);
#else
    void *handle = *(void *volatile *)&f->handle;
    atomic_thread_fence(memory_order_acquire);
    return handle;
#endif
}

int search_open(const search *s, const cu_library_spec *spec, found *out, text *report) {
    os_lock(&opening);
    int failed = found_handle(out) ? 0 : look_everywhere(s, spec, out, report);
    os_unlock(&opening);
    return failed;
}
