// The functions about modules.
#include "copy.hpp"
#include "image.hpp"
#include "module.hpp"

using namespace cpu_device;

namespace {

CUresult load(CUmodule *out, const void *image, size_t size, unsigned n, CUjit_option *options, void **values) {
    return in_context_unnoticed([&](Context &context) {
        JitOptions jit;
        CUresult status = out && image ? jit.read(n, options, values) : CUDA_ERROR_INVALID_VALUE;
        if (status != CUDA_SUCCESS) return status;
        std::string ptx;
        std::shared_ptr<Program> program = load_image(image, size, context.device, jit, status, ptx);
        if (!program) return status;
        auto module = std::make_shared<Module>(context.shared_from_this(), std::move(program));
        publish(module);
        *out = as<CUmodule>(*module);
        context.own(std::move(module));
        return CUDA_SUCCESS;
    });
}

// body(Module &) with a module of a usable context.
template <class Body> CUresult on_module(CUmodule handle, Body &&body) {
    return in_context([&](Context &) -> CUresult {
        const std::shared_ptr<Module> module = lookup<Module>(handle);
        return module ? body(*module) : CUDA_ERROR_INVALID_HANDLE;
    });
}

} // namespace

extern "C" {

CUresult cuModuleLoadData(CUmodule *out, const void *image) {
    return load(out, image, 0, 0, nullptr, nullptr);
}

CUresult cuModuleLoadDataEx(CUmodule *out, const void *image, unsigned n, CUjit_option *options, void **values) {
    return load(out, image, 0, n, options, values);
}

CUresult cuModuleLoadFatBinary(CUmodule *out, const void *image) {
    return load(out, image, 0, 0, nullptr, nullptr);
}

CUresult cuModuleLoad(CUmodule *out, const char *path) {
    return in_context([&](Context &) {
        std::string bytes;
        const CUresult status = read_file(path, bytes);
        return status == CUDA_SUCCESS ? load(out, bytes.data(), bytes.size(), 0, nullptr, nullptr) : status;
    });
}

CUresult cuModuleUnload(CUmodule handle) {
    return on_module(handle, [&](Module &module) {
        if (!retire<Module>(handle)) return CUDA_ERROR_INVALID_HANDLE;
        module.context->disown(module);
        return CUDA_SUCCESS;
    });
}

CUresult cuModuleGetFunction(CUfunction *out, CUmodule handle, const char *name) {
    return on_module(handle, [&](Module &module) {
        if (!out || !name) return CUDA_ERROR_INVALID_VALUE;
        const Kernel *kernel = module.program->kernel(name);
        if (!kernel) return CUDA_ERROR_NOT_FOUND;
        *out = as<CUfunction>(*module.function(kernel));
        return CUDA_SUCCESS;
    });
}

CUresult cuModuleGetFunctionCount(unsigned *count, CUmodule handle) {
    return on_module(handle, [&](Module &module) {
        if (!count) return CUDA_ERROR_INVALID_VALUE;
        *count = static_cast<unsigned>(module.program->kernels().size());
        return CUDA_SUCCESS;
    });
}

CUresult cuModuleEnumerateFunctions(CUfunction *out, unsigned n, CUmodule handle) {
    return on_module(handle, [&](Module &module) {
        if (!out && n) return CUDA_ERROR_INVALID_VALUE;
        const std::vector<const Kernel *> kernels = module.program->kernels();
        for (unsigned i = 0; i < n && i < kernels.size(); i++) out[i] = as<CUfunction>(*module.function(kernels[i]));
        return CUDA_SUCCESS;
    });
}

CUresult cuModuleGetGlobal_v2(CUdeviceptr *address, size_t *size, CUmodule handle, const char *name) {
    return on_module(handle, [&](Module &module) {
        uint64_t at = 0, bytes = 0;
        if (!name) return CUDA_ERROR_INVALID_VALUE;
        if (!module.program->global(name, at, bytes)) return CUDA_ERROR_NOT_FOUND;
        if (address) *address = at;
        if (size) *size = bytes;
        return CUDA_SUCCESS;
    });
}
}
