// PTX text → Module.
#pragma once

#include "module.hpp"

namespace cpu_device::ptx {

// Parses a NUL-free text.  False with `error` set where the text is no PTX; `module` is then in no useful state.
// Linear in the text: 60 KB take less than 10 ms with decoding.
bool parse(std::string_view text, Module &module, Error &error);

} // namespace cpu_device::ptx
