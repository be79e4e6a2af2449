// How programs get into contexts.
#include "module.hpp"

#include "../ptx/linker.hpp"
#include "image.hpp"

namespace cpu_device {

Function::Function(std::shared_ptr<Module> module_, const Kernel *kernel_, std::shared_ptr<KernelSettings> settings_)
    : module(module_), program(module_->program), context(module_->context), kernel(kernel_),
      settings(settings_ ? std::move(settings_) : std::make_shared<KernelSettings>()) {}

Module::~Module() {
    for (const auto &[kernel, function] : functions_) remove_handle(HandleKind::function, function->handle);
}

std::shared_ptr<Function> Module::function(const Kernel *kernel, std::shared_ptr<KernelSettings> settings) {
    std::lock_guard<std::mutex> guard(lock_);
    std::shared_ptr<Function> &function = functions_[kernel];
    if (!function) {
        function = std::make_shared<Function>(shared_from_this(), kernel, std::move(settings));
        publish(function);
    }
    return function;
}

Library::Library(std::string ptx, std::shared_ptr<Program> first, int device)
    : ptx_(std::move(ptx)), first_(std::move(first)), device_(device) {}

Library::~Library() {
    for (const auto &[kernel, object] : kernels_) remove_handle(HandleKind::kernel, object->handle);
    for (const auto &[context, module] : modules_) {
        remove_handle(HandleKind::module, module->handle);
        module->context->disown(*module);
    }
}

std::shared_ptr<LibraryKernel> Library::kernel(const Kernel *kernel) {
    std::lock_guard<std::mutex> guard(lock_);
    std::shared_ptr<LibraryKernel> &found = kernels_[kernel];
    if (!found) {
        found = std::make_shared<LibraryKernel>(shared_from_this(), kernel);
        publish(found);
    }
    return found;
}

std::shared_ptr<Module> Library::module_in(const std::shared_ptr<Context> &context, CUresult &status) {
    std::lock_guard<std::mutex> guard(lock_);
    const auto found = modules_.find(context->id);
    status = CUDA_SUCCESS;
    // a primary context that began again has lost its modules
    if (found != modules_.end() && lookup<Module>(reinterpret_cast<CUmodule>(found->second->handle)))
        return found->second;
    std::shared_ptr<Program> program = first_;
    if (first_taken_ || context->device != device_) {
        Status loaded = Status::success;
        std::string log;
        program = Program::load(ptx_, memory(), context->device, device_limits().cc, loaded, log);
        status = status_of(loaded);
        if (!program) return nullptr;
    }
    first_taken_ = first_taken_ || program == first_;
    auto module = std::make_shared<Module>(context, std::move(program));
    publish(module);
    context->own(module);
    return modules_[context->id] = module;
}

std::shared_ptr<Function> Library::function_in(const std::shared_ptr<Context> &context, const LibraryKernel &kernel,
                                               CUresult &status) {
    const std::shared_ptr<Module> module = module_in(context, status);
    if (!module) return nullptr;
    const Kernel *own = module->program == first_ ? kernel.kernel : module->program->kernel(kernel.kernel->name());
    if (!own) {
        status = CUDA_ERROR_NOT_FOUND;
        return nullptr;
    }
    return module->function(own, kernel.settings[static_cast<size_t>(context->device)]);
}

std::shared_ptr<Program> load_image(const void *image, size_t size, int device, const JitOptions &options,
                                    CUresult &status, std::string &ptx) {
    std::string log;
    std::shared_ptr<Program> program;
    status = find_ptx(image, size, ptx, log);
    if (status == CUDA_SUCCESS) {
        if (options.max_registers()) ptx = ptx::with_register_limit(ptx, options.max_registers());
        Status loaded = Status::success;
        program = Program::load(ptx, memory(), device, device_limits().cc, loaded, log);
        status = program ? CUDA_SUCCESS : status_of(loaded);
        if (!program && status == CUDA_SUCCESS) status = CUDA_ERROR_INVALID_PTX;
    }
    options.write_logs(program ? log : "", program ? "" : log);
    return program;
}

std::shared_ptr<Function> function_of(CUfunction handle, CUresult &status) {
    status = CUDA_SUCCESS;
    if (std::shared_ptr<Function> function = lookup<Function>(handle)) return function;
    const std::shared_ptr<LibraryKernel> kernel = lookup<LibraryKernel>(handle);
    const std::shared_ptr<Library> library = kernel ? kernel->library.lock() : nullptr;
    const std::shared_ptr<Context> context = current_context();
    status = !library ? CUDA_ERROR_INVALID_HANDLE : usable(context.get());
    return status == CUDA_SUCCESS ? library->function_in(context, *kernel, status) : nullptr;
}

} // namespace cpu_device
