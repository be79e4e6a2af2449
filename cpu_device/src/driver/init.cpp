// cuInit, versions, and what a fork does.
#include "call.hpp"

#include <atomic>
#include <pthread.h>

namespace cpu_device {

namespace {

std::atomic<bool> ready{false}, forked{false};

// The threads of streams are not in a forked child; as on a GPU, it cannot use CUDA any more.
void in_child() {
    if (ready) forked = true;
}

} // namespace

bool initialized() {
    return ready && !forked;
}

void initialize() {
    static const int registered = pthread_atfork(nullptr, nullptr, in_child);
    (void)registered;
    ready = true;
}

} // namespace cpu_device

using namespace cpu_device;

extern "C" {

CUresult cuInit(unsigned flags) {
    return guarded([&] {
        if (flags) return CUDA_ERROR_INVALID_VALUE;
        if (!device_count()) return CUDA_ERROR_NO_DEVICE;
        initialize();
        if (!initialized()) return CUDA_ERROR_NOT_INITIALIZED;
        return memory().total() ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
    });
}

CUresult cuDriverGetVersion(int *version) {
    if (!version) return CUDA_ERROR_INVALID_VALUE;
    *version = CUDA_VERSION;
    return CUDA_SUCCESS;
}

// NVIDIA's libraries look for tables of the vendor's own here, and do without where there is none.
CUresult cuGetExportTable(const void **table, const CUuuid *) {
    if (table) *table = nullptr;
    return table ? CUDA_ERROR_NOT_FOUND : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuModuleGetLoadingMode(CUmoduleLoadingMode *mode) {
    if (!mode) return CUDA_ERROR_INVALID_VALUE;
    *mode = CU_MODULE_EAGER_LOADING;
    return CUDA_SUCCESS;
}

CUresult cuProfilerStart() {
    return CUDA_SUCCESS;
}

CUresult cuProfilerStop() {
    return CUDA_SUCCESS;
}
}
