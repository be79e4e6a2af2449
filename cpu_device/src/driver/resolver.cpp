// cuGetProcAddress: the function that a name meant in a version of CUDA.
#include "call.hpp"
#include "export_tables.hpp"

#include <algorithm>
#include <cstring>

using namespace cpu_device;

namespace {

const Export *find_export(const char *name, int version, bool &known) {
    const Export *end = kExports + kExportCount;
    const Export *at = std::lower_bound(kExports, end, name,
                                        [](const Export &e, const char *n) { return std::strcmp(e.name, n) < 0; });
    const Export *best = nullptr;
    known = at != end && !std::strcmp(at->name, name);
    for (; at != end && !std::strcmp(at->name, name); at++)
        if (at->version <= version) best = at;
    return best;
}

CUresult resolve(const char *name, void **out, int version, cuuint64_t flags, CUdriverProcAddressQueryResult *status) {
    if (!name || !out || flags > CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM) return CUDA_ERROR_INVALID_VALUE;
    bool known = false;
    const Export *found = find_export(name, version, known);
    const bool own = flags == CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM ||
                     (flags == CU_GET_PROC_ADDRESS_DEFAULT && PerThreadStream::active());
    *out = !found ? nullptr : own && found->per_thread ? found->per_thread : found->function;
    if (status)
        *status = found   ? CU_GET_PROC_ADDRESS_SUCCESS
                  : known ? CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT
                          : CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
    return found ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}

} // namespace

extern "C" {

CUresult cuGetProcAddress(const char *name, void **out, int version, cuuint64_t flags) {
    return guarded([&] { return resolve(name, out, version, flags, nullptr); });
}

CUresult cuGetProcAddress_v2(const char *name, void **out, int version, cuuint64_t flags,
                             CUdriverProcAddressQueryResult *status) {
    return guarded([&] { return resolve(name, out, version, flags, status); });
}
}
