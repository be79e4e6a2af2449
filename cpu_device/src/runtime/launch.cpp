// Launches, and how many blocks of a kernel are resident.
#include "call.hpp"
#include "function.hpp"
#include "layouts.hpp"

#include <vector>

using namespace cpu_device;

namespace {

// What a launch by <<< >>> has said before its arguments are there.
struct Configuration {
    dim3 grid, block;
    size_t shared;
    cudaStream_t stream;
};

std::vector<Configuration> &configurations() {
    thread_local std::vector<Configuration> own;
    return own;
}

bool within(const dim3 &d, const unsigned (&most)[3]) {
    return d.x && d.y && d.z && d.x <= most[0] && d.y <= most[1] && d.z <= most[2];
}

// The driver calls them invalid values; the runtime has a name of its own for sizes that no kernel can have.
cudaError_t check_sizes(const dim3 &grid, const dim3 &block) {
    constexpr unsigned kGrid[] = {2147483647, 65535, 65535}, kBlock[] = {1024, 1024, 64}, kThreads = 1024;
    const bool good = within(grid, kGrid) && within(block, kBlock) && block.x * block.y * block.z <= kThreads;
    return good ? cudaSuccess : cudaErrorInvalidConfiguration;
}

cudaError_t read_config(const cudaLaunchConfig_t &from, CUlaunchConfig &to) {
    if (from.dynamicSmemBytes > UINT32_MAX || (from.numAttrs && !from.attrs)) return cudaErrorInvalidValue;
    to = {};
    to.gridDimX = from.gridDim.x;
    to.gridDimY = from.gridDim.y;
    to.gridDimZ = from.gridDim.z;
    to.blockDimX = from.blockDim.x;
    to.blockDimY = from.blockDim.y;
    to.blockDimZ = from.blockDim.z;
    to.sharedMemBytes = static_cast<unsigned>(from.dynamicSmemBytes);
    to.hStream = stream_of(from.stream);
    to.attrs = same<CUlaunchAttribute>(from.attrs);
    to.numAttrs = from.numAttrs;
    return cudaSuccess;
}

cudaError_t launch(const cudaLaunchConfig_t &config, const void *kernel, void **args) {
    return in_context([&]() -> cudaError_t {
        CUfunction function = nullptr;
        CUlaunchConfig driver;
        if (const cudaError_t status = function_of(kernel, &function)) return status;
        if (const cudaError_t status = check_sizes(config.gridDim, config.blockDim)) return status;
        if (const cudaError_t status = read_config(config, driver)) return status;
        return CALL(cuLaunchKernelEx, &driver, function, args, nullptr);
    });
}

// body(function, launch configuration)
template <class Body> cudaError_t on_config(const void *kernel, const cudaLaunchConfig_t *config, Body &&body) {
    return in_context([&]() -> cudaError_t {
        CUfunction function = nullptr;
        CUlaunchConfig driver;
        if (!config) return cudaErrorInvalidValue;
        if (const cudaError_t status = function_of(kernel, &function)) return status;
        const cudaError_t status = read_config(*config, driver);
        return status == cudaSuccess ? body(function, driver) : status;
    });
}

template <class Body> cudaError_t on_function(const void *kernel, Body &&body) {
    return in_context([&]() -> cudaError_t {
        CUfunction function = nullptr;
        const cudaError_t status = function_of(kernel, &function);
        return status == cudaSuccess ? body(function) : status;
    });
}

} // namespace

extern "C" {

cudaError_t cudaLaunchKernel(const void *kernel, dim3 grid, dim3 block, void **args, size_t shared,
                             cudaStream_t stream) {
    return launch({grid, block, shared, stream, nullptr, 0}, kernel, args);
}

EXPORTED cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block, void **args, size_t shared,
                                        cudaStream_t stream) {
    return cudaLaunchKernel(kernel, grid, block, args, shared, stream);
}

EXPORTED cudaError_t __cudaLaunchKernel_ptsz(cudaKernel_t kernel, dim3 grid, dim3 block, void **args, size_t shared,
                                             cudaStream_t stream) {
    return cudaLaunchKernel_ptsz(kernel, grid, block, args, shared, stream);
}

cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t *config, const void *kernel, void **args) {
    return config ? launch(*config, kernel, args) : record(cudaErrorInvalidValue);
}

cudaError_t cudaLaunchCooperativeKernel(const void *kernel, dim3 grid, dim3 block, void **args, size_t shared,
                                        cudaStream_t stream) {
    cudaLaunchAttribute whole = {};
    whole.id = cudaLaunchAttributeCooperative;
    whole.val.cooperative = 1;
    return launch({grid, block, shared, stream, &whole, 1}, kernel, args);
}

EXPORTED unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t shared, cudaStream_t stream) {
    return guarded([&] {
        configurations().push_back({grid, block, shared, stream});
        return cudaSuccess;
    });
}

EXPORTED cudaError_t __cudaPopCallConfiguration(dim3 *grid, dim3 *block, size_t *shared, void *stream) {
    if (configurations().empty()) return record(cudaErrorMissingConfiguration);
    const Configuration &top = configurations().back();
    *grid = top.grid;
    *block = top.block;
    *shared = top.shared;
    *static_cast<cudaStream_t *>(stream) = top.stream;
    configurations().pop_back();
    return cudaSuccess;
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, const void *kernel, int threads, size_t shared) {
    return on_function(kernel, [&](CUfunction f) {
        return CALL(cuOccupancyMaxActiveBlocksPerMultiprocessor, blocks, f, threads, shared);
    });
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *blocks, const void *kernel, int threads,
                                                                   size_t shared, unsigned flags) {
    return on_function(kernel, [&](CUfunction f) {
        return CALL(cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags, blocks, f, threads, shared, flags);
    });
}

cudaError_t cudaOccupancyAvailableDynamicSMemPerBlock(size_t *size, const void *kernel, int blocks, int threads) {
    return on_function(
        kernel, [&](CUfunction f) { return CALL(cuOccupancyAvailableDynamicSMemPerBlock, size, f, blocks, threads); });
}

cudaError_t cudaOccupancyMaxPotentialClusterSize(int *size, const void *kernel, const cudaLaunchConfig_t *config) {
    return on_config(kernel, config, [&](CUfunction f, const CUlaunchConfig &c) {
        return CALL(cuOccupancyMaxPotentialClusterSize, size, f, &c);
    });
}

cudaError_t cudaOccupancyMaxActiveClusters(int *clusters, const void *kernel, const cudaLaunchConfig_t *config) {
    return on_config(kernel, config, [&](CUfunction f, const CUlaunchConfig &c) {
        return CALL(cuOccupancyMaxActiveClusters, clusters, f, &c);
    });
}
}
