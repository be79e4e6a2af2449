/* The fake driver: what the functions that the rows call do.  Nothing waits, allocates or computes, so that a call costs
 * 1 to 3 ns and all the rest of a row is the binding's.  Every other function of the driver is a stub that succeeds
 * (generate.py); those here win because stubs are weak symbols.
 */
#define CUBIND_EXACT_NAMES
#include "cubind_driver.h"
#include <string.h>

#define API __attribute__((visibility("default")))

static __thread CUcontext current;
static uintptr_t last_handle = 0x5000000000;
static void *new_handle(void) {
    return (void *)(last_handle += 0x40);
}

/* ---- library, device, context ------------------------------------------------------------------------------------ */

API CUresult cuInit(unsigned flags) {
    return flags ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}
API CUresult cuDriverGetVersion(int *version) {
    *version = 13050;
    return CUDA_SUCCESS;
}
API CUresult cuGetErrorName(CUresult e, const char **text) {
    *text = e ? "CUDA_ERROR_INVALID_DEVICE" : "CUDA_SUCCESS";
    return CUDA_SUCCESS;
}
API CUresult cuGetErrorString(CUresult e, const char **text) {
    *text = e ? "invalid device ordinal" : "no error";
    return CUDA_SUCCESS;
}
API CUresult cuDeviceGetCount(int *count) {
    *count = 1;
    return CUDA_SUCCESS;
}
API CUresult cuDeviceGet(CUdevice *device, int ordinal) {
    if (ordinal != 0) return CUDA_ERROR_INVALID_DEVICE;
    *device = 0;
    return CUDA_SUCCESS;
}
API CUresult cuDeviceGetAttribute(int *value, CUdevice_attribute attribute, CUdevice device) {
    if (device != 0) return CUDA_ERROR_INVALID_DEVICE;
    *value = attribute == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR ? 9 : 1;
    return CUDA_SUCCESS;
}
API CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device) {
    (void)device;
    *context = (CUcontext)0x1000;
    return CUDA_SUCCESS;
}
API CUresult cuCtxGetCurrent(CUcontext *context) {
    *context = current;
    return CUDA_SUCCESS;
}
API CUresult cuCtxSetCurrent(CUcontext context) {
    current = context;
    return CUDA_SUCCESS;
}

/* ---- streams and events ------------------------------------------------------------------------------------------ */

