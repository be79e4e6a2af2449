// Damages compressed data and expands it, for a number of seconds; for a build with sanitizers.
//
// unpack_fuzz SECONDS SEED LAST FILE...: a file is the number of bytes that it holds (4 bytes), a letter (z: Zstandard, l: LZ4) and the data.
// What is being expanded lies in the file LAST, so that it is there after a crash; what takes more than 20 seconds ends the process with SIGALRM.
// Prints how many were expanded and how many refused.
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <random>
#include <sstream>
#include <unistd.h>
#include <vector>

#include "driver/lz4.hpp"
#include "zstd/zstd.hpp"

using namespace cpu_device;

namespace {

constexpr size_t kHead = 5;
std::mt19937 engine;

size_t below(size_t n) {
    return n ? engine() % n : 0;
}

// Bits, bytes and lengths; most of what says how the rest is to be read lies near the start.
void damage(std::string &data, const std::vector<std::string> &all) {
    if (data.size() <= kHead) return;
    const size_t room = data.size() - kHead, at = kHead + below(below(2) ? room : std::min<size_t>(room, 64));
    switch (below(8)) {
    case 0: data[at] = static_cast<char>(engine()); break;
    case 1: data.erase(at, 1 + below(9)); break;
    case 2: data.insert(at, data.substr(at, 1 + below(40))); break;
    case 3: data.resize(at); break;
    case 4: {
        const std::string &other = all[below(all.size())];
        data.replace(at, 1 + below(16), other.substr(below(other.size()), 1 + below(16)));
        break;
    }
    case 5: data[at] = static_cast<char>(below(2) ? 0xff : 0); break;
    case 6: data[below(4)] = static_cast<char>(engine()); break; // the size that is promised
    default: data[at] = static_cast<char>(data[at] ^ 1 << below(8)); break;
    }
}

bool expand(const std::string &whole) {
    uint32_t size;
    std::memcpy(&size, whole.data(), 4);
    size &= 0xffffff; // 16 MB
    const std::vector<char> exact(whole.begin() + kHead, whole.end());
    const std::string packed(exact.data(), exact.size());
    std::string out;
    const bool good = whole[4] == 'l' ? expand_lz4(packed, size, out) : expand_zstd(packed, size, out);
    if (out.size() > size || (good && out.size() != size)) std::abort();
    return good;
}

} // namespace

int main(int count, char **arguments) {
    if (count < 5) return 2;
    std::vector<std::string> all;
    for (int k = 4; k < count; k++) {
        std::ostringstream content;
        content << std::ifstream(arguments[k], std::ios::binary).rdbuf();
        all.push_back(content.str());
        if (all.back().size() < kHead || !expand(all.back())) return 2; // none of them is damaged
    }
    engine.seed(static_cast<unsigned>(std::stoul(arguments[2])));
    size_t good = 0, bad = 0;
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(std::stoul(arguments[1]));
    while (std::chrono::steady_clock::now() < end) {
        std::string data = all[below(all.size())];
        for (size_t edits = 1 + below(4); edits; edits--) damage(data, all);
        std::ofstream(arguments[3], std::ios::binary) << data;
        alarm(20);
        (expand(data) ? good : bad)++;
        alarm(0);
    }
    std::cout << good << " " << bad << std::endl;
}
