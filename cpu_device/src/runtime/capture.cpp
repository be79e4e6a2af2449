// Streams that are captured into graphs.
#include "call.hpp"
#include "layouts.hpp"

using namespace cpu_device;

extern "C" {

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
    return in_context(
        [&] { return CALL(cuStreamBeginCapture_v2, stream_of(stream), static_cast<CUstreamCaptureMode>(mode)); });
}

cudaError_t cudaStreamBeginCaptureToGraph(cudaStream_t stream, cudaGraph_t graph, const cudaGraphNode_t *dependencies,
                                          const cudaGraphEdgeData *edges, size_t n, cudaStreamCaptureMode mode) {
    return in_context([&] {
        return CALL(cuStreamBeginCaptureToGraph, stream_of(stream), graph, dependencies, same<CUgraphEdgeData>(edges),
                    n, static_cast<CUstreamCaptureMode>(mode));
    });
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph) {
    return in_context([&] { return CALL(cuStreamEndCapture, stream_of(stream), graph); });
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus *status) {
    return in_context([&] {
        return CALL(cuStreamIsCapturing, stream_of(stream), reinterpret_cast<CUstreamCaptureStatus *>(status));
    });
}

cudaError_t cudaStreamGetCaptureInfo(cudaStream_t stream, cudaStreamCaptureStatus *status, unsigned long long *id,
                                     cudaGraph_t *graph, const cudaGraphNode_t **dependencies,
                                     const cudaGraphEdgeData **edges, size_t *n) {
    static_assert(sizeof(cuuint64_t) == sizeof *id);
    return in_context([&] {
        return CALL(cuStreamGetCaptureInfo_v3, stream_of(stream), reinterpret_cast<CUstreamCaptureStatus *>(status),
                    reinterpret_cast<cuuint64_t *>(id), graph, dependencies,
                    reinterpret_cast<const CUgraphEdgeData **>(edges), n);
    });
}

cudaError_t cudaStreamUpdateCaptureDependencies(cudaStream_t stream, cudaGraphNode_t *dependencies,
                                                const cudaGraphEdgeData *edges, size_t n, unsigned flags) {
    return in_context([&] {
        return CALL(cuStreamUpdateCaptureDependencies_v2, stream_of(stream), dependencies, same<CUgraphEdgeData>(edges),
                    n, flags);
    });
}

cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode *mode) {
    return call([&] { return CALL(cuThreadExchangeStreamCaptureMode, reinterpret_cast<CUstreamCaptureMode *>(mode)); });
}
}
