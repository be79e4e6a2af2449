// Records that both APIs have: the same bytes under two names, passed on as they are.
#pragma once

#include "driver.hpp"

namespace cpu_device {

template <class To, class From> To *same(From *record) {
    static_assert(sizeof(To) == sizeof(From) && alignof(To) == alignof(From));
    return reinterpret_cast<To *>(record);
}

template <class To, class From> const To *same(const From *record) {
    static_assert(sizeof(To) == sizeof(From) && alignof(To) == alignof(From));
    return reinterpret_cast<const To *>(record);
}

template <class To, class From> To same_value(const From &record) {
    return *same<To>(&record);
}

#define SAME_FIELD(ours, field, theirs, other) \
    static_assert(offsetof(ours, field) == offsetof(theirs, other) && sizeof(ours::field) == sizeof(theirs::other))
SAME_FIELD(cudaMemLocation, type, CUmemLocation, type);
SAME_FIELD(cudaMemLocation, id, CUmemLocation, id);
SAME_FIELD(cudaMemPoolProps, allocType, CUmemPoolProps, allocType);
SAME_FIELD(cudaMemPoolProps, handleTypes, CUmemPoolProps, handleTypes);
SAME_FIELD(cudaMemPoolProps, location, CUmemPoolProps, location);
SAME_FIELD(cudaMemPoolProps, maxSize, CUmemPoolProps, maxSize);
SAME_FIELD(cudaMemPoolProps, usage, CUmemPoolProps, usage);
SAME_FIELD(cudaMemAccessDesc, location, CUmemAccessDesc, location);
SAME_FIELD(cudaMemAccessDesc, flags, CUmemAccessDesc, flags);
SAME_FIELD(cudaLaunchAttribute, id, CUlaunchAttribute, id);
SAME_FIELD(cudaLaunchAttribute, val, CUlaunchAttribute, value);
SAME_FIELD(cudaGraphInstantiateParams, uploadStream, CUDA_GRAPH_INSTANTIATE_PARAMS, hUploadStream);
SAME_FIELD(cudaGraphInstantiateParams, errNode_out, CUDA_GRAPH_INSTANTIATE_PARAMS, hErrNode_out);
SAME_FIELD(cudaGraphInstantiateParams, result_out, CUDA_GRAPH_INSTANTIATE_PARAMS, result_out);
SAME_FIELD(cudaGraphExecUpdateResultInfo, result, CUgraphExecUpdateResultInfo, result);
SAME_FIELD(cudaGraphExecUpdateResultInfo, errorNode, CUgraphExecUpdateResultInfo, errorNode);
SAME_FIELD(cudaGraphEdgeData, to_port, CUgraphEdgeData, to_port);
SAME_FIELD(cudaGraphEdgeData, type, CUgraphEdgeData, type);
SAME_FIELD(cudaMemsetParamsV2, dst, CUDA_MEMSET_NODE_PARAMS_v2, dst);
SAME_FIELD(cudaMemsetParamsV2, height, CUDA_MEMSET_NODE_PARAMS_v2, height);
SAME_FIELD(cudaHostNodeParamsV2, syncMode, CUDA_HOST_NODE_PARAMS_v2, syncMode);
SAME_FIELD(cudaMemAllocNodeParams, dptr, CUDA_MEM_ALLOC_NODE_PARAMS, dptr);
SAME_FIELD(cudaMemAllocNodeParamsV2, dptr, CUDA_MEM_ALLOC_NODE_PARAMS_v2, dptr);
SAME_FIELD(cudaConditionalNodeParams, phGraph_out, CUDA_CONDITIONAL_NODE_PARAMS, phGraph_out);
#undef SAME_FIELD

static_assert(static_cast<int>(cudaMemLocationTypeDevice) == static_cast<int>(CU_MEM_LOCATION_TYPE_DEVICE));
static_assert(static_cast<int>(cudaMemAllocationTypePinned) == static_cast<int>(CU_MEM_ALLOCATION_TYPE_PINNED));
static_assert(static_cast<int>(cudaMemPoolAttrUsedMemHigh) == static_cast<int>(CU_MEMPOOL_ATTR_USED_MEM_HIGH));
static_assert(static_cast<int>(cudaLaunchAttributeCooperative) == static_cast<int>(CU_LAUNCH_ATTRIBUTE_COOPERATIVE));
static_assert(static_cast<int>(cudaGraphNodeTypeMemFree) == static_cast<int>(CU_GRAPH_NODE_TYPE_MEM_FREE));
static_assert(static_cast<int>(cudaStreamCaptureModeRelaxed) == static_cast<int>(CU_STREAM_CAPTURE_MODE_RELAXED));
static_assert(static_cast<int>(cudaMemAdviseSetAccessedBy) == static_cast<int>(CU_MEM_ADVISE_SET_ACCESSED_BY));

} // namespace cpu_device
