// Operations of a stream on single words of memory: waits for a value, writes, reductions.
#pragma once

#include <memory>
#include <vector>

#include "context.hpp"

namespace cpu_device {

constexpr unsigned kMostMemoryOps = 256; // in one batch

// As a program described them; never changed.
using MemoryOps = std::shared_ptr<const std::vector<CUstreamBatchMemOpParams>>;

// Whether they can be done; `reserved`: memory that a graph will allocate counts.
CUresult read_ops(const CUstreamBatchMemOpParams *ops, unsigned n, unsigned flags, bool reserved, MemoryOps &out);
// One after the other.  `made`: interrupts() when that was asked for.
void run_ops(const MemoryOps &ops, Context &context, uint64_t made);

} // namespace cpu_device
