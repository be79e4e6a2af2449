/* The libraries: one table of function pointers for each, filled symbol by symbol on first use.
 *
 * Two tables belong to a library, one for each meaning of the default stream.  Both entries of a symbol are filled
 * together, so that a thread which tested the entry of one table may call through the other one when the process-wide
 * switch happens in between.  Generated code reads its table pointer and the entries with plain loads (see os_publish).
 *
 * Who may touch what: the registry, the slots and the switch belong to the holder of the GIL.  `handle` and what is
 * found with it are written once, under the mutex of _search.c, which is never held while waiting for the GIL.
 */
#include "_search.h"

#include <signal.h>

typedef void **table;

typedef struct library {
    cu_library shared; /* first: a cu_library * is a library * */
    struct library *next;
    found found;   /* filled once; found.handle is the flag */
    int warned;    /* that our own library is used in its place */
    table **slots; /* the modules' table pointers */
    size_t n_slots;
    const cu_func_spec *funcs; /* public names, index = index of the symbol; NULL: not told */
    int n_funcs;
} library;

static library *registry;
static atomic_int per_thread; /* written with the GIL, read without */

static table current_table(const cu_library *lib) {
    return atomic_load(&per_thread) ? lib->per_thread_table : lib->table;
}

/* ---- registry ---------------------------------------------------------------------------------------------------- */

static library *new_library(const cu_library_spec *spec) {
    library *lib = calloc(1, sizeof *lib);
    size_t n = spec->n_symbols ? spec->n_symbols : 1;
    if (lib) lib->shared.table = calloc(n, sizeof(void *));
    if (lib) lib->shared.per_thread_table = calloc(n, sizeof(void *));
    if (!lib || !lib->shared.table || !lib->shared.per_thread_table) {
        if (lib) free(lib->shared.table);
        free(lib);
        PyErr_NoMemory();
        return NULL;
    }
    lib->shared.spec = spec;
    lib->shared.private_state = lib;
    lib->next = registry;
    return registry = lib;
}

cu_library *cubind_library(const cu_library_spec *spec) {
    library *lib = registry;
    while (lib && strcmp(lib->shared.spec->name, spec->name)) lib = lib->next;
    if (!lib) lib = new_library(spec);
    if (!lib) return NULL;
    if (lib->shared.spec->abi != spec->abi || lib->shared.spec->n_symbols != spec->n_symbols) {
        PyErr_Format(PyExc_ImportError,
                     "cubind: two modules that share the table of %s are of different builds; reinstall cubind",
                     spec->title);
        return NULL;
    }
    return &lib->shared;
}

int cubind_library_slot(cu_library *shared, void ***slot) {
    library *lib = shared->private_state;
    table **slots = realloc(lib->slots, (lib->n_slots + 1) * sizeof *slots);
    if (!slots) {
        PyErr_NoMemory();
        return -1;
    }
    lib->slots = slots;
    slots[lib->n_slots++] = slot;
    os_publish((void **)slot, current_table(shared));
    return 0;
}

void cubind_library_names(cu_library *shared, const cu_func_spec *funcs, int n) {
    library *lib = shared->private_state;
    lib->funcs = funcs;
    lib->n_funcs = n;
}

/* ---- symbols ----------------------------------------------------------------------------------------------------- */

typedef int (*resolver_v2)(const char *, void **, int version, uint64_t flags, int *status);
typedef int (*resolver_v1)(const char *, void **, int version, uint64_t flags);

enum { LEGACY_STREAM = 1, PER_THREAD_STREAM = 2 }; /* the resolver's flags */

