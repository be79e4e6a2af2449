// The functions about libraries.
#include "image.hpp"
#include "module.hpp"

using namespace cpu_device;

namespace {

CUresult load(CUlibrary *out, const void *image, size_t size, CUjit_option *options, void **values, unsigned n,
              CUlibraryOption *library_options, unsigned n_library) {
    return call([&] {
        JitOptions jit;
        CUresult status = out && image ? jit.read(n, options, values) : CUDA_ERROR_INVALID_VALUE;
        if (n_library && !library_options) status = CUDA_ERROR_INVALID_VALUE;
        for (unsigned i = 0; status == CUDA_SUCCESS && i < n_library; i++)
            if (static_cast<unsigned>(library_options[i]) >= CU_LIBRARY_NUM_OPTIONS) status = CUDA_ERROR_INVALID_VALUE;
        if (status != CUDA_SUCCESS) return status;
        const std::shared_ptr<Context> context = current_context();
        const int device = context ? context->device : 0;
        std::string ptx;
        std::shared_ptr<Program> program = load_image(image, size, device, jit, status, ptx);
        if (!program) return status;
        auto library = std::make_shared<Library>(std::move(ptx), std::move(program), device);
        publish(library);
        *out = as<CUlibrary>(*library);
        return CUDA_SUCCESS;
    });
}

template <class Body> CUresult on_library(CUlibrary handle, Body &&body) {
    return call([&]() -> CUresult {
        const std::shared_ptr<Library> library = lookup<Library>(handle);
        return library ? body(*library) : CUDA_ERROR_INVALID_HANDLE;
    });
}

CUresult get_global(CUdeviceptr *address, size_t *size, CUlibrary handle, const char *name, bool managed) {
    return in_context([&](Context &context) {
        return on_library(handle, [&](Library &library) {
            CUresult status = name ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
            uint64_t at = 0, bytes = 0;
            if (status != CUDA_SUCCESS) return status;
            const std::shared_ptr<Module> module = library.module_in(context.shared_from_this(), status);
            if (!module) return status;
            if (!module->program->global(name, at, bytes)) return CUDA_ERROR_NOT_FOUND;
            const Allocation *found = memory().find(at, 1);
            if (managed && (!found || found->kind != MemoryKind::managed)) return CUDA_ERROR_NOT_FOUND;
            if (address) *address = at;
            if (size) *size = bytes;
            return CUDA_SUCCESS;
        });
    });
}

} // namespace

extern "C" {

CUresult cuLibraryLoadData(CUlibrary *out, const void *image, CUjit_option *options, void **values, unsigned n,
                           CUlibraryOption *library_options, void **, unsigned n_library) {
    return load(out, image, 0, options, values, n, library_options, n_library);
}

CUresult cuLibraryLoadFromFile(CUlibrary *out, const char *path, CUjit_option *options, void **values, unsigned n,
                               CUlibraryOption *library_options, void **, unsigned n_library) {
    return call([&] {
        std::string bytes;
        const CUresult status = read_file(path, bytes);
        if (status != CUDA_SUCCESS) return status;
        return load(out, bytes.data(), bytes.size(), options, values, n, library_options, n_library);
    });
}

CUresult cuLibraryUnload(CUlibrary handle) {
    return call([&] { return retire<Library>(handle) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE; });
}

CUresult cuLibraryGetKernel(CUkernel *out, CUlibrary handle, const char *name) {
    return on_library(handle, [&](Library &library) {
        if (!out || !name) return CUDA_ERROR_INVALID_VALUE;
        const Kernel *kernel = library.first()->kernel(name);
        if (!kernel) return CUDA_ERROR_NOT_FOUND;
        *out = as<CUkernel>(*library.kernel(kernel));
        return CUDA_SUCCESS;
    });
}

CUresult cuLibraryGetKernelCount(unsigned *count, CUlibrary handle) {
    return on_library(handle, [&](Library &library) {
        if (!count) return CUDA_ERROR_INVALID_VALUE;
        *count = static_cast<unsigned>(library.first()->kernels().size());
        return CUDA_SUCCESS;
    });
}

CUresult cuLibraryEnumerateKernels(CUkernel *out, unsigned n, CUlibrary handle) {
    return on_library(handle, [&](Library &library) {
        if (!out && n) return CUDA_ERROR_INVALID_VALUE;
        const std::vector<const Kernel *> kernels = library.first()->kernels();
        for (unsigned i = 0; i < n && i < kernels.size(); i++) out[i] = as<CUkernel>(*library.kernel(kernels[i]));
        return CUDA_SUCCESS;
    });
}

CUresult cuLibraryGetModule(CUmodule *out, CUlibrary handle) {
    return in_context([&](Context &context) {
        return on_library(handle, [&](Library &library) {
            CUresult status = CUDA_SUCCESS;
            if (!out) return CUDA_ERROR_INVALID_VALUE;
            const std::shared_ptr<Module> module = library.module_in(context.shared_from_this(), status);
            if (module) *out = as<CUmodule>(*module);
            return status;
        });
    });
}

CUresult cuLibraryGetGlobal(CUdeviceptr *address, size_t *size, CUlibrary handle, const char *name) {
    return get_global(address, size, handle, name, false);
}

CUresult cuLibraryGetManaged(CUdeviceptr *address, size_t *size, CUlibrary handle, const char *name) {
    return get_global(address, size, handle, name, true);
}
}
