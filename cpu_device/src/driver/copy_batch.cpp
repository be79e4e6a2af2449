// Batches of copies: all are checked before the first is queued.
#include "call.hpp"
#include "copy.hpp"

#include <cstdint>

using namespace cpu_device;

namespace {

constexpr size_t kNoCopy = SIZE_MAX; // what failed is not one of the copies

struct Batch {
    CUdeviceptr *to, *from;
    size_t *sizes, n;
    CUmemcpyAttributes *attributes;
    size_t *firsts, attributes_n; // the first copy that an attribute is for

    CopyWork work(size_t k) const {
        CopyWork made;
        made.to.address = to[k];
        made.from.address = from[k];
        made.extent = {sizes[k], 1, 1};
        return made;
    }
    CUresult check(size_t &failed) const;
};

bool is_valid(const CUmemcpyAttributes &attributes) {
    const auto order = static_cast<int>(attributes.srcAccessOrder);
    return order >= CU_MEMCPY_SRC_ACCESS_ORDER_STREAM && order <= CU_MEMCPY_SRC_ACCESS_ORDER_ANY &&
           !(attributes.flags & ~unsigned(CU_MEMCPY_FLAG_PREFER_OVERLAP_WITH_COMPUTE));
}

CUresult Batch::check(size_t &failed) const {
    if (!n || !to || !from || !sizes || !attributes || !firsts || !attributes_n || attributes_n > n || firsts[0])
        return CUDA_ERROR_INVALID_VALUE;
    for (size_t k = 0; k < attributes_n; k++)
        if (!is_valid(attributes[k]) || firsts[k] >= n || (k && firsts[k] <= firsts[k - 1]))
            return CUDA_ERROR_INVALID_VALUE;
    for (size_t k = 0; k < n; k++) {
        const CUresult status = to[k] && from[k] ? check_copy(work(k)) : CUDA_ERROR_INVALID_VALUE;
        if (status == CUDA_SUCCESS) continue;
        failed = k;
        return status;
    }
    return CUDA_SUCCESS;
}

// The host's own memory is read before the call returns in any case; other memory waits for its turn unless it may not.
Wait wait_of(const CUmemcpyAttributes &attributes) {
    return attributes.srcAccessOrder == CU_MEMCPY_SRC_ACCESS_ORDER_DURING_API_CALL ? Wait::always : Wait::never;
}

CUresult run(const Batch &batch, size_t &failed, CUstream handle) {
    failed = kNoCopy;
    return in_stream(handle, [&](Stream &stream) {
        if (stream.is_default) return CUDA_ERROR_INVALID_VALUE; // as the driver has it
        CUresult status = batch.check(failed);
        size_t attribute = 0;
        for (size_t k = 0; status == CUDA_SUCCESS && k < batch.n; k++) {
            if (attribute + 1 < batch.attributes_n && batch.firsts[attribute + 1] == k) attribute++;
            const CopyWork work = batch.work(k);
            status = copy_box(stream, work.to, work.from, work.extent, wait_of(batch.attributes[attribute]));
            if (status != CUDA_SUCCESS) failed = k;
        }
        return status;
    });
}

} // namespace

extern "C" {

CUresult cuMemcpyBatchAsync(CUdeviceptr *to, CUdeviceptr *from, size_t *sizes, size_t n, CUmemcpyAttributes *attributes,
                            size_t *firsts, size_t attributes_n, size_t *failed, CUstream stream) {
    size_t unused = 0;
    return run({to, from, sizes, n, attributes, firsts, attributes_n}, failed ? *failed : unused, stream);
}

CUresult cuMemcpyWithAttributesAsync(CUdeviceptr to, CUdeviceptr from, size_t size, CUmemcpyAttributes *attributes,
                                     CUstream stream) {
    size_t unused = 0, first = 0;
    return run({&to, &from, &size, 1, attributes, &first, 1}, unused, stream);
}

CUresult cuMemcpyBatchAsync_v2(CUdeviceptr *to, CUdeviceptr *from, size_t *sizes, size_t n,
                               CUmemcpyAttributes *attributes, size_t *firsts, size_t attributes_n, CUstream stream) {
    size_t unused = 0;
    return run({to, from, sizes, n, attributes, firsts, attributes_n}, unused, stream);
}
}