static void *look_up(const library *lib, const cu_symbol *symbol, uint64_t flag, const char *exported) {
    const found *f = &lib->found;
    void *p = NULL;
    int status = 0, failed = 1;
    if (symbol->base && f->resolver)
        failed = ((resolver_v2)(uintptr_t)f->resolver)(symbol->base, &p, (int)symbol->version, flag, &status);
    else if (symbol->base && f->resolver_v1)
        failed = ((resolver_v1)(uintptr_t)f->resolver_v1)(symbol->base, &p, (int)symbol->version, flag);
    /* a driver may answer success and a NULL pointer; an exported name has the same prototype as asked for */
    if (failed || !p) p = os_symbol(f->handle, exported);
    return p || !symbol->older ? p : os_symbol(f->handle, symbol->older);
}

/* Without the GIL or with it.  0 if the current table has the symbol now. */
static int fill(library *lib, int index) {
    const cu_symbol *symbol = &lib->shared.spec->symbols[index];
    void *legacy = look_up(lib, symbol, LEGACY_STREAM, symbol->name);
    void *own = symbol->per_thread ? look_up(lib, symbol, PER_THREAD_STREAM, symbol->per_thread) : legacy;
    if (own) os_publish(&lib->shared.per_thread_table[index], own);
    if (legacy) os_publish(&lib->shared.table[index], legacy);
    return (atomic_load(&per_thread) ? own : legacy) ? 0 : -1;
}

static const char *public_name(const library *lib, int index) {
    const cu_symbol *symbol = &lib->shared.spec->symbols[index];
    if (index < lib->n_funcs && lib->funcs[index].name) return lib->funcs[index].name;
    return symbol->base ? symbol->base : symbol->name;
}

static int raise_missing(const library *lib, int index) {
    const cu_symbol *symbol = &lib->shared.spec->symbols[index];
    text t = {0};
    text_add(&t, "%s is not in %s", public_name(lib, index), lib->shared.spec->title);
    text_add(&t, " that was found at %s", lib->found.path);
    int version = 0;
    void *ask =
        lib->found.resolver || lib->found.resolver_v1 ? os_symbol(lib->found.handle, "cuDriverGetVersion") : NULL;
    if (ask && ((int (*)(int *))(uintptr_t)ask)(&version) == 0 && version > 0)
        text_add(&t, ", which supports CUDA %d.%d", version / 1000, version % 1000 / 10);
    if (symbol->since) text_add(&t, "; it came with CUDA %d.%d", symbol->since / 1000, symbol->since % 1000 / 10);
    if (atomic_load(&per_thread) && lib->shared.table[index])
        text_add(&t, "; only its per-thread default stream variant %s is missing", symbol->per_thread);
    return text_raise(&t, "SymbolNotFoundError");
}

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static library *library_named(const char *name) {
    library *lib = registry;
    while (lib && strcmp(lib->shared.spec->name, name)) lib = lib->next;
    return lib;
}

/* The library that decides whether our own is used in this one's place; NULL where it decides itself.  Needs the GIL. */
static library *leader_of(const library *lib) {
    const char *name = lib->shared.spec->follows;
    char module[64];
    if (!name || library_named(name)) return name ? library_named(name) : NULL;
    snprintf(module, sizeof module, "cubind.cy%s", name); /* a module that says where the library is */
    PyObject *imported = PyImport_ImportModule(module);
    if (!imported) PyErr_Clear();
    Py_XDECREF(imported);
    return library_named(name);
}

static int follow(search *s, const library *lib, library *leader) {
    return search_depends(s, lib->shared.spec) ? search_follow(s, lib->shared.spec, leader ? &leader->found : NULL) : 0;
}

static int is_open(library *lib) {
    return found_handle(&lib->found) != NULL;
}

/* Our own device is told which signal ends a kernel that Python waits for: its handlers run only when the call is back. */
static void watch_signal(library *lib) {
    void *handle = lib->shared.spec->stand_in ? found_handle(&lib->found) : NULL;
    void *watch = handle ? os_symbol(handle, "cubind_cpu_interrupt_on") : NULL;
    if (watch) ((void (*)(int))(uintptr_t)watch)(SIGINT);
}

