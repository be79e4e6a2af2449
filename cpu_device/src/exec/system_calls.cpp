// vprintf, malloc, free, __assertfail and cudaGraphSetConditional: what kernels call and no module defines.
#include "checker.hpp"
#include "conditionals.hpp"
#include "image.hpp"
#include "lanes.hpp"

#include <cstdio>
#include <mutex>
#include <unordered_set>

namespace cpu_device {
namespace {

// The k-th argument of a lane.
uint64_t argument(Warp &w, const CallSite &site, size_t k, int lane) {
    uint64_t value = 0;
    if (k >= site.arguments.size()) return 0;
    const Slot &s = site.arguments[k];
    const uint32_t size = s.size < 8 ? s.size : 8;
    if (s.is_register)
        std::memcpy(&value, at<uint8_t>(w, s.at) + static_cast<uint32_t>(lane) * s.size, size);
    else
        std::memcpy(&value, local_pointer(w, lane, w.frame->local_base + s.at), size);
    return value;
}

void set_result(Warp &w, const CallSite &site, int lane, uint64_t value) {
    if (site.results.empty()) return;
    const Slot &s = site.results[0];
    const uint32_t size = s.size < 8 ? s.size : 8;
    if (s.is_register)
        std::memcpy(at<uint8_t>(w, s.at) + static_cast<uint32_t>(lane) * s.size, &value, size);
    else
        std::memcpy(local_pointer(w, lane, w.frame->local_base + s.at), &value, size);
}

// A string in device memory; false where it leaves what is readable.
bool text_at(Warp &w, int lane, uint64_t address, std::string &text) {
    for (size_t k = 0; k < 65536; ++k) {
        const uint8_t *p = generic_pointer(w, lane, address + k, 1);
        if (!p) return false;
        if (*p == 0) return true;
        text.push_back(static_cast<char>(*p));
    }
    return true;
}

// Reads the arguments that lie packed behind each other, each at its natural alignment.
class Arguments {
  public:
    Arguments(Warp &w, int lane, uint64_t address) : w_(w), lane_(lane), address_(address) {}
    template <class T> T next() {
        T value{};
        address_ = (address_ + sizeof(T) - 1) & ~uint64_t(sizeof(T) - 1);
        if (const uint8_t *p = generic_pointer(w_, lane_, address_, sizeof(T))) std::memcpy(&value, p, sizeof(T));
        address_ += sizeof(T);
        return value;
    }

