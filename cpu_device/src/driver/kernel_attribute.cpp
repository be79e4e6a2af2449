// What a kernel needs and what it may be given.
#include "kernel_attribute.hpp"

namespace cpu_device {

CUresult get_attribute(const Kernel &kernel, const KernelSettings &settings, CUfunction_attribute name, int *out) {
    auto give = [&](long long value) {
        *out = static_cast<int>(value);
        return CUDA_SUCCESS;
    };
    auto cluster_side = [&](int k) {
        return kernel.required_cluster[0] ? static_cast<int>(kernel.required_cluster[k]) : settings.cluster[k].load();
    };
    if (!out) return CUDA_ERROR_INVALID_VALUE;
    switch (static_cast<int>(name)) {
    case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK: return give(kernel.max_threads);
    case CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES: return give(kernel.static_shared_bytes);
    case CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES: return give(kernel.const_bytes);
    case CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES: return give(kernel.local_bytes);
    case CU_FUNC_ATTRIBUTE_NUM_REGS: return give(kernel.registers);
    case CU_FUNC_ATTRIBUTE_PTX_VERSION: return give(kernel.program->target());
    case CU_FUNC_ATTRIBUTE_BINARY_VERSION: return give(device_limits().cc);
    case CU_FUNC_ATTRIBUTE_CACHE_MODE_CA: return give(0);
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES: {
        const int room = kSharedPerBlock - static_cast<int>(kernel.static_shared_bytes), set = settings.dynamic_shared;
        return give(set == kSharedPerBlock ? (room > 0 ? room : 0) : set);
    }
    case CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT: return give(settings.carveout);
    case CU_FUNC_ATTRIBUTE_CLUSTER_SIZE_MUST_BE_SET:
        return give(settings.cluster_must_be_set || kernel.must_have_cluster);
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_WIDTH: return give(cluster_side(0));
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_HEIGHT: return give(cluster_side(1));
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_DEPTH: return give(cluster_side(2));
    case CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED: return give(settings.non_portable_cluster);
    case CU_FUNC_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE: return give(settings.cluster_policy);
    case CU_FUNC_ATTRIBUTE_DEVICE_NODE_UPDATE_SUPPORTED:
    case CU_FUNC_ATTRIBUTE_SHARED_MEMORY_MODE: return give(0);
    default: return CUDA_ERROR_INVALID_VALUE;
    }
}

CUresult set_attribute(const Kernel &kernel, KernelSettings &settings, CUfunction_attribute name, int value) {
    auto take = [&](std::atomic<int> &setting, bool valid) {
        if (valid) setting = value;
        return valid ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    };
    auto take_side = [&](int k) { // what was compiled in stays
        return kernel.required_cluster[0] ? CUDA_ERROR_NOT_PERMITTED : take(settings.cluster[k], value >= 0);
    };
    switch (static_cast<int>(name)) {
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
        return take(settings.dynamic_shared,
                    value >= 0 && value <= device_limits().shared_optin - static_cast<int>(kernel.static_shared_bytes));
    case CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
        return take(settings.carveout, value >= -1 && value <= 100);
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_WIDTH: return take_side(0);
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_HEIGHT: return take_side(1);
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_DEPTH: return take_side(2);
    case CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED:
        return take(settings.non_portable_cluster, value == 0 || value == 1);
    case CU_FUNC_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE:
        return take(settings.cluster_policy, value >= 0 && value <= CU_CLUSTER_SCHEDULING_POLICY_LOAD_BALANCING);
    default: return CUDA_ERROR_INVALID_VALUE;
    }
}

CUresult get_param(const Kernel &kernel, size_t index, size_t *offset, size_t *size) {
    if (!offset || index >= kernel.params().size()) return CUDA_ERROR_INVALID_VALUE;
    *offset = kernel.params()[index].offset;
    if (size) *size = kernel.params()[index].size;
    return CUDA_SUCCESS;
}

} // namespace cpu_device
