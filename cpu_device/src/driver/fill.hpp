// A fill of device memory: rows of a value of 1, 2 or 4 bytes.
#pragma once

#include "context.hpp"
#include "copy.hpp"

namespace cpu_device {

struct FillWork {
    uint64_t address = 0;
    size_t pitch = 0, width = 0, height = 0; // elements in a row; bytes between rows
    uint32_t value = 0;
    unsigned element = 1; // bytes
};

// Whether it can be done; `reserved`: memory that a graph will allocate counts.
CUresult check_fill(const FillWork &work, bool reserved, Span &span);
void run_fill(const FillWork &work, Context &context);

} // namespace cpu_device
