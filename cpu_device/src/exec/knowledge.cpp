#include "knowledge.hpp"

#include <algorithm>

namespace cpu_device {

namespace {

void raise_to(Times &into, const Times &from) {
    if (into.size() < from.size()) into.resize(from.size());
    for (size_t k = 0; k < from.size(); ++k) into[k] = std::max(into[k], from[k]);
}

} // namespace

SharedTimes join(const SharedTimes &a, const SharedTimes &b) {
    if (!b || a == b) return a;
    if (!a) return b;
    auto made = std::make_shared<Times>(*a);
    raise_to(*made, *b);
    if (*made == *a) return a;
    return made;
}

SharedOthers join(const SharedOthers &a, const SharedOthers &b) {
    if (!b || a == b) return a;
    if (!a) return b;
    auto made = std::make_shared<Others>(*a);
    bool more = false;
    for (const auto &[cluster, times] : *b) {
        SharedTimes &known = (*made)[cluster];
        const SharedTimes both = join(known, times);
        more |= both != known;
        known = both;
    }
    return more ? made : a;
}

void Gathered::add(const Knowledge &k) {
    if (k.own && k.own != last_) raise_to(times_, *k.own);
    last_ = k.own;
    others_ = join(others_, k.others);
}

void Gathered::set(uint32_t thread, uint32_t time, uint32_t threads) {
    if (times_.size() < threads) times_.resize(threads);
    times_[thread] = std::max(times_[thread], time);
}

Knowledge Gathered::take() {
    Knowledge made{times_.empty() ? nullptr : std::make_shared<const Times>(std::move(times_)), others_};
    *this = Gathered();
    return made;
}

} // namespace cpu_device
