// Versions, functions of the driver by name, profilers: what needs no device.
#include "call.hpp"

using namespace cpu_device;

namespace {

// A name that the driver lacks is no error: the answer says so.
cudaError_t entry_point(const char *symbol, void **out, unsigned version, unsigned long long flags,
                        cudaDriverEntryPointQueryResult *result) {
    CUdriverProcAddressQueryResult found = CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
    const bool own = flags == cudaEnableDefault && PerThreadStream::active();
    if (!symbol || !out || version > static_cast<unsigned>(CUDART_VERSION)) return cudaErrorInvalidValue;
    *out = nullptr;
    const cudaError_t status =
        CALL(cuGetProcAddress_v2, symbol, out, static_cast<int>(version),
             own ? static_cast<unsigned long long>(cudaEnablePerThreadDefaultStream) : flags, &found);
    if (status != cudaSuccess && status != cudaErrorSymbolNotFound) return status;
    if (result) *result = static_cast<cudaDriverEntryPointQueryResult>(static_cast<int>(found));
    return cudaSuccess;
}

} // namespace

extern "C" {

cudaError_t cudaRuntimeGetVersion(int *version) {
    if (!version) return record(cudaErrorInvalidValue);
    *version = CUDART_VERSION;
    return cudaSuccess;
}

// 0 where there is no driver.
cudaError_t cudaDriverGetVersion(int *version) {
    if (!version) return record(cudaErrorInvalidValue);
    *version = 0;
    const cudaError_t status = CALL(cuDriverGetVersion, version);
    return status == cudaErrorInsufficientDriver ? cudaSuccess : record(status);
}

cudaError_t cudaGetDriverEntryPoint(const char *symbol, void **out, unsigned long long flags,
                                    cudaDriverEntryPointQueryResult *result) {
    return record(guarded([&] { return entry_point(symbol, out, CUDART_VERSION, flags, result); }));
}

cudaError_t cudaGetDriverEntryPointByVersion(const char *symbol, void **out, unsigned version, unsigned long long flags,
                                             cudaDriverEntryPointQueryResult *result) {
    return record(guarded([&] { return entry_point(symbol, out, version, flags, result); }));
}

cudaError_t cudaProfilerStart() {
    return in_context([] { return CALL(cuProfilerStart); });
}

cudaError_t cudaProfilerStop() {
    return in_context([] { return CALL(cuProfilerStop); });
}
}
