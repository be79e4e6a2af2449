// Identity and limits, read from the environment once.
#include "device.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

namespace cpu_device {

namespace {

// CUDA C++ Programming Guide, "Technical Specifications per Compute Capability".
constexpr DeviceLimits kLimits[] = {
    {75, 1024, 16, 64 << 10, 64 << 10},    {80, 2048, 32, 164 << 10, 163 << 10},  {86, 1536, 16, 100 << 10, 99 << 10},
    {87, 1536, 16, 164 << 10, 163 << 10},  {89, 1536, 24, 100 << 10, 99 << 10},   {90, 2048, 32, 228 << 10, 227 << 10},
    {100, 2048, 32, 228 << 10, 227 << 10}, {103, 2048, 32, 228 << 10, 227 << 10}, {120, 1536, 24, 100 << 10, 99 << 10},
};
constexpr int kDefault = 89;

long number(const char *name, long otherwise, long least, long most) {
    const char *text = std::getenv(name);
    char *end = nullptr;
    const long value = text && *text ? std::strtol(text, &end, 10) : otherwise;
    return end && *end ? otherwise : std::min(std::max(value, least), most);
}

// "8.9" or "89"
int capability() {
    const char *text = std::getenv("CPU_DEVICE_CC");
    if (!text || !*text) return kDefault;
    std::string digits;
    for (const char *c = text; *c; c++)
        if (*c != '.') digits += *c;
    return std::atoi(digits.c_str());
}

DeviceLimits find_limits() {
    const int cc = capability();
    const DeviceLimits *best = nullptr;
    for (const DeviceLimits &one : kLimits) {
        if (one.cc == kDefault && !best) best = &one;
        if (one.cc == cc) return one;
    }
    return *best;
}

Options read_options() {
    Options options;
    options.threads = static_cast<unsigned>(number("CPU_DEVICE_THREADS", 0, 0, 1024));
    options.step_budget = static_cast<uint64_t>(number("CPU_DEVICE_STEPS", 0, 0, INT64_MAX));
    options.deterministic = number("CPU_DEVICE_DETERMINISTIC", 0, 0, 1) != 0;
    options.races = number("CPU_DEVICE_RACES", 0, 0, 1) != 0;
    options.uninitialised = number("CPU_DEVICE_UNINIT", 0, 0, 1) != 0;
    return options;
}

} // namespace

int device_count() {
    static const int count = static_cast<int>(number("CPU_DEVICE_COUNT", 1, 0, long(kMostDevices)));
    return count;
}

const DeviceLimits &device_limits() {
    static const DeviceLimits limits = find_limits();
    return limits;
}

const Options &machine_options() {
    static const Options options = read_options();
    return options;
}

int multiprocessors() {
    static const int n = static_cast<int>(
        std::max(1u, machine_options().threads ? machine_options().threads : std::thread::hardware_concurrency()));
    return n;
}

Memory &memory() {
    static auto &made = *new Memory; // never destroyed: threads may use it while the process ends
    return made;
}

} // namespace cpu_device
