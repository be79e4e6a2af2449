// Constant expressions; see constant.hpp.
#include "constant.hpp"

#include <charconv>

namespace cpu_device::ptx {
namespace {

using Kind = Constant::Kind;

Constant make_integer(uint64_t bits, bool is_unsigned) {
    Constant result;
    result.kind = is_unsigned ? Kind::u64 : Kind::s64;
    result.bits = bits;
    return result;
}

Constant make_number(double number) {
    Constant result;
    result.kind = Kind::decimal;
    result.number = number;
    return result;
}

// 0f and 0d: exactly 8 and 16 hexadecimal digits, the bits of the value.
Constant exact_float(const Token &token, Kind kind) {
    std::string_view digits = token.text.substr(2);
    Constant result;
    result.kind = kind;
    auto [end, status] = std::from_chars(digits.data(), digits.data() + digits.size(), result.bits, 16);
    if (digits.size() != (kind == Kind::float32 ? 8 : 16) || status != std::errc() ||
        end != digits.data() + digits.size())
        Reader::fail(token.place, "a wrong floating-point constant " + quoted(token.text) +
                                      ": 0f takes 8 hexadecimal digits, 0d 16");
    return result;
}

// A decimal with a point or exponent.  `text` may begin with the point.
Constant decimal(std::string_view text, Place place) {
    double number = 0;
    auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (status == std::errc::result_out_of_range)
        Reader::fail(place, "a number outside the range of .f64: " + quoted(text));
    if (status != std::errc() || end != text.data() + text.size())
        Reader::fail(place, "a wrong number " + quoted(text));
    return make_number(number);
}

// Literals are .s64 where they fit, otherwise, or with a U behind, .u64.
Constant integer_literal(const Token &token) {
    std::string_view digits = token.text;
    bool is_unsigned = digits.size() > 1 && digits.back() == 'U';
    if (is_unsigned) digits.remove_suffix(1);
    int base = 10;
    if (digits.size() > 1 && digits[0] == '0') {
        char letter = static_cast<char>(digits[1] | 0x20);
        base = letter == 'x' ? 16 : letter == 'b' ? 2 : 8;
        digits.remove_prefix(base == 8 ? 1 : 2);
    }
    uint64_t bits = 0;
    auto [end, status] = std::from_chars(digits.data(), digits.data() + digits.size(), bits, base);
    if (status == std::errc::result_out_of_range)
        Reader::fail(token.place, "an integer of more than 64 bits: " + quoted(token.text));
    if (status != std::errc() || end != digits.data() + digits.size())
        Reader::fail(token.place, "a wrong number " + quoted(token.text));
    return make_integer(bits, is_unsigned || bits >> 63);
}

Constant literal(const Token &token) {
    std::string_view text = token.text;
    char letter = text.size() > 1 && text[0] == '0' ? static_cast<char>(text[1] | 0x20) : '\0';
    if (letter == 'f') return exact_float(token, Kind::float32);
    if (letter == 'd') return exact_float(token, Kind::float64);
    if (letter != 'x' && letter != 'b' && text.find_first_of(".eE") != std::string_view::npos)
        return decimal(text, token.place);
    return integer_literal(token);
}

Constant apply_unary(char op, Constant value, Place place) {
    if (op == '+') return value;
    if (value.kind == Kind::decimal && op == '-') return make_number(-value.number);
    if (!value.is_integer() && op == '-') {
        value.bits ^= uint64_t{1} << (value.kind == Kind::float32 ? 31 : 63);
        return value;
    }
    if (!value.is_integer()) Reader::fail(place, std::string("'") + op + "' before a floating-point number");
    bool is_unsigned = value.kind == Kind::u64;
    if (op == '-') return make_integer(0 - value.bits, is_unsigned);
    if (op == '~') return make_integer(~value.bits, is_unsigned);
    return make_integer(value.bits == 0, false);
}

int precedence_of(const Token &token) {
    if (token.kind != TokenKind::punctuation) return 0;
    switch (token.symbol) {
    case two('|', '|'): return 1;
    case two('&', '&'): return 2;
    case '|': return 3;
    case '^': return 4;
    case '&': return 5;
    case two('=', '='):
    case two('!', '='): return 6;
    case '<':
    case '>':
    case two('<', '='):
    case two('>', '='): return 7;
    case two('<', '<'):
    case two('>', '>'): return 8;
    case '+':
    case '-': return 9;
    case '*':
    case '/':
    case '%': return 10;
    default: return 0;
    }
}

template <typename T> bool compare(uint16_t op, T a, T b, bool &result) {
    switch (op) {
    case two('=', '='): result = a == b; return true;
    case two('!', '='): result = a != b; return true;
    case '<': result = a < b; return true;
    case '>': result = a > b; return true;
    case two('<', '='): result = a <= b; return true;
    case two('>', '='): result = a >= b; return true;
    case two('&', '&'): result = a != T{} && b != T{}; return true;
    case two('|', '|'): result = a != T{} || b != T{}; return true;
    default: return false;
    }
}

Constant divide(uint16_t op, uint64_t a, uint64_t b, bool is_unsigned, Place place) {
    if (b == 0) Reader::fail(place, "a division by zero");
    if (is_unsigned) return make_integer(op == '/' ? a / b : a % b, true);
    // The one quotient that does not fit would trap on the host.
    if (b == ~uint64_t{0}) return make_integer(op == '/' ? 0 - a : 0, false);
    int64_t quotient = static_cast<int64_t>(a) / static_cast<int64_t>(b);
    int64_t rest = static_cast<int64_t>(a) % static_cast<int64_t>(b);
    return make_integer(static_cast<uint64_t>(op == '/' ? quotient : rest), false);
}

Constant shift(uint16_t op, const Constant &value, uint64_t by) {
    bool is_unsigned = value.kind == Kind::u64;
    bool fill = !is_unsigned && value.bits >> 63 && op == two('>', '>');
    uint64_t bits = by > 63 ? (fill ? ~uint64_t{0} : 0) : op == two('<', '<') ? value.bits << by : value.bits >> by;
    if (fill && by > 0 && by <= 63) bits |= ~uint64_t{0} << (64 - by);
    return make_integer(bits, is_unsigned);
}

Constant apply_integers(uint16_t op, const Constant &a, const Constant &b, Place place) {
    bool is_unsigned = a.kind == Kind::u64 || b.kind == Kind::u64;
    bool truth = false;
    if (is_unsigned ? compare(op, a.bits, b.bits, truth)
                    : compare(op, static_cast<int64_t>(a.bits), static_cast<int64_t>(b.bits), truth))
        return make_integer(truth, false);
    switch (op) {
    case '+': return make_integer(a.bits + b.bits, is_unsigned);
    case '-': return make_integer(a.bits - b.bits, is_unsigned);
    case '*': return make_integer(a.bits * b.bits, is_unsigned);
    case '&': return make_integer(a.bits & b.bits, is_unsigned);
    case '|': return make_integer(a.bits | b.bits, is_unsigned);
    case '^': return make_integer(a.bits ^ b.bits, is_unsigned);
    case '/':
    case '%': return divide(op, a.bits, b.bits, is_unsigned, place);
    default: return shift(op, a, b.bits);
    }
}

double as_number(const Constant &value, Place place) {
    if (value.kind == Kind::decimal) return value.number;
    if (value.kind == Kind::u64) return static_cast<double>(value.bits);
    if (value.kind == Kind::s64) return static_cast<double>(static_cast<int64_t>(value.bits));
    Reader::fail(place, "0f and 0d constants cannot be computed with");
}

Constant apply_binary(uint16_t op, const Constant &a, const Constant &b, Place place) {
    if (a.is_integer() && b.is_integer()) return apply_integers(op, a, b, place);
    double x = as_number(a, place), y = as_number(b, place);
    bool truth = false;
    if (compare(op, x, y, truth)) return make_integer(truth, false);
    switch (op) {
    case '+': return make_number(x + y);
    case '-': return make_number(x - y);
    case '*': return make_number(x * y);
    case '/':
        if (y == 0) Reader::fail(place, "a division by zero");
        return make_number(x / y);
    default: Reader::fail(place, "an operator that takes no floating-point numbers");
    }
}

Constant cast(Reader &reader, const Token &type) {
    Reader::Nesting nesting(reader);
    if (type.text != "s64" && type.text != "u64")
        Reader::fail(type.place, "expected .s64 or .u64 in a cast, found " + quoted(type.text));
    reader.expect(')', "behind the type of a cast");
    Place place = reader.place();
    Constant value = constant_above(reader, multiplicative_precedence + 1);
    if (value.is_integer()) return make_integer(value.bits, type.text == "u64");
    double number = as_number(value, place);
    // Outside these bounds the conversion is undefined in C++.
    if (!(number > -9.2e18 && number < 9.2e18)) Reader::fail(place, "a number too large for an integer");
    return make_integer(static_cast<uint64_t>(static_cast<int64_t>(number)), type.text == "u64");
}

Constant unary(Reader &reader) {
    Reader::Nesting nesting(reader);
    const Token token = reader.peek();
    if (token.is('-') || token.is('+') || token.is('!') || token.is('~')) {
        reader.take();
        return apply_unary(static_cast<char>(token.symbol), unary(reader), token.place);
    }
    if (reader.accept('(')) {
        if (reader.at(TokenKind::dotted)) return cast(reader, reader.take());
        Constant value = constant(reader);
        reader.expect(')', "behind a constant expression");
        return value;
    }
    if (token.kind == TokenKind::number) return literal(reader.take());
    if (token.kind == TokenKind::identifier && token.text == "WARP_SZ") {
        reader.take();
        return make_integer(32, false);
    }
    // ".5": the lexer takes it for a modifier
    if (token.kind == TokenKind::dotted && token.text[0] >= '0' && token.text[0] <= '9') {
        reader.take();
        return decimal("." + std::string(token.text), token.place);
    }
    reader.expected("a number");
}

Constant binary(Reader &reader, Constant left, int precedence) {
    Reader::Nesting nesting(reader);
    for (int level = precedence_of(reader.peek()); level >= precedence && level; level = precedence_of(reader.peek())) {
        Token op = reader.take();
        Constant right = binary(reader, unary(reader), level + 1);
        left = apply_binary(op.symbol, left, right, op.place);
    }
    return left;
}

Constant conditional(Reader &reader, const Constant &condition) {
    if (!reader.at('?')) return condition;
    Reader::Nesting nesting(reader);
    Place place = reader.take().place;
    bool truth = condition.is_integer() ? condition.bits != 0 : as_number(condition, place) != 0;
    Constant yes = constant(reader);
    reader.expect(':', "in a conditional expression");
    Constant no = constant(reader);
    return truth ? yes : no;
}

} // namespace

Constant constant_above(Reader &reader, int precedence) {
    return binary(reader, unary(reader), precedence);
}

Constant constant(Reader &reader) {
    return conditional(reader, constant_above(reader, lowest_precedence));
}

Constant constant_after(Reader &reader, char op) {
    Place place = reader.place();
    Constant left = apply_unary(op, unary(reader), place);
    return conditional(reader, binary(reader, left, lowest_precedence));
}

uint64_t integer(Reader &reader, const char *what) {
    Place place = reader.place();
    Constant value = constant(reader);
    if (!value.is_integer())
        Reader::fail(place, std::string("expected an integer as ") + what + ", found a floating-point number");
    return value.bits;
}

uint32_t small_integer(Reader &reader, const char *what, uint32_t largest) {
    Place place = reader.place();
    uint64_t value = integer(reader, what);
    if (value > largest) Reader::fail(place, std::to_string(value) + " is too large as " + what);
    return static_cast<uint32_t>(value);
}

} // namespace cpu_device::ptx
