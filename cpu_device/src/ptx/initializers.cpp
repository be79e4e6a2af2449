// What initialises variables: numbers, addresses, single bytes of addresses (PTX ISA, "Initializers":
// https://docs.nvidia.com/cuda/parallel-thread-execution/#initializers).
#include <cstring>

#include "types.hpp"
#include "variables.hpp"

namespace cpu_device::ptx {
namespace {

constexpr uint64_t most_padding = 1 << 20;

bool is_opaque(Type type) {
    return type == Type::texref || type == Type::samplerref || type == Type::surfref;
}

uint64_t bits_of_float(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}

uint64_t bits_of_double(double value) {
    uint64_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}

double number_of(const Constant &value) {
    if (value.kind == Constant::Kind::decimal) return value.number;
    if (value.kind == Constant::Kind::float64) {
        double result;
        std::memcpy(&result, &value.bits, sizeof result);
        return result;
    }
    uint32_t bits = static_cast<uint32_t>(value.bits);
    float result;
    std::memcpy(&result, &bits, sizeof result);
    return static_cast<double>(result);
}

// The bits of a constant as an element of `type`: floating-point constants have the width of what they initialise, and numbers
// of one kind do not initialise elements of the other.  Bit types take both.
uint64_t element_bits(const Constant &value, Type type, Place place) {
    if (value.is_integer()) {
        if (type == Type::f32 || type == Type::f64) Reader::fail(place, "an integer for a floating-point variable");
        return value.bits;
    }
    bool single = type == Type::f32 || type == Type::b32, wide = type == Type::f64 || type == Type::b64;
    if (!single && !wide) Reader::fail(place, "a floating-point number for a variable of another type");
    if (single && value.kind == Constant::Kind::float32) return value.bits;
    if (wide && value.kind == Constant::Kind::float64) return value.bits;
    double number = number_of(value);
    return single ? bits_of_float(static_cast<float>(number)) : bits_of_double(number);
}

} // namespace

// { a, b = c } of samplers and textures: read by the driver's texture functions on a GPU, of no use here.
void VariableParser::skip_braces() {
    reader_.expect('{', "before the fields of an initializer");
    for (size_t depth = 1; depth > 0;) {
        if (reader_.at_end()) reader_.expected("'}'");
        Token token = reader_.take();
        depth += token.is('{');
        depth -= token.is('}');
    }
}

void VariableParser::initializer(Variable &variable) {
    if (is_opaque(variable.type)) return skip_braces();
    std::vector<uint64_t> shape = variable.dimensions;
    if (variable.vector > 1) shape.push_back(variable.vector);
    level(variable, shape, 0);
}

// Zeros for the elements that were left out before the next one.
void VariableParser::pad(Variable &variable, uint64_t size, Place place) {
    if (size <= variable.init.size()) return;
    padding_ += size - variable.init.size();
    if (padding_ > most_padding) Reader::fail(place, "initializers leave out more than a million elements");
    variable.init.resize(size);
}

// One pair of braces: the elements of shape[depth], each an element or another pair.  Nothing is appended behind the last element
// that is given; what is not given is zero.
void VariableParser::level(Variable &variable, const std::vector<uint64_t> &shape, size_t depth) {
    if (depth == shape.size()) {
        variable.init.push_back(element(variable.type));
        return;
    }
    Reader::Nesting nesting(reader_);
    uint64_t stride = 1, first = variable.init.size();
    for (size_t i = depth + 1; i < shape.size(); i++) stride *= shape[i];
    reader_.expect('{', "before the elements of an array or vector");
    if (reader_.accept('}')) return;
    uint64_t count = 0;
    do {
        if (depth > 0 ? count >= shape[depth] : shape[0] && count >= shape[0])
            reader_.fail(reader_.place(), "more initial values than the " + std::to_string(shape[depth]) + " elements");
        pad(variable, first + count++ * stride, reader_.place());
        level(variable, shape, depth + 1);
    } while (reader_.accept(','));
    reader_.expect('}', "behind initial values");
}

// sym, sym+4, generic(sym), generic(sym)+8
Initializer VariableParser::symbol() {
    Initializer result;
    Token name = reader_.expect(TokenKind::identifier, "a name");
    if (name.text == "generic" && reader_.accept('(')) {
        result.generic_address = true;
        name = reader_.expect(TokenKind::identifier, "a name");
        // generic(sym+4) is met too.
        while (reader_.accept('+')) result.bits += constant_above(reader_, multiplicative_precedence).bits;
        reader_.expect(')', "behind generic(...");
    }
    result.symbol = name.text;
    while (reader_.at('+') || reader_.at('-')) {
        Token sign = reader_.take();
        Constant value = constant_above(reader_, multiplicative_precedence);
        if (!value.is_integer()) Reader::fail(sign.place, "an offset that is no integer");
        result.bits = sign.is('+') ? result.bits + value.bits : result.bits - value.bits;
    }
    return result;
}

// 0xff00(sym): one byte of an address; the mask was read.
Initializer VariableParser::masked(const Constant &mask, Place place) {
    uint8_t shift = 0;
    while (shift < 64 && mask.bits != uint64_t{0xFF} << shift) shift = static_cast<uint8_t>(shift + 8);
    if (!mask.is_integer() || shift == 64) Reader::fail(place, "a mask that is not one byte, like 0xff00");
    reader_.expect('(', "behind a mask");
    Initializer result = symbol();
    reader_.expect(')', "behind a masked address");
    result.mask_shift = shift;
    result.mask_bytes = 1;
    return result;
}

Initializer VariableParser::element(Type type) {
    if (reader_.at(TokenKind::identifier) && reader_.peek().text != "WARP_SZ") return symbol();
    Place place = reader_.place();
    if (!reader_.at('{')) {
        Constant value = constant(reader_);
        if (reader_.at('(')) return masked(value, place);
        Initializer result;
        result.bits = element_bits(value, type, place);
        return result;
    }
    reader_.expected("an initial value");
}

} // namespace cpu_device::ptx
