// Handlers of signals in languages like Python only note the signal: the program's handler runs when the call that waits is back, which for
// a kernel that loops for ever is never.  So for the time of a wait this library's handler stands before the program's: it says that running
// launches are to end, and hands the signal on.  It is put in place for each wait, as the program may change its handler between them, and
// only before a handler: where a signal ends the process or is ignored, it does so.
#include "interrupt.hpp"

#include "../exec/program.hpp"
#include "exported.hpp"

#include <csignal>
#include <sys/syscall.h>
#include <unistd.h>

namespace cpu_device {

namespace {

std::atomic<int> watched{0};
struct sigaction before; // of the main thread's wait, which is one at a time
thread_local int depth = 0;

bool main_thread() {
    return static_cast<pid_t>(syscall(SYS_gettid)) == getpid();
}

// Only what a handler may do: an atomic counter, and the program's handler.
void handle(int signal, siginfo_t *info, void *context) {
    interrupts().fetch_add(1);
    if (before.sa_flags & SA_SIGINFO)
        before.sa_sigaction(signal, info, context);
    else
        before.sa_handler(signal);
}

} // namespace

Interruptible::Interruptible() {
    const int signal = watched.load(std::memory_order_relaxed);
    if (!signal || depth || !main_thread()) return;
    struct sigaction current;
    if (sigaction(signal, nullptr, &current)) return;
    if (!(current.sa_flags & SA_SIGINFO) && (current.sa_handler == SIG_DFL || current.sa_handler == SIG_IGN)) return;
    before = current;
    struct sigaction ours = current;
    ours.sa_flags |= SA_SIGINFO;
    ours.sa_sigaction = handle;
    installed_ = sigaction(signal, &ours, nullptr) == 0;
    depth += installed_;
}

Interruptible::~Interruptible() {
    if (!installed_) return;
    depth--;
    sigaction(watched.load(std::memory_order_relaxed), &before, nullptr);
}

} // namespace cpu_device

extern "C" {

// Every launch that was made before ends with CUDA_ERROR_LAUNCH_FAILED, unless it is done first.  May be called in a signal's handler.
EXPORTED void cubind_cpu_interrupt(void) {
    cpu_device::interrupts().fetch_add(1);
}

// Which signal does so while the main thread waits for a launch; 0: none.  Once for a process.
EXPORTED void cubind_cpu_interrupt_on(int signal) {
    int none = 0;
    cpu_device::watched.compare_exchange_strong(none, signal);
}
}
