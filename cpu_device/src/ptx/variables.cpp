// Declarations of registers, variables and parameters; see variables.hpp.  What initialises them is in initializers.cpp.
#include "variables.hpp"

#include "types.hpp"

namespace cpu_device::ptx {
namespace {

constexpr uint32_t largest_alignment = 1u << 20;
constexpr uint64_t most_expanded = 1 << 16;
constexpr uint64_t largest_variable = uint64_t{1} << 48;

} // namespace

bool attribute(Reader &reader) {
    bool managed = false;
    reader.expect('(', "behind .attribute");
    do {
        Token word = reader.expect(TokenKind::dotted, "an attribute");
        if (word.text == "managed") {
            managed = true;
        } else if (word.text == "unified") {
            reader.expect('(', "behind .unified");
            integer(reader, "an identifier");
            reader.expect(',', "between the identifiers of .unified");
            integer(reader, "an identifier");
            reader.expect(')', "behind the identifiers of .unified");
        } else {
            Reader::fail(word.place, "unknown attribute " + quoted(word.text));
        }
    } while (reader.accept(','));
    reader.expect(')', "behind an attribute");
    return managed;
}

bool VariableParser::at_declaration() const {
    return reader_.at(TokenKind::dotted) && space_of(reader_.peek().text) != Space::none;
}

uint32_t VariableParser::alignment() {
    Place place = reader_.place();
    uint32_t align = small_integer(reader_, "an alignment", largest_alignment);
    if (align == 0 || (align & (align - 1)))
        Reader::fail(place, "an alignment that is no power of two: " + std::to_string(align));
    return align;
}

// .ptr .global .align 16: what the pointer points to; the alignment is advice.
void VariableParser::pointer(Variable &variable) {
    variable.is_pointer = true;
    variable.pointer_space = Space::generic;
    if (at_declaration()) variable.pointer_space = space_of(reader_.take().text);
    if (reader_.accept_dotted("align")) alignment();
}

void VariableParser::typed(Variable &variable, const Token &word) {
    Type type = type_of(word.text);
    if (type == Type::unknown)
        Reader::fail(word.place, "unknown type " + quoted("." + std::string(word.text.substr(0, 64))));
    if (variable.type != Type::none) Reader::fail(word.place, "a second type " + quoted(word.text));
    variable.type = type;
}

void VariableParser::specifier(Variable &variable) {
    Token word = reader_.take();
    if (word.text == "align") {
        variable.align = alignment();
    } else if (word.text == "attribute") {
        variable.is_managed |= attribute(reader_);
    } else if (word.text == "ptr") {
        pointer(variable);
    } else if (word.text == "v2" || word.text == "v4" || word.text == "v8") {
        variable.vector = static_cast<uint32_t>(word.text[1] - '0');
    } else if (variable.space == Space::none && space_of(word.text) != Space::none) {
        variable.space = space_of(word.text);
        // Constant banks of PTX before 2.2.
        if (variable.space == Space::constant && reader_.accept('[')) {
            integer(reader_, "a constant bank");
            reader_.expect(']', "behind a constant bank");
        }
    } else {
        typed(variable, word);
    }
}

// Everything before the names.
Variable VariableParser::specifiers() {
    Variable variable;
    variable.place = reader_.place();
    while (reader_.at(TokenKind::dotted)) specifier(variable);
    if (variable.space == Space::none) Reader::fail(variable.place, "expected a state space, like .reg or .param");
    if (variable.type == Type::none) reader_.expected("a type");
    return variable;
}

void VariableParser::check_size(const Variable &variable) const {
    uint64_t size = uint64_t{bytes_of(variable.type)} * variable.vector;
    for (uint64_t dimension : variable.dimensions) {
        if (dimension && size > largest_variable / dimension)
            Reader::fail(variable.place, "a variable of more than 2^48 bytes");
        if (dimension) size *= dimension;
    }
}

void VariableParser::dimensions(Variable &variable) {
    variable.dimensions.clear();
    while (reader_.accept('[')) {
        Place place = reader_.place();
        uint64_t size = 0;
        if (reader_.at(']')) {
            if (!variable.dimensions.empty()) Reader::fail(place, "only the first dimension may be left open");
        } else {
            size = integer(reader_, "a dimension");
        }
        variable.dimensions.push_back(size);
        reader_.expect(']', "behind a dimension");
    }
    check_size(variable);
}

// name, name<5>, name[4][8]
std::string_view VariableParser::declarator(Variable &variable) {
    Token name = reader_.expect(TokenKind::identifier, "a name");
    variable.place = name.place;
    variable.name = name.text;
    variable.count = 0;
    variable.init.clear();
    if (reader_.accept('<')) {
        // Not a whole expression: the '>' behind it would be a comparison.
        Constant count = constant_above(reader_, additive_precedence);
        if (!count.is_integer() || count.bits > 0x7FFFFFFF) Reader::fail(name.place, "a wrong number of registers");
        variable.count = static_cast<uint32_t>(count.bits);
        reader_.expect('>', "behind the number of registers");
        if (variable.count == 0) variable.space = Space::none; // x<0>: declares nothing
    }
    dimensions(variable);
    return name.text;
}

// Sets of variables that are no registers are declared one by one: x<3> is x0, x1 and x2.
void VariableParser::add_set(Variable variable, std::string_view name, const Add &add) {
    uint32_t count = variable.count;
    if (expanded_.size() + count > most_expanded) Reader::fail(variable.place, "more than 65536 variables in sets");
    variable.count = 0;
    for (uint32_t i = 0; i < count; i++) {
        variable.name = expanded_.emplace_back(std::string(name) + std::to_string(i));
        add(variable, expanded_.back());
    }
}

void VariableParser::declaration(const Linkage &linkage, const Add &add) {
    Variable base = specifiers();
    base.is_extern = linkage.is_extern;
    base.is_visible = linkage.is_visible;
    base.is_weak = linkage.is_weak;
    base.is_common = linkage.is_common;
    do {
        Variable variable = base;
        std::string_view name = declarator(variable);
        if (reader_.accept('=')) initializer(variable);
        if (variable.space == Space::none) continue;
        if (variable.count && variable.space != Space::reg)
            add_set(std::move(variable), name, add);
        else
            add(std::move(variable), name);
    } while (reader_.accept(','));
    reader_.expect(';', "behind a declaration");
}

std::vector<Variable> VariableParser::parameters() {
    std::vector<Variable> result;
    reader_.expect('(', "before parameters");
    if (reader_.accept(')')) return result;
    do {
        Variable variable = specifiers();
        declarator(variable);
        if (variable.count || variable.space == Space::none)
            Reader::fail(variable.place, "a set of registers as parameter");
        result.push_back(std::move(variable));
    } while (reader_.accept(','));
    reader_.expect(')', "behind parameters");
    return result;
}

} // namespace cpu_device::ptx