  private:
    Warp &w_;
    int lane_;
    uint64_t address_;
};

template <class T> void append(std::string &out, const std::string &spec, T value) {
    char buffer[512];
    int n = std::snprintf(buffer, sizeof buffer, spec.c_str(), value);
    if (n > 0) out.append(buffer, static_cast<size_t>(n) < sizeof buffer ? static_cast<size_t>(n) : sizeof buffer - 1);
}

void limit_width(std::string &spec, const std::string &digits) {
    spec += digits.size() > 3 ? "400" : digits;
}

// One conversion, from behind '%'; returns the place behind it.  `wild`: the address of a text that is not readable.
size_t convert(Warp &w, int lane, const std::string &format, size_t k, Arguments &arguments, std::string &out,
               uint64_t &wild) {
    std::string spec = "%", digits;
    int longs = 0, shorts = 0;
    for (; k < format.size() && std::strchr("-+ #0", format[k]); ++k)
        if (spec.size() < 8) spec += format[k];
    for (int part = 0; part < 2; ++part) {
        if (part == 1) {
            if (k >= format.size() || format[k] != '.') break;
            spec += format[k++];
        }
        digits.clear();
        if (k < format.size() && format[k] == '*') {
            int v = arguments.next<int>();
            digits = std::to_string(v < -400 ? -400 : v > 400 ? 400 : v);
            ++k;
        }
        for (; k < format.size() && format[k] >= '0' && format[k] <= '9'; ++k) digits += format[k];
        limit_width(spec, digits);
    }
    for (; k < format.size() && std::strchr("lhzjtL", format[k]); ++k) (format[k] == 'h' ? shorts : longs) += 1;
    if (k >= format.size()) return k;
    const char c = format[k++];
    switch (c) {
    case 'd':
    case 'i':
        if (longs)
            append(out, spec + "lld", static_cast<long long>(arguments.next<int64_t>()));
        else {
            int v = arguments.next<int>();
            append(out, spec + "d", shorts == 1 ? static_cast<short>(v) : shorts ? static_cast<signed char>(v) : v);
        }
        break;
    case 'u':
    case 'x':
    case 'X':
    case 'o':
        if (longs)
            append(out, spec + "ll" + c, static_cast<unsigned long long>(arguments.next<uint64_t>()));
        else {
            unsigned v = arguments.next<unsigned>();
            append(out, spec + c,
                   shorts == 1 ? static_cast<unsigned short>(v)
                   : shorts    ? static_cast<unsigned char>(v)
                               : v);
        }
        break;
    case 'c': append(out, spec + c, arguments.next<int>()); break;
    case 'e':
    case 'E':
    case 'f':
    case 'F':
    case 'g':
    case 'G':
    case 'a':
    case 'A': append(out, spec + c, arguments.next<double>()); break;
    case 'p': append(out, spec + c, reinterpret_cast<void *>(arguments.next<uint64_t>())); break;
    case 's': {
        std::string text;
        const uint64_t address = arguments.next<uint64_t>();
        if (!address)
            text = "(null)";
        else if (!text_at(w, lane, address, text))
            wild = address;
        if (spec == "%")
            out += text;
        else
            append(out, spec + c, text.c_str());
        break;
    }
    case '%': out += '%'; break;
    default:
        out += '%';
        out += c;
        break;
    }
    return k;
}

// The allocations that kernels made: only these may a kernel free.  Their ids are never used twice, so those whose context ended
// before them do no harm.
struct Heap {
    std::mutex lock;
    std::unordered_set<uint64_t> ids;
};

Heap &heap() {
    static auto &made = *new Heap;
    return made;
}

bool release(Memory &memory, uint64_t address) {
    Heap &h = heap();
    std::lock_guard<std::mutex> guard(h.lock);
    const Allocation *a = memory.find(address, 1);
    return a && a->base == address && h.ids.erase(a->id) && memory.release(address);
}

} // namespace

const Inst *system_vprintf(Warp &w, const Inst *i) {
    const CallSite &site = w.frame->code->calls[i->extra];
    for (u32 m = w.mask; m; m &= m - 1) {
        const int l = __builtin_ctz(m);
        std::string format, out;
        const uint64_t address = argument(w, site, 0, l);
        if (!text_at(w, l, address, format))
            return fault(w, i, l, Status::illegal_address, "the format of printf is not readable", address, true);
        Arguments arguments(w, l, argument(w, site, 1, l));
        uint64_t wild = 0;
        for (size_t k = 0; k < format.size();) {
            if (format[k] == '%')
                k = convert(w, l, format, k + 1, arguments, out, wild);
            else
                out += format[k++];
        }
        if (wild) return fault(w, i, l, Status::illegal_address, "a text for printf is not readable", wild, true);
        LaunchState &launch = *w.cta->launch;
        std::lock_guard<std::mutex> lock(launch.print_mutex);
        launch.printed += out;
        if (launch.printed.size() > (1u << 20)) {
            std::fwrite(launch.printed.data(), 1, launch.printed.size(), stdout);
            launch.printed.clear();
        }
        set_result(w, site, l, 1);
    }
    return i + 1;
}

const Inst *system_malloc(Warp &w, const Inst *i) {
    const CallSite &site = w.frame->code->calls[i->extra];
    LaunchState &launch = *w.cta->launch;
    Heap &h = heap();
    std::lock_guard<std::mutex> guard(h.lock);
    each_active(w.mask, [&](int l) {
        const Allocation *a = launch.memory->allocate(argument(w, site, 0, l), 16, MemoryKind::device, launch.device);
        if (a) h.ids.insert(a->id);
        if (a && launch.checker) launch.checker->allocated(a->base, a->size);
        set_result(w, site, l, a ? a->base : 0);
    });
    return i + 1;
}

const Inst *system_free(Warp &w, const Inst *i) {
    const CallSite &site = w.frame->code->calls[i->extra];
    LaunchState &launch = *w.cta->launch;
    for (u32 m = w.mask; m; m &= m - 1) {
        const int l = __builtin_ctz(m);
        const uint64_t address = argument(w, site, 0, l);
        if (address && !release(*launch.memory, address))
            return fault(w, i, l, Status::illegal_address, "free of what malloc did not give, or a second time",
                         address, true);
    }
    for (Region &r : w.worker->cache) r = Region();
    return i + 1;
}

const Inst *system_set_conditional(Warp &w, const Inst *i) { // handle, value
    const CallSite &site = w.frame->code->calls[i->extra];
    for (u32 m = w.mask; m; m &= m - 1) {
        const int l = __builtin_ctz(m);
        const uint64_t handle = argument(w, site, 0, l);
        if (!set_conditional(handle, static_cast<uint32_t>(argument(w, site, 1, l))))
            return fault(w, i, l, Status::invalid_value, "cudaGraphSetConditional with a handle that no graph has");
    }
    return i + 1;
}

const Inst *system_assertfail(Warp &w, const Inst *i) { // message, file, line, function, size of a character
    const CallSite &site = w.frame->code->calls[i->extra];
    const int l = first_lane(w.mask);
    std::string message, file, function;
    text_at(w, l, argument(w, site, 0, l), message);
    text_at(w, l, argument(w, site, 1, l), file);
    text_at(w, l, argument(w, site, 3, l), function);
    const uint32_t line = static_cast<uint32_t>(argument(w, site, 2, l));
    return fault(w, i, l, Status::assert_failed,
                 file + ":" + std::to_string(line) + ": " + function + ": assertion `" + message + "` failed");
}

} // namespace cpu_device
