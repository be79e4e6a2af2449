// The PTX in what a program calls an image: text, a fat binary, or a cubin that carries its PTX for debuggers.
#pragma once

#include <cstddef>
#include <string>

#include "generated_exports.hpp"

namespace cpu_device {

// `size` 0: not known.  Nothing behind `image` is trusted.  On failure `why` is a line for the JIT log.
CUresult find_ptx(const void *image, size_t size, std::string &ptx, std::string &why);
CUresult read_file(const char *path, std::string &bytes);

} // namespace cpu_device
