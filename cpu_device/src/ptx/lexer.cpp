// PTX text → tokens; see lexer.hpp.
#include "lexer.hpp"

#include <array>

namespace cpu_device::ptx {
namespace {

enum : uint8_t { blank = 1, digit = 2, start = 4, follow = 8 };

// Character classes.  A table, not <cctype>: no locale, and bytes above 127 are no letters.
constexpr std::array<uint8_t, 256> make_classes() {
    std::array<uint8_t, 256> classes{};
    for (char c : {' ', '\t', '\r', '\n', '\v', '\f'}) classes[static_cast<unsigned char>(c)] = blank;
    for (int c = '0'; c <= '9'; c++) classes[c] = digit | follow;
    for (int c = 'a'; c <= 'z'; c++) classes[c] = classes[c - 'a' + 'A'] = start | follow;
    classes['_'] = classes['$'] = start | follow;
    classes['%'] = start; // only in the first place, and never alone
    return classes;
}

constexpr std::array<uint8_t, 256> classes = make_classes();

bool has(char c, uint8_t what) {
    return classes[static_cast<unsigned char>(c)] & what;
}

} // namespace

Place Lexer::place(size_t position) const {
    return {line_, static_cast<uint32_t>(position - line_start_ + 1)};
}

// Ends the token that began at `start` at the present position.
Token Lexer::token(TokenKind kind, size_t start, size_t skip) {
    Token result;
    result.kind = kind;
    result.place = place(start);
    result.text = text_.substr(start + skip, position_ - start - skip);
    return result;
}

Token Lexer::invalid(size_t start, std::string_view what) const {
    Token result;
    result.kind = TokenKind::invalid;
    result.place = place(start);
    result.text = what;
    return result;
}

void Lexer::skip_line() {
    size_t end = text_.find('\n', position_);
    position_ = end == std::string_view::npos ? text_.size() : end;
}

// At "/*".  False with `error` set where it does not end.
bool Lexer::skip_comment(Token &error) {
    size_t end = text_.find("*/", position_ + 2);
    if (end == std::string_view::npos) {
        error = invalid(position_, "a comment that does not end");
        return false;
    }
    for (size_t newline = text_.find('\n', position_); newline < end; newline = text_.find('\n', newline + 1)) {
        line_++;
        line_start_ = newline + 1;
    }
    position_ = end + 2;
    return true;
}

// Skips blanks, comments, line markers of a C preprocessor (`# 1 "file"`) and old DWARF lines (@@DWARF ...).
bool Lexer::skip_blank(Token &error) {
    while (position_ < text_.size()) {
        char c = text_[position_];
        if (c == '\n') {
            line_++;
            line_start_ = ++position_;
        } else if (has(c, blank)) {
            position_++;
        } else if (c == '/' && at(position_ + 1) == '/') {
            skip_line();
        } else if (c == '/' && at(position_ + 1) == '*') {
            if (!skip_comment(error)) return false;
        } else if (c == '@' && at(position_ + 1) == '@' && (at(position_ + 2) | 0x20) == 'd') {
            skip_line();
        } else if (c == '#' && (at(position_ + 1) == ' ' || text_.substr(position_, 5) == "#line")) {
            skip_line();
        } else {
            break;
        }
    }
    return true;
}

// Where the letters, digits, _ and $ from `position` on end.
size_t Lexer::word_end(size_t position) const {
    while (position < text_.size() && has(text_[position], follow)) position++;
    return position;
}

Token Lexer::next() {
    Token error;
    if (!skip_blank(error)) return error;
    size_t start_of = position_;
    if (start_of == text_.size()) return token(TokenKind::end, start_of);
    char c = text_[start_of];
    // "%" begins a name only where a name goes on; otherwise it is the modulus.
    if (has(c, start) && (c != '%' || has(at(start_of + 1), follow))) {
        position_ = word_end(start_of + 1);
        return token(TokenKind::identifier, start_of);
    }
    if (has(c, digit)) return number(start_of);
    if (c == '.') return dotted(start_of);
    if (c == '"') return string(start_of);
    return punctuation(start_of);
}

Token Lexer::dotted(size_t start_of) {
    size_t end = word_end(start_of + 1);
    if (end == start_of + 1) return invalid(start_of, "'.' without a name behind it");
    while (at(end) == ':' && at(end + 1) == ':' && has(at(end + 2), follow)) end = word_end(end + 2);
    position_ = end;
    return token(TokenKind::dotted, start_of, 1);
}

// Takes all letters and digits, so that "12abc" is one wrong number and not two tokens.
Token Lexer::number(size_t start_of) {
    size_t end = word_end(start_of);
    bool based = text_[start_of] == '0' && has(at(start_of + 1), start);
    if (!based) {
        if (at(end) == '.' && !has(at(end + 1), start)) end = word_end(end + 1);
        char last = static_cast<char>(at(end - 1) | 0x20);
        if (last == 'e' && (at(end) == '+' || at(end) == '-') && has(at(end + 1), digit)) end = word_end(end + 1);
    }
    position_ = end;
    return token(TokenKind::number, start_of);
}

Token Lexer::string(size_t start_of) {
    for (size_t i = start_of + 1; i < text_.size() && text_[i] != '\n'; i++) {
        if (text_[i] == '\\') {
            i++;
        } else if (text_[i] == '"') {
            position_ = i;
            Token result = token(TokenKind::string, start_of, 1);
            position_ = i + 1;
            return result;
        }
    }
    return invalid(start_of, "a string that does not end");
}

Token Lexer::punctuation(size_t start_of) {
    char c = text_[start_of], d = at(start_of + 1);
    constexpr std::string_view singles = "(){}[]<>,;:=+-*/%!~&|^?@";
    if (c == '\0' || singles.find(c) == std::string_view::npos) {
        Token wrong = invalid(start_of, "a character that is no PTX");
        wrong.symbol = static_cast<uint16_t>(0x100 | static_cast<unsigned char>(c));
        return wrong;
    }
    bool doubled = c == d && (c == '<' || c == '>' || c == '&' || c == '|' || c == '=');
    bool compared = d == '=' && (c == '<' || c == '>' || c == '!');
    position_ = start_of + (doubled || compared ? 2 : 1);
    Token result = token(TokenKind::punctuation, start_of);
    result.symbol = doubled || compared ? two(c, d) : static_cast<unsigned char>(c);
    return result;
}

} // namespace cpu_device::ptx
