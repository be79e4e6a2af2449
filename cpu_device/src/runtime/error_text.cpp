// cudaGetErrorName and cudaGetErrorString.  Names come from the facts; words that the driver has are the driver's.
#include "driver.hpp"
#include "export_tables.hpp"

using namespace cpu_device;

namespace {

struct Words {
    cudaError_t value;
    const char *text;
};

constexpr Words kWords[] = {
    {cudaErrorInvalidConfiguration, "the grid or the blocks of a launch have sizes that the device does not take"},
    {cudaErrorInvalidPitchValue, "a pitch is smaller than its rows, or too large"},
    {cudaErrorInvalidSymbol, "this is no variable of a registered module"},
    {cudaErrorInvalidChannelDescriptor, "the channel descriptor is not valid"},
    {cudaErrorInvalidMemcpyDirection, "this is no direction of a copy"},
    {cudaErrorInsufficientDriver, "the driver is missing, or older than this runtime"},
    {cudaErrorIncompatibleDriverContext, "the current context was not made for the runtime"},
    {cudaErrorMissingConfiguration, "a launch has no configuration"},
    {cudaErrorInvalidDeviceFunction, "this is no kernel, or none that the device can run"},
};

const char *name_of(cudaError_t status) {
    for (size_t i = 0; i < kStatusNameCount; i++)
        if (kStatusNames[i].value == static_cast<int>(status)) return kStatusNames[i].name;
    return nullptr;
}

} // namespace

extern "C" {

const char *cudaGetErrorName(cudaError_t status) {
    const char *name = name_of(status);
    return name ? name : "unrecognized error code";
}

const char *cudaGetErrorString(cudaError_t status) {
    const char *text = nullptr;
    for (const Words &one : kWords)
        if (one.value == status) return one.text;
    if (!name_of(status)) return "unrecognized error code";
    const bool known = DRIVER(cuGetErrorString)(static_cast<CUresult>(static_cast<int>(status)), &text) == CUDA_SUCCESS;
    return known && text ? text : "an error that the CPU device does not make";
}
}
