// Occupancy.
#include "occupancy.hpp"

#include <algorithm>

namespace cpu_device {

int blocks_per_multiprocessor(const Kernel &kernel, uint64_t threads, uint64_t dynamic_shared) {
    const DeviceLimits &limits = device_limits();
    const uint64_t warps = (threads + 31) / 32, shared = kernel.static_shared_bytes + dynamic_shared;
    if (!threads || threads > kernel.max_threads || shared > static_cast<uint64_t>(limits.shared_optin)) return 0;
    uint64_t blocks = std::min<uint64_t>(limits.blocks_per_sm, limits.threads_per_sm / (warps * 32));
    blocks = std::min(blocks, limits.shared_per_sm / (shared + kReservedShared));
    const uint64_t per_warp = (kernel.registers * 32 + 255) / 256 * 256; // registers are given out in units of 256
    if (per_warp) blocks = std::min(blocks, kRegisters / (per_warp * warps));
    return static_cast<int>(blocks);
}

} // namespace cpu_device

using namespace cpu_device;

namespace {

template <class Body> CUresult on_function(CUfunction handle, Body &&body) {
    return in_context([&](Context &) -> CUresult {
        CUresult status = CUDA_SUCCESS;
        const std::shared_ptr<Function> function = function_of(handle, status);
        return function ? body(*function) : status;
    });
}

CUresult most_blocks(int *out, CUfunction handle, int threads, size_t shared, unsigned flags) {
    return on_function(handle, [&](Function &f) {
        if (!out || threads <= 0 || flags > CU_OCCUPANCY_DISABLE_CACHING_OVERRIDE) return CUDA_ERROR_INVALID_VALUE;
        *out = blocks_per_multiprocessor(*f.kernel, static_cast<uint64_t>(threads), shared);
        return CUDA_SUCCESS;
    });
}

// The block size with the most threads at once; the largest one of several.
CUresult best_block(int *grid, int *block, CUfunction handle, CUoccupancyB2DSize shared_of, size_t shared, int limit,
                    unsigned flags) {
    return on_function(handle, [&](Function &f) {
        if (!grid || !block || limit < 0 || flags > CU_OCCUPANCY_DISABLE_CACHING_OVERRIDE)
            return CUDA_ERROR_INVALID_VALUE;
        int most = static_cast<int>(f.kernel->max_threads), best = 0;
        if (limit) most = std::min(most, limit);
        *grid = *block = 0;
        for (int threads = (most + 31) / 32 * 32; threads > 0; threads -= 32) {
            const int size = std::min(threads, most);
            const int blocks =
                blocks_per_multiprocessor(*f.kernel, static_cast<uint64_t>(size), shared_of ? shared_of(size) : shared);
            if (blocks * size <= best) continue;
            best = blocks * size;
            *block = size;
            *grid = blocks * multiprocessors();
        }
        return best ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    });
}

uint64_t resident_blocks(const Function &f, const CUlaunchConfig &config) { // of a multiprocessor
    const uint64_t threads = uint64_t(config.blockDimX) * config.blockDimY * config.blockDimZ;
    return static_cast<uint64_t>(blocks_per_multiprocessor(*f.kernel, threads, config.sharedMemBytes));
}

// A GPU with clusters has many multiprocessors, and all of a cluster's blocks can be on the device at once; here a host thread runs them in
// turns, so that there is always room for one cluster of the greatest size.
uint64_t blocks_of_all(uint64_t blocks) {
    return blocks ? std::max<uint64_t>(blocks * static_cast<uint64_t>(multiprocessors()), 16) : 0;
}

} // namespace

extern "C" {

CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, CUfunction handle, int threads, size_t shared) {
    return most_blocks(blocks, handle, threads, shared, 0);
}

CUresult cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *blocks, CUfunction handle, int threads,
                                                              size_t shared, unsigned flags) {
    return most_blocks(blocks, handle, threads, shared, flags);
}

CUresult cuOccupancyMaxPotentialBlockSize(int *grid, int *block, CUfunction handle, CUoccupancyB2DSize shared_of,
                                          size_t shared, int limit) {
    return best_block(grid, block, handle, shared_of, shared, limit, 0);
}

CUresult cuOccupancyMaxPotentialBlockSizeWithFlags(int *grid, int *block, CUfunction handle,
                                                   CUoccupancyB2DSize shared_of, size_t shared, int limit,
                                                   unsigned flags) {
    return best_block(grid, block, handle, shared_of, shared, limit, flags);
}

CUresult cuOccupancyAvailableDynamicSMemPerBlock(size_t *out, CUfunction handle, int blocks, int threads) {
    return on_function(handle, [&](Function &f) {
        if (!out || blocks <= 0 || threads <= 0) return CUDA_ERROR_INVALID_VALUE;
        if (blocks_per_multiprocessor(*f.kernel, static_cast<uint64_t>(threads), 0) < blocks)
            return CUDA_ERROR_INVALID_VALUE;
        const DeviceLimits &limits = device_limits();
        const long share = std::min<long>(limits.shared_per_sm / blocks - kReservedShared, limits.shared_optin);
        *out = static_cast<size_t>(std::max<long>(share - static_cast<long>(f.kernel->static_shared_bytes), 0));
        return CUDA_SUCCESS;
    });
}

// A multiprocessor holds no block of a kernel that asks for too much: then there is no cluster of any size.
CUresult cuOccupancyMaxPotentialClusterSize(int *size, CUfunction handle, const CUlaunchConfig *config) {
    return on_function(handle, [&](Function &f) {
        if (!size || !config) return CUDA_ERROR_INVALID_VALUE;
        const uint64_t blocks = resident_blocks(f, *config), most = most_cluster_blocks(*f.settings);
        *size = static_cast<int>(std::min(blocks ? blocks_of_all(blocks) : 0, most));
        return CUDA_SUCCESS;
    });
}

CUresult cuOccupancyMaxActiveClusters(int *clusters, CUfunction handle, const CUlaunchConfig *config) {
    return on_function(handle, [&](Function &f) {
        if (!clusters || !config) return CUDA_ERROR_INVALID_VALUE;
        const uint32_t *required = f.kernel->required_cluster;
        uint64_t blocks = required[0] ? uint64_t(required[0]) * required[1] * required[2] : 0;
        for (unsigned k = 0; config->attrs && k < config->numAttrs; k++) {
            if (config->attrs[k].id != CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION) continue;
            const auto &d = config->attrs[k].value.clusterDim;
            if (required[0] && (d.x != required[0] || d.y != required[1] || d.z != required[2]))
                return CUDA_ERROR_INVALID_CLUSTER_SIZE;
            blocks = uint64_t(d.x) * d.y * d.z;
        }
        if (!blocks || blocks > most_cluster_blocks(*f.settings)) return CUDA_ERROR_INVALID_CLUSTER_SIZE;
        *clusters = static_cast<int>(blocks_of_all(resident_blocks(f, *config)) / blocks);
        return CUDA_SUCCESS;
    });
}
}
