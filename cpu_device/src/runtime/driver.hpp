// The driver: the libcuda.so.1 that lies beside this library, whatever else of that name the process has.
#pragma once

#include "../driver/generated_exports.hpp"
#include "generated_exports.hpp"

namespace cpu_device {

// A function of the driver.  Where there is no driver it is one that answers cudaErrorInsufficientDriver.
void *driver_symbol(const char *name);

template <class Function> Function *driver_function(const char *name) {
    return reinterpret_cast<Function *>(driver_symbol(name));
}

// The runtime's statuses are the driver's, under names of their own.
inline cudaError_t from(CUresult status) {
    return static_cast<cudaError_t>(static_cast<int>(status));
}

inline CUdeviceptr address(const void *pointer) {
    return reinterpret_cast<CUdeviceptr>(pointer);
}

inline void *pointer(CUdeviceptr address) {
    return reinterpret_cast<void *>(address);
}

} // namespace cpu_device

// DRIVER(cuMemFree_v2)(...): a call; the function is looked up once.
#define DRIVER(name)                                                                   \
    ([]() {                                                                            \
        static auto *const found = cpu_device::driver_function<decltype(name)>(#name); \
        return found;                                                                  \
    }())

// The same with the status as the runtime calls it.
#define CALL(name, ...) cpu_device::from(DRIVER(name)(__VA_ARGS__))
