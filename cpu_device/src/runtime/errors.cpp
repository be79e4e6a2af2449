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

bool still_there(cudaError_t status) {
    unsigned version = 0;
    size_t limit = 0;
    return ends_context(status) && CALL(cuCtxGetApiVersion, nullptr, &version) == cudaSuccess &&
           CALL(cuCtxGetLimit, &limit, CU_LIMIT_STACK_SIZE) == status;
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
    const cudaError_t status = last;
    if (!still_there(status)) last = cudaSuccess;
    return status;
}

cudaError_t cudaPeekAtLastError() {
    return last;
}
}
