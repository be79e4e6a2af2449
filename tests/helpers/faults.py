"""A driver that fails when told to: every function of the CPU device behind a stub that counts its calls and can refuse one.

Stubs are made from the symbols that the CPU device exports, in assembler, so that any signature is passed on as it is.
"""

from __future__ import annotations

import ctypes
import platform
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

from .fakes import PACKAGE

SUPPORTED = platform.machine() == "x86_64"
ROOT = PACKAGE.parents[1]
DEVICE = PACKAGE / "_cpu" / "libcuda.so.1"
_CODE = r"""
#include <dlfcn.h>
#include <pthread.h>
static const char *const names[] = {NAMES};
enum { COUNT = sizeof names / sizeof *names };
void *real_functions[COUNT];
static long calls[COUNT], total, refused = -1;
static int status, last = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

__attribute__((constructor)) static void load(void) {
    void *device = dlopen(DEVICE, RTLD_NOW | RTLD_LOCAL);
    for (int i = 0; i < COUNT; i++) real_functions[i] = dlsym(device, names[i]);
}
/* Where the calls under way return to: the real function returns to `after` in the stubs instead, for its status to be seen. */
static __thread struct { int i; void *back; } under_way[100];
static __thread int depth;

/* What a stub asks: the status to return, 0 for a call that goes on. */
__attribute__((visibility("hidden"))) int ask(int i, void *back) {
    pthread_mutex_lock(&lock);
    const char *name = names[i] + __builtin_strlen(PREFIX);
    int is_api = !__builtin_strncmp(names[i], PREFIX, name - names[i]) && *name >= 'A' && *name <= 'Z' &&
                 __builtin_strcmp(name, "GetErrorString"); /* the others have no status */
    int refuse = is_api && total++ == refused;
    if (refuse) last = i;
    pthread_mutex_unlock(&lock);
    if (refuse) return status;
    under_way[depth].i = i;
    under_way[depth++].back = back;
    return 0;
}
__attribute__((visibility("hidden"))) void *answered(int result) {
    void *back = under_way[--depth].back;
    if (!result) __atomic_fetch_add(&calls[under_way[depth].i], 1, __ATOMIC_RELAXED);
    return back;
}
/* Refuses call number n from now on, counted from 0, with a status; -1: none. */
void fault_arm(long n, int with) { pthread_mutex_lock(&lock); total = 0; refused = n; status = with; last = -1; pthread_mutex_unlock(&lock); }
long fault_total(void) { return total; }
const char *fault_refused(void) { return last < 0 ? "" : names[last]; }
long fault_calls(const char *name) {
    for (int i = 0; i < COUNT; i++)
        if (!__builtin_strcmp(names[i], name)) return calls[i];
    return -1;
}
"""
_STUB = """
.globl {name}
.type {name}, @function
{name}:
    mov ${index}, %eax
    jmp common
"""
# Argument registers survive the question; the stack is as the caller left it when the real function begins, but for the address
# that it returns to.
_COMMON = """
.text
common:
    push %rdi; push %rsi; push %rdx; push %rcx; push %r8; push %r9; push %rax
    sub $64, %rsp
    movsd %xmm0, 0(%rsp); movsd %xmm1, 8(%rsp); movsd %xmm2, 16(%rsp); movsd %xmm3, 24(%rsp)
    mov %eax, %edi
    mov 120(%rsp), %rsi
    call ask
    mov %eax, %r11d
    movsd 0(%rsp), %xmm0; movsd 8(%rsp), %xmm1; movsd 16(%rsp), %xmm2; movsd 24(%rsp), %xmm3
    add $64, %rsp
    pop %rax; pop %r9; pop %r8; pop %rcx; pop %rdx; pop %rsi; pop %rdi
    test %r11d, %r11d
    jne 1f
    lea after(%rip), %r11
    mov %r11, (%rsp)
    mov real_functions@GOTPCREL(%rip), %r11
    jmp *(%r11,%rax,8)
1:  mov %r11d, %eax
    ret
after:
    push %rax
    sub $8, %rsp
    mov %eax, %edi
    call answered
    mov %rax, %r11
    add $8, %rsp
    pop %rax
    jmp *%r11
"""


def build(folder: Path, without: Iterable[str] = (), of: Path = DEVICE, prefix: str = "cu") -> Path:
    """Makes the driver in `folder`; without: functions that it does not have, as an older one.

    of, prefix: another library, and how the names of its functions that return a status begin.
    """
    listed = subprocess.run(["nm", "-D", "--defined-only", of], capture_output=True, text=True, check=True).stdout
    # without the resolver, cubind looks functions up by their names, and finds the stubs
    names = sorted(set(re.findall(r" [TW] (\w+)", listed)) - {"cuGetProcAddress", "cuGetProcAddress_v2", *without})
    quoted = ", ".join(f'"{name}"' for name in names)
    source, stubs, library = folder / "faults.c", folder / "stubs.s", folder / of.name
    source.write_text(f'#define NAMES {quoted}\n#define DEVICE "{of}"\n#define PREFIX "{prefix}"\n{_CODE}')
    stubs.write_text(_COMMON + "".join(_STUB.format(name=name, index=i) for i, name in enumerate(names)))
    command = [
        "gcc",
        "-O1",
        "-shared",
        "-fPIC",
        str(source),
        str(stubs),
        "-o",
        str(library),
        "-ldl",
        "-Wl,-z,noexecstack",
    ]
    subprocess.run(command, check=True, timeout=60)
    return library


class Faults:
    """The control of the driver, in the process that uses it."""

    def __init__(self, library: str) -> None:
        self._c = ctypes.CDLL(library)
        self._c.fault_total.restype = self._c.fault_calls.restype = ctypes.c_long
        self._c.fault_refused.restype = ctypes.c_char_p

    def arm(self, n: int, status: int = 999) -> None:
        """Refuses call number `n` from now on, counted from 0; -1: none."""
        self._c.fault_arm(ctypes.c_long(n), status)

    @property
    def total(self) -> int:
        """Calls since arm()."""
        return int(self._c.fault_total())

    @property
    def refused(self) -> str:
        """The function that was refused; "" if none was."""
        return str(self._c.fault_refused().decode())

    def calls(self, *names: str) -> int:
        """How often functions succeeded, all together."""
        return sum(max(0, self._c.fault_calls(name.encode())) for name in names)
