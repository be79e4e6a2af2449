"""Programs in C that are linked to libcudart.so.13 and run on the CPU device; what nvcc's host code calls is called here by hand."""

from __future__ import annotations

import os
import re
import struct
import subprocess
from pathlib import Path

import pytest

from generator import pipeline
from tests.helpers.cpu import KERNELS
from tests.helpers.cpu_runtime import LIBRARY, VENDORS
from tests.helpers.fakes import PACKAGE, run

PROTOTYPES = pipeline.OUT / "cpu_device" / "src" / "runtime" / "generated_exports.hpp"
START = r"""
#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cubind_runtime.h"
PROTOTYPES
#define CHECK(call) do { cudaError_t e = (call); if (e) { \
    printf("%s:%d: %s: %s\n", #call, __LINE__, cudaGetErrorName(e), cudaGetErrorString(e)); return 1; } } while (0)

extern void **__cudaRegisterFatBinary(void *);
extern void __cudaRegisterFatBinaryEnd(void **);
extern void __cudaUnregisterFatBinary(void **);
extern void __cudaRegisterFunction(void **, const char *, char *, const char *, int, void *, void *, void *, void *, int *);
extern void __cudaRegisterVar(void **, char *, char *, const char *, int, size_t, int, int);
extern void __cudaRegisterManagedVar(void **, void **, char *, const char *, int, size_t, int, int);
extern char __cudaInitModule(void **);
extern unsigned __cudaPushCallConfiguration(dim3, dim3, size_t, cudaStream_t);
extern cudaError_t __cudaPopCallConfiguration(dim3 *, dim3 *, size_t *, void *);

static const unsigned char image[] __attribute__((aligned(8))) = {IMAGE};
static struct { unsigned magic, version; const void *data; void *more; } wrapper = {0x466243b1, 1, image, 0};
static int counter, table[4];
static int *shared_with_device;
static void **module;

// the host's side of two kernels, as a compiler makes them
static void fill(void *p, unsigned value, unsigned n) {
    void *args[] = {&p, &value, &n};
    dim3 grid, block;
    size_t shared;
    cudaStream_t stream;
    if (__cudaPopCallConfiguration(&grid, &block, &shared, &stream)) return;
    cudaLaunchKernel((const void *)fill, grid, block, args, shared, stream);
}
static void count(unsigned n) {
    void *args[] = {&n};
    dim3 grid, block;
    size_t shared;
    cudaStream_t stream;
    if (__cudaPopCallConfiguration(&grid, &block, &shared, &stream)) return;
    cudaLaunchKernel((const void *)count, grid, block, args, shared, stream);
}
static void missing(void) {}

static void end(void) { __cudaUnregisterFatBinary(module); }
static void __attribute__((constructor)) begin(void) {
    module = __cudaRegisterFatBinary(&wrapper);
    __cudaRegisterFunction(module, (const char *)fill, (char *)fill, "fill", -1, 0, 0, 0, 0, 0);
    __cudaRegisterFunction(module, (const char *)count, (char *)count, "count", -1, 0, 0, 0, 0, 0);
    __cudaRegisterFunction(module, (const char *)missing, (char *)missing, "missing", -1, 0, 0, 0, 0, 0);
    __cudaRegisterVar(module, (char *)&counter, (char *)"counter", "counter", 0, 4, 0, 0);
    __cudaRegisterVar(module, (char *)table, (char *)"table", "table", 0, 16, 0, 0);
    __cudaRegisterManagedVar(module, (void **)&shared_with_device, (char *)"common", "common", 0, 4, 0, 0);
    __cudaRegisterFatBinaryEnd(module);
    atexit(end);
}
#define CALL_KERNEL(g, b, stream, call) \
    (__cudaPushCallConfiguration((dim3){g, 1, 1}, (dim3){b, 1, 1}, 0, stream) ? (void)0 : call)
"""
MAIN = r"""
static void *other(void *p) {
    int device;
    if (cudaSetDevice(1) || cudaGetDevice(&device) || device != 1) return "device";
    int n = 0;  // the variable of this device is another one
    if (cudaMemcpyFromSymbol(&n, &counter, 4, 0, cudaMemcpyDeviceToHost) || n != 41) return "symbol";
    return cudaGetLastError() ? "error" : p;
}

int main(void) {
    unsigned host[100];
    int n = 0;
    void *p, *at;
    size_t size;
    struct cubind_cudaFuncAttributes a;
    CHECK(cudaMalloc(&p, sizeof host));
    CALL_KERNEL(2, 64, 0, fill(p, 6, 100));
    CHECK(cudaGetLastError());
    CHECK(cudaMemcpy(host, p, sizeof host, cudaMemcpyDeviceToHost));
    for (int i = 0; i < 100; i++) assert(host[i] == 6);

    CALL_KERNEL(1, 1, 0, count(4));
    CHECK(cudaMemcpyFromSymbol(&n, &counter, sizeof n, 0, cudaMemcpyDeviceToHost));
    assert(n == 45);
    n = 100;
    CHECK(cudaMemcpyToSymbolAsync(&counter, &n, sizeof n, 0, cudaMemcpyHostToDevice, 0));
    CALL_KERNEL(1, 1, 0, count(1));
    CHECK(cudaGetSymbolAddress(&at, &counter));
    CHECK(cudaMemcpy(&n, at, sizeof n, cudaMemcpyDefault));
    assert(n == 101);
    CHECK(cudaGetSymbolSize(&size, table));
    assert(size == 16);
    CHECK(cudaMemcpyFromSymbol(&n, table, 4, 8, cudaMemcpyDeviceToHost));
    assert(n == 3);
    assert(cudaMemcpyFromSymbol(&n, table, 4, 13, cudaMemcpyDeviceToHost) == cudaErrorInvalidValue);
    assert(cudaMemcpyFromSymbol(&n, host, 4, 0, cudaMemcpyDeviceToHost) == cudaErrorInvalidSymbol);
    assert(cudaGetLastError() == cudaErrorInvalidSymbol && cudaGetLastError() == cudaSuccess);

    CHECK(cudaFuncGetAttributes(&a, (const void *)fill));
    assert(a.maxThreadsPerBlock == 1024);
    assert(cudaFuncGetAttributes(&a, (const void *)missing) == cudaErrorInvalidDeviceFunction);
    assert(cudaFuncGetAttributes(&a, (const void *)main) == cudaErrorInvalidDeviceFunction);
    cudaKernel_t kernel;
    CHECK(cudaGetKernel(&kernel, (const void *)fill));
    void *args[] = {&p, &(unsigned){9}, &(unsigned){100}};
    CHECK(cudaLaunchKernel((const void *)kernel, (dim3){1, 1, 1}, (dim3){128, 1, 1}, args, 0, 0));
    CHECK(cudaMemcpy(host, p, sizeof host, cudaMemcpyDeviceToHost));
    assert(host[99] == 9);
    cudaGetLastError();
    dim3 grid, block;
    cudaStream_t stream;
    assert(__cudaPopCallConfiguration(&grid, &block, &size, &stream) == cudaErrorMissingConfiguration);
    cudaGetLastError();
    CALL_KERNEL(0, 1, 0, count(1));
    assert(cudaGetLastError() == cudaErrorInvalidConfiguration);

    assert(__cudaInitModule(module) == 1);
    *shared_with_device = 12;
    CHECK(cudaMemcpyFromSymbol(&n, &shared_with_device, 4, 0, cudaMemcpyDeviceToHost));
    assert(n == 12);

    pthread_t thread;
    void *result;
    pthread_create(&thread, 0, other, "good");
    pthread_join(thread, &result);
    puts(result);
    CHECK(cudaDeviceReset());
    CHECK(cudaMemcpyFromSymbol(&n, &counter, sizeof n, 0, cudaMemcpyDeviceToHost));
    printf("%d\n", n);  // loaded anew
    return 0;
}
"""
MANAGED = "\n.visible .global .attribute(.managed) .align 4 .u32 common;\n"


