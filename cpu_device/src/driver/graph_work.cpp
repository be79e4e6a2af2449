// The work of nodes from the API's structures, and back.
#include "graph_work.hpp"

#include <cstring>

#include "../exec/conditionals.hpp"

namespace cpu_device {

namespace {

CUresult find_context(CUcontext handle, std::shared_ptr<Context> &context) {
    context = handle ? context_of(handle) : current_context();
    return usable(context.get());
}

// A kernel is named as a function, as a library's kernel with a context, or as a kernel where a function is expected.
CUresult find_function(const CUDA_KERNEL_NODE_PARAMS_v3 &params, std::shared_ptr<Function> &function) {
    const auto handle = params.func ? params.func : reinterpret_cast<CUfunction>(params.kern);
    std::shared_ptr<Context> context;
    if (!handle) return CUDA_ERROR_INVALID_VALUE;
    if (params.func && (function = lookup<Function>(handle))) return usable(function->context.get());
    const std::shared_ptr<LibraryKernel> kernel = lookup<LibraryKernel>(handle);
    const std::shared_ptr<Library> library = kernel ? kernel->library.lock() : nullptr;
    if (!library) return CUDA_ERROR_INVALID_HANDLE;
    CUresult status = find_context(params.ctx, context);
    if (status == CUDA_SUCCESS) function = library->function_in(context, *kernel, status);
    return status;
}

bool valid_pool(const CUmemPoolProps &props) {
    return props.allocType == CU_MEM_ALLOCATION_TYPE_PINNED && props.handleTypes == CU_MEM_HANDLE_TYPE_NONE &&
           props.location.type == CU_MEM_LOCATION_TYPE_DEVICE && is_device(props.location.id);
}

} // namespace

CUgraphNodeType type_of(const NodeWork &work) {
    struct {
        CUgraphNodeType operator()(const EmptyWork &) { return CU_GRAPH_NODE_TYPE_EMPTY; }
        CUgraphNodeType operator()(const std::shared_ptr<const KernelNodeWork> &) { return CU_GRAPH_NODE_TYPE_KERNEL; }
        CUgraphNodeType operator()(const CopyNodeWork &) { return CU_GRAPH_NODE_TYPE_MEMCPY; }
        CUgraphNodeType operator()(const FillNodeWork &) { return CU_GRAPH_NODE_TYPE_MEMSET; }
        CUgraphNodeType operator()(const HostWork &) { return CU_GRAPH_NODE_TYPE_HOST; }
        CUgraphNodeType operator()(const EventWork &w) {
            return w.record ? CU_GRAPH_NODE_TYPE_EVENT_RECORD : CU_GRAPH_NODE_TYPE_WAIT_EVENT;
        }
        CUgraphNodeType operator()(const MemoryOpsWork &) { return CU_GRAPH_NODE_TYPE_BATCH_MEM_OP; }
        CUgraphNodeType operator()(const AllocationWork &) { return CU_GRAPH_NODE_TYPE_MEM_ALLOC; }
        CUgraphNodeType operator()(const FreeWork &) { return CU_GRAPH_NODE_TYPE_MEM_FREE; }
        CUgraphNodeType operator()(const ChildWork &) { return CU_GRAPH_NODE_TYPE_GRAPH; }
        CUgraphNodeType operator()(const ConditionalWork &) { return CU_GRAPH_NODE_TYPE_CONDITIONAL; }
    } type;
    return std::visit(type, work);
}

Conditional::Conditional(std::shared_ptr<Context> context_, uint32_t value_, bool assign_)
    : handle(add_conditional(value_)), context(std::move(context_)), value(value_), assign(assign_) {}

Conditional::~Conditional() {
    remove_conditional(handle);
}

KernelNodeWork::KernelNodeWork(KernelWork kernel_) : kernel(std::move(kernel_)), size(kernel.launch.params.size()) {
    uint8_t *block = kernel.launch.params.data();
    for (const KernelParam &p : kernel.function->kernel->params()) params.push_back(block + p.offset);
    extra[0] = reinterpret_cast<void *>(CU_LAUNCH_PARAM_BUFFER_POINTER);
    extra[1] = block;
    extra[2] = reinterpret_cast<void *>(CU_LAUNCH_PARAM_BUFFER_SIZE);
    extra[3] = &size;
    extra[4] = reinterpret_cast<void *>(CU_LAUNCH_PARAM_END);
}

CUresult read_work(const CUDA_KERNEL_NODE_PARAMS_v3 &p, const KernelWork *before, NodeWork &work) {
    LaunchRequest request;
    KernelWork kernel;
    std::shared_ptr<Function> function;
    if (before) { // attributes stay
        kernel.attributes = before->attributes;
        request = before->request;
    }
    request.grid = {p.gridDimX, p.gridDimY, p.gridDimZ};
    request.block = {p.blockDimX, p.blockDimY, p.blockDimZ};
    request.shared = p.sharedMemBytes;
    CUresult status = find_function(p, function);
    if (status == CUDA_SUCCESS && request.cooperative && p.extra) status = CUDA_ERROR_INVALID_VALUE;
    if (status == CUDA_SUCCESS) status = make_kernel_work(function, request, p.kernelParams, p.extra, kernel);
    if (status != CUDA_SUCCESS) return status;
    kernel.named_function = p.func;
    kernel.named_kernel = p.kern;
    kernel.named_context = p.ctx;
    work = kernel_node(std::move(kernel));
    return CUDA_SUCCESS;
}

CUresult read_work(const CUDA_MEMCPY3D &params, CUcontext context, NodeWork &work) {
    CopyNodeWork node;
    node.params = params;
    CUresult status = find_context(context, node.context);
    if (status == CUDA_SUCCESS) status = read_copy(params, node.copy);
    if (status == CUDA_SUCCESS) status = check_copy(node.copy);
    if (status == CUDA_SUCCESS) work = std::move(node);
    return status;
}

CUresult read_work(const CUDA_MEMSET_NODE_PARAMS_v2 &p, NodeWork &work) {
    FillNodeWork node;
    Span span;
    if (p.elementSize != 1 && p.elementSize != 2 && p.elementSize != 4) return CUDA_ERROR_INVALID_VALUE;
    node.fill = {p.dst, p.pitch, p.width, p.height, p.value, p.elementSize};
    CUresult status = find_context(p.ctx, node.context);
    if (status == CUDA_SUCCESS) status = check_fill(node.fill, true, span);
    if (status == CUDA_SUCCESS) work = std::move(node);
    return status;
}

CUresult read_work(CUhostFn function, void *data, unsigned sync_mode, NodeWork &work) {
    if (!function) return CUDA_ERROR_INVALID_VALUE;
    work = HostWork{function, data, sync_mode};
    return CUDA_SUCCESS;
}

CUresult read_work(CUevent handle, bool record, NodeWork &work) {
    std::shared_ptr<Event> event = lookup<Event>(handle);
    if (!event) return CUDA_ERROR_INVALID_VALUE;
    if (event->shared && !record) return CUDA_ERROR_NOT_SUPPORTED; // another process may have recorded it
    work = EventWork{std::move(event), record};
    return CUDA_SUCCESS;
}

CUresult read_work(const CUDA_BATCH_MEM_OP_NODE_PARAMS_v2 &p, NodeWork &work) {
    MemoryOpsWork node;
    CUresult status = find_context(p.ctx, node.context);
    if (status == CUDA_SUCCESS) status = read_ops(p.paramArray, p.count, p.flags, true, node.ops);
    if (status == CUDA_SUCCESS) work = std::move(node);
    return status;
}

CUresult read_work(CUDA_MEM_ALLOC_NODE_PARAMS_v2 &p, NodeWork &work) {
    AllocationWork node;
    if (!p.bytesize || !valid_pool(p.poolProps) || (p.accessDescCount && !p.accessDescs))
        return CUDA_ERROR_INVALID_VALUE;
    if (p.accessDescCount > static_cast<size_t>(device_count())) return CUDA_ERROR_INVALID_VALUE;
    for (size_t i = 0; i < p.accessDescCount; i++) {
        const CUmemAccessDesc &a = p.accessDescs[i];
        if (a.location.type != CU_MEM_LOCATION_TYPE_DEVICE || !is_device(a.location.id))
            return CUDA_ERROR_INVALID_VALUE;
        node.access.push_back(a);
    }
    const std::shared_ptr<Context> context = primary_context(p.poolProps.location.id);
    node.memory = GraphAllocation::make(p.bytesize, *context, p.poolProps.location.id);
    if (!node.memory) return CUDA_ERROR_OUT_OF_MEMORY;
    node.pool = p.poolProps;
    p.dptr = node.memory->base;
    work = std::move(node);
    return CUDA_SUCCESS;
}

CUresult read_free(CUdeviceptr address, NodeWork &work) {
    std::shared_ptr<GraphAllocation> memory = GraphAllocation::at(address);
    if (!memory) return CUDA_ERROR_INVALID_VALUE;
    work = FreeWork{std::move(memory)};
    return CUDA_SUCCESS;
}

CUresult read_settable(const CUgraphNodeParams &p, const NodeWork &before, NodeWork &work) {
    if (p.type != type_of(before)) return CUDA_ERROR_INVALID_VALUE;
    switch (static_cast<int>(p.type)) {
    case CU_GRAPH_NODE_TYPE_KERNEL: return read_work(p.kernel, kernel_of(before), work);
    case CU_GRAPH_NODE_TYPE_MEMCPY: return read_work(p.memcpy.copyParams, p.memcpy.copyCtx, work);
    case CU_GRAPH_NODE_TYPE_MEMSET: return read_work(p.memset, work);
    case CU_GRAPH_NODE_TYPE_HOST: return read_work(p.host.fn, p.host.userData, p.host.syncMode, work);
    case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP: return read_work(p.memOp, work);
    case CU_GRAPH_NODE_TYPE_WAIT_EVENT: return read_work(p.eventWait.event, false, work);
    case CU_GRAPH_NODE_TYPE_EVENT_RECORD: return read_work(p.eventRecord.event, true, work);
    default: return CUDA_ERROR_NOT_SUPPORTED;
    }
}

CUDA_KERNEL_NODE_PARAMS_v3 params_of(const KernelNodeWork &work) {
    CUDA_KERNEL_NODE_PARAMS_v3 p{};
    const LaunchRequest &r = work.kernel.request;
    p.func = work.kernel.named_function;
    p.kern = work.kernel.named_kernel;
    p.ctx = work.kernel.named_context;
    p.gridDimX = r.grid.x;
    p.gridDimY = r.grid.y;
    p.gridDimZ = r.grid.z;
    p.blockDimX = r.block.x;
    p.blockDimY = r.block.y;
    p.blockDimZ = r.block.z;
    p.sharedMemBytes = r.shared;
    if (work.kernel.packed)
        p.extra = const_cast<void **>(work.extra);
    else
        p.kernelParams = const_cast<void **>(work.params.data());
    return p;
}

CUDA_MEMSET_NODE_PARAMS_v2 params_of(const FillNodeWork &work) {
    const FillWork &f = work.fill;
    CUDA_MEMSET_NODE_PARAMS_v2 p{};
    p.dst = f.address;
    p.pitch = f.pitch;
    p.value = f.value;
    p.elementSize = f.element;
    p.width = f.width;
    p.height = f.height;
    p.ctx = as<CUcontext>(*work.context);
    return p;
}

// The array is the node's own, for as long as it is what the node does.
CUDA_BATCH_MEM_OP_NODE_PARAMS_v2 params_of(const MemoryOpsWork &work) {
    CUDA_BATCH_MEM_OP_NODE_PARAMS_v2 p{};
    p.ctx = as<CUcontext>(*work.context);
    p.count = static_cast<unsigned>(work.ops->size());
    p.paramArray = const_cast<CUstreamBatchMemOpParams *>(work.ops->data());
    p.flags = work.flags;
    return p;
}

CUDA_MEM_ALLOC_NODE_PARAMS_v2 params_of(const AllocationWork &work) {
    CUDA_MEM_ALLOC_NODE_PARAMS_v2 p{};
    p.poolProps = work.pool;
    p.accessDescs = work.access.data();
    p.accessDescCount = work.access.size();
    p.bytesize = work.memory->size;
    p.dptr = work.memory->base;
    return p;
}

} // namespace cpu_device
