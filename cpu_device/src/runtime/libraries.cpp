// Libraries: device code that a program loads by itself.
#include "call.hpp"

using namespace cpu_device;

namespace {

template <class Code, class Load>
cudaError_t load(Load &&load, cudaLibrary_t *out, const Code *code, cudaJitOption *jit, void **jit_values, unsigned n,
                 cudaLibraryOption *options, void **values, unsigned n_options) {
    return in_context([&] {
        return from(load(out, code, reinterpret_cast<CUjit_option *>(jit), jit_values, n,
                         reinterpret_cast<CUlibraryOption *>(options), values, n_options));
    });
}

// body(address) gets what is put into *out.
template <class Body> cudaError_t find(void **out, Body &&body) {
    return in_context([&] {
        CUdeviceptr at = 0;
        if (!out) return cudaErrorInvalidValue;
        const cudaError_t status = body(at);
        *out = status == cudaSuccess ? pointer(at) : nullptr;
        return status;
    });
}

} // namespace

extern "C" {

cudaError_t cudaLibraryLoadData(cudaLibrary_t *out, const void *code, cudaJitOption *jit, void **jit_values, unsigned n,
                                cudaLibraryOption *options, void **values, unsigned n_options) {
    return load(DRIVER(cuLibraryLoadData), out, code, jit, jit_values, n, options, values, n_options);
}

cudaError_t cudaLibraryLoadFromFile(cudaLibrary_t *out, const char *path, cudaJitOption *jit, void **jit_values,
                                    unsigned n, cudaLibraryOption *options, void **values, unsigned n_options) {
    return load(DRIVER(cuLibraryLoadFromFile), out, path, jit, jit_values, n, options, values, n_options);
}

cudaError_t cudaLibraryUnload(cudaLibrary_t library) {
    return call([&] { return CALL(cuLibraryUnload, library); });
}

cudaError_t cudaLibraryGetKernel(cudaKernel_t *out, cudaLibrary_t library, const char *name) {
    return call([&] { return CALL(cuLibraryGetKernel, out, library, name); });
}

cudaError_t cudaLibraryGetKernelCount(unsigned *count, cudaLibrary_t library) {
    return call([&] { return CALL(cuLibraryGetKernelCount, count, library); });
}

cudaError_t cudaLibraryEnumerateKernels(cudaKernel_t *kernels, unsigned n, cudaLibrary_t library) {
    return call([&] { return CALL(cuLibraryEnumerateKernels, kernels, n, library); });
}

cudaError_t cudaLibraryGetGlobal(void **out, size_t *size, cudaLibrary_t library, const char *name) {
    return find(out, [&](CUdeviceptr &at) { return CALL(cuLibraryGetGlobal, &at, size, library, name); });
}

cudaError_t cudaLibraryGetManaged(void **out, size_t *size, cudaLibrary_t library, const char *name) {
    return find(out, [&](CUdeviceptr &at) { return CALL(cuLibraryGetManaged, &at, size, library, name); });
}

cudaError_t cudaLibraryGetUnifiedFunction(void **out, cudaLibrary_t library, const char *symbol) {
    return call([&] { return CALL(cuLibraryGetUnifiedFunction, out, library, symbol); });
}

cudaError_t cudaKernelSetAttributeForDevice(cudaKernel_t kernel, cudaFuncAttribute name, int value, int device) {
    return call([&] {
        return CALL(cuKernelSetAttribute, static_cast<CUfunction_attribute>(static_cast<int>(name)), value, kernel,
                    device);
    });
}
}
