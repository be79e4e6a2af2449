// Several PTX modules → one, with the symbols of each resolved in the others.
//
// Linkage as PTX has it (https://docs.nvidia.com/cuda/parallel-thread-execution/#linking-directives): .visible names are the program's,
// .extern ones are another module's, of .weak ones the first is kept unless there is a .visible one, .common ones become one of the largest
// size; everything else is its module's own, whatever the others have of that name.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace cpu_device::ptx {

struct LinkInput {
    std::string name; // for messages
    std::string text;
};

struct LinkResult {
    std::string text;
    std::string errors;   // lines; "" where it worked
    std::string warnings; // lines
    bool invalid = false; // an input is no PTX
};

// The text with .maxnreg for kernels that have none, lines as they were; what is no PTX comes back as it is.
std::string with_register_limit(const std::string &text, uint32_t most);

// `provided`: whether the device has a function of this name itself.
LinkResult link(const std::vector<LinkInput> &inputs, const std::function<bool(const std::string &)> &provided);

} // namespace cpu_device::ptx
