// Boxes of rows, copied in stream order.
//
// Pageable memory of the host: when an asynchronous function returns, it has been read already, or written already.
// https://docs.nvidia.com/cuda/cuda-driver-api/api-sync-behavior.html
#include "call.hpp"
#include "capture.hpp"
#include "copy.hpp"
#include "../memory/written.hpp"

#include <cstring>
#include <vector>

namespace cpu_device {

namespace {

constexpr size_t kStaged = 64 << 10; // smaller sources are kept in a buffer; for larger ones it is waited

// The first byte of a box and how many there are to its last; false where that makes no sense.
bool range(const Box &box, const Extent &extent, uint64_t &first, size_t &size) {
    const bool rows = extent.height > 1 || extent.depth > 1, slices = extent.depth > 1;
    if (rows && (box.x > box.pitch || extent.width > box.pitch - box.x)) return false;
    if (slices && (box.y > box.height || extent.height > box.height - box.y)) return false;
    using Wide = unsigned __int128;
    const Wide pitch = box.pitch, height = box.height;
    // each factor may be anything: with 64 bits each, a product of three does not fit
    if (height && Wide(box.z) + extent.depth > UINT64_MAX / height) return false;
    const Wide before = (Wide(box.z) * height + box.y) * pitch + box.x;
    const Wide length = (Wide(extent.depth - 1) * height + (extent.height - 1)) * pitch + extent.width;
    if (before > INT64_MAX || length > INT64_MAX || before + box.address > INT64_MAX) return false;
    first = box.address + static_cast<uint64_t>(before);
    size = static_cast<size_t>(length);
    return true;
}

struct Job {
    Box to, from;
    Extent extent;
    uint64_t to_first = 0, from_first = 0;
    size_t to_size = 0, from_size = 0;
    std::vector<uint8_t> staged; // the source, row behind row
    CUresult status = CUDA_SUCCESS;
};

bool copy_rows(const Job &job, uint8_t *to, const uint8_t *from, bool plain) {
    const size_t from_pitch = job.staged.empty() ? job.from.pitch : job.extent.width;
    const size_t from_height = job.staged.empty() ? job.from.height : job.extent.height;
    for (size_t z = 0; z < job.extent.depth; z++)
        for (size_t y = 0; y < job.extent.height; y++) {
            uint8_t *out = to + (z * job.to.height + y) * job.to.pitch;
            const uint8_t *in = from + (z * from_height + y) * from_pitch;
            if (plain)
                std::memmove(out, in, job.extent.width);
            else if (!copy_safely(out, in, job.extent.width))
                return false;
        }
    return true;
}

// What the stream does.  Memory that was freed in the meantime is an error of the kind that kernels make.
void perform(Job &job, Context &context) {
    if (context.fault() != CUDA_SUCCESS) return;
    Span to, from;
    const bool staged = !job.staged.empty();
    if (!find_span(job.to_first, job.to_size, job.to.side, to) ||
        (!staged && !find_span(job.from_first, job.from_size, job.from.side, from))) {
        Fault fault;
        fault.what = "a copy came to memory that had been freed";
        fault.address = job.to_first;
        context.fail(Status::illegal_address, fault);
        return;
    }
    const bool plain = to.allocated && (staged || from.allocated);
    if (!copy_rows(job, to.host, staged ? job.staged.data() : from.host, plain)) job.status = CUDA_ERROR_INVALID_VALUE;
    for (size_t row = 0; to.on_device() && memory().written().tracking() && row < job.extent.depth * job.extent.height;
         row++) {
        const size_t z = row / job.extent.height, y = row % job.extent.height;
        memory().written().mark(job.to_first + (z * job.to.height + y) * job.to.pitch, job.extent.width);
    }
}

// Reads the source now.  False: it cannot be read.
bool stage(Job &job, const uint8_t *from) {
    const Extent &e = job.extent;
    std::vector<uint8_t> bytes(e.width * e.height * e.depth);
    for (size_t z = 0; z < e.depth; z++)
        for (size_t y = 0; y < e.height; y++)
            if (!copy_safely(&bytes[(z * e.height + y) * e.width], from + (z * job.from.height + y) * job.from.pitch,
                             e.width))
                return false;
    job.staged = std::move(bytes);
    return true;
}

} // namespace

CUresult check_copy(const CopyWork &work) {
    const Extent &e = work.extent;
    Span to, from;
    uint64_t to_first = 0, from_first = 0;
    size_t to_size = 0, from_size = 0;
    if (!e.width || !e.height || !e.depth) return CUDA_SUCCESS;
    return range(work.to, e, to_first, to_size) && range(work.from, e, from_first, from_size) &&
                   find_span(to_first, to_size, work.to.side, to, true) &&
                   find_span(from_first, from_size, work.from.side, from, true)
               ? CUDA_SUCCESS
               : CUDA_ERROR_INVALID_VALUE;
}

void run_copy(const CopyWork &work, Context &context) {
    Job job;
    job.to = work.to;
    job.from = work.from;
    job.extent = work.extent;
    if (!work.extent.width || !work.extent.height || !work.extent.depth) return;
    if (!range(work.to, work.extent, job.to_first, job.to_size)) return;
    if (!range(work.from, work.extent, job.from_first, job.from_size)) return;
    perform(job, context);
    if (job.status == CUDA_SUCCESS) return;
    Fault fault;
    fault.what = "a copy's memory of the host cannot be read or written";
    fault.address = work.from.address;
    context.fail(Status::illegal_address, fault);
}

CUresult copy_box(Stream &stream, const Box &to_box, const Box &from_box, const Extent &extent, Wait wait) {
    if (!extent.width || !extent.height || !extent.depth) return CUDA_SUCCESS;
    if (stream.capturing) {
        const CopyWork work{to_box, from_box, extent};
        const CUresult status = wait == Wait::never ? check_copy(work) : refuse_capture(stream);
        return status == CUDA_SUCCESS ? capture(stream, work) : status;
    }
    auto job = std::make_shared<Job>();
    job->to = to_box;
    job->from = from_box;
    job->extent = extent;
    Span to, from;
    if (!range(to_box, extent, job->to_first, job->to_size) ||
        !range(from_box, extent, job->from_first, job->from_size) ||
        !find_span(job->to_first, job->to_size, to_box.side, to) ||
        !find_span(job->from_first, job->from_size, from_box.side, from))
        return CUDA_ERROR_INVALID_VALUE;
    bool waits = wait == Wait::always || (wait == Wait::host && !(to.on_device() && from.on_device()));
    if (wait == Wait::never && !to.allocated) waits = true;
    if (wait == Wait::never && !waits && !from.allocated) {
        if (extent.width * extent.height * extent.depth > kStaged)
            waits = true;
        else if (!stage(*job, from.host))
            return CUDA_ERROR_INVALID_VALUE;
    }
    Context &context = stream.context;
    const Moment done = stream.submit([job, &context] { perform(*job, context); });
    if (!waits) return CUDA_SUCCESS;
    stream.finish(done);
    return job->status != CUDA_SUCCESS ? job->status : context.fault();
}

} // namespace cpu_device