/* With the GIL, which is released while files are looked at.  Raises, unless `quiet`: then no report is made either. */
static int open_with_gil(library *lib, int quiet) {
    if (is_open(lib)) return 0;
    search s = {0};
    text report = {0};
    int failed = search_collect(&s, lib->shared.spec, 1);
    library *leader = !failed && search_depends(&s, lib->shared.spec) ? leader_of(lib) : NULL;
    if (leader && open_with_gil(leader, 1)) PyErr_Clear(); /* out of memory at most */
    if (failed || follow(&s, lib, leader)) {
        PyErr_NoMemory();
        search_free(&s);
        return -1;
    }
    Py_BEGIN_ALLOW_THREADS failed = search_open(&s, lib->shared.spec, &lib->found, quiet ? NULL : &report);
    Py_END_ALLOW_THREADS search_free(&s);
    if (failed && !quiet) return text_raise(&report, "LibraryNotFoundError");
    free(report.s);
    if (!failed) watch_signal(lib);
    return failed;
}

/* Without the GIL: it is taken only to read sys.path, and not at all where Python is ending. */
static int open_without_gil(library *lib) {
    if (is_open(lib)) return 0;
    search s = {0};
    int failed;
    library *leader = NULL;
    if (cubind_python_enter()) {
        PyGILState_STATE gil = PyGILState_Ensure();
        PyObject *type, *value, *traceback; /* the thread may be one that has an error set */
        PyErr_Fetch(&type, &value, &traceback);
        failed = search_collect(&s, lib->shared.spec, 1);
        if (!failed && search_depends(&s, lib->shared.spec)) leader = leader_of(lib);
        PyErr_Restore(type, value, traceback);
        PyGILState_Release(gil);
        cubind_python_leave();
    } else {
        failed = search_collect(&s, lib->shared.spec, 0);
    }
    if (leader) open_without_gil(leader);
    if (!failed) failed = follow(&s, lib, leader) || search_open(&s, lib->shared.spec, &lib->found, NULL);
    if (!failed) watch_signal(lib);
    search_free(&s);
    return failed;
}

/* Once a process, at the first call from Python: the device is not what most programs expect.  Nonzero: made an error. */
static int warn_of_stand_in(library *lib) {
    if (lib->shared.spec->follows) lib = strcmp(lib->found.how, "cpu") ? NULL : leader_of(lib);
    if (!lib) return 0;
    const char *other = lib->found.instead_of;
    if (lib->warned || !other) return 0;
    lib->warned = 1;
    text t = {0};
    if (*other)
        text_add(&t, "%s at %s has no device", lib->shared.spec->title, other);
    else
        text_add(&t, "%s was not found", lib->shared.spec->title);
    text_add(&t, ": kernels run on the CPU device; set CUBIND_DEVICE=cpu to choose it, CUBIND_DEVICE=gpu to forbid it");
    PyObject *module = PyImport_ImportModule("cubind._warning");
    PyObject *done =
        module ? PyObject_CallMethod(module, "warn", "s", t.s ? t.s : "kernels run on the CPU device") : NULL;
    free(t.s);
    Py_XDECREF(module);
    Py_XDECREF(done);
    return done ? 0 : -1;
}

int cubind_resolve(cu_library *shared, int index) {
    library *lib = shared->private_state;
    int failed = open_with_gil(lib, 0) || warn_of_stand_in(lib);
    if (failed) return -1;
    Py_BEGIN_ALLOW_THREADS failed = fill(lib, index);
    Py_END_ALLOW_THREADS return failed ? raise_missing(lib, index) : 0;
}

int cubind_resolve_nogil(cu_library *shared, int index) {
    library *lib = shared->private_state;
    return open_without_gil(lib) || fill(lib, index) ? -1 : 0;
}

int cubind_library_index(const cu_library *shared, const char *symbol) {
    for (int i = 0; i < shared->spec->n_symbols; i++)
        if (!strcmp(shared->spec->symbols[i].name, symbol)) return i;
    return -1;
}

