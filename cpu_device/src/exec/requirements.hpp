// Since when there is what: the PTX version and the target that an instruction's forms need beyond those of its opcode.
#pragma once

#include <cstddef>
#include <string>

namespace cpu_device {

// An instruction `opcode` with all of `words` among its modifiers (after a '>': in this order) needs at least this.
struct Requirement {
    const char *opcode;
    const char *words;     // "sync f32"
    int ptx;               // 83: .version 8.3
    int target;            // 80: sm_80
    bool specific = false; // the target's own features: sm_90a, sm_100f
};
struct RequirementTable {
    const Requirement *rows;
    size_t size;
};
RequirementTable requirements();

// Instructions that there are, but not here.
struct Refusal {
    const char *opcode;
    const char *why;
};
struct RefusalTable {
    const Refusal *rows;
    size_t size;
};
RefusalTable refusals();

int target_number(const std::string &target); // "sm_90a": 90

} // namespace cpu_device
