// Archives of object files (ar), which programs give to cuLinkAdd* as libraries.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace cpu_device {

struct ArchiveMember {
    std::string name;
    const char *data = nullptr;
    size_t size = 0;
};

bool is_archive(const void *data, size_t size);
bool read_archive(const void *data, size_t size, std::vector<ArchiveMember> &members); // false: cut short or damaged

} // namespace cpu_device
