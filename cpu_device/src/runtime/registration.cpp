// The registry of compiled programs' device code.  The names are those that nvcc's host code calls.
#include "registration.hpp"

#include "call.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace cpu_device {

namespace {

// One translation unit's device code, loaded when something in it is first asked for.
struct Image {
    const void *code = nullptr;
    CUlibrary library = nullptr;
    std::map<std::string, void **> managed; // the host's pointers to managed variables
};

struct Entry {
    Image *image;
    std::string name; // in the image
    CUkernel kernel = nullptr;
};

struct Registry {
    std::recursive_mutex lock;
    std::map<Image *, std::unique_ptr<Image>> images;
    std::map<const void *, Entry> kernels, variables;
};

// Made by the first program that registers, which may be before this library's own variables are.
Registry &registry() {
    static auto &made = *new Registry;
    return made;
}

using Guard = std::lock_guard<std::recursive_mutex>;

cudaError_t load(Image &image) {
    if (image.library) return cudaSuccess;
    if (const cudaError_t status = initialize()) return status;
    return CALL(cuLibraryLoadData, &image.library, image.code, nullptr, nullptr, 0, nullptr, nullptr, 0);
}

void forget(Image *image, std::map<const void *, Entry> &entries) {
    for (auto at = entries.begin(); at != entries.end();) at = at->second.image == image ? entries.erase(at) : ++at;
}

Image *image_of(void **handle) {
    const auto found = registry().images.find(reinterpret_cast<Image *>(handle));
    return found == registry().images.end() ? nullptr : found->first;
}

void add(std::map<const void *, Entry> &entries, void **handle, const void *host, const char *name) {
    if (Image *image = image_of(handle); image && name) entries[host] = {image, name, nullptr};
}

} // namespace

cudaError_t registered_kernel(const void *host, CUkernel *kernel) {
    Registry &all = registry();
    Guard guard(all.lock);
    const auto found = all.kernels.find(host);
    if (found == all.kernels.end()) return cudaErrorInvalidDeviceFunction;
    Entry &entry = found->second;
    if (!entry.kernel) {
        if (const cudaError_t status = load(*entry.image)) return status;
        const cudaError_t status = CALL(cuLibraryGetKernel, &entry.kernel, entry.image->library, entry.name.c_str());
        if (status != cudaSuccess) return status == cudaErrorSymbolNotFound ? cudaErrorInvalidDeviceFunction : status;
    }
    *kernel = entry.kernel;
    return cudaSuccess;
}

cudaError_t registered_variable(const void *host, CUdeviceptr *at, size_t *size) {
    Registry &all = registry();
    Guard guard(all.lock);
    const auto found = all.variables.find(host);
    if (found == all.variables.end()) return cudaErrorInvalidSymbol;
    const Entry &entry = found->second;
    if (const cudaError_t status = load(*entry.image)) return status;
    const cudaError_t status = CALL(cuLibraryGetGlobal, at, size, entry.image->library, entry.name.c_str());
    return status == cudaErrorSymbolNotFound ? cudaErrorInvalidSymbol : status;
}

} // namespace cpu_device

using namespace cpu_device;

extern "C" {

EXPORTED void **__cudaRegisterFatBinary(void *code) {
    Registry &all = registry();
    Guard guard(all.lock);
    auto image = std::make_unique<Image>();
    Image *const handle = image.get();
    handle->code = code;
    all.images[handle] = std::move(image);
    return reinterpret_cast<void **>(handle);
}

EXPORTED void __cudaRegisterFatBinaryEnd(void **) {}

EXPORTED void __cudaUnregisterFatBinary(void **handle) {
    Registry &all = registry();
    Guard guard(all.lock);
    Image *const image = image_of(handle);
    if (!image) return;
    forget(image, all.kernels);
    forget(image, all.variables);
    if (image->library) DRIVER(cuLibraryUnload)(image->library);
    all.images.erase(image);
}

EXPORTED void __cudaRegisterFunction(void **handle, const char *host, char *, const char *name, int, void *, void *,
                                     void *, void *, int *) {
    Guard guard(registry().lock);
    add(registry().kernels, handle, host, name);
}

EXPORTED void __cudaRegisterVar(void **handle, char *host, char *, const char *name, int, size_t, int, int) {
    Guard guard(registry().lock);
    add(registry().variables, handle, host, name);
}

// The host has a pointer to a managed variable, which it reads through; it is set when the module is initialised.
EXPORTED void __cudaRegisterManagedVar(void **handle, void **host, char *, const char *name, int, size_t, int, int) {
    Guard guard(registry().lock);
    add(registry().variables, handle, host, name);
    if (Image *image = image_of(handle); image && name) image->managed[name] = host;
}

EXPORTED char __cudaInitModule(void **handle) {
    return in_context([&] {
               Guard guard(registry().lock);
               Image *const image = image_of(handle);
               if (!image) return cudaErrorInvalidResourceHandle;
               if (const cudaError_t status = load(*image)) return status;
               for (const auto &[name, host] : image->managed) {
                   CUdeviceptr at = 0;
                   const cudaError_t status = CALL(cuLibraryGetManaged, &at, nullptr, image->library, name.c_str());
                   if (status != cudaSuccess) return status;
                   *host = pointer(at);
               }
               return cudaSuccess;
           }) == cudaSuccess;
}
}
