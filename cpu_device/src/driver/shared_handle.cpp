#include "shared_handle.hpp"

#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <string>

namespace cpu_device {

namespace {

constexpr char kMagic[8] = {'c', 'p', 'u', '-', 'd', 'e', 'v', '1'};
constexpr char kOurFiles[] = "/memfd:cpu-device-"; // what links to them begin with

// 0: there is no such process.
uint64_t start_of(uint32_t process) {
    char text[1024];
    const std::string path = "/proc/" + std::to_string(process) + "/stat";
    std::FILE *file = std::fopen(path.c_str(), "re");
    if (!file) return 0;
    const size_t n = std::fread(text, 1, sizeof text - 1, file);
    std::fclose(file);
    text[n] = 0;
    const char *at = std::strrchr(text, ')'); // ends the second field, which may be any text
    for (int field = 2; at && field < 22; field++) at = std::strchr(at + 1, ' ');
    return at ? std::strtoull(at + 1, nullptr, 10) : 0;
}

} // namespace

SharedHandle make_shared_handle(SharedKind kind, int file) {
    static const uint64_t started = start_of(static_cast<uint32_t>(getpid()));
    SharedHandle handle{};
    std::memcpy(handle.magic, kMagic, sizeof kMagic);
    handle.kind = kind;
    handle.process = static_cast<uint32_t>(getpid());
    handle.started = started;
    handle.file = file;
    return handle;
}

bool is_shared_handle(const SharedHandle &handle, SharedKind kind) {
    return !std::memcmp(handle.magic, kMagic, sizeof kMagic) && handle.kind == kind;
}

bool of_this_process(const SharedHandle &handle) {
    return handle.process == static_cast<uint32_t>(getpid());
}

File open_shared(const SharedHandle &handle) {
    const std::string path = "/proc/" + std::to_string(handle.process) + "/fd/" + std::to_string(handle.file);
    char target[sizeof kOurFiles] = {};
    if (handle.started != start_of(handle.process) || readlink(path.c_str(), target, sizeof target - 1) < 0)
        return File(-1);
    return File(std::strcmp(target, kOurFiles) ? -1 : open(path.c_str(), O_RDWR | O_CLOEXEC));
}

} // namespace cpu_device
