// Events and the functions about them.
#include "call.hpp"
#include "capture.hpp"
#include "event.hpp"
#include "poll.hpp"

namespace cpu_device {

Event::Event(Context &context, unsigned flags_) : owner(context.shared_from_this()), flags(flags_) {}

void Event::record(Stream &stream) {
    auto time = std::make_shared<Clock::time_point>();
    const uint64_t recording = shared ? shared->begin() : 0;
    const Moment moment = stream.submit([time, recording, all = shared] {
        *time = Clock::now();
        if (all) all->end(recording);
    });
    std::lock_guard<std::mutex> guard(lock_);
    moment_ = moment;
    time_ = std::move(time);
    stream_ = stream.weak_from_this();
}

std::function<void()> Event::begin_record(Stream &stream) {
    auto time = std::make_shared<Clock::time_point>();
    auto timeline = std::make_shared<Timeline>();
    {
        std::lock_guard<std::mutex> guard(lock_);
        moment_ = Moment{timeline, 1};
        time_ = time;
        stream_ = stream.weak_from_this();
    }
    const uint64_t recording = shared ? shared->begin() : 0;
    return [time, timeline, recording, all = shared] {
        *time = Clock::now();
        timeline->advance(1);
        if (all) all->end(recording);
    };
}

Moment Event::moment() const {
    std::lock_guard<std::mutex> guard(lock_);
    return moment_;
}

bool Event::recorded() const {
    std::lock_guard<std::mutex> guard(lock_);
    return time_ != nullptr;
}

Event::Clock::time_point Event::time() const {
    std::lock_guard<std::mutex> guard(lock_);
    return *time_;
}

std::shared_ptr<Stream> Event::stream() const {
    std::lock_guard<std::mutex> guard(lock_);
    return stream_.lock();
}

} // namespace cpu_device

using namespace cpu_device;

namespace {

constexpr unsigned kEventFlags = CU_EVENT_BLOCKING_SYNC | CU_EVENT_DISABLE_TIMING | CU_EVENT_INTERPROCESS;

// body(Event &) with an event of a usable context; no context need be current.
template <class Body> CUresult on_event(CUevent handle, Body &&body) {
    return call([&]() -> CUresult {
        if (in_stream_work()) return CUDA_ERROR_NOT_PERMITTED;
        const std::shared_ptr<Event> event = lookup<Event>(handle);
        if (!event) return CUDA_ERROR_INVALID_HANDLE;
        const CUresult status = usable(event->owner.get());
        return status == CUDA_SUCCESS ? body(*event) : status;
    });
}

CUresult record(CUevent handle, CUstream stream_handle, unsigned flags) {
    return in_stream<Capturing::recorded>(stream_handle, [&](Stream &stream) {
        const std::shared_ptr<Event> event = lookup<Event>(handle);
        if (!event || event->owner.get() != &stream.context) return CUDA_ERROR_INVALID_HANDLE;
        if (flags & ~static_cast<unsigned>(CU_EVENT_RECORD_EXTERNAL)) return CUDA_ERROR_INVALID_VALUE;
        if (stream.capturing) return capture_record(stream, event, flags & CU_EVENT_RECORD_EXTERNAL);
        if (flags) return CUDA_ERROR_INVALID_VALUE; // of a capture only
        forget_capture(*event);
        event->record(stream);
        return CUDA_SUCCESS;
    });
}

CUresult elapsed(float *milliseconds, CUevent start, CUevent end) {
    return on_event(start, [&](Event &first) {
        return on_event(end, [&](Event &last) {
            if (!milliseconds) return CUDA_ERROR_INVALID_VALUE;
            if (first.captured || last.captured) return refuse_captured(first.captured ? first : last);
            if (!first.timed() || !last.timed() || !first.recorded() || !last.recorded())
                return CUDA_ERROR_INVALID_HANDLE;
            if (!first.moment().passed() || !last.moment().passed()) return CUDA_ERROR_NOT_READY;
            *milliseconds = std::chrono::duration<float, std::milli>(last.time() - first.time()).count();
            return CUDA_SUCCESS;
        });
    });
}

} // namespace

extern "C" {

CUresult cuEventCreate(CUevent *out, unsigned flags) {
    return in_context([&](Context &context) {
        const bool ipc = flags & CU_EVENT_INTERPROCESS;
        if (!out || (flags & ~kEventFlags) || (ipc && !(flags & CU_EVENT_DISABLE_TIMING)))
            return CUDA_ERROR_INVALID_VALUE;
        auto event = std::make_shared<Event>(context, flags);
        if (ipc && !(event->shared = SharedEvent::make())) return CUDA_ERROR_OUT_OF_MEMORY;
        publish(event);
        *out = as<CUevent>(*event);
        context.own(std::move(event));
        return CUDA_SUCCESS;
    });
}

CUresult cuEventDestroy_v2(CUevent handle) {
    return call([&] {
        const std::shared_ptr<Event> event = retire<Event>(handle);
        if (!event) return CUDA_ERROR_INVALID_HANDLE;
        event->owner->disown(*event);
        return CUDA_SUCCESS;
    });
}

CUresult cuEventRecord(CUevent handle, CUstream stream) {
    return record(handle, stream, 0);
}

CUresult cuEventRecordWithFlags(CUevent handle, CUstream stream, unsigned flags) {
    return record(handle, stream, flags);
}

CUresult cuEventQuery(CUevent handle) {
    return on_event(handle, [](Event &event) {
        const CUresult status = event.captured ? refuse_captured(event) : check_unnoticed();
        if (status != CUDA_SUCCESS) return status;
        const bool passed = event.shared ? event.shared->reached(event.shared->recorded()) : event.moment().passed();
        return passed ? event.owner->fault() : CUDA_ERROR_NOT_READY;
    });
}

CUresult cuEventSynchronize(CUevent handle) {
    return on_event(handle, [](Event &event) {
        const CUresult status = event.captured ? refuse_captured(event) : check_unnoticed();
        if (status != CUDA_SUCCESS) return status;
        if (const std::shared_ptr<SharedEvent> all = event.shared) {
            const uint64_t recording = all->recorded();
            Poll(*event.owner, interrupts()).wait([&] { return all->reached(recording); });
            return event.owner->fault();
        }
        const Moment moment = event.moment();
        if (const std::shared_ptr<Stream> stream = event.stream())
            stream->finish(moment);
        else
            moment.wait();
        return event.owner->fault();
    });
}

CUresult cuEventElapsedTime(float *milliseconds, CUevent start, CUevent end) {
    return elapsed(milliseconds, start, end);
}

CUresult cuEventElapsedTime_v2(float *milliseconds, CUevent start, CUevent end) {
    return elapsed(milliseconds, start, end);
}
}
