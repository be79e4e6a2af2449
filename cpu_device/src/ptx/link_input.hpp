// One PTX module as the linker sees it: its statements as they are written, and the symbols that they declare.
#pragma once

#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "lexer.hpp"
#include "linker.hpp"

namespace cpu_device::ptx {

enum class Binding { local, external, strong, weak, common };

struct LinkSymbol {
    std::string name;
    Binding binding = Binding::local;
    bool is_function = false, is_dynamic = false; // is_dynamic: .extern .shared, whose size a launch says
    Space space = Space::none;
    uint64_t size = 0; // 0: not known
    const Function *function = nullptr;
    size_t statement = 0;
};

struct Statement {
    size_t begin = 0, end = 0; // tokens
    bool is_header = false;    // .version .target .address_size
    bool is_section = false;
    bool dropped = false;
};

uint64_t size_of(const Variable &v);

struct InputModule {
    const LinkInput *input = nullptr;
    Module module;
    std::vector<Token> tokens;
    std::vector<Statement> statements;
    std::vector<LinkSymbol> symbols;
    std::unordered_map<std::string, std::string> renamed; // local symbols that another module has too
    uint32_t files = 0;                                   // the largest number of a .file

    bool read(const LinkInput &from, std::string &error);
    bool declares(const std::string &name) const;
    bool uses(const std::string &name) const;                  // outside of what declares it
    size_t body_of_unlimited_kernel(const Statement &s) const; // the token '{'; 0: no kernel, or it has .maxnreg
    // The statements that are not dropped, with new names, and with numbers of files from `first_file` on.
    void write(std::string &out, uint32_t first_file, bool with_sections) const;

  private:
    void split();
    void add_symbols();
    size_t statement_at(Place place) const;
    std::unordered_set<std::string> names_;
};

} // namespace cpu_device::ptx
