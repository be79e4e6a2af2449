// Damages PTX texts and loads them, parsed and decoded, for a number of seconds; for a build with sanitizers.
//
// load_fuzz SECONDS SEED LAST TEXT...: the text that is being loaded lies in the file LAST, so that it is there after a crash; a text that
// takes more than 20 seconds ends the process with SIGALRM.  Prints how many loaded, how many were refused, and how many were refused
// without a line; of these the last is kept.
#include <chrono>
#include <fstream>
#include <iostream>
#include <random>
#include <sstream>
#include <unistd.h>

#include "exec/program.hpp"

using namespace cpu_device;

namespace {

using Texts = std::vector<std::string>;
std::mt19937 engine;

size_t below(size_t n) {
    return n ? engine() % n : 0;
}

// A line of a text, with its end.
std::pair<size_t, size_t> some_line(const std::string &text) {
    size_t start = text.rfind('\n', below(text.size()));
    start = start == std::string::npos ? 0 : start + 1;
    const size_t end = text.find('\n', start);
    return {start, end == std::string::npos ? text.size() - start : end + 1 - start};
}

// A word, number or mark: what is replaced by another one leaves the text nearly right.
std::pair<size_t, size_t> some_token(const std::string &text) {
    const auto in_word = [&](size_t k) { return std::isalnum(static_cast<unsigned char>(text[k])) || text[k] == '_'; };
    size_t start = below(text.size()), end = start + 1;
    if (!in_word(start)) return {start, 1};
    while (start && in_word(start - 1)) start--;
    while (end < text.size() && in_word(end)) end++;
    return {start, end - start};
}

void damage(std::string &text, const Texts &texts) {
    static const char *const odd[] = {
        "0",   "-1",   "4294967296", "0x7fffffffffffffff", "1e400", "0f7f800000", ".b128", ".v4",  "{",
        "}",   ";",    "%r0",        "[%rd0+2147483647]",  ".u8",   ".f64",       "_",     "\"",   "<9>",
        "@!p", "call", "bra",        ".param .b8 x[99]",   "mov",   "\0",         "/*",    ".func"};
    const std::string &other = texts[below(texts.size())];
    const auto [at, length] = below(3) ? some_token(text) : some_line(text);
    switch (below(7)) {
    case 0: text[below(text.size())] = static_cast<char>(engine()); break;
    case 1: text.erase(at, length); break;
    case 2: text.insert(at, text.substr(at, length)); break;
    case 3: text.replace(at, length, odd[below(sizeof odd / sizeof *odd)]); break;
    case 4: {
        const auto [from, size] = some_token(other);
        text.replace(at, length, other.substr(from, size));
        break;
    }
    case 5: {
        const auto [from, size] = some_line(other);
        text.insert(some_line(text).first, other.substr(from, size));
        break;
    }
    default: text.resize(below(8) ? text.size() : below(text.size()) + 1); break;
    }
    if (text.empty()) text = other;
}

// One kernel or function with what stands before the first: the whole texts are long.
std::string part(const std::string &text) {
    static const char *const heads[] = {".entry", ".func", ".visible", ".weak"};
    size_t first = std::string::npos, start = std::string::npos;
    for (const char *head : heads) {
        first = std::min(first, text.find(std::string("\n") + head));
        const size_t found = text.find(std::string("\n") + head, below(text.size()));
        if (found != std::string::npos) start = start == std::string::npos ? found : std::min(start, found);
    }
    if (start == std::string::npos || first == std::string::npos || !below(50)) return text;
    const size_t end = text.find("\n}", start);
    return text.substr(0, std::min(first, size_t{3000})) +
           text.substr(start, end == std::string::npos ? end : end + 2 - start) + "\n";
}

} // namespace

int main(int count, char **arguments) {
    if (count < 5) return 2;
    Texts texts;
    for (int k = 4; k < count; k++) {
        std::ostringstream content;
        content << std::ifstream(arguments[k], std::ios::binary).rdbuf();
        if (!content.str().empty()) texts.push_back(content.str());
    }
    if (texts.empty()) return 2;
    engine.seed(static_cast<unsigned>(std::stoul(arguments[2])));
    Memory memory;
    size_t good = 0, bad = 0, silent = 0;
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(std::stoul(arguments[1]));
    while (std::chrono::steady_clock::now() < end) {
        std::string text = part(texts[below(texts.size())]);
        for (size_t edits = below(4); edits; edits--) damage(text, texts);
        std::ofstream(arguments[3], std::ios::binary) << text;
        const std::vector<char> exact(text.begin(), text.end()); // reading behind its end is noticed
        Status status = Status::success;
        std::string log;
        alarm(20);
        const bool loaded = Program::load({exact.data(), exact.size()}, memory, 0, 120, status, log) != nullptr;
        alarm(0);
        (loaded ? good : bad)++;
        if (loaded || (status != Status::success && log.find("ptx:") != std::string::npos)) continue;
        silent++;
        std::ofstream(std::string(arguments[3]) + ".silent", std::ios::binary)
            << static_cast<int>(status) << " " << log << "\n"
            << text;
    }
    std::cout << good << " " << bad << " " << silent << std::endl;
    return silent != 0;
}
