// Events.
#include "call.hpp"

using namespace cpu_device;

extern "C" {

cudaError_t cudaEventCreate(cudaEvent_t *out) {
    return in_context([&] { return CALL(cuEventCreate, out, 0); });
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *out, unsigned flags) {
    return in_context([&] { return CALL(cuEventCreate, out, flags); });
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
    return in_context([&] { return CALL(cuEventDestroy_v2, event); });
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
    return in_context([&] { return CALL(cuEventRecord, event, stream_of(stream)); });
}

cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t stream, unsigned flags) {
    return in_context([&] { return CALL(cuEventRecordWithFlags, event, stream_of(stream), flags); });
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
    return in_context([&] { return CALL(cuEventQuery, event); });
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
    return in_context([&] { return CALL(cuEventSynchronize, event); });
}

cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t start, cudaEvent_t end) {
    return in_context([&] { return CALL(cuEventElapsedTime_v2, milliseconds, start, end); });
}
}
