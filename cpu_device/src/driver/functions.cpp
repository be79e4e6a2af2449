// The functions about functions (cuFunc*) and about kernels of libraries (cuKernel*).
#include "kernel_attribute.hpp"
#include "module.hpp"

using namespace cpu_device;

namespace {

template <class Body> CUresult on_function(CUfunction handle, Body &&body) {
    return in_context([&](Context &) -> CUresult {
        CUresult status = CUDA_SUCCESS;
        const std::shared_ptr<Function> function = function_of(handle, status);
        return function ? body(*function) : status;
    });
}

// body(LibraryKernel &, Library &)
template <class Body> CUresult on_kernel(CUkernel handle, Body &&body) {
    return call([&]() -> CUresult {
        const std::shared_ptr<LibraryKernel> kernel = lookup<LibraryKernel>(handle);
        const std::shared_ptr<Library> library = kernel ? kernel->library.lock() : nullptr;
        return library ? body(*kernel, *library) : CUDA_ERROR_INVALID_HANDLE;
    });
}

CUresult give_name(const Kernel &kernel, const char **out) {
    if (!out) return CUDA_ERROR_INVALID_VALUE;
    *out = kernel.name().c_str();
    return CUDA_SUCCESS;
}

CUresult give_param_count(const Kernel &kernel, size_t *out) {
    if (!out) return CUDA_ERROR_INVALID_VALUE;
    *out = kernel.params().size();
    return CUDA_SUCCESS;
}

bool cache_config(CUfunc_cache config) {
    return static_cast<unsigned>(config) <= CU_FUNC_CACHE_PREFER_EQUAL;
}

} // namespace

extern "C" {

CUresult cuFuncGetAttribute(int *out, CUfunction_attribute name, CUfunction handle) {
    return on_function(handle, [&](Function &f) { return get_attribute(*f.kernel, *f.settings, name, out); });
}

CUresult cuFuncSetAttribute(CUfunction handle, CUfunction_attribute name, int value) {
    return on_function(handle, [&](Function &f) { return set_attribute(*f.kernel, *f.settings, name, value); });
}

CUresult cuFuncSetCacheConfig(CUfunction handle, CUfunc_cache config) {
    return on_function(handle,
                       [&](Function &) { return cache_config(config) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE; });
}

CUresult cuFuncSetSharedMemConfig(CUfunction handle, CUsharedconfig config) {
    return on_function(handle, [&](Function &) {
        return static_cast<unsigned>(config) <= CU_SHARED_MEM_CONFIG_EIGHT_BYTE_BANK_SIZE ? CUDA_SUCCESS
                                                                                          : CUDA_ERROR_INVALID_VALUE;
    });
}

CUresult cuFuncGetModule(CUmodule *out, CUfunction handle) {
    return on_function(handle, [&](Function &f) {
        const std::shared_ptr<Module> module = f.module.lock();
        if (!out) return CUDA_ERROR_INVALID_VALUE;
        if (!module) return CUDA_ERROR_INVALID_HANDLE;
        *out = as<CUmodule>(*module);
        return CUDA_SUCCESS;
    });
}

CUresult cuFuncGetName(const char **name, CUfunction handle) {
    return on_function(handle, [&](Function &f) { return give_name(*f.kernel, name); });
}

CUresult cuFuncGetParamInfo(CUfunction handle, size_t index, size_t *offset, size_t *size) {
    return on_function(handle, [&](Function &f) { return get_param(*f.kernel, index, offset, size); });
}

CUresult cuFuncGetParamCount(CUfunction handle, size_t *count) {
    return on_function(handle, [&](Function &f) { return give_param_count(*f.kernel, count); });
}

CUresult cuFuncIsLoaded(CUfunctionLoadingState *state, CUfunction handle) {
    return on_function(handle, [&](Function &) {
        if (!state) return CUDA_ERROR_INVALID_VALUE;
        *state = CU_FUNCTION_LOADING_STATE_LOADED;
        return CUDA_SUCCESS;
    });
}

CUresult cuFuncLoad(CUfunction handle) {
    return on_function(handle, [](Function &) { return CUDA_SUCCESS; });
}

CUresult cuKernelGetFunction(CUfunction *out, CUkernel handle) {
    return in_context([&](Context &context) {
        return on_kernel(handle, [&](LibraryKernel &kernel, Library &library) {
            CUresult status = CUDA_SUCCESS;
            if (!out) return CUDA_ERROR_INVALID_VALUE;
            const std::shared_ptr<Function> function = library.function_in(context.shared_from_this(), kernel, status);
            if (function) *out = as<CUfunction>(*function);
            return status;
        });
    });
}

CUresult cuKernelGetLibrary(CUlibrary *out, CUkernel handle) {
    return on_kernel(handle, [&](LibraryKernel &, Library &library) {
        if (!out) return CUDA_ERROR_INVALID_VALUE;
        *out = as<CUlibrary>(library);
        return CUDA_SUCCESS;
    });
}

CUresult cuKernelGetAttribute(int *out, CUfunction_attribute name, CUkernel handle, CUdevice device) {
    return on_kernel(handle, [&](LibraryKernel &k, Library &) {
        return is_device(device) ? get_attribute(*k.kernel, *k.settings[static_cast<size_t>(device)], name, out)
                                 : CUDA_ERROR_INVALID_DEVICE;
    });
}

CUresult cuKernelSetAttribute(CUfunction_attribute name, int value, CUkernel handle, CUdevice device) {
    return on_kernel(handle, [&](LibraryKernel &k, Library &) {
        return is_device(device) ? set_attribute(*k.kernel, *k.settings[static_cast<size_t>(device)], name, value)
                                 : CUDA_ERROR_INVALID_DEVICE;
    });
}

CUresult cuKernelSetCacheConfig(CUkernel handle, CUfunc_cache config, CUdevice device) {
    return on_kernel(handle, [&](LibraryKernel &, Library &) {
        if (!is_device(device)) return CUDA_ERROR_INVALID_DEVICE;
        return cache_config(config) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    });
}

CUresult cuKernelGetName(const char **name, CUkernel handle) {
    return on_kernel(handle, [&](LibraryKernel &k, Library &) { return give_name(*k.kernel, name); });
}

CUresult cuKernelGetParamInfo(CUkernel handle, size_t index, size_t *offset, size_t *size) {
    return on_kernel(handle, [&](LibraryKernel &k, Library &) { return get_param(*k.kernel, index, offset, size); });
}

CUresult cuKernelGetParamCount(CUkernel handle, size_t *count) {
    return on_kernel(handle, [&](LibraryKernel &k, Library &) { return give_param_count(*k.kernel, count); });
}
}
