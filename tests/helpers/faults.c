/* A driver that fails on demand: the functions of another driver behind thunks that count.  The n-th call of one that may
 * fail returns a status and does not reach the driver.  Built and steered by faults.py; x86-64, GNU assembler.
 */
#include <dlfcn.h>
#include <fnmatch.h>
#include <stdint.h>
#include <stdlib.h>

enum { MOST = 1024 };
#define FOR_THUNKS __attribute__((visibility("hidden"), used))

FOR_THUNKS void *fault_real[MOST];
FOR_THUNKS uint8_t fault_counts[MOST];
FOR_THUNKS int64_t fault_countdown, fault_calls;
FOR_THUNKS int32_t fault_status;
extern __attribute__((visibility("hidden"))) char fault_thunks[];
static int functions;

__asm__(".text\n"
        ".p2align 4\n"
        ".hidden fault_thunks\n"
        ".globl fault_thunks\n"
        "fault_thunks:\n"
        ".set fault_i, 0\n"
        ".rept 1024\n"
        "  movl $fault_i, %eax\n"
        "  jmp fault_common\n"
        "  .p2align 4\n"
        "  .set fault_i, fault_i + 1\n"
        ".endr\n"
        "fault_common:\n"
        "  leaq fault_counts(%rip), %r11\n"
        "  cmpb $0, (%r11,%rax)\n"
        "  je 1f\n"
        "  lock incq fault_calls(%rip)\n"
        "  lock decq fault_countdown(%rip)\n"
        "  jz 2f\n"
        "1:\n"
        "  leaq fault_real(%rip), %r11\n"
        "  jmp *(%r11,%rax,8)\n"
        "2:\n"
        "  movl fault_status(%rip), %eax\n"
        "  ret\n");

/* What nothing can be done about where it fails, or what only asks the library about itself. */
static int may_fail(const char *name) {
    static const char *const never[] = {"cuInit",           "cuDriver*",       "cuGet*",
                                        "*Free*",           "*Destroy*",       "cuCtxPushCurrent*",
                                        "cuCtxPopCurrent*", "cuCtxGetCurrent", "cuMemHostUnregister*"};
    for (unsigned i = 0; i < sizeof never / sizeof *never; i++)
        if (fnmatch(never[i], name, 0) == 0) return 0;
    return 1;
}

int cuGetProcAddress_v2(const char *name, void **out, int version, uint64_t flags, int *found) {
    static int (*resolve)(const char *, void **, int, uint64_t, int *);
    if (!resolve) {
        void *driver = dlopen(getenv("FAULTS_DRIVER"), RTLD_NOW | RTLD_LOCAL);
        resolve =
            driver ? (int (*)(const char *, void **, int, uint64_t, int *))dlsym(driver, "cuGetProcAddress_v2") : NULL;
        if (!resolve) abort();
    }
    int status = resolve(name, out, version, flags, found);
    if (status || !*out || functions == MOST) return status;
    fault_real[functions] = *out;
    fault_counts[functions] = (uint8_t)may_fail(name);
    *out = fault_thunks + 16 * functions++;
    return 0;
}

/* The n-th call from now on fails with the status; n 0: none does. */
void faults_arm(int64_t n, int32_t status) {
    fault_status = status;
    fault_calls = 0;
    fault_countdown = n;
}

/* Calls since then. */
int64_t faults_calls(void) {
    return fault_calls;
}
