// The functions about green contexts, and those that record and wait for events in all streams of a context.
#include "green_context.hpp"

#include "call.hpp"
#include "capture.hpp"
#include "event.hpp"

namespace cpu_device {

// How the context was created does not matter: work given to the default stream has to go somewhere.
std::shared_ptr<Stream> GreenContext::default_stream() {
    std::lock_guard<std::mutex> guard(lock_);
    std::shared_ptr<Stream> stream = default_.lock();
    if (!stream) default_ = stream = primary->make_stream(CU_STREAM_DEFAULT, 0, shared_from_this(), true);
    return stream;
}

} // namespace cpu_device

using namespace cpu_device;

namespace {

uint64_t next_id() {
    static std::atomic<uint64_t> next{1};
    return next++;
}

CUresult usable_green(const GreenContext *green) {
    if (!green) return CUDA_ERROR_INVALID_CONTEXT;
    return green->alive() ? CUDA_SUCCESS : CUDA_ERROR_CONTEXT_IS_DESTROYED;
}

// body(GreenContext &) with one that was not destroyed.
template <class Body> CUresult on_green(CUgreenCtx handle, Body &&body) {
    return call([&]() -> CUresult {
        const std::shared_ptr<GreenContext> green = lookup<GreenContext>(handle);
        const CUresult status = usable_green(green.get());
        return status == CUDA_SUCCESS ? body(*green) : status;
    });
}

// body(Named &) of a context that works.
template <class Body> CUresult on_named(const Named &named, Body &&body) {
    if (in_stream_work()) return CUDA_ERROR_NOT_PERMITTED;
    CUresult status = usable(named.context.get());
    if (status == CUDA_SUCCESS && named.green) status = usable_green(named.green.get());
    return status == CUDA_SUCCESS ? body() : status;
}

Named named_by(CUgreenCtx handle) {
    const std::shared_ptr<GreenContext> green = lookup<GreenContext>(handle);
    return green ? Named{green->primary, green} : Named();
}

// No more work comes: the stream goes when it has done what it has.
void let_go(const std::shared_ptr<Stream> &stream) {
    stream->submit([stream] { stream->context.forget(*stream); });
    stream->close();
}

// A stream of the context for one piece of work, which has no handle.
std::shared_ptr<Stream> passing_stream(const Named &named) {
    return named.context->make_stream(CU_STREAM_NON_BLOCKING, 0, named.green);
}

CUresult record(const Named &named, CUevent handle) {
    return on_named(named, [&]() -> CUresult {
        const std::shared_ptr<Event> event = lookup<Event>(handle);
        if (!event || event->owner != named.context) return CUDA_ERROR_INVALID_HANDLE;
        const CUresult status = check_streams(*named.context, named.green.get());
        if (status != CUDA_SUCCESS) return status;
        forget_capture(*event);
        const std::shared_ptr<Stream> joined = passing_stream(named);
        for (const auto &stream : named.context->streams())
            if (!named.green || stream->green == named.green) joined->wait_for(stream->last());
        event->record(*joined);
        let_go(joined);
        return CUDA_SUCCESS;
    });
}

CUresult wait(const Named &named, CUevent handle) {
    return on_named(named, [&]() -> CUresult {
        const std::shared_ptr<Event> event = lookup<Event>(handle);
        if (!event) return CUDA_ERROR_INVALID_HANDLE;
        if (event->captured) {
            refuse_captured(*event);
            return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
        }
        const CUresult status = check_streams(*named.context, named.green.get());
        if (status != CUDA_SUCCESS) return status;
        const std::shared_ptr<Stream> waiting = passing_stream(named);
        wait_for_event(*waiting, *event);
        named.context->wait_for(waiting->last(), named.green.get());
        let_go(waiting);
        return CUDA_SUCCESS;
    });
}

} // namespace

