// What every function of the runtime does first and last: the driver is initialised, the thread has a context, an error is remembered.
#pragma once

#include <new>
#include <system_error>

#include "driver.hpp"
#include "export_tables.hpp"

namespace cpu_device {

// -- errors of the calling thread (errors.cpp)

// Makes a status the last error, unless it is none; returns it.
cudaError_t record(cudaError_t status);

// -- devices of the calling thread (current.cpp)

// The driver is initialised.
cudaError_t initialize();
// A context is current: the one that the thread has already, or else the primary context of its device.
cudaError_t ready();
// The number of the thread's device; needs no context.
int current_device();
// Gives the thread another device, and makes the primary context there current.
cudaError_t use_device(int device);
// Begins the primary context of a device and leaves the thread as it is.
cudaError_t begin_device(int device, CUcontext *context);
// Ends the primary context of the thread's device.
cudaError_t end_device();

// -- calls

template <class Body> cudaError_t guarded(Body &&body) noexcept {
    try {
        return body();
    } catch (const std::bad_alloc &) { return cudaErrorMemoryAllocation; } catch (const std::system_error &) {
        return cudaErrorOperatingSystem;
    } catch (...) { return cudaErrorUnknown; }
}

// body() once the driver is there; no context is made.
template <class Body> cudaError_t call(Body &&body) noexcept {
    return record(guarded([&] {
        const cudaError_t status = initialize();
        return status == cudaSuccess ? body() : status;
    }));
}

// body() with a context.
template <class Body> cudaError_t in_context(Body &&body) noexcept {
    return record(guarded([&] {
        const cudaError_t status = ready();
        return status == cudaSuccess ? body() : status;
    }));
}

// The stream that a handle means in this call.
inline CUstream stream_of(cudaStream_t stream) {
    return !stream && PerThreadStream::active() ? reinterpret_cast<CUstream>(CU_STREAM_PER_THREAD) : stream;
}

} // namespace cpu_device

// CALL of the variant for the thread's own default stream where that is meant.
#define CALL_HERE(name, ...) \
    (cpu_device::PerThreadStream::active() ? CALL(name##_ptds, __VA_ARGS__) : CALL(name, __VA_ARGS__))
