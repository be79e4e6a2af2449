// The functions about kernels, and about symbols of compiled programs.
#include "call.hpp"
#include "copy.hpp"
#include "function.hpp"
#include "registration.hpp"

#include <cstring>
#include <map>
#include <mutex>

namespace cpu_device {

namespace {

// The names by which a program knows functions: a node of a graph tells its kernel by the name that it was given.
struct Names {
    std::mutex lock;
    std::map<CUfunction, const void *> of;
};

Names &names() {
    static auto &made = *new Names;
    return made;
}

cudaError_t named(cudaError_t status, CUfunction function, const void *kernel) {
    if (status != cudaSuccess) return status;
    std::lock_guard<std::mutex> guard(names().lock);
    names().of[function] = kernel;
    return status;
}

} // namespace

const void *name_of(CUfunction function) {
    std::lock_guard<std::mutex> guard(names().lock);
    const auto found = names().of.find(function);
    return found == names().of.end() ? function : found->second;
}

cudaError_t function_of(const void *kernel, CUfunction *function) {
    size_t parameters = 0;
    CUkernel found = nullptr;
    cudaError_t status = registered_kernel(kernel, &found);
    if (status == cudaSuccess) return named(CALL(cuKernelGetFunction, function, found), *function, kernel);
    if (status != cudaErrorInvalidDeviceFunction) return status;
    const auto handle = reinterpret_cast<uint64_t>(kernel);
    status = CALL(cuKernelGetFunction, function, reinterpret_cast<CUkernel>(handle));
    if (status != cudaErrorInvalidResourceHandle) return named(status, *function, kernel);
    *function = reinterpret_cast<CUfunction>(handle);
    status = CALL(cuFuncGetParamCount, *function, &parameters);
    return status == cudaErrorInvalidResourceHandle ? cudaErrorInvalidDeviceFunction : status;
}

} // namespace cpu_device

using namespace cpu_device;

namespace {

// body(function) with a context.
template <class Body> cudaError_t on_function(const void *kernel, Body &&body) {
    return in_context([&]() -> cudaError_t {
        CUfunction function = nullptr;
        const cudaError_t status = function_of(kernel, &function);
        return status == cudaSuccess ? body(function) : status;
    });
}

cudaError_t describe(CUfunction function, cudaFuncAttributes &out) {
    cudaError_t status = cudaSuccess;
    auto get = [&](CUfunction_attribute name) {
        int value = 0;
        if (status == cudaSuccess) status = CALL(cuFuncGetAttribute, &value, name, function);
        return value;
    };
    std::memset(&out, 0, sizeof out);
    out.maxThreadsPerBlock = get(CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK);
    out.sharedSizeBytes = static_cast<size_t>(get(CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES));
    out.constSizeBytes = static_cast<size_t>(get(CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES));
    out.localSizeBytes = static_cast<size_t>(get(CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES));
    out.numRegs = get(CU_FUNC_ATTRIBUTE_NUM_REGS);
    out.ptxVersion = get(CU_FUNC_ATTRIBUTE_PTX_VERSION);
    out.binaryVersion = get(CU_FUNC_ATTRIBUTE_BINARY_VERSION);
    out.cacheModeCA = get(CU_FUNC_ATTRIBUTE_CACHE_MODE_CA);
    out.maxDynamicSharedSizeBytes = get(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES);
    out.preferredShmemCarveout = get(CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT);
    out.clusterDimMustBeSet = get(CU_FUNC_ATTRIBUTE_CLUSTER_SIZE_MUST_BE_SET);
    out.requiredClusterWidth = get(CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_WIDTH);
    out.requiredClusterHeight = get(CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_HEIGHT);
    out.requiredClusterDepth = get(CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_DEPTH);
    out.clusterSchedulingPolicyPreference = get(CU_FUNC_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE);
    out.nonPortableClusterSizeAllowed = get(CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED);
    out.deviceNodeUpdateStatus = get(CU_FUNC_ATTRIBUTE_DEVICE_NODE_UPDATE_SUPPORTED);
    return status;
}

// A part of a variable; false where it is outside.
bool part(CUdeviceptr &at, size_t whole, size_t size, size_t offset) {
    at += offset;
    return offset <= whole && size <= whole - offset;
}

// body(address) with a part of a variable of the program.
template <class Body> cudaError_t on_variable(const void *symbol, size_t size, size_t offset, Body &&body) {
    return in_context([&]() -> cudaError_t {
        CUdeviceptr at = 0;
        size_t whole = 0;
        if (const cudaError_t status = registered_variable(symbol, &at, &whole)) return status;
        return part(at, whole, size, offset) ? body(pointer(at)) : cudaErrorInvalidValue;
    });
}

bool to_device(cudaMemcpyKind kind) {
    return kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice || kind == cudaMemcpyDefault;
}

bool from_device(cudaMemcpyKind kind) {
    return kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice || kind == cudaMemcpyDefault;
}

} // namespace

