// The handlers by name ("add.u32"), one table for each level of the host's instruction set.
#pragma once

#include "machine.hpp"

#include <string_view>

namespace cpu_device {

struct HandlerRow {
    const char *name;
    Handler fn;
};

struct HandlerTable {
    const HandlerRow *rows;
    size_t size;
};

// Compiled once for each level (handlers_*.cpp); CPU_DEVICE_LEVEL names it.
#define CPU_DEVICE_TABLES(level)     \
    namespace level {                \
    HandlerTable integer_handlers(); \
    HandlerTable bit_handlers();     \
    HandlerTable float_handlers();   \
    HandlerTable convert_handlers(); \
    HandlerTable memory_handlers();  \
    }
CPU_DEVICE_TABLES(base)
CPU_DEVICE_TABLES(v2)
CPU_DEVICE_TABLES(v3)
CPU_DEVICE_TABLES(v4)

// Compiled once: what does not profit from wider vectors.
HandlerTable half_handlers();
HandlerTable control_handlers();
HandlerTable warp_handlers();
HandlerTable atomic_handlers();
HandlerTable special_handlers();
HandlerTable product_handlers();
HandlerTable matrix_move_handlers();
HandlerTable minifloat_handlers();
HandlerTable video_handlers();
HandlerTable stack_handlers();
HandlerTable mbarrier_handlers();
HandlerTable async_copy_handlers();
HandlerTable cluster_handlers();

// The best handler of this machine; nullptr: there is none of this name.
Handler find_handler(std::string_view name);
const char *handler_level(); // "v4"

} // namespace cpu_device
