// Launches: checked, the parameters copied, and put into a stream.
#include "capture.hpp"
#include "checks.hpp"
#include "green_context.hpp"
#include "interrupt.hpp"
#include "kernel_work.hpp"
#include "occupancy.hpp"

#include <cstring>

using namespace cpu_device;

namespace {

constexpr uint64_t kMostGrid[3] = {2147483647, 65535, 65535};
constexpr unsigned kMostBlock[3] = {1024, 1024, 64};
constexpr uint32_t kMostParams = 32764; // bytes

uint64_t count(const Dim3 &d) {
    return uint64_t(d.x) * d.y * d.z;
}

bool within(const Dim3 &d, uint64_t x, uint64_t y, uint64_t z) {
    return d.x && d.y && d.z && d.x <= x && d.y <= y && d.z <= z;
}

// The cluster size of a launch: what it asks for, else what the kernel was compiled for or set to.
CUresult take_cluster(LaunchRequest &r, const Function &f) {
    const auto &set = f.settings->cluster;
    const uint32_t *own = f.kernel->required_cluster;
    const Dim3 required = own[0]   ? Dim3{own[0], own[1], own[2]}
                          : set[0] ? Dim3{unsigned(set[0]), unsigned(set[1]), unsigned(set[2])}
                                   : Dim3{0, 0, 0};
    if (!r.has_cluster && !required.x)
        return f.settings->cluster_must_be_set || f.kernel->must_have_cluster ? CUDA_ERROR_INVALID_CLUSTER_SIZE
                                                                              : CUDA_SUCCESS;
    if (!r.has_cluster) r.cluster = required;
    r.has_cluster = true;
    const Dim3 &c = r.cluster;
    if (required.x && (required.x != c.x || required.y != c.y || required.z != c.z))
        return CUDA_ERROR_INVALID_CLUSTER_SIZE;
    if (!c.x || !c.y || !c.z || r.grid.x % c.x || r.grid.y % c.y || r.grid.z % c.z) return CUDA_ERROR_INVALID_VALUE;
    return count(c) <= most_cluster_blocks(*f.settings) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CLUSTER_SIZE;
}

CUresult check(LaunchRequest &r, const Function &f) {
    const Kernel &kernel = *f.kernel;
    if (!within(r.grid, kMostGrid[0], kMostGrid[1], kMostGrid[2]) ||
        !within(r.block, kMostBlock[0], kMostBlock[1], kMostBlock[2]))
        return CUDA_ERROR_INVALID_VALUE;
    const uint64_t threads = count(r.block);
    if (threads > kThreadsPerBlock || threads > kernel.max_threads) return CUDA_ERROR_INVALID_VALUE;
    const uint32_t *required = kernel.required_threads;
    if (required[0] && (r.block.x != required[0] || r.block.y != required[1] || r.block.z != required[2]))
        return CUDA_ERROR_INVALID_VALUE;
    const int allowed = f.settings->dynamic_shared;
    const uint64_t most =
        allowed == kSharedPerBlock ? kSharedPerBlock : kernel.static_shared_bytes + static_cast<uint64_t>(allowed);
    if (kernel.static_shared_bytes + uint64_t(r.shared) > most) return CUDA_ERROR_INVALID_VALUE;
    if (r.cooperative) {
        const auto resident = static_cast<uint64_t>(blocks_per_multiprocessor(kernel, threads, r.shared)) *
                              (r.multiprocessors ? r.multiprocessors : static_cast<unsigned>(multiprocessors()));
        if (count(r.grid) > resident) return CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE;
    }
    return take_cluster(r, f);
}

CUresult unpack_extra(void **extra, std::vector<uint8_t> &block) {
    const void *buffer = nullptr;
    const size_t *size = nullptr;
    for (size_t i = 0;; i += 2) {
        const auto key = reinterpret_cast<uint64_t>(extra[i]);
        if (key == CU_LAUNCH_PARAM_END) break;
        if (key == CU_LAUNCH_PARAM_BUFFER_POINTER)
            buffer = extra[i + 1];
        else if (key == CU_LAUNCH_PARAM_BUFFER_SIZE)
            size = static_cast<const size_t *>(extra[i + 1]);
        else
            return CUDA_ERROR_INVALID_VALUE;
    }
    if (!size || (*size && !buffer) || *size < block.size() || *size > kMostParams) return CUDA_ERROR_INVALID_VALUE;
    if (!block.empty()) std::memcpy(block.data(), buffer, block.size());
    return CUDA_SUCCESS;
}

// The parameter block.  `params`: one address a parameter; `extra`: the block itself.
CUresult copy_params(const Kernel &kernel, void **params, void **extra, std::vector<uint8_t> &block) {
    uint32_t size = 0;
    for (const KernelParam &p : kernel.params()) size = std::max(size, p.offset + p.size);
    block.assign(size, 0);
    if (params && extra) return CUDA_ERROR_INVALID_VALUE;
    if (extra) return unpack_extra(extra, block);
    if (!params && !kernel.params().empty()) return CUDA_ERROR_INVALID_VALUE;
    for (size_t i = 0; i < kernel.params().size(); i++) {
        const KernelParam &p = kernel.params()[i];
        if (!params[i]) return CUDA_ERROR_INVALID_VALUE;
        std::memcpy(&block[p.offset], params[i], p.size);
    }
    return CUDA_SUCCESS;
}

CUresult launch(CUfunction handle, LaunchRequest request, CUstream stream_handle, void **params, void **extra,
                const LaunchAttributes &attributes = {}) {
    return in_stream<Capturing::recorded>(stream_handle, [&](Stream &stream) {
        CUresult status = CUDA_SUCCESS;
        std::shared_ptr<Function> f = function_of(handle, status);
        if (!f) return status;
        if (f->context.get() != &stream.context) return CUDA_ERROR_INVALID_HANDLE;
        KernelWork work;
        request.multiprocessors = stream.green ? stream.green->resources.sm.sm.smCount : 0;
        status = make_kernel_work(std::move(f), request, params, extra, work);
        if (status != CUDA_SUCCESS) return status;
        if (stream.capturing) {
            work.named_function = handle;
            work.attributes = attributes;
            return capture(stream, std::move(work));
        }
        Context &context = stream.context;
        work.launch.interrupts = interrupts();
        stream.submit([job = std::move(work.launch), program = work.function->program, &context,
                       n = request.multiprocessors] { run_kernel(context, job, n); });
        return CUDA_SUCCESS;
    });
}

} // namespace

