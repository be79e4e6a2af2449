// The words of a report.
#include "report.hpp"

#include "export_tables.hpp"

#include <cinttypes>
#include <cstdio>
#include <mutex>

namespace cpu_device {

namespace {

struct Kept {
    std::mutex lock;
    std::string text;
};

Kept &kept() {
    static auto &made = *new Kept;
    return made;
}

const char *status_name(Status status) {
    for (size_t i = 0; i < kStatusNameCount; i++)
        if (kStatusNames[i].value == static_cast<int>(status)) return kStatusNames[i].name;
    return "unknown status";
}

std::string triple(const Dim3 &d) {
    return "(" + std::to_string(d.x) + ", " + std::to_string(d.y) + ", " + std::to_string(d.z) + ")";
}

std::string words(Status status, const Fault &fault) {
    std::string text = "CPU device: " + (fault.what.empty() ? std::string("a kernel stopped") : fault.what);
    text += std::string(" [") + status_name(status) + "]\n";
    if (!fault.kernel.empty())
        text += "  in kernel " + fault.kernel + ", block " + triple(fault.block) + ", thread " + triple(fault.thread) +
                "\n";
    if (fault.ptx_place.line)
        text += "  PTX line " + std::to_string(fault.ptx_place.line) + ": " + fault.ptx_text + "\n";
    if (fault.source_line) text += "  source " + fault.source_file + ":" + std::to_string(fault.source_line) + "\n";
    if (fault.address || !fault.nearest.empty()) {
        char address[32];
        std::snprintf(address, sizeof address, "0x%" PRIx64, fault.address);
        text += std::string("  address ") + address + (fault.nearest.empty() ? "" : ": " + fault.nearest) + "\n";
    }
    for (const std::string &note : fault.notes) text += "  " + note + "\n";
    return text;
}

} // namespace

void report(Status status, const Fault &fault) {
    std::string text = words(status, fault);
    std::fputs(text.c_str(), stderr);
    std::fflush(stderr);
    Kept &k = kept();
    std::lock_guard<std::mutex> guard(k.lock);
    k.text = std::move(text);
}

} // namespace cpu_device

// The report of the last fault, "" where there was none; valid until this thread asks again.
extern "C" EXPORTED const char *cubind_cpu_last_report(void) {
    thread_local std::string copy;
    cpu_device::Kept &k = cpu_device::kept();
    std::lock_guard<std::mutex> guard(k.lock);
    copy = k.text;
    return copy.c_str();
}
