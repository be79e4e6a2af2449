// What the calling thread works with: its device, and the context there, which begins with the first call that needs one.
//
// A context that the thread has by the driver's functions is taken as it is; so both APIs work in one context.
#include "call.hpp"

#include <atomic>
#include <mutex>

namespace cpu_device {

namespace {

constexpr int kMostDevices = 16;

// The primary contexts that this runtime keeps alive.
struct Primary {
    CUcontext context = nullptr;
    bool retained = false;
};

struct Primaries {
    std::mutex lock;
    Primary of[kMostDevices];
    std::atomic<unsigned> resets{1}; // what a thread knows of an earlier time may be wrong
};

Primaries &primaries() {
    static auto &made = *new Primaries; // never destroyed: threads may use it while the process ends
    return made;
}

struct Thread {
    int device = 0;
    CUcontext known = nullptr; // is usable,
    unsigned resets = 0;       // as of then
};

Thread &thread() {
    thread_local Thread own;
    return own;
}

cudaError_t retain(int device, CUcontext *context) {
    Primaries &all = primaries();
    int count = 0;
    if (const cudaError_t status = CALL(cuDeviceGetCount, &count)) return status;
    if (device < 0 || device >= count || device >= kMostDevices) return cudaErrorInvalidDevice;
    std::lock_guard<std::mutex> guard(all.lock);
    Primary &primary = all.of[device];
    if (!primary.retained) {
        if (const cudaError_t status = CALL(cuDevicePrimaryCtxRetain, &primary.context, device)) return status;
        primary.retained = true;
    }
    *context = primary.context;
    return cudaSuccess;
}

// The current context is another one than this thread knows.  If it is a primary one, it must be alive from now on.
cudaError_t get_to_know(CUcontext context) {
    Primaries &all = primaries();
    Thread &own = thread();
    CUdevice device = -1;
    const unsigned resets = all.resets;
    for (int i = 0; i < kMostDevices && device < 0; i++) {
        std::lock_guard<std::mutex> guard(all.lock);
        if (all.of[i].context == context) device = i;
    }
    if (device >= 0) {
        CUcontext same = nullptr;
        if (const cudaError_t status = retain(device, &same)) return status;
    } else if (const cudaError_t status = CALL(cuCtxGetDevice, &device)) {
        return status;
    }
    own.known = context;
    own.resets = resets;
    return cudaSuccess;
}

} // namespace

cudaError_t initialize() {
    static std::atomic<bool> done{false};
    if (done) return cudaSuccess;
    const cudaError_t status = CALL(cuInit, 0);
    if (status == cudaSuccess) done = true;
    return status;
}

cudaError_t ready() {
    CUcontext context = nullptr;
    if (const cudaError_t status = initialize()) return status;
    if (const cudaError_t status = CALL(cuCtxGetCurrent, &context)) return status;
    if (!context) return use_device(thread().device);
    if (context == thread().known && thread().resets == primaries().resets) return cudaSuccess;
    return get_to_know(context);
}

int current_device() {
    CUdevice device = 0;
    if (initialize() == cudaSuccess && CALL(cuCtxGetDevice, &device) == cudaSuccess) return device;
    return thread().device;
}

cudaError_t begin_device(int device, CUcontext *context) {
    return retain(device, context);
}

cudaError_t use_device(int device) {
    CUcontext context = nullptr;
    const unsigned resets = primaries().resets;
    if (const cudaError_t status = retain(device, &context)) return status;
    if (const cudaError_t status = CALL(cuCtxSetCurrent, context)) return status;
    thread() = {device, context, resets};
    return cudaSuccess;
}

cudaError_t end_device() {
    const int device = current_device();
    Primaries &all = primaries();
    if (device >= kMostDevices) return cudaErrorInvalidDevice;
    std::lock_guard<std::mutex> guard(all.lock);
    Primary &primary = all.of[device];
    all.resets++;
    if (const cudaError_t status = CALL(cuDevicePrimaryCtxReset_v2, device)) return status;
    if (!primary.retained) return cudaSuccess;
    primary.retained = false;
    return CALL(cuDevicePrimaryCtxRelease_v2, device);
}

} // namespace cpu_device
