// What a loaded program is made of: its functions, constants and the places of its variables.
#pragma once

#include "machine.hpp"

#include <map>
#include <unordered_map>
#include <unordered_set>

namespace cpu_device {

struct Symbol {
    ptx::Space space = ptx::Space::none;
    uint64_t address = 0; // global, const: device address; shared: offset; local, param: offset in the frame
    uint64_t size = 0;
    const ptx::Variable *variable = nullptr;
    bool dynamic_shared = false;      // behind the kernel's static shared memory
    std::vector<std::string> kernels; // static shared: those that have room for it; others have something else there

    bool unresolved() const { // declared .extern, and defined nowhere
        return (space == ptx::Space::global || space == ptx::Space::constant) && !address;
    }
};

struct ProgramImage {
    std::string text;
    ptx::Module module;
    Memory *memory = nullptr;
    int device = 0;
    std::unordered_map<std::string, Symbol> symbols;
    std::unordered_map<std::string, uint32_t> function_ids; // index into codes
    std::vector<std::unique_ptr<Code>> codes;               // by function; nullptr: declaration only
    std::vector<std::unique_ptr<Kernel>> kernels;
    std::map<std::pair<uint64_t, uint32_t>, uint32_t> constant_places;
    std::vector<uint8_t> constant_bytes; // broadcast to 32 lanes
    std::unique_ptr<uint8_t[]> constant_storage;
    uint8_t *constants = nullptr; // 64-byte aligned
    std::vector<uint64_t> allocations;
    std::unordered_set<std::string> forms; // of instructions, that were met and exist

    const Code *code_at(uint64_t address) const {
        const uint64_t k = (address - kCodeWindow) / 16;
        if (address < kCodeWindow || address % 16 || k >= codes.size()) return nullptr;
        return codes[k].get();
    }
};

struct Program::State : ProgramImage {};

// A line of a text, from 1, without the blanks before it.
std::string line_of(const std::string &text, uint32_t line);

} // namespace cpu_device
