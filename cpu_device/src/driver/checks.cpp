#include "checks.hpp"

#include "../memory/written.hpp"
#include "device.hpp"
#include "exported.hpp"

#include <atomic>

namespace cpu_device {

namespace {

std::atomic<int> races{-1}, uninitialised{-1}; // -1: as the environment says

} // namespace

Options launch_options() {
    Options options = machine_options();
    if (races >= 0) options.races = races;
    if (uninitialised >= 0) options.uninitialised = uninitialised;
    return options;
}

} // namespace cpu_device

// Turns checkers on (1) and off (0) for launches that begin from now on; -1 leaves one as it is.
extern "C" EXPORTED void cubind_cpu_check(int races, int uninitialised) {
    using namespace cpu_device;
    if (races >= 0) cpu_device::races = races != 0;
    if (uninitialised < 0) return;
    const bool on = uninitialised != 0;
    if (memory().written().tracking() != on) memory().written().track(on);
    cpu_device::uninitialised = on;
}
