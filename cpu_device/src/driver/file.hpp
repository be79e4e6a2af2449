// A file descriptor that is closed when nobody needs it any more.
#pragma once

#include <cstdint>
#include <sys/stat.h>
#include <unistd.h>

namespace cpu_device {

class File {
  public:
    explicit File(int number) : number(number) {}
    ~File() {
        if (number >= 0) close(number);
    }
    File(const File &) = delete;
    File &operator=(const File &) = delete;
    bool good() const { return number >= 0; }
    // Whether [offset, offset + size) lies in it: a mapping beyond the end of a file kills who reads it.
    bool holds(uint64_t offset, uint64_t size) const {
        struct stat facts;
        if (fstat(number, &facts) || facts.st_size < 0) return false;
        const auto whole = static_cast<uint64_t>(facts.st_size);
        return offset <= whole && size <= whole - offset;
    }
    const int number;
};

} // namespace cpu_device
