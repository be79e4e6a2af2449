// Instructions and their operands; see operands.hpp.
#include "operands.hpp"

#include "constant.hpp"

namespace cpu_device::ptx {
namespace {

using Kind = Operand::Kind;

Operand make(Kind kind, Place place) {
    Operand result;
    result.kind = kind;
    result.place = place;
    return result;
}

Operand from_constant(const Constant &value, Place place) {
    Operand result = make(Kind::integer, place);
    result.bits = value.bits;
    result.number = value.number;
    if (value.kind == Constant::Kind::float32) result.kind = Kind::float32;
    if (value.kind == Constant::Kind::float64) result.kind = Kind::float64;
    if (value.kind == Constant::Kind::decimal) result.kind = Kind::number;
    return result;
}

} // namespace

Instruction InstructionParser::predicated() {
    reader_.expect('@', "before a predicate");
    bool negated = reader_.accept('!');
    std::string predicate = names_.use(reader_.expect(TokenKind::identifier, "a predicate register").text);
    Instruction result = behind(reader_.expect(TokenKind::identifier, "an instruction"));
    result.predicate = std::move(predicate);
    result.predicate_negated = negated;
    return result;
}

Instruction InstructionParser::behind(const Token &opcode) {
    Instruction result;
    result.place = opcode.place;
    result.opcode = opcode.text;
    modifiers(result);
    // Where the statement breaks off, it is the semicolon that is missed, not an operand.
    if (!reader_.at(';') && !reader_.at('}') && !reader_.at_end()) operands(result);
    reader_.expect(';', "behind an instruction");
    return result;
}

void InstructionParser::modifiers(Instruction &instruction) {
    instruction.modifiers.reserve(4);
    while (reader_.at(TokenKind::dotted)) instruction.modifiers.emplace_back(reader_.take().text);
}

// Parentheses hold arguments and results in a call, and constant expressions elsewhere.
void InstructionParser::operands(Instruction &instruction) {
    bool is_call = instruction.opcode == "call";
    instruction.operands.reserve(4);
    do {
        if (is_call && reader_.at('('))
            instruction.operands.push_back(enclosed(Kind::group, ')', "behind the arguments"));
        else
            instruction.operands.push_back(operand());
    } while (reader_.accept(','));
}

// An operand, or two destinations: p|q.
Operand InstructionParser::operand() {
    Operand first = single();
    if (!reader_.at('|')) return first;
    Operand result = make(Kind::pair, reader_.take().place);
    result.parts.push_back(std::move(first));
    result.parts.push_back(single());
    return result;
}

Operand InstructionParser::single() {
    const Token &token = reader_.peek();
    Reader::Nesting nesting(reader_);
    if (token.kind == TokenKind::identifier) {
        if (token.text == "_") return make(Kind::discard, reader_.take().place);
        if (token.text != "WARP_SZ") return name();
    }
    if (token.is('{')) return enclosed(Kind::list, '}', "behind a list");
    if (token.is('[')) return address();
    if (token.is('!') || token.is('-')) return negated();
    if (token.is('(') || token.is('+') || token.is('~') || token.kind == TokenKind::number ||
        token.kind == TokenKind::dotted || token.kind == TokenKind::identifier)
        return number('\0');
    reader_.expected("an operand");
}

// a, a.x, sym+4
Operand InstructionParser::name() {
    Token token = reader_.take();
    Operand result = make(Kind::name, token.place);
    result.name = names_.use(token.text);
    member(result);
    offset(result.bits);
    return result;
}

// .x .y .z .w and their other names, .r .g .b .a; longer ones select parts of a register for the video instructions.
void InstructionParser::member(Operand &name) {
    if (!reader_.at(TokenKind::dotted)) return;
    Token token = reader_.take();
    constexpr std::string_view members = "xyzwrgba", meanings = "xyzwxyzw";
    size_t index = token.text.size() == 1 ? members.find(token.text[0]) : std::string_view::npos;
    if (index != std::string_view::npos) {
        name.member = meanings[index];
    } else if (token.text.size() > 1 && (token.text[0] == 'b' || token.text[0] == 'h') &&
               token.text.find_first_not_of("01234567", 1) == std::string_view::npos) {
        name.selector = token.text;
    } else {
        Reader::fail(token.place,
                     "expected a member .x .y .z .w, found " + quoted("." + std::string(token.text.substr(0, 64))));
    }
}

// What is added to a name or the base of an address; nothing where nothing is.
void InstructionParser::offset(uint64_t &bits) {
    while (reader_.at('+') || reader_.at('-')) {
        Token sign = reader_.take();
        Constant value = constant_above(reader_, multiplicative_precedence);
        if (!value.is_integer()) Reader::fail(sign.place, "an offset that is no integer");
        bits = sign.is('+') ? bits + value.bits : bits - value.bits;
    }
}

// `unary` is an operator in front that was taken already.
Operand InstructionParser::number(char unary) {
    Place place = reader_.place();
    return from_constant(unary ? constant_after(reader_, unary) : constant(reader_), place);
}

// !p and -a, or a constant with such an operator.
Operand InstructionParser::negated() {
    Token op = reader_.take();
    if (!reader_.at(TokenKind::identifier) || reader_.peek().text == "WARP_SZ") {
        Operand result = number(static_cast<char>(op.symbol));
        result.place = op.place;
        return result;
    }
    Operand result = name();
    result.negated = true;
    result.place = op.place;
    return result;
}

// (a, b) and {a, b}; both may be empty.
Operand InstructionParser::enclosed(Kind kind, char closing, const char *where) {
    Reader::Nesting nesting(reader_);
    Operand result = make(kind, reader_.take().place);
    if (reader_.accept(closing)) return result;
    do result.parts.push_back(operand());
    while (reader_.accept(','));
    reader_.expect(closing, where);
    return result;
}

// [a], [a+8], [64], [tex, {x, y}], and the attribute of an address, [a].unified
Operand InstructionParser::address() {
    Operand result = make(Kind::address, reader_.take().place);
    result.parts.push_back(base());
    offset(result.bits);
    while (reader_.accept(',')) result.parts.push_back(operand());
    reader_.expect(']', "behind an address");
    if (reader_.accept_dotted("unified")) result.selector = "unified";
    return result;
}

Operand InstructionParser::base() {
    if (!reader_.at(TokenKind::identifier) || reader_.peek().text == "WARP_SZ") return single();
    Token token = reader_.take();
    Operand result = make(Kind::name, token.place);
    result.name = names_.use(token.text);
    member(result);
    return result;
}

} // namespace cpu_device::ptx
