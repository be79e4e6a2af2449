// Bytes that are read with their bounds, and the two directions of bit streams: forwards for descriptions of tables, backwards
// for symbols.
#pragma once

#include <cstddef>
#include <cstdint>

namespace cpu_device::zstd {

inline int top_bit(uint64_t value) { // of a value that is not 0
    return 63 - __builtin_clzll(value);
}

// What is left of the input; a read beyond its end leaves nothing and says so.
class Bytes {
  public:
    Bytes() = default;
    Bytes(const uint8_t *at, size_t size) : at_(at), size_(size) {}
    size_t size() const { return size_; }
    uint8_t operator[](size_t i) const { return at_[i]; } // i < size()
    // The next n bytes.
    bool take(size_t n, Bytes &out) {
        if (n > size_) return false;
        out = Bytes(at_, n);
        at_ += n;
        size_ -= n;
        return true;
    }
    // The next n <= 8 bytes as a number, the lowest first.
    bool number(size_t n, uint64_t &out) {
        Bytes taken;
        if (!take(n, taken)) return false;
        out = 0;
        for (size_t i = n; i-- > 0;) out = out << 8 | taken[i];
        return true;
    }
    const uint8_t *data() const { return at_; }
    // Bits [first, first + n), n <= 32; those before and behind the bytes are 0.
    uint32_t bits(int64_t first, int n) const {
        uint64_t word = 0;
        const int64_t byte = first >> 3;
        for (int64_t i = byte + 4; i >= byte; i--)
            word = word << 8 | (i >= 0 && static_cast<uint64_t>(i) < size_ ? at_[i] : 0);
        return static_cast<uint32_t>(word >> (first & 7) & ((uint64_t(1) << n) - 1));
    }

  private:
    const uint8_t *at_ = nullptr;
    size_t size_ = 0;
};

// From the last bit to the first; the highest bit set in the last byte is where it begins.
class BackwardBits {
  public:
    bool open(Bytes bytes) {
        if (!bytes.size() || !bytes[bytes.size() - 1]) return false;
        bytes_ = bytes;
        left_ = static_cast<int64_t>(bytes.size() - 1) * 8 + top_bit(bytes[bytes.size() - 1]);
        return true;
    }
    uint32_t peek(int n) const { return bytes_.bits(left_ - n, n); }
    void skip(int n) { left_ -= n; }
    uint32_t read(int n) {
        skip(n);
        return bytes_.bits(left_, n);
    }
    // 0 where a stream has to end; less: more was read than there is.
    int64_t left() const { return left_; }

  private:
    Bytes bytes_;
    int64_t left_ = 0;
};

} // namespace cpu_device::zstd
