// The last error of each thread.
#include "call.hpp"

namespace cpu_device {

thread_local bool PerThreadStream::active_ = false;

namespace {

thread_local cudaError_t last = cudaSuccess;

// Errors of kernels end their context: they stay until the device is reset.
bool ends_context(cudaError_t status) {
    switch (status) {
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchTimeout:
    case cudaErrorAssert:
    case cudaErrorHardwareStackError:
    case cudaErrorIllegalInstruction:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorLaunchFailure: return true;
    default: return false;
    }
}

// What a kernel has done to the current context, if anything; nothing is waited for.
cudaError_t context_error() {
    size_t limit = 0;
    const cudaError_t status = CALL(cuCtxGetLimit, &limit, CU_LIMIT_STACK_SIZE);
    return ends_context(status) ? status : cudaSuccess;
}

} // namespace

cudaError_t record(cudaError_t status) {
    if (status != cudaSuccess) last = status;
    return status;
}

int not_supported() {
    return record(cudaErrorNotSupported);
}

} // namespace cpu_device

using namespace cpu_device;

extern "C" {

cudaError_t cudaGetLastError() {
    const cudaError_t status = cudaPeekAtLastError();
    if (!ends_context(status) || context_error() != status) last = cudaSuccess;
    return status;
}

// A kernel's error is one as soon as the kernel has made it.
cudaError_t cudaPeekAtLastError() {
    return last == cudaSuccess ? record(context_error()) : last;
}
}
