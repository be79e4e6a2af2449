// The tokens as the parser sees them: one token ahead, expectations, and failures that say what was expected and found.
#pragma once

#include <memory>

#include "lexer.hpp"

namespace cpu_device::ptx {

// Thrown inside ptx/ only; `parse` turns it into an Error.
struct Failure {
    Place place;
    std::string message;
};

// How deep operands, constant expressions and initialisers may be nested: they are parsed by recursion.
constexpr unsigned deepest_nesting = 256;

class Reader {
  public:
    explicit Reader(std::string_view text) : lexer_(text) { take(); }

    const Token &peek() const { return token_; }
    Place place() const { return token_.place; }
    bool at_end() const { return token_.kind == TokenKind::end; }
    bool at(TokenKind kind) const { return token_.kind == kind; }
    bool at(char symbol) const { return token_.is(symbol); }

    Token take();
    bool accept(char symbol);
    bool accept_dotted(std::string_view name);
    // `what` and `where` complete "expected ..." and "expected ';' ...".
    void expect(char symbol, const char *where);
    Token expect(TokenKind kind, const char *what);
    std::string identifier(const char *what) { return std::string(expect(TokenKind::identifier, what).text); }

    [[noreturn]] void expected(const std::string &what) const;
    [[noreturn]] static void fail(Place place, std::string message) { throw Failure{place, std::move(message)}; }

    // Counts nesting for as long as it lives.
    class Nesting {
      public:
        explicit Nesting(Reader &reader) : reader_(reader) {
            if (++reader_.depth_ > deepest_nesting) fail(reader_.place(), "nested deeper than 256 levels");
        }
        ~Nesting() { reader_.depth_--; }
        Nesting(const Nesting &) = delete;
        Nesting &operator=(const Nesting &) = delete;

      private:
        Reader &reader_;
    };

  private:
    [[noreturn]] void invalid() const;

    Lexer lexer_;
    Token token_;
    unsigned depth_ = 0;
};

// Text of the program, fit for a message: quoted, one line, printable, not too long.
std::string quoted(std::string_view text);

} // namespace cpu_device::ptx