namespace cpu_device {

CUresult read_attribute(int id, const CUlaunchAttributeValue &value, LaunchRequest &request) {
    switch (id) {
    case CU_LAUNCH_ATTRIBUTE_COOPERATIVE: request.cooperative = value.cooperative != 0; return CUDA_SUCCESS;
    case CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION:
        request.has_cluster = true;
        request.cluster = {value.clusterDim.x, value.clusterDim.y, value.clusterDim.z};
        return CUDA_SUCCESS;
    case CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_EVENT:
    case CU_LAUNCH_ATTRIBUTE_LAUNCH_COMPLETION_EVENT:
    case CU_LAUNCH_ATTRIBUTE_DEVICE_UPDATABLE_KERNEL_NODE: return CUDA_ERROR_NOT_SUPPORTED;
    default: return id >= 0 && id <= CU_LAUNCH_ATTRIBUTE_SHARED_MEMORY_MODE ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    }
}

CUresult refresh(KernelWork &work) {
    LaunchRequest request = work.request; // what was asked for stays as it was
    const CUresult status = check(request, *work.function);
    work.launch.kernel = work.function->kernel;
    work.launch.grid = request.grid;
    work.launch.block = request.block;
    work.launch.cluster = request.cluster;
    work.launch.has_cluster = request.has_cluster;
    work.launch.dynamic_shared_bytes = request.shared;
    work.launch.cooperative = request.cooperative;
    return status;
}

CUresult make_kernel_work(std::shared_ptr<Function> function, const LaunchRequest &request, void **params, void **extra,
                          KernelWork &work) {
    work.function = std::move(function);
    work.request = request;
    work.packed = extra != nullptr;
    const CUresult status = refresh(work);
    return status == CUDA_SUCCESS ? copy_params(*work.function->kernel, params, extra, work.launch.params) : status;
}

void run_kernel(Context &context, const Launch &launch, unsigned multiprocessors) {
    if (context.fault() != CUDA_SUCCESS) return;
    Fault fault;
    const Interruptible by_signal;
    Options options = launch_options();
    if (multiprocessors) options.threads = multiprocessors;
    const Status status = run(launch, memory(), options, &context.stop, fault);
    if (status == Status::success) return;
    if (fault.kernel.empty()) fault.kernel = launch.kernel->name();
    context.fail(status, fault);
}

} // namespace cpu_device

extern "C" {

CUresult cuLaunchKernel(CUfunction f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                        unsigned shared, CUstream stream, void **params, void **extra) {
    LaunchRequest request;
    request.grid = {gx, gy, gz};
    request.block = {bx, by, bz};
    request.shared = shared;
    return launch(f, request, stream, params, extra);
}

CUresult cuLaunchCooperativeKernel(CUfunction f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
                                   unsigned bz, unsigned shared, CUstream stream, void **params) {
    LaunchRequest request;
    request.grid = {gx, gy, gz};
    request.block = {bx, by, bz};
    request.shared = shared;
    request.cooperative = true;
    return launch(f, request, stream, params, nullptr);
}

CUresult cuLaunchKernelEx(const CUlaunchConfig *config, CUfunction f, void **params, void **extra) {
    if (!initialized()) return CUDA_ERROR_NOT_INITIALIZED;
    if (!config || (config->numAttrs && !config->attrs)) return CUDA_ERROR_INVALID_VALUE;
    LaunchRequest request;
    request.grid = {config->gridDimX, config->gridDimY, config->gridDimZ};
    request.block = {config->blockDimX, config->blockDimY, config->blockDimZ};
    request.shared = config->sharedMemBytes;
    LaunchAttributes attributes;
    for (unsigned i = 0; i < config->numAttrs; i++) {
        const int id = static_cast<int>(config->attrs[i].id);
        if (const CUresult status = read_attribute(id, config->attrs[i].value, request)) return status;
        if (id != CU_LAUNCH_ATTRIBUTE_IGNORE) attributes[id] = config->attrs[i].value;
    }
    return launch(f, request, config->hStream, params, extra, attributes);
}
}
