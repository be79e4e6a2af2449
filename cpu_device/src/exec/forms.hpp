// Which modifiers go with which types.
#pragma once

#include "../ptx/module.hpp"

namespace cpu_device {

struct FormRow {
    const char *opcodes; // with blanks between them
    const char *words;   // groups of modifiers in the order of the ISA; see form_rows.cpp
};
// Words that many lines have, by a letter: $R.
struct FormSet {
    char letter;
    const char *words;
};
struct FormTable {
    const FormRow *rows;
    size_t size;
    const FormSet *sets;
    size_t set_count;
};
FormTable forms();
std::vector<std::string> expanded(const char *line); // its sets and its alternatives of several groups written out

// Whether there is such an instruction; true of opcodes that the table has nothing about.
bool is_form(const ptx::Instruction &instruction);

} // namespace cpu_device
