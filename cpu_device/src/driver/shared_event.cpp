#include "shared_event.hpp"

#include <fcntl.h>
#include <sys/mman.h>

namespace cpu_device {

static_assert(std::atomic<uint64_t>::is_always_lock_free, "a lock would be one process's own");

std::shared_ptr<SharedEvent> SharedEvent::map(int file) {
    void *at = mmap(nullptr, sizeof(Words), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (at == MAP_FAILED) {
        close(file);
        return nullptr;
    }
    return std::shared_ptr<SharedEvent>(new SharedEvent(file, static_cast<Words *>(at)));
}

std::shared_ptr<SharedEvent> SharedEvent::make() {
    const int file = memfd_create("cpu-device-event", MFD_CLOEXEC);
    if (file < 0) return nullptr;
    if (ftruncate(file, sizeof(Words))) {
        close(file);
        return nullptr;
    }
    return map(file);
}

std::shared_ptr<SharedEvent> SharedEvent::open(File &&file) {
    if (!file.good() || !file.holds(0, sizeof(Words))) return nullptr;
    const int own = fcntl(file.number, F_DUPFD_CLOEXEC, 0);
    return own < 0 ? nullptr : map(own);
}

SharedEvent::~SharedEvent() {
    munmap(words_, sizeof(Words));
    close(file_);
}

void SharedEvent::end(uint64_t recording) {
    uint64_t before = words_->done.load();
    while (before < recording && !words_->done.compare_exchange_weak(before, recording)) {}
}

} // namespace cpu_device
