// Instructions and their operands (PTX ISA, "Instruction Operands":
// https://docs.nvidia.com/cuda/parallel-thread-execution/#instruction-operands).
#pragma once

#include "names.hpp"

namespace cpu_device::ptx {

class InstructionParser {
  public:
    InstructionParser(Reader &reader, Names &names) : reader_(reader), names_(names) {}
    // From the predicate, or behind an opcode that was taken already, to the semicolon.
    Instruction predicated();
    Instruction behind(const Token &opcode);

  private:
    void modifiers(Instruction &instruction);
    void operands(Instruction &instruction);
    Operand operand();
    Operand single();
    Operand name();
    Operand number(char unary);
    Operand address();
    Operand base();
    Operand enclosed(Operand::Kind kind, char closing, const char *where);
    Operand negated();
    void offset(uint64_t &bits);
    void member(Operand &name);

    Reader &reader_;
    Names &names_;
};

} // namespace cpu_device::ptx
