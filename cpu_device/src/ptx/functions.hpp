// Functions: headers, performance directives, bodies (PTX ISA, "Kernel and Function Directives" and following:
// https://docs.nvidia.com/cuda/parallel-thread-execution/#directives).
#pragma once

#include "operands.hpp"
#include "variables.hpp"

namespace cpu_device::ptx {

// .pragma "a", "b"; and .file 1 "name": directives that stand in a module as well as in a body.  The word was taken.
void skip_pragma(Reader &reader);
Module::File file(Reader &reader);
// .loc 1 12 3, function_name f, inlined_at 1 30 5; the word was taken.
SourcePlace loc(Reader &reader);

class FunctionParser {
  public:
    FunctionParser(Reader &reader, VariableParser &variables, Module &module)
        : reader_(reader), variables_(variables), module_(module) {}
    // At .entry or .func.
    void function(const Linkage &linkage);

  private:
    void header();
    void header_directives();
    bool header_directive(const Token &word);
    void dimensions(uint32_t (&sizes)[3]);

    void body();
    void statement(Names &names);
    void directive(Names &names);
    void labelled(const Token &label, Names &names);
    void table(std::string name, Names &names);
    void prototype(std::string name);

    Reader &reader_;
    VariableParser &variables_;
    Module &module_;
    Function function_;
    SourcePlace source_;
};

} // namespace cpu_device::ptx
