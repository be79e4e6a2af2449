// The tokens as the parser sees them; see reader.hpp.
#include "reader.hpp"

namespace cpu_device::ptx {

Token Reader::take() {
    Token taken = token_;
    token_ = lexer_.next();
    if (token_.kind == TokenKind::invalid) invalid();
    return taken;
}

void Reader::invalid() const {
    std::string message(token_.text);
    if (token_.symbol) {
        char byte = static_cast<char>(token_.symbol & 0xFF);
        message +=
            byte > ' ' && byte <= '~' ? ": " + quoted({&byte, 1}) : ": byte " + std::to_string(token_.symbol & 0xFF);
    }
    fail(token_.place, message);
}

bool Reader::accept(char symbol) {
    if (!token_.is(symbol)) return false;
    take();
    return true;
}

bool Reader::accept_dotted(std::string_view name) {
    if (!token_.is_dotted(name)) return false;
    take();
    return true;
}

void Reader::expect(char symbol, const char *where) {
    if (!accept(symbol)) expected(std::string("'") + symbol + "' " + where);
}

Token Reader::expect(TokenKind kind, const char *what) {
    if (token_.kind != kind) expected(what);
    return take();
}

void Reader::expected(const std::string &what) const {
    std::string found;
    switch (token_.kind) {
    case TokenKind::end: found = "the end of the text"; break;
    case TokenKind::dotted: found = quoted("." + std::string(token_.text.substr(0, 64))); break;
    case TokenKind::string: found = "a string"; break;
    default: found = quoted(token_.text); break;
    }
    fail(token_.place, "expected " + what + ", found " + found);
}

std::string quoted(std::string_view text) {
    constexpr size_t longest = 48;
    std::string result = "'";
    for (char c : text.substr(0, longest)) result += c >= ' ' && c <= '~' ? c : '?';
    if (text.size() > longest) result += "...";
    return result + "'";
}

} // namespace cpu_device::ptx