extern "C" {

CUresult cuGreenCtxCreate(CUgreenCtx *out, CUdevResourceDesc desc, CUdevice device, unsigned flags) {
    return call([&]() -> CUresult {
        const std::shared_ptr<ResourceDescriptor> found = lookup<ResourceDescriptor>(desc);
        if (!is_device(device)) return CUDA_ERROR_INVALID_DEVICE;
        if (!out || !found || (flags & ~static_cast<unsigned>(CU_GREEN_CTX_DEFAULT_STREAM)))
            return CUDA_ERROR_INVALID_VALUE;
        if (device_of(found->resources.sm) != device) return CUDA_ERROR_INVALID_DEVICE;
        CUcontext primary = nullptr;
        const CUresult status = cuDevicePrimaryCtxRetain(&primary, device);
        if (status != CUDA_SUCCESS) return status;
        const auto green = std::make_shared<GreenContext>(lookup<Context>(primary), next_id(), found->resources);
        green->view_handle = publish(std::make_shared<GreenView>(green));
        *out = reinterpret_cast<CUgreenCtx>(publish(green));
        return CUDA_SUCCESS;
    });
}

// Its streams are the program's to destroy; work that they have is done.
CUresult cuGreenCtxDestroy(CUgreenCtx handle) {
    return call([&]() -> CUresult {
        if (in_stream_work()) return CUDA_ERROR_NOT_PERMITTED;
        const std::shared_ptr<GreenContext> green = retire<GreenContext>(handle);
        if (!green) return CUDA_ERROR_INVALID_CONTEXT;
        check_streams(*green->primary, green.get()); // captures are invalidated
        retire<GreenView>(green->view());
        std::shared_ptr<Stream> own;
        for (const auto &stream : green->primary->streams())
            if (stream->green == green && stream->is_default) own = stream;
        green->destroyed = true;
        if (own) let_go(own);
        cuDevicePrimaryCtxRelease_v2(green->primary->device);
        return CUDA_SUCCESS;
    });
}

CUresult cuCtxFromGreenCtx(CUcontext *out, CUgreenCtx handle) {
    return on_green(handle, [&](GreenContext &green) {
        if (!out) return CUDA_ERROR_INVALID_VALUE;
        *out = green.view();
        return CUDA_SUCCESS;
    });
}

CUresult cuGreenCtxGetId(CUgreenCtx handle, unsigned long long *id) {
    return call([&]() -> CUresult {
        const std::shared_ptr<GreenContext> green = handle ? lookup<GreenContext>(handle) : current_green();
        const CUresult status = usable_green(green.get());
        if (status != CUDA_SUCCESS) return status;
        if (!id) return CUDA_ERROR_INVALID_VALUE;
        *id = green->id;
        return CUDA_SUCCESS;
    });
}

CUresult cuGreenCtxStreamCreate(CUstream *out, CUgreenCtx handle, unsigned flags, int priority) {
    return on_green(handle, [&](GreenContext &green) -> CUresult {
        if (in_stream_work()) return CUDA_ERROR_NOT_PERMITTED;
        if (!out || flags != CU_STREAM_NON_BLOCKING) return CUDA_ERROR_INVALID_VALUE;
        const std::shared_ptr<Stream> stream =
            green.primary->make_stream(flags, clamped_priority(priority), green.shared_from_this());
        publish(stream);
        *out = as<CUstream>(*stream);
        return green.primary->fault();
    });
}

CUresult cuGreenCtxGetDevResource(CUgreenCtx handle, CUdevResource *out, CUdevResourceType type) {
    return on_green(handle, [&](GreenContext &green) { return give_resource(green.resources, type, out); });
}

CUresult cuCtxGetDevResource(CUcontext handle, CUdevResource *out, CUdevResourceType type) {
    return call([&]() -> CUresult {
        const Named named = named_by(handle);
        if (!named.context) return CUDA_ERROR_INVALID_CONTEXT;
        if (!named.context->alive()) return CUDA_ERROR_CONTEXT_IS_DESTROYED;
        return give_resource(named.green ? named.green->resources : all_resources(named.context->device), type, out);
    });
}

CUresult cuStreamGetDevResource(CUstream handle, CUdevResource *out, CUdevResourceType type) {
    return in_stream<Capturing::ignored>(handle, [&](Stream &stream) -> CUresult {
        if (type != CU_DEV_RESOURCE_TYPE_SM) return CUDA_ERROR_INVALID_RESOURCE_TYPE;
        return give_resource(stream.green ? stream.green->resources : all_resources(stream.context.device), type, out);
    });
}

CUresult cuGreenCtxRecordEvent(CUgreenCtx handle, CUevent event) {
    return call([&] { return record(named_by(handle), event); });
}

CUresult cuGreenCtxWaitEvent(CUgreenCtx handle, CUevent event) {
    return call([&] { return wait(named_by(handle), event); });
}

CUresult cuCtxRecordEvent(CUcontext handle, CUevent event) {
    return call([&] { return record(named_by(handle), event); });
}

CUresult cuCtxWaitEvent(CUcontext handle, CUevent event) {
    return call([&] { return wait(named_by(handle), event); });
}
}
