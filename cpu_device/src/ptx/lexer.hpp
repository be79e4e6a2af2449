// PTX text → tokens, one at a time, with their places.
//
// PTX is ASCII; white space and both kinds of C comment separate tokens (PTX ISA, "Source Format":
// https://docs.nvidia.com/cuda/parallel-thread-execution/#source-format).  A directive or modifier is one token with its dot
// (".shared::cta" too), since what may follow a dot ("32x32b", "2d", "m16n8k16") is no identifier or number.
#pragma once

#include "module.hpp"

namespace cpu_device::ptx {

enum class TokenKind : uint8_t {
    end,
    identifier,  // add %r1 $L__BB0_1 _
    dotted,      // .global .v4 .L2::128B; the text is without the first dot
    number,      // 12 0x1F 017 0b11 5U 1.5 1e-3 0f3F800000 0d3FF0000000000000, not yet a value
    string,      // "..."; the text is without the quotes, escapes as they are
    punctuation, // ( ) { } [ ] , ; : | ... and the operators of two characters
    invalid,     // the text says what is wrong; the symbol is 0x100 + the character, where it is about one
};

struct Token {
    TokenKind kind = TokenKind::end;
    uint16_t symbol = 0; // of a punctuation: its character, or two of them (see `two`)
    Place place;
    std::string_view text;

    bool is(char c) const { return kind == TokenKind::punctuation && symbol == static_cast<unsigned char>(c); }
    bool is_dotted(std::string_view name) const { return kind == TokenKind::dotted && text == name; }
};

// The symbol of an operator of two characters.
constexpr uint16_t two(char first, char second) {
    return static_cast<uint16_t>(static_cast<unsigned char>(first) | static_cast<unsigned char>(second) << 8);
}

class Lexer {
  public:
    explicit Lexer(std::string_view text) : text_(text) {}
    Token next();

  private:
    char at(size_t position) const { return position < text_.size() ? text_[position] : '\0'; }
    Place place(size_t position) const;
    Token token(TokenKind kind, size_t start, size_t skip = 0);
    Token invalid(size_t start, std::string_view what) const;
    bool skip_blank(Token &error);
    bool skip_comment(Token &error);
    void skip_line();
    size_t word_end(size_t position) const;
    Token dotted(size_t start);
    Token number(size_t start);
    Token string(size_t start);
    Token punctuation(size_t start);

    std::string_view text_;
    size_t position_ = 0, line_start_ = 0;
    uint32_t line_ = 1;
};

} // namespace cpu_device::ptx
