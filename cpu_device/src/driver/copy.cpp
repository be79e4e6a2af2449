// Copies that may fail.  The system copies on our behalf where an address is the host's, and reports a bad one instead of a signal.
#include "copy.hpp"

#include "device.hpp"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

namespace cpu_device {

namespace {

std::atomic<bool> refused{false}; // by a sandbox: then copies are plain ones

ssize_t system_copy(void *to, const void *from, size_t size) {
    const iovec local = {to, size}, remote = {const_cast<void *>(from), size};
    // the bare call: a sanitizer's wrapper would look at the addresses itself
    const ssize_t n = syscall(SYS_process_vm_readv, getpid(), &local, 1ul, &remote, 1ul, 0ul);
    if (n < 0 && (errno == ENOSYS || errno == EPERM)) refused = true;
    return n;
}

} // namespace

bool copy_safely(void *to, const void *from, size_t size) {
    auto *out = static_cast<uint8_t *>(to);
    const auto *in = static_cast<const uint8_t *>(from);
    while (size && !refused) {
        const ssize_t n = system_copy(out, in, size); // at most 2 GiB at a time
        if (n <= 0 && !refused) return false;
        if (n <= 0) break;
        out += n;
        in += n;
        size -= static_cast<size_t>(n);
    }
    if (size) std::memmove(out, in, size);
    return true;
}

bool host_can_read(const void *at, size_t size) {
    uint8_t byte;
    const auto *first = static_cast<const uint8_t *>(at);
    if (!size) return true;
    if (reinterpret_cast<uint64_t>(first) + size < size) return false;
    return refused || (copy_safely(&byte, first, 1) && copy_safely(&byte, first + size - 1, 1));
}

bool find_span(uint64_t address, size_t size, Side side, Span &span, bool reserved) {
    const Allocation *found = memory().find(address, size);
    if (!found && reserved) found = memory().reserved(address, size);
    if (found) {
        span.host = found->host + (address - found->base);
        span.kind = found->kind;
        span.allocated = true;
        return side != Side::host || !span.on_device();
    }
    if (side == Side::device || !address || address + size < size) return false;
    if (memory().in_range(address) || memory().in_range(address + (size ? size - 1 : 0))) return false;
    span.host = reinterpret_cast<uint8_t *>(address);
    span.allocated = false;
    return true;
}

} // namespace cpu_device