void *cubind_library_entry(cu_library *shared, int index) {
    if (!current_table(shared)[index] && cubind_resolve_nogil(shared, index)) return NULL;
    return current_table(shared)[index];
}

/* ---- Python level ------------------------------------------------------------------------------------------------ */

static int symbol_matches(const library *lib, int i, const char *name) {
    const cu_symbol *symbol = &lib->shared.spec->symbols[i];
    return !strcmp(symbol->name, name) || (symbol->base && !strcmp(symbol->base, name)) ||
           !strcmp(public_name(lib, i), name);
}

static PyObject *py_has(PyObject *Py_UNUSED(core), PyObject *arg) {
    const char *name = PyUnicode_AsUTF8AndSize(arg, NULL);
    if (!name) return NULL;
    for (library *lib = registry; lib; lib = lib->next) {
        for (int i = 0; i < lib->shared.spec->n_symbols; i++) {
            if (!symbol_matches(lib, i, name)) continue;
            int failed = open_with_gil(lib, 1);
            if (failed) {
                PyErr_Clear(); /* out of memory at most */
                Py_RETURN_FALSE;
            }
            Py_BEGIN_ALLOW_THREADS failed = fill(lib, i);
            Py_END_ALLOW_THREADS return PyBool_FromLong(!failed);
        }
    }
    Py_RETURN_FALSE;
}

static PyObject *describe(const library *lib) {
    const cu_library_spec *spec = lib->shared.spec;
    table entries = current_table(&lib->shared);
    int resolved = 0;
    for (int i = 0; i < spec->n_symbols; i++) resolved += entries[i] != NULL;
    const found *f = &lib->found;
    const char *resolver = f->resolver ? spec->resolver : f->resolver_v1 ? "the first version of it" : NULL;
    PyObject *path = f->handle ? PyUnicode_DecodeFSDefault(f->path) : Py_NewRef(Py_None);
    if (!path) return NULL;
    return Py_BuildValue("{s:s,s:s,s:N,s:z,s:i,s:i,s:z,s:z}", "name", spec->name, "title", spec->title, "path", path,
                         "how", f->handle ? f->how : NULL, "functions", (int)spec->n_symbols, "resolved", resolved,
                         "resolver", resolver, "hint", spec->hint);
}

static PyObject *py_libraries(PyObject *Py_UNUSED(core), PyObject *Py_UNUSED(arg)) {
    PyObject *list = PyList_New(0);
    for (library *lib = registry; list && lib; lib = lib->next) {
        PyObject *item = describe(lib);
        if (!item || PyList_Insert(list, 0, item)) Py_CLEAR(list); /* the registry is newest first */
        Py_XDECREF(item);
    }
    return list;
}

static PyObject *py_open(PyObject *Py_UNUSED(core), PyObject *arg) {
    const char *name = PyUnicode_AsUTF8AndSize(arg, NULL);
    if (!name) return NULL;
    for (library *lib = registry; lib; lib = lib->next)
        if (!strcmp(lib->shared.spec->name, name)) {
            lib->warned = 1; /* who asks for the path is told by it */
            return open_with_gil(lib, 0) ? NULL : PyUnicode_DecodeFSDefault(lib->found.path);
        }
    return PyErr_Format(PyExc_ValueError, "no library is called %R", arg);
}

/* A function that only the CPU device has; NULL where the device is another one, or has it not. */
static void *cpu_symbol(const char *name) {
    for (library *lib = registry; lib; lib = lib->next) {
        void *handle = lib->shared.spec->stand_in ? found_handle(&lib->found) : NULL;
        void *symbol = handle ? os_symbol(handle, name) : NULL;
        if (symbol) return symbol;
    }
    return NULL;
}

static PyObject *py_cpu_check(PyObject *Py_UNUSED(core), PyObject *args) {
    int races, uninitialised;
    if (!PyArg_ParseTuple(args, "ii", &races, &uninitialised)) return NULL;
    void *check = cpu_symbol("cubind_cpu_check");
    if (check) ((void (*)(int, int))(uintptr_t)check)(races, uninitialised);
    return PyBool_FromLong(check != NULL);
}

