// Since when there is what; see requirements.hpp.
#include "requirements.hpp"
#include "decoder.hpp"

#include <algorithm>

namespace cpu_device {
namespace {

const Requirement rows[] = {
    {"abs", "f16", 65, 53},
    {"abs", "f16x2", 65, 53},
    {"abs", "bf16", 70, 80},
    {"abs", "bf16x2", 70, 80},
    {"add", "f16", 42, 53},
    {"add", "f16x2", 42, 53},
    {"add", "bf16", 78, 90},
    {"add", "bf16x2", 78, 90},
    {"add", ">f32 f16", 86, 100},
    {"add", ">f32 bf16", 86, 100},
    {"add", "f32x2", 86, 100},
    {"add", "u16x2", 80, 90},
    {"add", "s16x2", 80, 90},
    {"atom", "L2::cache_hint", 74, 80},
    {"atom", "f64", 50, 60},
    {"atom", "f16x2", 62, 60},
    {"atom", "f16", 63, 70},
    {"atom", "bf16", 78, 90},
    {"atom", "bf16x2", 78, 90},
    {"atom", "v2", 81, 90},
    {"atom", "v4", 81, 90},
    {"atom", "v8", 81, 90},
    {"atom", "b16", 63, 70},
    {"atom", "b128", 83, 90},
    {"atom", "cta", 50, 60},
    {"atom", "sys", 50, 60},
    {"atom", "relaxed", 60, 70},
    {"atom", "cluster", 78, 90},
    {"atom", "acquire", 60, 70},
    {"atom", "release", 60, 70},
    {"atom", "acq_rel", 60, 70},
    {"atom", "shared::cta", 78, 30},
    {"atom", "shared::cluster", 78, 90},
    {"bar", "cta", 78, 30},
    {"bar", "warp", 60, 70},
    {"bar", "red", 20, 20},
    {"barrier", "cta", 78, 30},
    {"barrier", "cluster", 78, 90},
    {"barrier", "acquire", 80, 90},
    {"barrier", "release", 80, 90},
    {"barrier", "relaxed", 80, 90},
    {"cp", "L2::cache_hint", 74, 80},
    {"cp", "bulk", 80, 90},
    {"cp", "L2::64B", 74, 80},
    {"cp", "L2::128B", 74, 80},
    {"cp", "L2::256B", 74, 80},
    {"cp", "cp_mask", 86, 100},
    {"cp", "mbarrier shared::cta", 78, 80},
    {"cp", ">bulk shared::cta global", 86, 90},
    {"cvt", "bf16", 70, 80},
    {"cvt", "bf16x2", 70, 80},
    {"cvt", ">f32 bf16", 71, 80},
    {"cvt", ">f64 bf16", 78, 90},
    {"cvt", ">bf16 f64", 78, 90},
    {"cvt", ">bf16 f16", 78, 90},
    {"cvt", ">f16 bf16", 78, 90},
    {"cvt", ">bf16 bf16", 78, 90},
    {"cvt", ">bf16 u16", 78, 90},
    {"cvt", ">u16 bf16", 78, 90},
    {"cvt", ">bf16 s16", 78, 90},
    {"cvt", ">s16 bf16", 78, 90},
    {"cvt", ">bf16 u32", 78, 90},
    {"cvt", ">u32 bf16", 78, 90},
    {"cvt", ">bf16 s32", 78, 90},
    {"cvt", ">s32 bf16", 78, 90},
    {"cvt", ">bf16 u64", 78, 90},
    {"cvt", ">u64 bf16", 78, 90},
    {"cvt", ">bf16 s64", 78, 90},
    {"cvt", ">s64 bf16", 78, 90},
    {"cvt", "relu", 70, 80},
    {"cvt", ">f16x2 f32", 70, 80},
    {"cvt", "satfinite", 78, 53},
    {"cvt", ">satfinite f16 f32", 81, 53},
    {"cvt", ">satfinite f16x2 f32", 81, 80},
    {"cvt", ">satfinite bf16 f32", 81, 80},
    {"cvt", ">satfinite bf16x2 f32", 81, 80},
    {"cvt", "tf32", 70, 80},
    {"cvt", ">rn tf32", 78, 90},
    {"cvt", ">rz tf32", 78, 90},
    {"cvt", ">rna satfinite tf32", 81, 80},
    {"cvt", ">rn satfinite tf32", 86, 100},
    {"cvt", ">rz satfinite tf32", 86, 100},
    {"cvt", "e4m3x2", 78, 89},
    {"cvt", "e5m2x2", 78, 89},
    {"cvt", "e2m1x2", 86, 100, true},
    {"cvt", "e2m3x2", 86, 100, true},
    {"cvt", "e3m2x2", 86, 100, true},
    {"cvt", "ue8m0x2", 86, 100, true},
    {"cvt", "rs", 87, 100, true},
    {"cvt", "pack", 65, 72},
    {"cvt", "pack u4", 65, 75},
    {"cvt", "pack s4", 65, 75},
    {"cvt", "pack u2", 65, 75},
    {"cvt", "pack s2", 65, 75},
    {"cvta", "param", 77, 70},
    {"cvta", "param::entry", 83, 70},
    {"cvta", "const", 31, 20},
    {"cvta", "shared::cta", 78, 30},
    {"cvta", "shared::cluster", 78, 90},
    {"ex2", "f16", 70, 75},
    {"ex2", "f16x2", 70, 75},
    {"ex2", "bf16", 78, 90},
    {"ex2", "bf16x2", 78, 90},
    {"fence", "proxy", 75, 70},
    {"fence", "sc", 60, 70},
    {"fence", "acq_rel", 60, 70},
    {"fence", "^acquire", 86, 90},
    {"fence", "^release", 86, 90},
    {"fence", "tensormap::generic", 83, 90},
    {"fence", "async", 80, 90},
    {"fence", "mbarrier_init", 80, 90},
    {"fence", "cluster", 78, 90},
    {"fence", "sync_restrict::shared::cta", 86, 90},
    {"fence", "sync_restrict::shared::cluster", 86, 90},
    {"fence", "async::generic", 86, 90},
    {"fma", "f16", 42, 53},
    {"fma", "f16x2", 42, 53},
    {"fma", "bf16", 70, 80},
    {"fma", "bf16x2", 70, 80},
    {"fma", "relu", 70, 80},
    {"fma", "oob", 81, 90},
    {"fma", ">f32 f16", 86, 100},
    {"fma", ">f32 bf16", 86, 100},
    {"fma", "f32x2", 86, 100},
    {"isspacep", "const", 31, 20},
    {"isspacep", "param", 77, 70},
    {"isspacep", "param::entry", 83, 70},
    {"isspacep", "shared::cta", 78, 30},
    {"isspacep", "shared::cluster", 78, 90},
    {"ld", "L2::cache_hint", 74, 80},
    {"ld", "L1::evict_last", 74, 70},
    {"ld", "L1::no_allocate", 74, 70},
    {"ld", "L1::evict_first", 74, 70},
    {"ld", "L1::evict_unchanged", 74, 70},
    {"ld", "L2::128B", 74, 75},
    {"ld", "L2::256B", 74, 80},
    {"ld", "L2::64B", 74, 75},
    {"ld", "b128", 83, 70},
    {"ld", "sys b128", 84, 70},
    {"ld", ">v8 b32", 88, 100},
    {"ld", ">v8 u32", 88, 100},
    {"ld", ">v8 s32", 88, 100},
    {"ld", ">v8 f32", 88, 100},
    {"ld", ">v4 b64", 88, 100},
    {"ld", ">v4 u64", 88, 100},
    {"ld", ">v4 s64", 88, 100},
    {"ld", ">v4 f64", 88, 100},
    {"ld", "shared::cta", 78, 30},
    {"ld", "shared::cluster", 78, 90},
    {"ld", "mmio", 82, 70},
    {"ld", "volatile local", 91, 20},
    {"ld", "mmio acquire", 93, 70},
    {"ld", "relaxed", 60, 70},
    {"ld", "cluster", 78, 90},
    {"ld", "acquire", 60, 70},
    {"ld", "param::entry", 83, 20},
    {"ld", "param::func", 83, 20},
    {"ldu", "b128", 83, 70},
    {"ldmatrix", "shared::cta", 78, 75},
    {"lop3", "or", 82, 70},
    {"lop3", "and", 82, 70},
    {"max", "f16", 70, 80},
    {"max", "f16x2", 70, 80},
    {"max", "bf16", 70, 80},
    {"max", "bf16x2", 70, 80},
    {"max", "NaN", 70, 80},
    {"max", "xorsign", 72, 86},
    {"max", "u16x2", 80, 90},
    {"max", "s16x2", 80, 90},
    {"max", "relu", 80, 90},
    {"mbarrier", "acquire", 80, 80},
    {"mbarrier", "release", 80, 80},
    {"mbarrier", "cluster", 80, 90},
    {"mbarrier", "shared::cta", 78, 80},
    {"mbarrier", "shared::cluster", 80, 90},
    {"mbarrier", "expect_tx", 80, 90},
    {"mbarrier", "complete_tx", 80, 90},
    {"mbarrier", "try_wait", 78, 90},
    {"mbarrier", "test_wait parity", 71, 80},
    {"mbarrier", "arrive relaxed", 86, 90},
    {"mbarrier", "arrive_drop relaxed", 86, 90},
    {"mbarrier", "test_wait relaxed", 86, 90},
    {"mbarrier", "try_wait relaxed", 86, 90},
    {"membar", "proxy alias", 75, 70},
    {"membar", "proxy async", 80, 90},
    {"min", "f16", 70, 80},
    {"min", "f16x2", 70, 80},
    {"min", "bf16", 70, 80},
    {"min", "bf16x2", 70, 80},
    {"min", "NaN", 70, 80},
    {"min", "xorsign", 72, 86},
    {"min", "u16x2", 80, 90},
    {"min", "s16x2", 80, 90},
    {"min", "relu", 80, 90},
    {"mov", "b128", 83, 70},
    {"mul", "f16", 42, 53},
    {"mul", "f16x2", 42, 53},
    {"mul", "bf16", 78, 90},
    {"mul", "bf16x2", 78, 90},
    {"mul", "f32x2", 86, 100},
    {"neg", "f16", 60, 53},
    {"neg", "f16x2", 60, 53},
    {"neg", "bf16", 70, 80},
    {"neg", "bf16x2", 70, 80},
    {"prefetch", "L2::evict_last", 74, 80},
    {"prefetch", "L2::evict_normal", 74, 80},
    {"prefetch", "tensormap", 80, 90},
    {"red", "L2::cache_hint", 74, 80},
    {"red", "f64", 50, 60},
    {"red", "f16x2", 62, 60},
    {"red", "f16", 63, 70},
    {"red", "bf16", 78, 90},
    {"red", "bf16x2", 78, 90},
    {"red", "v2", 81, 90},
    {"red", "v4", 81, 90},
    {"red", "v8", 81, 90},
    {"red", "cta", 50, 60},
    {"red", "sys", 50, 60},
    {"red", "relaxed", 60, 70},
    {"red", "cluster", 78, 90},
    {"red", "acquire", 60, 70},
    {"red", "release", 60, 70},
    {"red", "acq_rel", 60, 70},
    {"red", "shared::cta", 78, 30},
    {"red", "shared::cluster", 78, 90},
    {"red", "async", 81, 90},
    {"redux", "f32", 86, 100, true},
    {"set", "f16", 42, 53},
    {"set", "f16x2", 42, 53},
    {"set", "bf16", 78, 90},
    {"set", "bf16x2", 78, 90},
    {"set", ">u32 f16", 65, 53},
    {"set", ">s32 f16", 65, 53},
    {"set", ">u16 f16", 65, 53},
    {"set", ">s16 f16", 65, 53},
    {"set", ">u32 f16x2", 65, 53},
    {"set", ">s32 f16x2", 65, 53},
    {"setmaxnreg", "", 80, 90, true},
    {"setp", "f16", 42, 53},
    {"setp", "f16x2", 42, 53},
    {"setp", "bf16", 78, 90},
    {"setp", "bf16x2", 78, 90},
    {"shfl", "sync", 60, 30},
    {"st", "L2::cache_hint", 74, 80},
    {"st", "b128", 83, 70},
    {"st", "sys b128", 84, 70},
    {"st", "L1::evict_last", 74, 70},
    {"st", "L1::no_allocate", 74, 70},
    {"st", "L1::evict_first", 74, 70},
    {"st", "L1::evict_unchanged", 74, 70},
    {"st", ">v8 b32", 88, 100},
    {"st", ">v8 u32", 88, 100},
    {"st", ">v8 s32", 88, 100},
    {"st", ">v8 f32", 88, 100},
    {"st", ">v4 b64", 88, 100},
    {"st", ">v4 u64", 88, 100},
    {"st", ">v4 s64", 88, 100},
    {"st", ">v4 f64", 88, 100},
    {"st", "shared::cta", 78, 30},
    {"st", "shared::cluster", 78, 90},
    {"st", "mmio", 82, 70},
    {"st", "volatile local", 91, 20},
    {"st", "mmio release", 93, 70},
    {"st", "param::func", 83, 20},
    {"st", "relaxed", 60, 70},
    {"st", "cluster", 78, 90},
    {"st", "release", 60, 70},
    {"st", "async", 81, 90},
    {"sub", "f16", 42, 53},
    {"sub", "f16x2", 42, 53},
    {"sub", "bf16", 78, 90},
    {"sub", "bf16x2", 78, 90},
    {"sub", ">f32 f16", 86, 100},
    {"sub", ">f32 bf16", 86, 100},
    {"sub", "f32x2", 86, 100},
    {"sured", "min u64", 81, 20},
    {"sured", "min s64", 81, 20},
    {"sured", "max u64", 81, 20},
    {"sured", "max s64", 81, 20},
    {"tanh", "f16", 70, 75},
    {"tanh", "f16x2", 70, 75},
    {"tanh", "bf16", 78, 90},
    {"tanh", "bf16x2", 78, 90},
    {"vote", "sync", 60, 30},
    {"wmma", "shared::cta", 78, 70},
};

const Refusal refused[] = {
    {"clusterlaunchcontrol", "clusters that take over others' work (sm_100)"},
    {"istypep", "textures and surfaces"},
    {"multimem", "memory of several devices"},
    {"tcgen05", "tensor memory (sm_100)"},
    {"tensormap", "tensor maps"},
    {"wgmma", "products of a warp group (sm_90a)"},
};

// Are all words among the modifiers?  After a '>': in this order; after a '^': is the word the first of them?
bool has_words(const ptx::Instruction &instruction, std::string_view words) {
    const auto &all = instruction.modifiers;
    if (!words.empty() && words[0] == '^') return !all.empty() && all[0] == words.substr(1);
    const bool ordered = !words.empty() && words[0] == '>';
    if (ordered) words.remove_prefix(1);
    for (auto from = all.begin(); !words.empty();) {
        const std::string_view word = words.substr(0, words.find(' '));
        const auto found = std::find(ordered ? from : all.begin(), all.end(), word);
        if (found == all.end()) return false;
        from = found + 1;
        words.remove_prefix(std::min(words.size(), word.size() + 1));
    }
    return true;
}

std::string version(int ptx) {
    return std::to_string(ptx / 10) + "." + std::to_string(ptx % 10);
}

} // namespace

RequirementTable requirements() {
    return {rows, sizeof rows / sizeof rows[0]};
}

RefusalTable refusals() {
    return {refused, sizeof refused / sizeof refused[0]};
}

int target_number(const std::string &target) {
    size_t digits = target.find_first_of("0123456789");
    return digits == std::string::npos || target.size() - digits > 8 ? 0 : std::atoi(target.c_str() + digits);
}

bool Decoder::older_than(int ptx) const {
    return image_.module.version_major * 10 + image_.module.version_minor < ptx;
}

void Decoder::require(int ptx, int target, const std::string &what, bool specific) const {
    const ptx::Module &m = image_.module;
    if (older_than(ptx))
        fail(what + " needs PTX ISA " + version(ptx) + " or newer; the module's .version is " +
             version(m.version_major * 10 + m.version_minor));
    const char last = m.target.empty() ? ' ' : m.target.back();
    if (target_number(m.target) < target || (specific && last != 'a' && last != 'f'))
        fail(what + " needs .target sm_" + std::to_string(target) + (specific ? "a" : "") +
             " or newer; the module's is " + m.target);
}

void Decoder::check_age(const Opcode &opcode, const ptx::Instruction &instruction) const {
    if ((instruction.opcode == "vote" || instruction.opcode == "shfl") && !has_words(instruction, "sync") &&
        !older_than(64) && target_number(image_.module.target) >= 70)
        fail(instruction.opcode + " needs .sync from PTX ISA 6.4 on where the target is sm_70 or newer");
    require(opcode.ptx_major * 10 + opcode.ptx_minor, opcode.target, instruction.opcode);
    for (const Requirement &r : rows) {
        if (instruction.opcode != r.opcode || !has_words(instruction, r.words)) continue;
        std::string what = instruction.opcode + (*r.words ? " with ." : "");
        for (const char *c = r.words + (r.words[0] == '>' || r.words[0] == '^'); *c; ++c)
            *c == ' ' ? what += " ." : what += *c;
        require(r.ptx, r.target, what, r.specific);
    }
}

} // namespace cpu_device
