// cuMemset*: a value of 1, 2 or 4 bytes, again and again.
#include "capture.hpp"
#include "call.hpp"
#include "fill.hpp"
#include "../memory/written.hpp"

#include <algorithm>

using namespace cpu_device;

namespace {

bool length(const FillWork &fill, size_t &row, size_t &bytes) {
    size_t before = 0;
    return !__builtin_mul_overflow(fill.width, fill.element, &row) &&
           !__builtin_mul_overflow(fill.pitch, fill.height - 1, &before) &&
           !__builtin_add_overflow(before, row, &bytes);
}

template <class T> void fill_rows(const FillWork &fill, uint8_t *at) {
    for (size_t y = 0; y < fill.height; y++) {
        T *row = reinterpret_cast<T *>(at + y * fill.pitch);
        std::fill(row, row + fill.width, static_cast<T>(fill.value));
        memory().written().mark(fill.address + y * fill.pitch, fill.width * sizeof(T));
    }
}

template <class T>
CUresult fill(CUstream handle, CUdeviceptr address, size_t pitch, T value, size_t width, size_t height,
              bool synchronous) {
    return in_stream<Capturing::recorded>(handle, [&](Stream &stream) {
        const FillWork job{address, pitch, width, height, value, sizeof(T)};
        Span span;
        if (stream.capturing && synchronous) return refuse_capture(stream);
        if (!width || !height) return CUDA_SUCCESS;
        const CUresult status = check_fill(job, stream.capturing, span);
        if (status != CUDA_SUCCESS) return status;
        if (stream.capturing) return capture(stream, job);
        Context &context = stream.context;
        const Moment done = stream.submit([job, &context] { run_fill(job, context); });
        if (!synchronous || span.on_device()) return CUDA_SUCCESS;
        stream.finish(done);
        return context.fault();
    });
}

} // namespace

namespace cpu_device {

CUresult check_fill(const FillWork &fill, bool reserved, Span &span) {
    size_t row = 0, bytes = 0;
    const bool rows = fill.height > 1;
    if (!fill.width || !fill.height) return CUDA_SUCCESS;
    if (!length(fill, row, bytes) || fill.address % fill.element) return CUDA_ERROR_INVALID_VALUE;
    if (rows && (fill.pitch < row || fill.pitch % fill.element)) return CUDA_ERROR_INVALID_VALUE;
    return find_span(fill.address, bytes, Side::device, span, reserved) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

void run_fill(const FillWork &fill, Context &context) {
    Span span;
    size_t row = 0, bytes = 0;
    if (context.fault() != CUDA_SUCCESS || !fill.width || !fill.height) return;
    if (!length(fill, row, bytes) || !find_span(fill.address, bytes, Side::device, span)) {
        Fault fault;
        fault.what = "a fill came to memory that had been freed";
        fault.address = fill.address;
        context.fail(Status::illegal_address, fault);
        return;
    }
    switch (fill.element) {
    case 1: fill_rows<uint8_t>(fill, span.host); break;
    case 2: fill_rows<uint16_t>(fill, span.host); break;
    default: fill_rows<uint32_t>(fill, span.host); break;
    }
}

} // namespace cpu_device

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
