// What an instruction does to memory, for the checkers.  Read off its handler's name when it is decoded.
#pragma once

#include <cstdint>
#include <string_view>

namespace cpu_device {

struct Touch {
    enum Kind : uint8_t {
        none,
        load,
        store,
        atomic,
        copy,
        bulk,
        store_async,
        reduce_async,
        fence,
        group,
        wait,
        arrive,
        matrix,  // the accesses of matrix_accesses()
        allocate // alloca
    };
    enum Where : uint8_t { generic, shared, local };
    Kind kind = none;
    Where where = generic;
    uint8_t address_bytes = 8;
    uint8_t bytes = 0;          // of an element in memory
    uint8_t register_bytes = 0; // of an element in registers; 16: two halves of 8, the second behind all first ones
    bool strong = false, releases = false;
    bool meets = false; // the lanes wait for each other
};

Touch touch_of(std::string_view handler);

} // namespace cpu_device
