// cuMemset*: a value of 1, 2 or 4 bytes, again and again.
#include "call.hpp"
#include "copy.hpp"
#include "../memory/written.hpp"

#include <algorithm>
#include <cstring>

using namespace cpu_device;

namespace {

template <class T> struct Fill {
    uint64_t address;
    size_t pitch, width, height; // elements in a row; bytes between rows
    T value;
    size_t bytes; // from the first to the last
};

template <class T> void perform(const Fill<T> &fill, Context &context) {
    Span span;
    if (context.fault() != CUDA_SUCCESS) return;
    if (!find_span(fill.address, fill.bytes, Side::device, span)) {
        Fault fault;
        fault.what = "a fill came to memory that had been freed";
        fault.address = fill.address;
        context.fail(Status::illegal_address, fault);
        return;
    }
    for (size_t y = 0; y < fill.height; y++) {
        T *row = reinterpret_cast<T *>(span.host + y * fill.pitch);
        std::fill(row, row + fill.width, fill.value);
        memory().written().mark(fill.address + y * fill.pitch, fill.width * sizeof(T));
    }
}

template <class T>
CUresult fill(CUstream handle, CUdeviceptr address, size_t pitch, T value, size_t width, size_t height,
              bool synchronous) {
    return in_stream(handle, [&](Stream &stream) {
        if (!width || !height) return CUDA_SUCCESS;
        size_t row = 0, before = 0, bytes = 0;
        const bool fits = !__builtin_mul_overflow(width, sizeof(T), &row) &&
                          !__builtin_mul_overflow(pitch, height - 1, &before) &&
                          !__builtin_add_overflow(before, row, &bytes);
        Span span;
        if (!fits || address % sizeof(T) || (height > 1 && (pitch < row || pitch % sizeof(T))))
            return CUDA_ERROR_INVALID_VALUE;
        if (!find_span(address, bytes, Side::device, span)) return CUDA_ERROR_INVALID_VALUE;
        Context &context = stream.context;
        const Fill<T> job{address, pitch, width, height, value, bytes};
        const Moment done = stream.submit([job, &context] { perform(job, context); });
        if (!synchronous || span.on_device()) return CUDA_SUCCESS;
        stream.finish(done);
        return context.fault();
    });
}

} // namespace

extern "C" {

CUresult cuMemsetD8_v2(CUdeviceptr to, unsigned char value, size_t n) {
    return fill(nullptr, to, 0, value, n, 1, true);
}

CUresult cuMemsetD16_v2(CUdeviceptr to, unsigned short value, size_t n) {
    return fill(nullptr, to, 0, value, n, 1, true);
}

CUresult cuMemsetD32_v2(CUdeviceptr to, unsigned value, size_t n) {
    return fill(nullptr, to, 0, value, n, 1, true);
}

CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t n, CUstream stream) {
    return fill(stream, to, 0, value, n, 1, false);
}

CUresult cuMemsetD16Async(CUdeviceptr to, unsigned short value, size_t n, CUstream stream) {
    return fill(stream, to, 0, value, n, 1, false);
}

CUresult cuMemsetD32Async(CUdeviceptr to, unsigned value, size_t n, CUstream stream) {
    return fill(stream, to, 0, value, n, 1, false);
}

CUresult cuMemsetD2D8_v2(CUdeviceptr to, size_t pitch, unsigned char value, size_t width, size_t height) {
    return fill(nullptr, to, pitch, value, width, height, true);
}

CUresult cuMemsetD2D16_v2(CUdeviceptr to, size_t pitch, unsigned short value, size_t width, size_t height) {
    return fill(nullptr, to, pitch, value, width, height, true);
}

CUresult cuMemsetD2D32_v2(CUdeviceptr to, size_t pitch, unsigned value, size_t width, size_t height) {
    return fill(nullptr, to, pitch, value, width, height, true);
}

CUresult cuMemsetD2D8Async(CUdeviceptr to, size_t pitch, unsigned char value, size_t width, size_t height,
                           CUstream stream) {
    return fill(stream, to, pitch, value, width, height, false);
}

CUresult cuMemsetD2D16Async(CUdeviceptr to, size_t pitch, unsigned short value, size_t width, size_t height,
                            CUstream stream) {
    return fill(stream, to, pitch, value, width, height, false);
}

CUresult cuMemsetD2D32Async(CUdeviceptr to, size_t pitch, unsigned value, size_t width, size_t height,
                            CUstream stream) {
    return fill(stream, to, pitch, value, width, height, false);
}
}