API CUresult cuStreamCreate(CUstream *stream, unsigned flags) {
    (void)flags;
    *stream = new_handle();
    return CUDA_SUCCESS;
}
API CUresult cuStreamCreateWithPriority(CUstream *stream, unsigned flags, int priority) {
    (void)flags, (void)priority;
    *stream = new_handle();
    return CUDA_SUCCESS;
}
API CUresult cuStreamDestroy_v2(CUstream stream) {
    (void)stream;
    return CUDA_SUCCESS;
}
API CUresult cuStreamQuery(CUstream stream) {
    (void)stream;
    return CUDA_SUCCESS;
}
API CUresult cuStreamIsCapturing(CUstream stream, CUstreamCaptureStatus *status) {
    (void)stream;
    *status = CU_STREAM_CAPTURE_STATUS_NONE;
    return CUDA_SUCCESS;
}
API CUresult cuEventCreate(CUevent *event, unsigned flags) {
    (void)flags;
    *event = new_handle();
    return CUDA_SUCCESS;
}
API CUresult cuEventDestroy_v2(CUevent event) {
    (void)event;
    return CUDA_SUCCESS;
}
API CUresult cuEventRecord(CUevent event, CUstream stream) {
    (void)stream;
    return event ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

API CUresult cuMemAlloc_v2(CUdeviceptr *pointer, size_t bytes) {
    *pointer = 0x7f0000000000;
    return bytes ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}
API CUresult cuMemAllocFromPoolAsync(CUdeviceptr *pointer, size_t bytes, CUmemoryPool pool, CUstream stream) {
    (void)pool, (void)stream;
    *pointer = 0x7f0000000000;
    return bytes ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}
API CUresult cuMemFreeAsync(CUdeviceptr pointer, CUstream stream) {
    (void)pointer, (void)stream;
    return CUDA_SUCCESS;
}
API CUresult cuMemFree_v2(CUdeviceptr pointer) {
    (void)pointer;
    return CUDA_SUCCESS;
}
API CUresult cuMemcpyHtoD_v2(CUdeviceptr to, const void *from, size_t bytes) {
    (void)to, (void)bytes;
    return from ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}
API CUresult cuMemcpyAsync(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream) {
    (void)to, (void)from, (void)bytes, (void)stream;
    return CUDA_SUCCESS;
}
API CUresult cuPointerGetAttribute(void *data, CUpointer_attribute attribute, CUdeviceptr pointer) {
    (void)attribute, (void)pointer;
    *(unsigned *)data = CU_MEMORYTYPE_DEVICE;
    return CUDA_SUCCESS;
}

/* ---- kernels ----------------------------------------------------------------------------------------------------- */

/* A kernel is named by its parameters: k0, k3 (a pointer, an int, a float) and k16 (16 times 64 bits); so is its handle. */
enum { KERNELS = 0x5000 };
API CUresult cuModuleLoadData(CUmodule *module, const void *image) {
    (void)image;
    *module = new_handle();
    return CUDA_SUCCESS;
}
API CUresult cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name) {
    (void)module;
    int n = 0;
    for (name++; *name; name++) n = 10 * n + *name - '0';
    *function = (CUfunction)(uintptr_t)(KERNELS + n);
    return CUDA_SUCCESS;
}
API CUresult cuFuncGetParamInfo(CUfunction function, size_t index, size_t *offset, size_t *size) {
    size_t n = (uintptr_t)function - KERNELS;
    if (index >= n) return CUDA_ERROR_INVALID_VALUE;
    *size = n == 3 && index > 0 ? 4 : 8;
    *offset = n == 3 && index > 0 ? 4 + 4 * index : 8 * index;
    return CUDA_SUCCESS;
}
API CUresult cuLibraryLoadData(CUlibrary *library, const void *code, CUjit_option *options, void **values, unsigned n,
                               CUlibraryOption *library_options, void **library_values, unsigned library_n) {
    (void)code, (void)options, (void)values, (void)n, (void)library_options, (void)library_values, (void)library_n;
    *library = new_handle();
    return CUDA_SUCCESS;
}
API CUresult cuLibraryGetKernel(CUkernel *kernel, CUlibrary library, const char *name) {
    (void)library;
    return cuModuleGetFunction((CUfunction *)kernel, NULL, name);
}
API CUresult cuKernelGetFunction(CUfunction *function, CUkernel kernel) {
    *function = (CUfunction)kernel;
    return CUDA_SUCCESS;
}
API CUresult cuKernelGetParamInfo(CUkernel kernel, size_t index, size_t *offset, size_t *size) {
    return cuFuncGetParamInfo((CUfunction)kernel, index, offset, size);
}
API CUresult cuLaunchKernel(CUfunction f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                            unsigned shared, CUstream stream, void **params, void **extra) {
    (void)gy, (void)gz, (void)bx, (void)by, (void)bz, (void)shared, (void)stream, (void)params, (void)extra;
    return f && gx ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}
API CUresult cuLaunchKernelEx(const CUlaunchConfig *config, CUfunction f, void **params, void **extra) {
    (void)params, (void)extra;
    return f && config->gridDimX ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}
API CUresult cuTensorMapEncodeTiled(CUtensorMap *map, CUtensorMapDataType type, cuuint32_t rank, void *address,
                                    const cuuint64_t *dims, const cuuint64_t *strides, const cuuint32_t *box,
                                    const cuuint32_t *element_strides, CUtensorMapInterleave interleave,
                                    CUtensorMapSwizzle swizzle, CUtensorMapL2promotion promotion,
                                    CUtensorMapFloatOOBfill fill) {
    (void)strides, (void)box, (void)element_strides, (void)interleave, (void)swizzle, (void)promotion, (void)fill;
    uint64_t words[4] = {(uintptr_t)address, dims[0], rank, type};
    memcpy(map, words, sizeof words);
    return CUDA_SUCCESS;
}
API CUresult cuTensorMapReplaceAddress(CUtensorMap *map, void *address) {
    memcpy(map, &address, sizeof address);
    return CUDA_SUCCESS;
}

/* ---- the resolver ------------------------------------------------------------------------------------------------ */

struct known {
    const char *name;
    int version;
    void *function, *per_thread;
};
extern const struct known fake_known[]; /* by name, then by version; generate.py */
extern const size_t fake_n_known;

/* The newest prototype that is not newer than the version asked for. */
API CUresult cuGetProcAddress_v2(const char *name, void **function, int version, cuuint64_t flags,
                                 CUdriverProcAddressQueryResult *status) {
    size_t low = 0, high = fake_n_known;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (strcmp(fake_known[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *function = NULL;
    for (; low < fake_n_known && strcmp(fake_known[low].name, name) == 0; low++) {
        if (*function && fake_known[low].version > version) break;
        *function = flags & 2 && fake_known[low].per_thread ? fake_known[low].per_thread : fake_known[low].function;
    }
    if (status) *status = *function ? CU_GET_PROC_ADDRESS_SUCCESS : CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
    return *function ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}