extern "C" {

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes *out, const void *kernel) {
    return on_function(kernel, [&](CUfunction f) { return out ? describe(f, *out) : cudaErrorInvalidValue; });
}

cudaError_t cudaFuncSetAttribute(const void *kernel, cudaFuncAttribute name, int value) {
    return on_function(kernel, [&](CUfunction f) {
        return CALL(cuFuncSetAttribute, f, static_cast<CUfunction_attribute>(static_cast<int>(name)), value);
    });
}

cudaError_t cudaFuncSetCacheConfig(const void *kernel, cudaFuncCache config) {
    return on_function(kernel,
                       [&](CUfunction f) { return CALL(cuFuncSetCacheConfig, f, static_cast<CUfunc_cache>(config)); });
}

cudaError_t cudaFuncSetSharedMemConfig(const void *kernel, cudaSharedMemConfig config) {
    return on_function(
        kernel, [&](CUfunction f) { return CALL(cuFuncSetSharedMemConfig, f, static_cast<CUsharedconfig>(config)); });
}

cudaError_t cudaFuncGetName(const char **name, const void *kernel) {
    return on_function(kernel, [&](CUfunction f) { return CALL(cuFuncGetName, name, f); });
}

cudaError_t cudaFuncGetParamCount(const void *kernel, size_t *count) {
    return on_function(kernel, [&](CUfunction f) { return CALL(cuFuncGetParamCount, f, count); });
}

cudaError_t cudaFuncGetParamInfo(const void *kernel, size_t index, size_t *offset, size_t *size) {
    return on_function(kernel, [&](CUfunction f) { return CALL(cuFuncGetParamInfo, f, index, offset, size); });
}

cudaError_t cudaGetFuncBySymbol(cudaFunction_t *out, const void *symbol) {
    return on_function(symbol, [&](CUfunction f) {
        if (!out) return cudaErrorInvalidValue;
        *out = f;
        return cudaSuccess;
    });
}

cudaError_t cudaGetKernel(cudaKernel_t *out, const void *entry) {
    return in_context([&] { return out ? registered_kernel(entry, out) : cudaErrorInvalidValue; });
}

EXPORTED cudaError_t __cudaGetKernel(cudaKernel_t *out, const void *entry) {
    return cudaGetKernel(out, entry);
}

cudaError_t cudaGetSymbolAddress(void **out, const void *symbol) {
    return on_variable(symbol, 0, 0, [&](void *at) {
        if (!out) return cudaErrorInvalidValue;
        *out = at;
        return cudaSuccess;
    });
}

cudaError_t cudaGetSymbolSize(size_t *out, const void *symbol) {
    return in_context([&] {
        CUdeviceptr at = 0;
        return out ? registered_variable(symbol, &at, out) : cudaErrorInvalidValue;
    });
}

cudaError_t cudaMemcpyToSymbol(const void *symbol, const void *from, size_t size, size_t offset, cudaMemcpyKind kind) {
    if (!to_device(kind)) return record(cudaErrorInvalidMemcpyDirection);
    return on_variable(symbol, size, offset, [&](void *at) { return cudaMemcpy(at, from, size, kind); });
}

cudaError_t cudaMemcpyFromSymbol(void *to, const void *symbol, size_t size, size_t offset, cudaMemcpyKind kind) {
    if (!from_device(kind)) return record(cudaErrorInvalidMemcpyDirection);
    return on_variable(symbol, size, offset, [&](void *at) { return cudaMemcpy(to, at, size, kind); });
}

cudaError_t cudaMemcpyToSymbolAsync(const void *symbol, const void *from, size_t size, size_t offset,
                                    cudaMemcpyKind kind, cudaStream_t stream) {
    if (!to_device(kind)) return record(cudaErrorInvalidMemcpyDirection);
    return on_variable(symbol, size, offset, [&](void *at) { return cudaMemcpyAsync(at, from, size, kind, stream); });
}

cudaError_t cudaMemcpyFromSymbolAsync(void *to, const void *symbol, size_t size, size_t offset, cudaMemcpyKind kind,
                                      cudaStream_t stream) {
    if (!from_device(kind)) return record(cudaErrorInvalidMemcpyDirection);
    return on_variable(symbol, size, offset, [&](void *at) { return cudaMemcpyAsync(to, at, size, kind, stream); });
}
}