def fat_binary(ptx: str) -> bytes:
    """One text for compute_75, not compressed, in the container that nvcc makes."""
    text = ptx.encode() + b"\0"
    text += b"\0" * (-len(text) % 8)
    part = struct.pack("<HHIQIIHHIIIQQQ", 1, 0x101, 64, len(text), 0, 0, 4, 7, 75, 0, 0, 0, 0, 0)
    assert len(part) == 64
    return struct.pack("<IHHQ", 0xBA55ED50, 1, 16, len(part) + len(text)) + part + text


def compiled(folder: Path, main: str, *options: str) -> Path:
    """A program that is linked to the library by its usual name."""
    declared = re.findall(r"^EXPORTED (.*;)$", PROTOTYPES.read_text(), re.MULTILINE)
    image = ",".join(map(str, fat_binary(KERNELS + MANAGED)))
    prototypes = "\n".join(f"extern {line}" for line in declared)
    source, program = folder / "program.c", folder / "program"
    source.write_text(START.replace("PROTOTYPES", prototypes).replace("IMAGE", image) + main)
    command = ["gcc", "-O1", "-DCUBIND_EXACT_NAMES", f"-I{PACKAGE / '_abi'}", str(source), "-o", str(program)]
    done = subprocess.run([*command, *options, "-lpthread"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:4000]
    return program


def started(program: Path, **changes: str) -> list[str]:
    libdir = run("from cubind import cpu; print(cpu.libdir())").strip()
    assert Path(libdir) == LIBRARY.parent
    environment = os.environ | {"LD_LIBRARY_PATH": libdir, "CPU_DEVICE_COUNT": "2"} | changes
    done = subprocess.run([program], env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout.splitlines()


def test_a_program_of_a_compiler(tmp_path: Path) -> None:
    program = compiled(tmp_path, MAIN, f"-L{LIBRARY.parent}", f"-l:{LIBRARY.name}")
    assert started(program) == ["good", "41"]


def test_a_program_that_uses_both_libraries(tmp_path: Path) -> None:
    """Linked to the driver too: it is one and the same, and so are the contexts."""
    main = """
    extern int cuCtxGetCurrent(void **), cuDevicePrimaryCtxRetain(void **, int), cuMemsetD32_v2(void *, unsigned, size_t);
    int main(void) {
        void *current = 0, *primary = 0, *p;
        unsigned n = 0;
        CHECK(cudaMalloc(&p, 64));
        assert(!cuCtxGetCurrent(&current) && !cuDevicePrimaryCtxRetain(&primary, 0) && current && current == primary);
        assert(!cuMemsetD32_v2(p, 7, 16));
        CHECK(cudaMemcpy(&n, (char *)p + 60, 4, cudaMemcpyDeviceToHost));
        printf("%u\\n", n);
        return 0;
    }
    """
    program = compiled(tmp_path, main, f"-L{LIBRARY.parent}", f"-l:{LIBRARY.name}", "-l:libcuda.so.1")
    assert started(program) == ["7"]


@pytest.mark.skipif(not VENDORS.exists(), reason="needs the package nvidia-cuda-runtime")
def test_a_program_linked_to_the_vendors_library_runs(tmp_path: Path) -> None:
    program = compiled(tmp_path, MAIN, str(VENDORS))
    assert started(program) == ["good", "41"]