static PyObject *py_cpu_interrupt(PyObject *Py_UNUSED(core), PyObject *Py_UNUSED(arg)) {
    void *interrupt = cpu_symbol("cubind_cpu_interrupt");
    if (interrupt) ((void (*)(void))(uintptr_t)interrupt)();
    return PyBool_FromLong(interrupt != NULL);
}

/* What the CPU device says about the last kernel that failed; None where the device is another one. */
static PyObject *py_cpu_report(PyObject *Py_UNUSED(core), PyObject *Py_UNUSED(arg)) {
    for (library *lib = registry; lib; lib = lib->next) {
        void *handle = lib->shared.spec->stand_in ? found_handle(&lib->found) : NULL;
        void *report = handle ? os_symbol(handle, "cubind_cpu_last_report") : NULL;
        if (report) return PyUnicode_DecodeFSDefault(((const char *(*)(void))(uintptr_t)report)());
    }
    Py_RETURN_NONE;
}

static PyObject *py_per_thread(PyObject *Py_UNUSED(core), PyObject *arg) {
    int on = arg == Py_None ? atomic_load(&per_thread) : PyObject_IsTrue(arg);
    if (on < 0) return NULL;
    atomic_store(&per_thread, on);
    for (library *lib = registry; lib; lib = lib->next)
        for (size_t i = 0; i < lib->n_slots; i++) os_publish((void **)lib->slots[i], current_table(&lib->shared));
    return PyBool_FromLong(on);
}

static PyMethodDef functions[] = {
    {"_has", py_has, METH_O,
     "_has($module, name, /)\n--\n\nWhether the installed library has a function; opens it if needed."},
    {"_libraries", py_libraries, METH_NOARGS,
     "_libraries($module, /)\n--\n\nOne dict for each library that a module uses."},
    {"_open", py_open, METH_O, "_open($module, name, /)\n--\n\nOpen a library by its short name; its path."},
    {"_cpu_report", py_cpu_report, METH_NOARGS,
     "_cpu_report($module, /)\n--\n\nThe CPU device's last report; None where another driver is used."},
    {"_cpu_check", py_cpu_check, METH_VARARGS,
     "_cpu_check($module, races, uninitialised, /)\n--\n\nTurn the CPU device's checkers on (1), off (0), or leave one "
     "(-1); whether there is one."},
    {"_cpu_interrupt", py_cpu_interrupt, METH_NOARGS,
     "_cpu_interrupt($module, /)\n--\n\nEnd the launches that run on the CPU device; whether there is one."},
    {"_per_thread_default_stream", py_per_thread, METH_O,
     "_per_thread_default_stream($module, enable, /)\n--\n\nSwitch (True, False) or ask (None)."},
    {NULL, NULL, 0, NULL},
};

/* Ours first, then the name that NVIDIA's Python package uses for the same thing. */
static int per_thread_from_environment(void) {
    const char *value = getenv("CUBIND_PER_THREAD_DEFAULT_STREAM");
    if (!value || !*value) value = getenv("CUDA_PYTHON_CUDA_PER_THREAD_DEFAULT_STREAM");
    if (!value || !*value) return 0;
    static const char *const off[] = {"0", "false", "False", "no", "off"};
    for (size_t i = 0; i < sizeof off / sizeof *off; i++)
        if (!strcmp(value, off[i])) return 0;
    return 1;
}

int cubind_loader_ready(PyObject *core) {
    static int prepared; /* once a process, also where the module is executed again */
    if (!prepared) {
        atomic_store(&per_thread, per_thread_from_environment());
        if (os_after_fork(search_after_fork)) {
            PyErr_NoMemory();
            return -1;
        }
        prepared = 1;
    }
    return PyModule_AddFunctions(core, functions);
}
