// Memory and events that processes share.
#include "call.hpp"
#include "layouts.hpp"

using namespace cpu_device;

extern "C" {

cudaError_t cudaIpcGetMemHandle(cudaIpcMemHandle_t *out, void *memory) {
    return in_context([&] { return CALL(cuIpcGetMemHandle, same<CUipcMemHandle>(out), address(memory)); });
}

cudaError_t cudaIpcOpenMemHandle(void **out, cudaIpcMemHandle_t handle, unsigned flags) {
    return in_context([&] {
        return CALL(cuIpcOpenMemHandle_v2, reinterpret_cast<CUdeviceptr *>(out), same_value<CUipcMemHandle>(handle),
                    flags);
    });
}

cudaError_t cudaIpcCloseMemHandle(void *memory) {
    return in_context([&] { return CALL(cuIpcCloseMemHandle, address(memory)); });
}

cudaError_t cudaIpcGetEventHandle(cudaIpcEventHandle_t *out, cudaEvent_t event) {
    return in_context([&] { return CALL(cuIpcGetEventHandle, same<CUipcEventHandle>(out), event); });
}

cudaError_t cudaIpcOpenEventHandle(cudaEvent_t *out, cudaIpcEventHandle_t handle) {
    return in_context([&] { return CALL(cuIpcOpenEventHandle, out, same_value<CUipcEventHandle>(handle)); });
}

cudaError_t cudaMemPoolExportPointer(cudaMemPoolPtrExportData *out, void *memory) {
    return call([&] { return CALL(cuMemPoolExportPointer, same<CUmemPoolPtrExportData>(out), address(memory)); });
}

cudaError_t cudaMemPoolImportPointer(void **out, cudaMemPool_t pool, cudaMemPoolPtrExportData *data) {
    return call([&] {
        return CALL(cuMemPoolImportPointer, reinterpret_cast<CUdeviceptr *>(out), pool,
                    same<CUmemPoolPtrExportData>(data));
    });
}
}
