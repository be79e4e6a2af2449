// The checkers of launches, which a process may turn on and off.
#pragma once

#include "../exec/program.hpp"

namespace cpu_device {

Options launch_options(); // of the machine, with the checkers that are on now

} // namespace cpu_device
