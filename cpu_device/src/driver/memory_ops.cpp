// https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__MEMOP.html
#include "memory_ops.hpp"

#include "../memory/written.hpp"
#include "capture.hpp"
#include "poll.hpp"

using namespace cpu_device;

namespace {

using Op = CUstreamBatchMemOpParams;

// The word that an operation is about; a size of 0: none.
struct Word {
    uint64_t address = 0;
    unsigned size = 0;
};

// The fields that operations have in common lie at the same places.
Word word_of(const Op &op) {
    switch (static_cast<int>(op.operation)) {
    case CU_STREAM_MEM_OP_WAIT_VALUE_32: return {op.waitValue.address, 4};
    case CU_STREAM_MEM_OP_WAIT_VALUE_64: return {op.waitValue.address, 8};
    case CU_STREAM_MEM_OP_WRITE_VALUE_32: return {op.writeValue.address, 4};
    case CU_STREAM_MEM_OP_WRITE_VALUE_64: return {op.writeValue.address, 8};
    case CU_STREAM_MEM_OP_ATOMIC_REDUCTION:
        return {op.atomicReduction.address,
                op.atomicReduction.dataType == CU_STREAM_ATOMIC_REDUCTION_UNSIGNED_32 ? 4u : 8u};
    default: return {};
    }
}

// Device memory, or the host's where the device has an address for it; managed memory is not taken.
bool find_word(const Word &word, bool reserved, Span &span) {
    return word.address % word.size == 0 && find_span(word.address, word.size, Side::device, span, reserved) &&
           span.kind != MemoryKind::managed;
}

CUresult check_flags(const Op &op) {
    switch (static_cast<int>(op.operation)) {
    case CU_STREAM_MEM_OP_WAIT_VALUE_32:
    case CU_STREAM_MEM_OP_WAIT_VALUE_64:
        // writes of other devices are never late here, and no device says that it can flush them
        if (op.waitValue.flags & CU_STREAM_WAIT_VALUE_FLUSH) return CUDA_ERROR_NOT_SUPPORTED;
        return op.waitValue.flags <= CU_STREAM_WAIT_VALUE_NOR ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    case CU_STREAM_MEM_OP_WRITE_VALUE_32:
    case CU_STREAM_MEM_OP_WRITE_VALUE_64: // without a barrier: of the first version of these functions only
        if (op.writeValue.flags == CU_STREAM_WRITE_VALUE_NO_MEMORY_BARRIER) return CUDA_ERROR_NOT_SUPPORTED;
        return op.writeValue.flags ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
    case CU_STREAM_MEM_OP_BARRIER:
        return op.memoryBarrier.flags <= CU_STREAM_MEMORY_BARRIER_TYPE_GPU ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    case CU_STREAM_MEM_OP_FLUSH_REMOTE_WRITES: return CUDA_ERROR_NOT_SUPPORTED;
    case CU_STREAM_MEM_OP_ATOMIC_REDUCTION: {
        const auto &r = op.atomicReduction;
        const int how = static_cast<int>(r.reductionOp), type = static_cast<int>(r.dataType);
        const bool known = how == CU_STREAM_ATOMIC_REDUCTION_OP_ADD || how == CU_STREAM_ATOMIC_REDUCTION_OP_AND ||
                           how == CU_STREAM_ATOMIC_REDUCTION_OP_OR;
        const bool typed =
            type == CU_STREAM_ATOMIC_REDUCTION_UNSIGNED_32 || type == CU_STREAM_ATOMIC_REDUCTION_UNSIGNED_64;
        return known && typed && !r.flags ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    }
    default: return CUDA_ERROR_INVALID_VALUE;
    }
}

template <class T> bool met(T value, T wanted, unsigned flags) {
    using Signed = std::make_signed_t<T>;
    switch (flags) {
    case CU_STREAM_WAIT_VALUE_GEQ: return static_cast<Signed>(value - wanted) >= 0; // in a circle
    case CU_STREAM_WAIT_VALUE_EQ: return value == wanted;
    case CU_STREAM_WAIT_VALUE_AND: return (value & wanted) != 0;
    default: return static_cast<T>(~(value | wanted)) != 0;
    }
}

void fail(Context &context, Status status, uint64_t address, const char *what) {
    Fault fault;
    fault.what = what;
    fault.address = address;
    context.fail(status, fault);
}

class Runner {
  public:
    Runner(Context &context, uint64_t made) : context_(context), made_(made) {}

    // False where the context failed.
    bool perform(const Op &op) {
        const Word word = word_of(op);
        if (!word.size) {
            std::atomic_thread_fence(std::memory_order_seq_cst);
            return true;
        }
        return word.size == 4 ? perform<uint32_t>(op, word) : perform<uint64_t>(op, word);
    }

  private:
    template <class T> bool perform(const Op &op, const Word &word) {
        const auto operation = static_cast<int>(op.operation);
        const bool waits = operation == CU_STREAM_MEM_OP_WAIT_VALUE_32 || operation == CU_STREAM_MEM_OP_WAIT_VALUE_64;
        if (waits) return wait<T>(word, static_cast<T>(op.waitValue.value64), op.waitValue.flags);
        T *at = find<T>(word);
        if (!at) return false;
        if (operation == CU_STREAM_MEM_OP_ATOMIC_REDUCTION)
            reduce(at, static_cast<T>(op.atomicReduction.value), op.atomicReduction.reductionOp);
        else
            __atomic_store_n(at, static_cast<T>(op.writeValue.value64), __ATOMIC_SEQ_CST);
        memory().written().mark(word.address, word.size);
        return true;
    }

