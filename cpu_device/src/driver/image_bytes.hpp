// The bytes of an image of unknown size, read without trusting any offset in them.
#pragma once

#include <cstdint>
#include <string>

#include "copy.hpp"
#include "generated_exports.hpp"

namespace cpu_device {

class ImageBytes {
  public:
    // `size` 0: not known, as far as memory can be read.
    ImageBytes(const void *at, uint64_t size) : at_(static_cast<const uint8_t *>(at)), size_(size ? size : kMost) {}
    bool read(uint64_t offset, void *out, uint64_t n) const {
        return offset <= size_ && n <= size_ - offset && copy_safely(out, at_ + offset, n);
    }
    template <class T> bool read(uint64_t offset, T &out) const { return read(offset, &out, sizeof out); }
    bool read(uint64_t offset, std::string &out, uint64_t n) const {
        if (n > kMost || offset > size_ || n > size_ - offset || !host_can_read(at_ + offset, n)) return false;
        out.resize(n);
        return read(offset, out.data(), n);
    }
    // Up to the first NUL, or to the end where the size is known.
    bool read_text(std::string &out) const;
    ImageBytes from(uint64_t offset, uint64_t n) const { return {at_ + offset, n}; }
    bool known() const { return size_ != kMost; }

  private:
    static constexpr uint64_t kMost = uint64_t(1) << 30;
    const uint8_t *at_;
    uint64_t size_;
};

// What is answered where an image has no PTX that can be had, and the line about it.
struct Unusable {
    CUresult status = CUDA_ERROR_INVALID_IMAGE;
    std::string line;
};
bool ptx_of_elf(const ImageBytes &image, std::string &ptx, Unusable &why);
bool ptx_of_fat_binary(const ImageBytes &image, std::string &ptx, Unusable &why);

} // namespace cpu_device
