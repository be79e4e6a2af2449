// Finds the driver and its functions.
#include "driver.hpp"

#include <dlfcn.h>
#include <string>

namespace cpu_device {

namespace {

CUresult no_driver() {
    return static_cast<CUresult>(cudaErrorInsufficientDriver);
}

// By its path: a name alone would find whichever libcuda.so.1 the process loaded first.
void *open_driver() {
    Dl_info own;
    if (!dladdr(reinterpret_cast<void *>(no_driver), &own) || !own.dli_fname) return nullptr;
    const std::string path = own.dli_fname;
    const size_t slash = path.rfind('/');
    return dlopen(((slash == std::string::npos ? "./" : path.substr(0, slash + 1)) + "libcuda.so.1").c_str(),
                  RTLD_NOW | RTLD_LOCAL);
}

} // namespace

void *driver_symbol(const char *name) {
    static void *const driver = open_driver();
    void *found = driver ? dlsym(driver, name) : nullptr;
    return found ? found : reinterpret_cast<void *>(no_driver);
}

} // namespace cpu_device
