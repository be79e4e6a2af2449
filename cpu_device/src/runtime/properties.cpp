// cudaGetDeviceProperties and cudaChooseDevice.  Fields that are attributes come from the driver's.
#include "call.hpp"

#include <climits>
#include <cstring>

using namespace cpu_device;

namespace {

using Properties = cudaDeviceProp;

// One attribute, and the field that it is: an int, an unsigned int, a size_t or an element of an array.
struct Row {
    CUdevice_attribute name;
    void (*put)(Properties &, int);
};

#define ROW(attribute, field)         \
    {CU_DEVICE_ATTRIBUTE_##attribute, \
     [](Properties &p, int value) { p.field = static_cast<std::decay_t<decltype(p.field)>>(value); }}

const Row kCompute[] = {
    ROW(COMPUTE_CAPABILITY_MAJOR, major),
    ROW(COMPUTE_CAPABILITY_MINOR, minor),
    ROW(MULTIPROCESSOR_COUNT, multiProcessorCount),
    ROW(WARP_SIZE, warpSize),
    ROW(MAX_THREADS_PER_BLOCK, maxThreadsPerBlock),
    ROW(MAX_THREADS_PER_MULTIPROCESSOR, maxThreadsPerMultiProcessor),
    ROW(MAX_BLOCKS_PER_MULTIPROCESSOR, maxBlocksPerMultiProcessor),
    ROW(MAX_BLOCK_DIM_X, maxThreadsDim[0]),
    ROW(MAX_BLOCK_DIM_Y, maxThreadsDim[1]),
    ROW(MAX_BLOCK_DIM_Z, maxThreadsDim[2]),
    ROW(MAX_GRID_DIM_X, maxGridSize[0]),
    ROW(MAX_GRID_DIM_Y, maxGridSize[1]),
    ROW(MAX_GRID_DIM_Z, maxGridSize[2]),
    ROW(MAX_REGISTERS_PER_BLOCK, regsPerBlock),
    ROW(MAX_REGISTERS_PER_MULTIPROCESSOR, regsPerMultiprocessor),
    ROW(MAX_SHARED_MEMORY_PER_BLOCK, sharedMemPerBlock),
    ROW(MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, sharedMemPerBlockOptin),
    ROW(MAX_SHARED_MEMORY_PER_MULTIPROCESSOR, sharedMemPerMultiprocessor),
    ROW(RESERVED_SHARED_MEMORY_PER_BLOCK, reservedSharedMemPerBlock),
    ROW(CONCURRENT_KERNELS, concurrentKernels),
    ROW(COOPERATIVE_LAUNCH, cooperativeLaunch),
    ROW(CLUSTER_LAUNCH, clusterLaunch),
    ROW(COMPUTE_PREEMPTION_SUPPORTED, computePreemptionSupported),
    ROW(STREAM_PRIORITIES_SUPPORTED, streamPrioritiesSupported),
    ROW(ASYNC_ENGINE_COUNT, asyncEngineCount),
    ROW(UNIFIED_FUNCTION_POINTERS, unifiedFunctionPointers),
    ROW(IPC_EVENT_SUPPORTED, ipcEventSupported),
    ROW(TCC_DRIVER, tccDriver),
    ROW(INTEGRATED, integrated),
    ROW(ECC_ENABLED, ECCEnabled),
    ROW(MPS_ENABLED, mpsEnabled),
};

const Row kMemory[] = {
    ROW(TOTAL_CONSTANT_MEMORY, totalConstMem),
    ROW(MAX_PITCH, memPitch),
    ROW(GLOBAL_MEMORY_BUS_WIDTH, memoryBusWidth),
    ROW(L2_CACHE_SIZE, l2CacheSize),
    ROW(MAX_PERSISTING_L2_CACHE_SIZE, persistingL2CacheMaxSize),
    ROW(MAX_ACCESS_POLICY_WINDOW_SIZE, accessPolicyMaxWindowSize),
    ROW(GLOBAL_L1_CACHE_SUPPORTED, globalL1CacheSupported),
    ROW(LOCAL_L1_CACHE_SUPPORTED, localL1CacheSupported),
    ROW(CAN_MAP_HOST_MEMORY, canMapHostMemory),
    ROW(UNIFIED_ADDRESSING, unifiedAddressing),
    ROW(MANAGED_MEMORY, managedMemory),
    ROW(CONCURRENT_MANAGED_ACCESS, concurrentManagedAccess),
    ROW(DIRECT_MANAGED_MEM_ACCESS_FROM_HOST, directManagedMemAccessFromHost),
    ROW(PAGEABLE_MEMORY_ACCESS, pageableMemoryAccess),
    ROW(PAGEABLE_MEMORY_ACCESS_USES_HOST_PAGE_TABLES, pageableMemoryAccessUsesHostPageTables),
    ROW(HOST_NATIVE_ATOMIC_SUPPORTED, hostNativeAtomicSupported),
    ROW(CAN_USE_HOST_POINTER_FOR_REGISTERED_MEM, canUseHostPointerForRegisteredMem),
    ROW(HOST_REGISTER_SUPPORTED, hostRegisterSupported),
    ROW(READ_ONLY_HOST_REGISTER_SUPPORTED, hostRegisterReadOnlySupported),
    ROW(MEMORY_POOLS_SUPPORTED, memoryPoolsSupported),
    ROW(MEMPOOL_SUPPORTED_HANDLE_TYPES, memoryPoolSupportedHandleTypes),
    ROW(GPU_DIRECT_RDMA_SUPPORTED, gpuDirectRDMASupported),
    ROW(GPU_DIRECT_RDMA_FLUSH_WRITES_OPTIONS, gpuDirectRDMAFlushWritesOptions),
    ROW(GPU_DIRECT_RDMA_WRITES_ORDERING, gpuDirectRDMAWritesOrdering),
    ROW(TIMELINE_SEMAPHORE_INTEROP_SUPPORTED, timelineSemaphoreInteropSupported),
    ROW(NUMA_CONFIG, deviceNumaConfig),
    ROW(NUMA_ID, deviceNumaId),
    ROW(HOST_NUMA_ID, hostNumaId),
    ROW(HOST_NUMA_MULTINODE_IPC_SUPPORTED, hostNumaMultinodeIpcSupported),
    ROW(PCI_BUS_ID, pciBusID),
    ROW(PCI_DEVICE_ID, pciDeviceID),
    ROW(PCI_DOMAIN_ID, pciDomainID),
    ROW(GPU_PCI_DEVICE_ID, gpuPciDeviceID),
    ROW(GPU_PCI_SUBSYSTEM_ID, gpuPciSubsystemID),
    ROW(MULTI_GPU_BOARD, isMultiGpuBoard),
    ROW(MULTI_GPU_BOARD_GROUP_ID, multiGpuBoardGroupID),
};

const Row kTextures[] = {
    ROW(TEXTURE_ALIGNMENT, textureAlignment),
    ROW(TEXTURE_PITCH_ALIGNMENT, texturePitchAlignment),
    ROW(SURFACE_ALIGNMENT, surfaceAlignment),
    ROW(SPARSE_CUDA_ARRAY_SUPPORTED, sparseCudaArraySupported),
    ROW(DEFERRED_MAPPING_CUDA_ARRAY_SUPPORTED, deferredMappingCudaArraySupported),
    ROW(MAXIMUM_TEXTURE1D_WIDTH, maxTexture1D),
    ROW(MAXIMUM_TEXTURE1D_MIPMAPPED_WIDTH, maxTexture1DMipmap),
    ROW(MAXIMUM_TEXTURE2D_WIDTH, maxTexture2D[0]),
    ROW(MAXIMUM_TEXTURE2D_HEIGHT, maxTexture2D[1]),
    ROW(MAXIMUM_TEXTURE2D_MIPMAPPED_WIDTH, maxTexture2DMipmap[0]),
    ROW(MAXIMUM_TEXTURE2D_MIPMAPPED_HEIGHT, maxTexture2DMipmap[1]),
    ROW(MAXIMUM_TEXTURE2D_LINEAR_WIDTH, maxTexture2DLinear[0]),
    ROW(MAXIMUM_TEXTURE2D_LINEAR_HEIGHT, maxTexture2DLinear[1]),
    ROW(MAXIMUM_TEXTURE2D_LINEAR_PITCH, maxTexture2DLinear[2]),
    ROW(MAXIMUM_TEXTURE2D_GATHER_WIDTH, maxTexture2DGather[0]),
    ROW(MAXIMUM_TEXTURE2D_GATHER_HEIGHT, maxTexture2DGather[1]),
    ROW(MAXIMUM_TEXTURE3D_WIDTH, maxTexture3D[0]),
    ROW(MAXIMUM_TEXTURE3D_HEIGHT, maxTexture3D[1]),
    ROW(MAXIMUM_TEXTURE3D_DEPTH, maxTexture3D[2]),
    ROW(MAXIMUM_TEXTURE3D_WIDTH_ALTERNATE, maxTexture3DAlt[0]),
    ROW(MAXIMUM_TEXTURE3D_HEIGHT_ALTERNATE, maxTexture3DAlt[1]),
    ROW(MAXIMUM_TEXTURE3D_DEPTH_ALTERNATE, maxTexture3DAlt[2]),
    ROW(MAXIMUM_TEXTURECUBEMAP_WIDTH, maxTextureCubemap),
    ROW(MAXIMUM_TEXTURE1D_LAYERED_WIDTH, maxTexture1DLayered[0]),
    ROW(MAXIMUM_TEXTURE1D_LAYERED_LAYERS, maxTexture1DLayered[1]),
    ROW(MAXIMUM_TEXTURE2D_LAYERED_WIDTH, maxTexture2DLayered[0]),
    ROW(MAXIMUM_TEXTURE2D_LAYERED_HEIGHT, maxTexture2DLayered[1]),
    ROW(MAXIMUM_TEXTURE2D_LAYERED_LAYERS, maxTexture2DLayered[2]),
    ROW(MAXIMUM_TEXTURECUBEMAP_LAYERED_WIDTH, maxTextureCubemapLayered[0]),
    ROW(MAXIMUM_TEXTURECUBEMAP_LAYERED_LAYERS, maxTextureCubemapLayered[1]),
    ROW(MAXIMUM_SURFACE1D_WIDTH, maxSurface1D),
    ROW(MAXIMUM_SURFACE2D_WIDTH, maxSurface2D[0]),
    ROW(MAXIMUM_SURFACE2D_HEIGHT, maxSurface2D[1]),
    ROW(MAXIMUM_SURFACE3D_WIDTH, maxSurface3D[0]),
    ROW(MAXIMUM_SURFACE3D_HEIGHT, maxSurface3D[1]),
    ROW(MAXIMUM_SURFACE3D_DEPTH, maxSurface3D[2]),
    ROW(MAXIMUM_SURFACE1D_LAYERED_WIDTH, maxSurface1DLayered[0]),
    ROW(MAXIMUM_SURFACE1D_LAYERED_LAYERS, maxSurface1DLayered[1]),
    ROW(MAXIMUM_SURFACE2D_LAYERED_WIDTH, maxSurface2DLayered[0]),
    ROW(MAXIMUM_SURFACE2D_LAYERED_HEIGHT, maxSurface2DLayered[1]),
    ROW(MAXIMUM_SURFACE2D_LAYERED_LAYERS, maxSurface2DLayered[2]),
    ROW(MAXIMUM_SURFACECUBEMAP_WIDTH, maxSurfaceCubemap),
    ROW(MAXIMUM_SURFACECUBEMAP_LAYERED_WIDTH, maxSurfaceCubemapLayered[0]),
    ROW(MAXIMUM_SURFACECUBEMAP_LAYERED_LAYERS, maxSurfaceCubemapLayered[1]),
};
#undef ROW

template <size_t n> cudaError_t fill(const Row (&rows)[n], Properties &p, CUdevice device) {
    for (const Row &row : rows) {
        int value = 0;
        if (const cudaError_t status = CALL(cuDeviceGetAttribute, &value, row.name, device)) return status;
        row.put(p, value);
    }
    return cudaSuccess;
}

cudaError_t fill(Properties &p, int number) {
    CUdevice device = 0;
    std::memset(&p, 0, sizeof p);
    if (const cudaError_t status = CALL(cuDeviceGet, &device, number)) return status;
    if (const cudaError_t status = CALL(cuDeviceGetName, p.name, sizeof p.name, device)) return status;
    if (const cudaError_t status = CALL(cuDeviceTotalMem_v2, &p.totalGlobalMem, device)) return status;
    static_assert(sizeof p.uuid == sizeof(CUuuid));
    if (const cudaError_t status = CALL(cuDeviceGetUuid_v2, reinterpret_cast<CUuuid *>(&p.uuid), device)) return status;
    if (const cudaError_t status = fill(kCompute, p, device)) return status;
    if (const cudaError_t status = fill(kMemory, p, device)) return status;
    return fill(kTextures, p, device);
}

// How much of what is wished a device has.  Fields that are 0 are no wish.
int score(const Properties &wish, const Properties &has) {
    int points = 0;
    if (wish.major && (has.major > wish.major || (has.major == wish.major && has.minor >= wish.minor))) points += 4;
    if (wish.totalGlobalMem && has.totalGlobalMem >= wish.totalGlobalMem) points += 2;
    if (wish.multiProcessorCount && has.multiProcessorCount >= wish.multiProcessorCount) points++;
    if (wish.sharedMemPerBlock && has.sharedMemPerBlock >= wish.sharedMemPerBlock) points++;
    return points;
}

} // namespace

extern "C" {

cudaError_t cudaGetDeviceProperties(cudaDeviceProp *properties, int device) {
    return call([&] { return properties ? fill(*properties, device) : cudaErrorInvalidValue; });
}

cudaError_t cudaChooseDevice(int *device, const cudaDeviceProp *wish) {
    return call([&] {
        int count = 0, most = INT_MIN;
        if (!device || !wish) return cudaErrorInvalidValue;
        if (const cudaError_t status = CALL(cuDeviceGetCount, &count)) return status;
        for (int i = 0; i < count; i++) {
            Properties has;
            if (const cudaError_t status = fill(has, i)) return status;
            const int points = score(*wish, has);
            if (points > most) *device = i;
            most = points > most ? points : most;
        }
        return cudaSuccess;
    });
}
}
