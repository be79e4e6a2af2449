// The words of PTX that name types and state spaces.
#pragma once

#include "module.hpp"

namespace cpu_device::ptx {

// Type::unknown and Space::none where the word is none.  No dots.
Type type_of(std::string_view word);
Space space_of(std::string_view word);

// Size of one element of a variable; 0 for predicates, 8 for texture, sampler and surface references.
uint32_t bytes_of(Type type);

} // namespace cpu_device::ptx
