// Cubins: the machine code in them is for a GPU, but with -lineinfo or -G they carry the PTX they were made from.
#include "image_bytes.hpp"

#include <algorithm>
#include <elf.h>

namespace cpu_device {

namespace {

constexpr char kSection[] = ".nv_debug_ptx_txt"; // the text, with NUL for newline

constexpr char kAdvice[] =
    "the image holds machine code for a GPU and no PTX, and the CPU device runs PTX: compile for compute_XX instead of "
    "sm_XX, "
    "keep the PTX beside it (nvrtcGetPTX), or compile with -lineinfo, which puts the PTX into the cubin";

bool has_name(const ImageBytes &image, const Elf64_Shdr &names, const Elf64_Shdr &section) {
    char name[sizeof kSection];
    if (section.sh_name >= names.sh_size || sizeof name > names.sh_size - section.sh_name) return false;
    return image.read(names.sh_offset + section.sh_name, name, sizeof name) &&
           std::equal(name, name + sizeof name, kSection);
}

} // namespace

bool ptx_of_elf(const ImageBytes &image, std::string &ptx, Unusable &why) {
    Elf64_Ehdr header;
    Elf64_Shdr names, section;
    if (!image.read(0, header) || header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_shentsize != sizeof section ||
        !image.read(header.e_shoff + uint64_t(header.e_shstrndx) * sizeof section, names))
        return false;
    for (uint64_t i = 0; i < header.e_shnum; i++) {
        if (!image.read(header.e_shoff + i * sizeof section, section)) return false;
        if (!has_name(image, names, section)) continue;
        if (!image.read(section.sh_offset, ptx, section.sh_size)) return false;
        std::replace(ptx.begin(), ptx.end(), '\0', '\n');
        return true;
    }
    why = {CUDA_ERROR_NO_BINARY_FOR_GPU, kAdvice};
    return false;
}

} // namespace cpu_device
