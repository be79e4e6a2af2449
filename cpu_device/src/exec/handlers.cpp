// All handlers by name, for the host's instruction set.
#include "handlers.hpp"
#include "texture_ops.hpp"

#include <cstdlib>
#include <unordered_map>

namespace cpu_device {
namespace {

using Map = std::unordered_map<std::string_view, Handler>;

void add(Map &map, HandlerTable table) {
    for (size_t k = 0; k < table.size; ++k) map.emplace(table.rows[k].name, table.rows[k].fn);
}

int level() {
    static const int value = [] {
        int best = 1;
#if defined(__x86_64__) && !defined(CPU_DEVICE_BASE_ONLY) // a build with sanitizers needs one level only
        __builtin_cpu_init();
        if (__builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt")) best = 2;
        if (best == 2 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
            __builtin_cpu_supports("bmi2"))
            best = 3;
        if (best == 3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
            __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
            __builtin_cpu_supports("avx512cd"))
            best = 4;
        if (const char *wanted = std::getenv("CPU_DEVICE_LEVEL")) { // a lower one, to compare
            int n = wanted[0] == 'v' ? wanted[1] - '0' : 1;
            if (n >= 1 && n < best) best = n;
        }
#endif
        return best;
    }();
    return value;
}

template <class F> void add_level(Map &map, F integer, F bits, F floats, F convert, F memory) {
    add(map, integer());
    add(map, bits());
    add(map, floats());
    add(map, convert());
    add(map, memory());
}

Map build() {
    Map map;
    switch (level()) {
#if defined(__x86_64__) && !defined(CPU_DEVICE_BASE_ONLY)
    case 4:
        add_level(map, v4::integer_handlers, v4::bit_handlers, v4::float_handlers, v4::convert_handlers,
                  v4::memory_handlers);
        break;
    case 3:
        add_level(map, v3::integer_handlers, v3::bit_handlers, v3::float_handlers, v3::convert_handlers,
                  v3::memory_handlers);
        break;
    case 2:
        add_level(map, v2::integer_handlers, v2::bit_handlers, v2::float_handlers, v2::convert_handlers,
                  v2::memory_handlers);
        break;
#endif
    default:
        add_level(map, base::integer_handlers, base::bit_handlers, base::float_handlers, base::convert_handlers,
                  base::memory_handlers);
        break;
    }
    for (HandlerTable table :
         {half_handlers(), control_handlers(), warp_handlers(), atomic_handlers(), special_handlers(),
          product_handlers(), matrix_move_handlers(), minifloat_handlers(), video_handlers(), stack_handlers(),
          mbarrier_handlers(), async_copy_handlers(), cluster_handlers(), texture_handlers()})
        add(map, table);
    return map;
}

} // namespace

Handler find_handler(std::string_view name) {
    static const Map map = build();
    auto found = map.find(name);
    return found == map.end() ? nullptr : found->second;
}

const char *handler_level() {
    static const char *const names[] = {"base", "base", "v2", "v3", "v4"};
    return names[level()];
}

} // namespace cpu_device
