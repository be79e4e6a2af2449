// Modules and libraries: loaded programs, and handles for their kernels.
#pragma once

#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "../exec/program.hpp"
#include "call.hpp"
#include "jit_options.hpp"

namespace cpu_device {

class Module;
class Library;

// What cuFuncSetAttribute and its relatives change.
struct KernelSettings {
    std::atomic<int> dynamic_shared{kSharedPerBlock}; // most that may be asked for, besides the static part
    std::atomic<int> carveout{-1};
    std::atomic<int> cluster[3] = {};
    std::atomic<int> cluster_must_be_set{0}, non_portable_cluster{0}, cluster_policy{0};
};

// A kernel in a context.
class Function : public Object {
  public:
    static constexpr HandleKind kKind = HandleKind::function;
    Function(std::shared_ptr<Module> module_, const Kernel *kernel_, std::shared_ptr<KernelSettings> settings_);

    const std::weak_ptr<Module> module;     // which has the functions
    const std::shared_ptr<Program> program; // keeps the kernel
    const std::shared_ptr<Context> context;
    const Kernel *const kernel;
    const std::shared_ptr<KernelSettings> settings;
};

class Module : public Object, public std::enable_shared_from_this<Module> {
  public:
    static constexpr HandleKind kKind = HandleKind::module;
    Module(std::shared_ptr<Context> context_, std::shared_ptr<Program> program_)
        : context(std::move(context_)), program(std::move(program_)) {}
    ~Module() override;
    // The same one each time; `settings`: those of a library's kernel.
    std::shared_ptr<Function> function(const Kernel *kernel, std::shared_ptr<KernelSettings> settings = nullptr);

    const std::shared_ptr<Context> context;
    const std::shared_ptr<Program> program;

  private:
    std::mutex lock_;
    std::map<const Kernel *, std::shared_ptr<Function>> functions_;
};

// A kernel of a library, in no context yet.
class LibraryKernel : public Object {
  public:
    static constexpr HandleKind kKind = HandleKind::kernel;
    LibraryKernel(std::shared_ptr<Library> library_, const Kernel *kernel_) : library(library_), kernel(kernel_) {
        for (auto &one : settings) one = std::make_shared<KernelSettings>();
    }

    const std::weak_ptr<Library> library;
    const Kernel *const kernel;                                         // of the library's first program
    std::array<std::shared_ptr<KernelSettings>, kMostDevices> settings; // by device, for all its contexts
};

class Library : public Object, public std::enable_shared_from_this<Library> {
  public:
    static constexpr HandleKind kKind = HandleKind::library;
    Library(std::string ptx, std::shared_ptr<Program> first, int device);
    ~Library() override;
    const std::shared_ptr<Program> &first() const { return first_; }
    std::shared_ptr<LibraryKernel> kernel(const Kernel *kernel);
    // The library in a context, with variables of its own; nullptr with a status where it cannot be loaded.
    std::shared_ptr<Module> module_in(const std::shared_ptr<Context> &context, CUresult &status);
    // The function that a kernel is in a context.
    std::shared_ptr<Function> function_in(const std::shared_ptr<Context> &context, const LibraryKernel &kernel,
                                          CUresult &status);

  private:
    const std::string ptx_;
    const std::shared_ptr<Program> first_;
    const int device_;
    std::mutex lock_;
    bool first_taken_ = false;
    std::map<uint64_t, std::shared_ptr<Module>> modules_; // by context
    std::map<const Kernel *, std::shared_ptr<LibraryKernel>> kernels_;
};

// A program from an image; the logs that were asked for are written.  `ptx`: what it was loaded from.
std::shared_ptr<Program> load_image(const void *image, size_t size, int device, const JitOptions &options,
                                    CUresult &status, std::string &ptx);

// The function for a handle of a function, or of a library's kernel in the current context.
std::shared_ptr<Function> function_of(CUfunction handle, CUresult &status);

} // namespace cpu_device
