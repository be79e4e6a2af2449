// Since when there is what; see requirements.hpp.
#include "requirements.hpp"
#include "decoder.hpp"

#include <algorithm>

namespace cpu_device {
namespace {

const Requirement rows[] = {
    {"add", "bf16", 78, 90},
};

bool has_words(const ptx::Instruction &instruction, std::string_view words) {
    while (!words.empty()) {
        const std::string_view word = words.substr(0, words.find(' '));
        if (std::find(instruction.modifiers.begin(), instruction.modifiers.end(), word) == instruction.modifiers.end())
            return false;
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

int target_number(const std::string &target) {
    size_t digits = target.find_first_of("0123456789");
    return digits == std::string::npos || target.size() - digits > 8 ? 0 : std::atoi(target.c_str() + digits);
}

void Decoder::require(int ptx, int target, const std::string &what, bool specific) const {
    const ptx::Module &m = image_.module;
    if (m.version_major * 10 + m.version_minor < ptx)
        fail(what + " needs PTX ISA " + version(ptx) + " or newer; the module's .version is " +
             version(m.version_major * 10 + m.version_minor));
    const char last = m.target.empty() ? ' ' : m.target.back();
    if (target_number(m.target) < target || (specific && last != 'a' && last != 'f'))
        fail(what + " needs .target sm_" + std::to_string(target) + (specific ? "a" : "") +
             " or newer; the module's is " + m.target);
}

void Decoder::check_age(const Opcode &opcode, const ptx::Instruction &instruction) const {
    require(opcode.ptx_major * 10 + opcode.ptx_minor, opcode.target, instruction.opcode);
    for (const Requirement &r : rows) {
        if (instruction.opcode != r.opcode || !has_words(instruction, r.words)) continue;
        std::string what = instruction.opcode;
        for (char c : std::string(" ") + r.words) c == ' ' ? what += " ." : what += c;
        require(r.ptx, r.target, what, r.specific);
    }
}

} // namespace cpu_device
