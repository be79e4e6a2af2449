// Where a module's .shared variables lie.
#pragma once

#include "image.hpp"

namespace cpu_device {

// Gives each static .shared variable that a kernel can reach its offset; variables that no kernel uses together may overlap.
// Returns how many bytes each kernel has.
std::unordered_map<const ptx::Function *, uint64_t> lay_out_shared(ProgramImage &image);

} // namespace cpu_device