    template <class T> static void reduce(T *at, T value, CUstreamAtomicReductionOpType how) {
        switch (how) {
        case CU_STREAM_ATOMIC_REDUCTION_OP_ADD: __atomic_fetch_add(at, value, __ATOMIC_SEQ_CST); break;
        case CU_STREAM_ATOMIC_REDUCTION_OP_AND: __atomic_fetch_and(at, value, __ATOMIC_SEQ_CST); break;
        default: __atomic_fetch_or(at, value, __ATOMIC_SEQ_CST); break;
        }
    }

    template <class T> T *find(const Word &word) {
        Span span;
        if (find_word(word, false, span)) return reinterpret_cast<T *>(span.host);
        fail(context_, Status::illegal_address, word.address,
             "an operation of a stream came to memory that had been freed");
        return nullptr;
    }

    // The memory may be freed meanwhile.
    template <class T> bool wait(const Word &word, T wanted, unsigned flags) {
        const T *at = nullptr;
        Poll poll(context_, made_);
        return poll.wait([&] {
            at = find<T>(word);
            return !at || met(__atomic_load_n(at, __ATOMIC_SEQ_CST), wanted, flags);
        }) && at;
    }

    Context &context_;
    const uint64_t made_;
};

CUresult submit(CUstream handle, const Op *ops, unsigned n, unsigned flags) {
    return in_stream<Capturing::recorded>(handle, [&](Stream &stream) {
        MemoryOps read;
        const CUresult status = read_ops(ops, n, flags, stream.capturing, read);
        if (status != CUDA_SUCCESS) return status;
        if (stream.capturing)
            return capture(stream, NodeWork(MemoryOpsWork{std::move(read), stream.context.shared_from_this(), flags}));
        Context &context = stream.context;
        stream.submit([read, &context, made = uint64_t(interrupts())] { run_ops(read, context, made); });
        return CUDA_SUCCESS;
    });
}

CUresult wait_value(CUstream stream, CUstreamBatchMemOpType type, CUdeviceptr address, uint64_t value, unsigned flags) {
    Op op{};
    op.waitValue.operation = type;
    op.waitValue.address = address;
    op.waitValue.value64 = value;
    op.waitValue.flags = flags;
    return submit(stream, &op, 1, 0);
}

CUresult write_value(CUstream stream, CUstreamBatchMemOpType type, CUdeviceptr address, uint64_t value,
                     unsigned flags) {
    Op op{};
    op.writeValue.operation = type;
    op.writeValue.address = address;
    op.writeValue.value64 = value;
    op.writeValue.flags = flags;
    return submit(stream, &op, 1, 0);
}

} // namespace

namespace cpu_device {

CUresult read_ops(const CUstreamBatchMemOpParams *ops, unsigned n, unsigned flags, bool reserved, MemoryOps &out) {
    if (flags || n > kMostMemoryOps || !n || !ops) return CUDA_ERROR_INVALID_VALUE;
    for (unsigned i = 0; i < n; i++) {
        const CUresult status = check_flags(ops[i]);
        const Word word = word_of(ops[i]);
        Span span;
        if (status != CUDA_SUCCESS) return status;
        if (word.size && !find_word(word, reserved, span)) return CUDA_ERROR_INVALID_VALUE;
    }
    out = std::make_shared<const std::vector<Op>>(ops, ops + n);
    return CUDA_SUCCESS;
}

void run_ops(const MemoryOps &ops, Context &context, uint64_t made) {
    Runner runner(context, made);
    if (context.fault() != CUDA_SUCCESS) return;
    for (const Op &op : *ops)
        if (!runner.perform(op)) return;
}

} // namespace cpu_device

extern "C" {

CUresult cuStreamWaitValue32_v2(CUstream stream, CUdeviceptr address, cuuint32_t value, unsigned flags) {
    return wait_value(stream, CU_STREAM_MEM_OP_WAIT_VALUE_32, address, value, flags);
}

CUresult cuStreamWaitValue64_v2(CUstream stream, CUdeviceptr address, cuuint64_t value, unsigned flags) {
    return wait_value(stream, CU_STREAM_MEM_OP_WAIT_VALUE_64, address, value, flags);
}

CUresult cuStreamWriteValue32_v2(CUstream stream, CUdeviceptr address, cuuint32_t value, unsigned flags) {
    return write_value(stream, CU_STREAM_MEM_OP_WRITE_VALUE_32, address, value, flags);
}

CUresult cuStreamWriteValue64_v2(CUstream stream, CUdeviceptr address, cuuint64_t value, unsigned flags) {
    return write_value(stream, CU_STREAM_MEM_OP_WRITE_VALUE_64, address, value, flags);
}

CUresult cuStreamBatchMemOp_v2(CUstream stream, unsigned n, CUstreamBatchMemOpParams *ops, unsigned flags) {
    return submit(stream, ops, n, flags);
}
}
