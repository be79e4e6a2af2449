#include "huffman.hpp"

#include "fse.hpp"

namespace cpu_device::zstd {

namespace {

constexpr int kMostBits = 11, kMostWeightLog = 6, kMostWeight = 12;

// Weights by two states that take turns; they end where the bits do.
bool read_weights(Bytes in, std::vector<uint8_t> &weights) {
    FseTable table;
    BackwardBits bits;
    if (!table.read(in, kMostWeightLog, kMostWeight + 1) || !bits.open(in)) return false;
    uint32_t states[2] = {table.first(bits), 0};
    states[1] = table.first(bits);
    if (bits.left() < 0) return false;
    for (unsigned turn = 0; weights.size() < 254; turn ^= 1) {
        weights.push_back(table.symbol(states[turn]));
        states[turn] = table.next(states[turn], bits);
        if (bits.left() >= 0) continue;
        weights.push_back(table.symbol(states[turn ^ 1]));
        return true;
    }
    return false;
}

} // namespace

bool HuffmanTable::read(Bytes &in) {
    uint64_t head;
    Bytes description;
    std::vector<uint8_t> weights;
    if (!in.number(1, head)) return false;
    if (head < 128) {
        if (!in.take(head, description) || !read_weights(description, weights)) return false;
    } else {
        const size_t n = head - 127;
        if (!in.take((n + 1) / 2, description)) return false;
        for (size_t i = 0; i < n; i++) weights.push_back(description[i / 2] >> (i % 2 ? 0 : 4) & 15);
    }
    return make(weights);
}

// The last symbol's weight is what is missing to a power of two.
bool HuffmanTable::make(std::vector<uint8_t> &weights) {
    uint32_t sum = 0;
    entries_.clear();
    for (const uint8_t weight : weights) {
        if (weight > kMostWeight) return false;
        sum += weight ? 1u << (weight - 1) : 0;
    }
    if (!sum) return false;
    log_ = top_bit(sum) + 1;
    const uint32_t missing = (1u << log_) - sum;
    if (log_ > kMostBits || missing & (missing - 1)) return false;
    weights.push_back(static_cast<uint8_t>(top_bit(missing) + 1));
    entries_.reserve(size_t(1) << log_);
    for (int weight = 1; weight <= log_; weight++)
        for (size_t s = 0; s < weights.size(); s++)
            if (weights[s] == weight)
                entries_.insert(entries_.end(), size_t(1) << (weight - 1),
                                {static_cast<uint8_t>(s), static_cast<uint8_t>(log_ + 1 - weight)});
    return true;
}

bool HuffmanTable::decode(Bytes in, size_t n, std::string &out) const {
    BackwardBits bits;
    if (!bits.open(in)) return false;
    for (size_t i = 0; i < n && bits.left() > 0; i++) {
        const Entry &entry = entries_[bits.peek(log_)];
        out.push_back(static_cast<char>(entry.symbol));
        bits.skip(entry.bits);
        if (i + 1 == n) return bits.left() == 0;
    }
    return false;
}

} // namespace cpu_device::zstd
