#include "archive.hpp"

#include <cstdlib>
#include <cstring>

namespace cpu_device {

namespace {

constexpr char kMagic[] = "!<arch>\n";
constexpr size_t kMagicSize = 8, kHeaderSize = 60, kNameSize = 16, kSizeAt = 48, kSizeSize = 10, kEndAt = 58;

// GNU's names end in "/"; a long one is "/" and its offset in the member "//".
std::string name_of(std::string field, const std::string &long_names) {
    field.erase(field.find_last_not_of(' ') + 1);
    if (field.size() > 1 && field[0] == '/' && field[1] >= '0' && field[1] <= '9') {
        const size_t at = std::strtoull(field.c_str() + 1, nullptr, 10);
        if (at >= long_names.size()) return "";
        field = long_names.substr(at, long_names.find('\n', at) - at);
    }
    const bool special = field.empty() || field == "/" || field == "//" || field == "/SYM64/";
    if (!special && field.back() == '/') field.pop_back();
    return field;
}

} // namespace

bool is_archive(const void *data, size_t size) {
    return size >= kMagicSize && std::memcmp(data, kMagic, kMagicSize) == 0;
}

bool read_archive(const void *data, size_t size, std::vector<ArchiveMember> &members) {
    const auto *bytes = static_cast<const char *>(data);
    std::string long_names;
    for (size_t at = kMagicSize; at < size;) {
        const char *header = bytes + at;
        if (size - at < kHeaderSize || header[kEndAt] != '`' || header[kEndAt + 1] != '\n') return false;
        const size_t length = std::strtoull(std::string(header + kSizeAt, kSizeSize).c_str(), nullptr, 10);
        at += kHeaderSize;
        if (length > size - at) return false;
        const std::string name = name_of(std::string(header, kNameSize), long_names);
        if (name == "//")
            long_names.assign(bytes + at, length);
        else if (name != "/" && name != "/SYM64/")
            members.push_back({name, bytes + at, length});
        at += length + length % 2;
    }
    return true;
}

} // namespace cpu_device
