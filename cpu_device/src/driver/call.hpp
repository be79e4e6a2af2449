// What every function of the API does first: nothing is thrown across the C boundary, the driver is initialised, a context is there.
#pragma once

#include <new>
#include <system_error>

#include "context.hpp"

namespace cpu_device {

bool initialized(); // cuInit was called in this process
void initialize();

template <class Body> CUresult guarded(Body &&body) noexcept {
    try {
        return body();
    } catch (const std::bad_alloc &) {
        return CUDA_ERROR_OUT_OF_MEMORY;
    } catch (const std::system_error &) { // no more threads
        return CUDA_ERROR_OPERATING_SYSTEM;
    } catch (...) { return CUDA_ERROR_UNKNOWN; }
}

template <class Body> CUresult call(Body &&body) noexcept {
    return guarded([&]() -> CUresult { return initialized() ? body() : CUDA_ERROR_NOT_INITIALIZED; });
}

// Stream capture (capture.cpp).
extern std::atomic<int> captures; // under way, in all threads
// What a function may do in a stream that is being captured: nothing, become a node, or what it likes (a question).
enum class Capturing { refused, recorded, ignored };
CUresult check_capture(Stream &stream, Capturing how);
// Whether the captures under way forbid this thread a call that they would not notice; those that do are invalidated.
CUresult check_unsafe();
inline CUresult check_unnoticed() {
    return captures.load(std::memory_order_acquire) ? check_unsafe() : CUDA_SUCCESS;
}

// Whether a context can be worked with; an error in one of its kernels stays until it ends.
inline CUresult usable(const Context *context) {
    if (!context) return CUDA_ERROR_INVALID_CONTEXT;
    if (!context->alive()) return CUDA_ERROR_CONTEXT_IS_DESTROYED;
    return context->fault();
}

// body(Context &) with the current context.
template <class Body> CUresult in_context(Body &&body) noexcept {
    return call([&]() -> CUresult {
        if (in_stream_work()) return CUDA_ERROR_NOT_PERMITTED;
        const std::shared_ptr<Context> context = current_context();
        const CUresult status = usable(context.get());
        if (status == CUDA_SUCCESS && in_destroyed_green()) return CUDA_ERROR_CONTEXT_IS_DESTROYED;
        return status == CUDA_SUCCESS ? body(*context) : status;
    });
}

// body(Context &) of a function that a capture does not notice.
template <class Body> CUresult in_context_unnoticed(Body &&body) noexcept {
    return in_context([&](Context &context) -> CUresult {
        const CUresult status = check_unnoticed();
        return status == CUDA_SUCCESS ? body(context) : status;
    });
}

// body(Stream &) with a stream of a usable context.
template <Capturing how = Capturing::refused, class Body> CUresult in_stream(CUstream handle, Body &&body) noexcept {
    return in_context([&](Context &current) -> CUresult {
        const std::shared_ptr<Stream> stream = stream_of(handle, current);
        if (!stream) return CUDA_ERROR_INVALID_HANDLE;
        if (stream->green && detached(*stream)) return CUDA_ERROR_STREAM_DETACHED;
        CUresult status = usable(&stream->context);
        if (how != Capturing::ignored && status == CUDA_SUCCESS && captures.load(std::memory_order_acquire))
            status = check_capture(*stream, how);
        return status == CUDA_SUCCESS ? body(*stream) : status;
    });
}

// Submits work and waits for it; the context's error, if the work found one.
inline CUresult submit_and_wait(Stream &stream, Stream::Work work) {
    stream.finish(stream.submit(std::move(work)));
    return stream.context.fault();
}

inline CUresult status_of(Status status) {
    return static_cast<CUresult>(static_cast<int>(status));
}

} // namespace cpu_device
