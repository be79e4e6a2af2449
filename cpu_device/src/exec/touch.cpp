#include "touch.hpp"

#include <algorithm>
#include <vector>

namespace cpu_device {

namespace {

std::vector<std::string_view> split(std::string_view text) {
    std::vector<std::string_view> parts;
    for (size_t at = 0; at <= text.size();) {
        const size_t end = std::min(text.find('.', at), text.size());
        parts.push_back(text.substr(at, end - at));
        at = end + 1;
    }
    return parts;
}

// "u32": 4, "f16x2": 4
uint8_t type_size(std::string_view type) {
    unsigned bits = 0, times = 1;
    size_t k = 0;
    while (k < type.size() && (type[k] < '0' || type[k] > '9')) ++k;
    for (; k < type.size() && type[k] != 'x'; ++k) bits = bits * 10 + static_cast<unsigned>(type[k] - '0');
    if (k < type.size()) times = 2;
    return static_cast<uint8_t>(bits / 8 * times);
}

uint8_t number(std::string_view digits) {
    unsigned n = 0;
    for (char c : digits) n = n * 10 + static_cast<unsigned>(c - '0');
    return static_cast<uint8_t>(n);
}

bool between_lanes(std::string_view name) {
    static const std::string_view names[] = {"shfl",    "vote", "match",    "redux",    "elect",
                                             "product", "wmma", "ldmatrix", "stmatrix", "movmatrix"};
    return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

} // namespace

Touch touch_of(std::string_view handler) {
    const auto parts = split(handler);
    Touch t;
    if ((parts[0] == "ld" || parts[0] == "st") && parts.size() == 5 && parts[1] != "param") {
        t.kind = parts[0] == "ld" ? Touch::load : Touch::store;
        t.where = parts[1] == "shared" ? Touch::shared : parts[1] == "local" ? Touch::local : Touch::generic;
        t.bytes = type_size(parts[2]);
        t.register_bytes = number(parts[3]);
        t.address_bytes = number(parts[4]);
    } else if (parts[0] == "atom" && parts.size() == 3) {
        t.kind = Touch::atomic;
        t.bytes = type_size(parts[2]);
    } else if (handler == "cp.async") {
        t.kind = Touch::copy;
    } else if (parts[0] == "bulk") {
        t.kind = Touch::bulk;
    } else if (handler == "st.async") {
        t.kind = Touch::store_async;
    } else if (parts[0] == "red") {
        t.kind = Touch::reduce_async;
        t.bytes = type_size(parts.back());
    } else if (handler == "copies.commit") {
        t.kind = Touch::group;
    } else if (handler == "copies.wait") {
        t.kind = Touch::wait;
    } else if (handler == "mbarrier.after_copies") {
        t.kind = Touch::arrive;
    } else if (handler == "fence") {
        t.kind = Touch::fence;
    } else if (parts[0] == "ldmatrix" || parts[0] == "stmatrix" || parts[0] == "wmma") {
        t.kind = Touch::matrix;
    } else if (parts[0] == "alloca") {
        t.kind = Touch::allocate;
        t.bytes = type_size(parts[1]);
    }
    t.meets = between_lanes(parts[0]);
    return t;
}

} // namespace cpu_device
