// The functions about streams.
#include "call.hpp"
#include "capture.hpp"
#include "event.hpp"
#include "green_context.hpp"
#include "poll.hpp"

using namespace cpu_device;

namespace {

CUresult create(CUstream *out, unsigned flags, int priority) {
    return in_context([&](Context &context) {
        if (!out || (flags & ~static_cast<unsigned>(CU_STREAM_NON_BLOCKING))) return CUDA_ERROR_INVALID_VALUE;
        const std::shared_ptr<Stream> stream = context.make_stream(flags, clamped_priority(priority), current_green());
        publish(stream);
        *out = as<CUstream>(*stream);
        return CUDA_SUCCESS;
    });
}

// The recording may be another process's.
void wait_for_shared(Stream &stream, const std::shared_ptr<SharedEvent> &event) {
    const uint64_t recording = event->recorded();
    Context &context = stream.context;
    if (event->reached(recording)) return;
    stream.submit([event, recording, &context, made = uint64_t(interrupts())] {
        Poll(context, made).wait([&] { return event->reached(recording); });
    });
}

template <class T, class Get> CUresult ask(CUstream handle, T *out, Get &&get) {
    return in_stream<Capturing::ignored>(handle, [&](Stream &stream) {
        if (!out) return CUDA_ERROR_INVALID_VALUE;
        *out = get(stream);
        return CUDA_SUCCESS;
    });
}

} // namespace

namespace cpu_device {

void wait_for_event(Stream &stream, const Event &event) {
    if (event.shared)
        wait_for_shared(stream, event.shared);
    else
        stream.wait_for(event.moment());
}

} // namespace cpu_device

extern "C" {

CUresult cuStreamCreate(CUstream *out, unsigned flags) {
    return create(out, flags, 0);
}

CUresult cuStreamCreateWithPriority(CUstream *out, unsigned flags, int priority) {
    return create(out, flags, priority);
}

CUresult cuStreamDestroy_v2(CUstream handle) {
    return call([&] {
        if (in_stream_work()) return CUDA_ERROR_NOT_PERMITTED;
        const std::shared_ptr<Stream> stream = retire<Stream>(handle);
        if (!stream) return CUDA_ERROR_INVALID_HANDLE;
        abandon_capture(*stream);
        // what it still has to do is done, and its context waits for that
        if (stream->idle())
            stream->context.forget(*stream);
        else
            stream->submit([stream] { stream->context.forget(*stream); });
        stream->close();
        return CUDA_SUCCESS;
    });
}

CUresult cuStreamSynchronize(CUstream handle) {
    return in_stream(handle, [](Stream &stream) {
        const CUresult status = check_unnoticed();
        if (status != CUDA_SUCCESS) return status;
        stream.finish(stream.last());
        return stream.context.fault();
    });
}

CUresult cuStreamQuery(CUstream handle) {
    return in_stream(handle, [](Stream &stream) {
        const CUresult status = check_unnoticed();
        if (status != CUDA_SUCCESS) return status;
        return stream.idle() ? stream.context.fault() : CUDA_ERROR_NOT_READY;
    });
}

CUresult cuStreamWaitEvent(CUstream handle, CUevent event, unsigned flags) {
    return in_stream<Capturing::recorded>(handle, [&](Stream &stream) {
        const std::shared_ptr<Event> found = lookup<Event>(event);
        if (!found) return CUDA_ERROR_INVALID_HANDLE;
        if (flags & ~static_cast<unsigned>(CU_EVENT_WAIT_EXTERNAL)) return CUDA_ERROR_INVALID_VALUE;
        if (stream.capturing && found->shared && flags) return CUDA_ERROR_NOT_SUPPORTED; // in graphs
        if (stream.capturing || found->captured) return capture_wait(stream, found, flags & CU_EVENT_WAIT_EXTERNAL);
        if (flags) return CUDA_ERROR_INVALID_VALUE; // of a capture only
        wait_for_event(stream, *found);
        return CUDA_SUCCESS;
    });
}

CUresult cuStreamGetFlags(CUstream handle, unsigned *flags) {
    return ask(handle, flags, [](Stream &stream) { return stream.flags; });
}

CUresult cuStreamGetPriority(CUstream handle, int *priority) {
    return ask(handle, priority, [](Stream &stream) { return stream.priority.load(); });
}

CUresult cuStreamGetId(CUstream handle, unsigned long long *id) {
    return ask(handle, id, [](Stream &stream) { return stream.id; });
}

CUresult cuStreamGetDevice(CUstream handle, CUdevice *device) {
    return ask(handle, device, [](Stream &stream) { return stream.context.device; });
}

CUresult cuStreamGetCtx(CUstream handle, CUcontext *context) {
    return ask(handle, context, [](Stream &stream) { return Named{stream.owner, stream.green}.handle(); });
}

CUresult cuStreamGetCtx_v2(CUstream handle, CUcontext *context, CUgreenCtx *green) {
    return ask(handle, context, [&](Stream &stream) {
        if (green) *green = stream.green ? as<CUgreenCtx>(*stream.green) : nullptr;
        return as<CUcontext>(stream.context);
    });
}

CUresult cuStreamGetGreenCtx(CUstream handle, CUgreenCtx *out) {
    return ask(handle, out, [](Stream &stream) { return stream.green ? as<CUgreenCtx>(*stream.green) : nullptr; });
}

CUresult cuLaunchHostFunc(CUstream handle, CUhostFn function, void *data) {
    return cuLaunchHostFunc_v2(handle, function, data, CU_HOST_TASK_BLOCKING);
}

CUresult cuLaunchHostFunc_v2(CUstream handle, CUhostFn function, void *data, unsigned sync_mode) {
    return in_stream<Capturing::recorded>(handle, [&](Stream &stream) {
        if (!function || sync_mode > CU_HOST_TASK_SPINWAIT) return CUDA_ERROR_INVALID_VALUE;
        if (stream.capturing) return capture(stream, HostWork{function, data, sync_mode});
        Context &context = stream.context;
        stream.submit(
            [function, data, &context] {
                if (context.fault() == CUDA_SUCCESS) function(data);
            },
            true);
        return CUDA_SUCCESS;
    });
}

// Unlike a host function it is called after an error too, and told about it.
CUresult cuStreamAddCallback(CUstream handle, CUstreamCallback callback, void *data, unsigned flags) {
    return in_stream(handle, [&](Stream &stream) {
        if (!callback || flags) return CUDA_ERROR_INVALID_VALUE;
        Context &context = stream.context;
        stream.submit([=, &context] { callback(handle, context.fault(), data); }, true);
        return CUDA_SUCCESS;
    });
}

CUresult cuStreamAttachMemAsync(CUstream handle, CUdeviceptr address, size_t, unsigned flags) {
    return in_stream(handle, [&](Stream &) {
        const Allocation *found = memory().find(address, 1);
        const bool one = flags == CU_MEM_ATTACH_GLOBAL || flags == CU_MEM_ATTACH_HOST || flags == CU_MEM_ATTACH_SINGLE;
        return found && found->kind == MemoryKind::managed && one ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    });
}
}
