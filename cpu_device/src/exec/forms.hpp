// Which modifiers go with which types.
#pragma once

#include "../ptx/module.hpp"

namespace cpu_device {

struct FormRow {
    const char *opcodes; // with blanks between them
    const char *words;   // groups of modifiers in the order of the ISA; see forms.cpp
};
struct FormTable {
    const FormRow *rows;
    size_t size;
};
FormTable forms();
std::string expanded(const char *line); // its sets written out

// Whether there is such an instruction; true of opcodes that the table has nothing about (mma, wmma: their own tables).
bool is_form(const ptx::Instruction &instruction);

} // namespace cpu_device
