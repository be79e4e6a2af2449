// Memory and events that processes of this machine share by handles of 64 bytes.
//
// All device memory of a process lies in one file without a name; a handle says which, and another process of the same user maps
// that part of it.  https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__MEM.html (cuIpcGetMemHandle)
#include "call.hpp"
#include "event.hpp"
#include "imported.hpp"
#include "ledger.hpp"
#include "shared_handle.hpp"

using namespace cpu_device;

namespace {

uint32_t all_devices() {
    return (1u << device_count()) - 1;
}

// Only what cuMemAlloc gives: pools and virtual memory have handles of their own, and what is imported belongs to another process.
bool can_be_named(const Allocation &found) {
    Entry entry;
    return found.kind == MemoryKind::device && ledger().find(found.base, entry) && !entry.pool && !entry.graph;
}

// An opened handle that this context has already.
std::shared_ptr<ImportedMemory> opened(const std::string &bytes, uint64_t context) {
    for (const auto &[address, one] : imports().all)
        if (one->context == context && one->opened_from == bytes) return one;
    return nullptr;
}

CUresult open_memory(const SharedHandle &handle, const std::string &bytes, Context &context, CUdeviceptr *out) {
    std::lock_guard<std::mutex> guard(imports().lock);
    if (const std::shared_ptr<ImportedMemory> again = opened(bytes, context.id)) {
        again->references++;
        *out = again->address;
        return CUDA_SUCCESS;
    }
    const File file = open_shared(handle);
    const int device = is_device(handle.device) ? handle.device : context.device;
    const std::shared_ptr<ImportedMemory> made =
        file.good() ? ImportedMemory::map(file, handle.offset, {0, handle.size, device, all_devices()}) : nullptr;
    if (!made) return CUDA_ERROR_MAP_FAILED;
    made->context = context.id;
    made->opened_from = bytes;
    imports().all[made->address] = made;
    *out = made->address;
    return CUDA_SUCCESS;
}

} // namespace

extern "C" {

CUresult cuIpcGetMemHandle(CUipcMemHandle *out, CUdeviceptr address) {
    return in_context([&](Context &) {
        const Allocation *found = memory().find(address, 1);
        if (!out || !found || !can_be_named(*found)) return CUDA_ERROR_INVALID_VALUE;
        uint64_t offset = 0;
        const int file = memory().file(found->base, offset);
        if (file < 0) return CUDA_ERROR_NOT_SUPPORTED;
        SharedHandle handle = make_shared_handle(SharedKind::memory, file);
        handle.device = found->device;
        handle.offset = offset;
        handle.size = found->size;
        handle.id = found->id;
        put_handle(handle, *out);
        return CUDA_SUCCESS;
    });
}

CUresult cuIpcOpenMemHandle_v2(CUdeviceptr *out, CUipcMemHandle bytes, unsigned flags) {
    return in_context_unnoticed([&](Context &context) {
        const SharedHandle handle = read_handle(bytes);
        if (!out || flags != CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS) return CUDA_ERROR_INVALID_VALUE;
        if (!is_shared_handle(handle, SharedKind::memory)) return CUDA_ERROR_INVALID_HANDLE;
        if (of_this_process(handle)) return CUDA_ERROR_INVALID_CONTEXT;
        return open_memory(handle, std::string(bytes.reserved, sizeof bytes.reserved), context, out);
    });
}

// Work that was submitted may use the memory: it is waited for.
CUresult cuIpcCloseMemHandle(CUdeviceptr address) {
    return in_context_unnoticed([&](Context &context) {
        if (!is_import(address, false)) return CUDA_ERROR_INVALID_VALUE;
        context.synchronize();
        return drop_import(address, false) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    });
}

CUresult cuIpcGetEventHandle(CUipcEventHandle *out, CUevent event) {
    return in_context([&](Context &) {
        const std::shared_ptr<Event> found = lookup<Event>(event);
        if (!found || !found->shared || found->imported) return CUDA_ERROR_INVALID_HANDLE;
        if (!out) return CUDA_ERROR_INVALID_VALUE;
        put_handle(make_shared_handle(SharedKind::event, found->shared->file()), *out);
        return CUDA_SUCCESS;
    });
}

CUresult cuIpcOpenEventHandle(CUevent *out, CUipcEventHandle bytes) {
    return in_context([&](Context &context) {
        const SharedHandle handle = read_handle(bytes);
        if (!out) return CUDA_ERROR_INVALID_VALUE;
        if (!is_shared_handle(handle, SharedKind::event)) return CUDA_ERROR_INVALID_HANDLE;
        if (of_this_process(handle)) return CUDA_ERROR_INVALID_CONTEXT;
        std::shared_ptr<SharedEvent> shared = SharedEvent::open(open_shared(handle));
        if (!shared) return CUDA_ERROR_MAP_FAILED;
        auto event = std::make_shared<Event>(context, CU_EVENT_DISABLE_TIMING | CU_EVENT_INTERPROCESS);
        event->shared = std::move(shared);
        event->imported = true;
        publish(event);
        *out = as<CUevent>(*event);
        context.own(std::move(event));
        return CUDA_SUCCESS;
    });
}
}
