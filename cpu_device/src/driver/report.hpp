// Reports of faults: on stderr, and kept for the program to ask for.
#pragma once

#include "../exec/program.hpp"

namespace cpu_device {

void report(Status status, const Fault &fault);

} // namespace cpu_device
