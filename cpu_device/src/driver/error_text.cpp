// cuGetErrorName and cuGetErrorString.  Names come from the facts; the words are our own.
#include "export_tables.hpp"
#include "generated_exports.hpp"

namespace {

struct Words {
    int value;
    const char *text;
};

constexpr Words kWords[] = {
    {CUDA_SUCCESS, "no error"},
    {CUDA_ERROR_INVALID_VALUE, "an argument is not valid"},
    {CUDA_ERROR_OUT_OF_MEMORY, "not enough memory"},
    {CUDA_ERROR_NOT_INITIALIZED, "the driver is not initialised, or the process was forked since"},
    {CUDA_ERROR_DEINITIALIZED, "the driver is shutting down"},
    {CUDA_ERROR_STUB_LIBRARY, "this is a stub and no driver"},
    {CUDA_ERROR_NO_DEVICE, "there is no CUDA device"},
    {CUDA_ERROR_INVALID_DEVICE, "there is no device with this number"},
    {CUDA_ERROR_INVALID_IMAGE, "the image is no module"},
    {CUDA_ERROR_INVALID_CONTEXT, "no context is current, or the context is not valid"},
    {CUDA_ERROR_NO_BINARY_FOR_GPU, "the image holds nothing that this device can run"},
    {CUDA_ERROR_UNSUPPORTED_LIMIT, "the device does not have this limit"},
    {CUDA_ERROR_PEER_ACCESS_UNSUPPORTED, "one device cannot reach the other's memory"},
    {CUDA_ERROR_INVALID_PTX, "the PTX could not be compiled; the JIT error log says where"},
    {CUDA_ERROR_JIT_COMPILER_NOT_FOUND, "there is no PTX compiler"},
    {CUDA_ERROR_UNSUPPORTED_PTX_VERSION, "the PTX is of a version that this driver does not know"},
    {CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY, "the device does not support this execution affinity"},
    {CUDA_ERROR_FILE_NOT_FOUND, "the file was not found"},
    {CUDA_ERROR_SHARED_OBJECT_SYMBOL_NOT_FOUND, "a library lacks a symbol"},
    {CUDA_ERROR_OPERATING_SYSTEM, "the operating system refused"},
    {CUDA_ERROR_INVALID_HANDLE, "the handle is not valid"},
    {CUDA_ERROR_ILLEGAL_STATE, "an object is in the wrong state for this"},
    {CUDA_ERROR_NOT_FOUND, "nothing of this name was found"},
    {CUDA_ERROR_NOT_READY, "work is still under way"},
    {CUDA_ERROR_ILLEGAL_ADDRESS, "a kernel accessed memory that it may not access"},
    {CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, "a launch needs more resources than there are"},
    {CUDA_ERROR_LAUNCH_TIMEOUT, "a kernel took too long"},
    {CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED, "access to the peer's memory is enabled already"},
    {CUDA_ERROR_PEER_ACCESS_NOT_ENABLED, "access to the peer's memory was not enabled"},
    {CUDA_ERROR_PRIMARY_CONTEXT_ACTIVE, "the primary context is in use"},
    {CUDA_ERROR_CONTEXT_IS_DESTROYED, "the context was destroyed"},
    {CUDA_ERROR_ASSERT, "an assertion failed in a kernel"},
    {CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED, "part of this host memory is registered already"},
    {CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED, "this host memory is not registered"},
    {CUDA_ERROR_HARDWARE_STACK_ERROR, "a kernel ran out of stack"},
    {CUDA_ERROR_ILLEGAL_INSTRUCTION, "a kernel executed an illegal instruction"},
    {CUDA_ERROR_MISALIGNED_ADDRESS, "a kernel accessed memory at a misaligned address"},
    {CUDA_ERROR_INVALID_ADDRESS_SPACE, "a kernel used an address in the wrong state space"},
    {CUDA_ERROR_INVALID_PC, "a kernel jumped outside its code"},
    {CUDA_ERROR_LAUNCH_FAILED, "a kernel failed"},
    {CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE, "a cooperative launch has more blocks than fit on the device at once"},
    {CUDA_ERROR_NOT_PERMITTED, "this is not permitted here"},
    {CUDA_ERROR_NOT_SUPPORTED, "this is not supported"},
    {CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "this cannot be captured"},
    {CUDA_ERROR_TIMEOUT, "it took longer than was allowed"},
    {CUDA_ERROR_INVALID_CLUSTER_SIZE, "the cluster is larger than the device takes"},
    {CUDA_ERROR_UNKNOWN, "unknown error"},
};

const char *name_of(CUresult status) {
    for (size_t i = 0; i < cpu_device::kStatusNameCount; i++)
        if (cpu_device::kStatusNames[i].value == static_cast<int>(status)) return cpu_device::kStatusNames[i].name;
    return nullptr;
}

} // namespace

extern "C" {

CUresult cuGetErrorName(CUresult status, const char **out) {
    if (!out) return CUDA_ERROR_INVALID_VALUE;
    *out = name_of(status);
    return *out ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuGetErrorString(CUresult status, const char **out) {
    if (!out) return CUDA_ERROR_INVALID_VALUE;
    *out = nullptr;
    for (const Words &one : kWords)
        if (one.value == static_cast<int>(status)) *out = one.text;
    if (!*out && name_of(status)) *out = "an error that the CPU device does not make";
    return *out ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}
}
