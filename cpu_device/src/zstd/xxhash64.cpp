#include "xxhash64.hpp"

namespace cpu_device::zstd {

namespace {

constexpr uint64_t kPrime1 = 0x9E3779B185EBCA87, kPrime2 = 0xC2B2AE3D27D4EB4F, kPrime3 = 0x165667B19E3779F9,
                   kPrime4 = 0x85EBCA77C2B2AE63, kPrime5 = 0x27D4EB2F165667C5;

uint64_t rotated(uint64_t value, int n) {
    return value << n | value >> (64 - n);
}

// n bytes, the lowest first.
uint64_t number(const char *at, size_t n) {
    uint64_t value = 0;
    while (n--) value = value << 8 | static_cast<uint8_t>(at[n]);
    return value;
}

uint64_t mixed(uint64_t lane, uint64_t word) {
    return rotated(lane + word * kPrime2, 31) * kPrime1;
}

} // namespace

uint64_t xxhash64(const char *at, size_t size) {
    uint64_t hash = kPrime5, lanes[4] = {kPrime1 + kPrime2, kPrime2, 0, 0 - kPrime1};
    size_t left = size;
    for (; left >= 32; left -= 32)
        for (uint64_t &lane : lanes) {
            lane = mixed(lane, number(at, 8));
            at += 8;
        }
    if (size >= 32) {
        hash = rotated(lanes[0], 1) + rotated(lanes[1], 7) + rotated(lanes[2], 12) + rotated(lanes[3], 18);
        for (const uint64_t lane : lanes) hash = (hash ^ mixed(0, lane)) * kPrime1 + kPrime4;
    }
    hash += size;
    for (; left >= 8; left -= 8, at += 8) hash = rotated(hash ^ mixed(0, number(at, 8)), 27) * kPrime1 + kPrime4;
    if (left >= 4) {
        hash = rotated(hash ^ number(at, 4) * kPrime1, 23) * kPrime2 + kPrime3;
        at += 4;
        left -= 4;
    }
    for (; left; left--) hash = rotated(hash ^ static_cast<uint8_t>(*at++) * kPrime5, 11) * kPrime1;
    hash = (hash ^ hash >> 33) * kPrime2;
    hash = (hash ^ hash >> 29) * kPrime3;
    return hash ^ hash >> 32;
}

} // namespace cpu_device::zstd
