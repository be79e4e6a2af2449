// Streams, what waits in them, and what the host does in between.
#include "call.hpp"

using namespace cpu_device;

extern "C" {

cudaError_t cudaStreamCreate(cudaStream_t *out) {
    return in_context([&] { return CALL(cuStreamCreate, out, 0); });
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *out, unsigned flags) {
    return in_context([&] { return CALL(cuStreamCreate, out, flags); });
}

cudaError_t cudaStreamCreateWithPriority(cudaStream_t *out, unsigned flags, int priority) {
    return in_context([&] { return CALL(cuStreamCreateWithPriority, out, flags, priority); });
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
    return in_context([&] { return CALL(cuStreamDestroy_v2, stream); });
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
    return in_context([&] { return CALL(cuStreamSynchronize, stream_of(stream)); });
}

cudaError_t cudaStreamQuery(cudaStream_t stream) {
    return in_context([&] { return CALL(cuStreamQuery, stream_of(stream)); });
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags) {
    return in_context([&] { return CALL(cuStreamWaitEvent, stream_of(stream), event, flags); });
}

// The callback's status is the driver's: the same number.
cudaError_t cudaStreamAddCallback(cudaStream_t stream, cudaStreamCallback_t callback, void *data, unsigned flags) {
    return in_context([&] {
        return CALL(cuStreamAddCallback, stream_of(stream), reinterpret_cast<CUstreamCallback>(callback), data, flags);
    });
}

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void *data) {
    return in_context([&] { return CALL(cuLaunchHostFunc, stream_of(stream), function, data); });
}

cudaError_t cudaLaunchHostFunc_v2(cudaStream_t stream, cudaHostFn_t function, void *data, unsigned mode) {
    return in_context([&] { return CALL(cuLaunchHostFunc_v2, stream_of(stream), function, data, mode); });
}

cudaError_t cudaStreamGetFlags(cudaStream_t stream, unsigned *flags) {
    return in_context([&] { return CALL(cuStreamGetFlags, stream_of(stream), flags); });
}

cudaError_t cudaStreamGetPriority(cudaStream_t stream, int *priority) {
    return in_context([&] { return CALL(cuStreamGetPriority, stream_of(stream), priority); });
}

cudaError_t cudaStreamGetId(cudaStream_t stream, unsigned long long *id) {
    return in_context([&] { return CALL(cuStreamGetId, stream_of(stream), id); });
}

cudaError_t cudaStreamGetDevice(cudaStream_t stream, int *device) {
    return in_context([&] { return CALL(cuStreamGetDevice, stream_of(stream), device); });
}

cudaError_t cudaStreamAttachMemAsync(cudaStream_t stream, void *memory, size_t length, unsigned flags) {
    return in_context([&] { return CALL(cuStreamAttachMemAsync, stream_of(stream), address(memory), length, flags); });
}

cudaError_t cudaStreamCopyAttributes(cudaStream_t to, cudaStream_t from) {
    return in_context([&] { return CALL(cuStreamCopyAttributes, stream_of(to), stream_of(from)); });
}

cudaError_t cudaStreamGetAttribute(cudaStream_t stream, cudaLaunchAttributeID name, cudaLaunchAttributeValue *value) {
    return in_context([&] {
        return CALL(cuStreamGetAttribute, stream_of(stream), static_cast<CUlaunchAttributeID>(name),
                    reinterpret_cast<CUlaunchAttributeValue *>(value));
    });
}

cudaError_t cudaStreamSetAttribute(cudaStream_t stream, cudaLaunchAttributeID name,
                                   const cudaLaunchAttributeValue *value) {
    return in_context([&] {
        return CALL(cuStreamSetAttribute, stream_of(stream), static_cast<CUlaunchAttributeID>(name),
                    reinterpret_cast<const CUlaunchAttributeValue *>(value));
    });
}
}
