// The Zstandard decoder for the tests: as a library, and as a program that feeds it damaged data.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>

#include "../../cpu_device/src/zstd/zstd.hpp"

using cpu_device::expand_zstd;

extern "C" int zstd_expand(const char *packed, size_t n, char *out, size_t size) {
    std::string text;
    if (!expand_zstd(std::string(packed, n), size, text)) return 0;
    std::memcpy(out, text.data(), size);
    return 1;
}

#ifdef ZSTD_MAIN
// FILE SIZE TURNS: every truncation of up to 4 KB, then TURNS times one to four changed bytes; prints how many were accepted, refused.
int main(int, char **argv) {
    std::string whole;
    std::FILE *file = std::fopen(argv[1], "rb");
    char buffer[4096];
    while (const size_t n = std::fread(buffer, 1, sizeof buffer, file)) whole.append(buffer, n);
    std::fclose(file);
    const size_t size = std::strtoul(argv[2], nullptr, 10), turns = std::strtoul(argv[3], nullptr, 10);
    std::mt19937 random(7);
    long seen[2] = {};
    auto tell = [&](const std::string &packed) {
        std::string out;
        const bool good = expand_zstd(packed, size, out);
        if (out.size() > size) std::abort();
        seen[good ? 0 : 1]++;
    };
    for (size_t n = 0; n < whole.size() && n < 4096; n++) tell(whole.substr(0, n));
    for (size_t i = 0; i < turns; i++) {
        std::string broken = whole;
        for (unsigned k = random() % 4 + 1; k--;) {
            const size_t at =
                random() % 3 ? random() % broken.size() : random() % (broken.size() < 64 ? broken.size() : 64);
            broken[at] = static_cast<char>(random() % 2 ? broken[at] ^ (1 << random() % 8) : random());
        }
        tell(broken);
    }
    std::printf("%ld %ld\n", seen[0], seen[1]);
}
#endif
