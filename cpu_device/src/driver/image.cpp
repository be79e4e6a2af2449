// What kind of image it is, and the text in it.
#include "image.hpp"

#include "image_bytes.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>

namespace cpu_device {

namespace {

constexpr uint32_t kElf = 0x464c457f, kFatBinary = 0xba55ed50, kWrapper = 0x466243b1, kLtoIr = 0x7f4e43ed;

// The record that nvcc leaves in programs: magic, version, and where the fat binary is.
struct Wrapper {
    uint32_t magic, version;
    uint64_t data, file;
};

// What ptx_of_elf or ptx_of_fat_binary finds.
template <class Find> CUresult answer(Find &&find, const ImageBytes &bytes, std::string &ptx, std::string &line) {
    Unusable why;
    if (find(bytes, ptx, why)) return CUDA_SUCCESS;
    line = std::move(why.line);
    return why.status;
}

} // namespace

bool ImageBytes::read_text(std::string &out) const {
    constexpr uint64_t kStep = 4096;
    uint64_t at = 0;
    while (at < size_) {
        // up to the end of a page: the next one may not be there
        const uint64_t page = kStep - (reinterpret_cast<uint64_t>(at_) + at) % kStep, n = std::min(page, size_ - at);
        out.resize(at + n);
        if (!read(at, &out[at], n)) return false;
        if (const void *end = std::memchr(&out[at], 0, n)) {
            out.resize(static_cast<size_t>(static_cast<const char *>(end) - out.data()));
            return true;
        }
        at += n;
    }
    return known();
}

CUresult find_ptx(const void *image, size_t size, std::string &ptx, std::string &why) {
    const ImageBytes bytes(image, size);
    uint32_t magic = 0;
    if (!image) return CUDA_ERROR_INVALID_VALUE;
    if (bytes.read(0, magic)) {
        if (magic == kElf) return answer(ptx_of_elf, bytes, ptx, why);
        if (magic == kFatBinary) return answer(ptx_of_fat_binary, bytes, ptx, why);
        if (magic == kLtoIr) {
            why = "the image is LTO IR: link it to PTX first";
            return CUDA_ERROR_NO_BINARY_FOR_GPU;
        }
        Wrapper wrapper;
        if (magic == kWrapper && bytes.read(0, wrapper))
            return answer(ptx_of_fat_binary, ImageBytes(reinterpret_cast<const void *>(wrapper.data), 0), ptx, why);
    }
    if (!bytes.read_text(ptx)) return CUDA_ERROR_INVALID_IMAGE;
    return ptx.find(".version") == std::string::npos ? CUDA_ERROR_INVALID_IMAGE : CUDA_SUCCESS;
}

CUresult read_file(const char *path, std::string &bytes) {
    if (!path) return CUDA_ERROR_INVALID_VALUE;
    const std::unique_ptr<std::FILE, int (*)(std::FILE *)> file(std::fopen(path, "rb"), std::fclose);
    if (!file) return CUDA_ERROR_FILE_NOT_FOUND;
    char buffer[1 << 14];
    while (const size_t n = std::fread(buffer, 1, sizeof buffer, file.get())) bytes.append(buffer, n);
    return std::ferror(file.get()) ? CUDA_ERROR_OPERATING_SYSTEM : CUDA_SUCCESS;
}

} // namespace cpu_device
