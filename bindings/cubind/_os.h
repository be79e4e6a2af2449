/* The operating system, as far as the core needs it: shared libraries, one mutex, fork, sleep.  A port is this file.
 *
 * Libraries are opened RTLD_NOW | RTLD_LOCAL.  NOW: a library that lacks something it needs says so when it is opened,
 * where the next place can still be tried, and not in the middle of a later call.  LOCAL: functions are looked up in
 * the handle, so nothing has to be visible to other libraries, and a second CUDA runtime in the process (a framework's
 * own copy) keeps its own symbols.  Nothing is ever closed: CUDA libraries start threads and keep exit handlers.
 */
#ifndef CUBIND_OS_H
#define CUBIND_OS_H

#if defined(_WIN32)
#error "cubind: Windows is not supported yet; _os.h is the file to port"
#endif

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>
#if defined(__linux__)
#include <link.h>
#endif

#define OS_THREAD_LOCAL _Thread_local

typedef pthread_mutex_t os_mutex;
#define OS_MUTEX_INIT PTHREAD_MUTEX_INITIALIZER

static inline void os_lock(os_mutex *mutex) {
    pthread_mutex_lock(mutex);
}
static inline void os_unlock(os_mutex *mutex) {
    pthread_mutex_unlock(mutex);
}

static inline int os_exists(const char *path) {
    return access(path, F_OK) == 0;
}

/* A handle, or NULL: os_error() then says why, in the same thread.  `loaded_only`: only what the process has. */
static inline void *os_open(const char *path, int loaded_only) {
    return dlopen(path, RTLD_NOW | RTLD_LOCAL | (loaded_only ? RTLD_NOLOAD : 0));
}

/* For looking only: opened and, unless somebody else uses it, gone again after os_close(). */
static inline void *os_peek(const char *path) {
    return dlopen(path, RTLD_LAZY | RTLD_LOCAL);
}
static inline void os_close(void *handle) {
    dlclose(handle);
}

static inline const char *os_error(void) {
    const char *text = dlerror();
    return text ? text : "unknown error";
}

static inline void *os_symbol(void *handle, const char *name) {
    return dlsym(handle, name);
}

/* The file that an address of code or data belongs to, or NULL. */
static inline const char *os_file_of(const void *address) {
    Dl_info info;
    return dladdr(address, &info) ? info.dli_fname : NULL;
}

/* The path a handle was opened from, or NULL where the system does not tell. */
static inline const char *os_path(void *handle) {
#if defined(__linux__)
    struct link_map *map = NULL;
    if (dlinfo(handle, RTLD_DI_LINKMAP, &map) == 0 && map && map->l_name && *map->l_name) return map->l_name;
#else
    (void)handle;
#endif
    return NULL;
}

/* `child` runs in the child of every later fork(). */
static inline int os_after_fork(void (*child)(void)) {
    return pthread_atfork(NULL, NULL, child);
}

static inline void os_sleep_ms(int ms) {
    struct timespec t = {ms / 1000, (ms % 1000) * 1000000L};
    nanosleep(&t, NULL);
}

/* Publish a pointer that other threads read with a plain load: what was written before is visible to them.  Aligned
 * pointer loads are single accesses on the machines CUDA runs on (x86-64, aarch64), and what they are used for (a call
 * through them) depends on them, so readers need no barrier. */
static inline void os_publish(void **where, void *pointer) {
#if defined(__GNUC__)
    __atomic_store_n(where, pointer, __ATOMIC_RELEASE);
#else
    atomic_thread_fence(memory_order_release);
    *(void *volatile *)where = pointer;
#endif
}

#endif
