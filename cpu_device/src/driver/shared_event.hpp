// How far an event that processes share has come: two counters in memory that all of them map.
#pragma once

#include <atomic>
#include <memory>

#include "file.hpp"

namespace cpu_device {

class SharedEvent {
  public:
    static std::shared_ptr<SharedEvent> make(); // nullptr: the system has no memory for it
    // What another process made.
    static std::shared_ptr<SharedEvent> open(File &&file);
    ~SharedEvent();
    SharedEvent(const SharedEvent &) = delete;
    SharedEvent &operator=(const SharedEvent &) = delete;

    uint64_t begin() { return words_->recorded.fetch_add(1) + 1; } // a recording, which end() says is done
    void end(uint64_t recording);
    uint64_t recorded() const { return words_->recorded.load(); } // the last recording; 0: none
    bool reached(uint64_t recording) const { return words_->done.load() >= recording; }
    int file() const { return file_; }

  private:
    struct Words {
        std::atomic<uint64_t> recorded, done;
    };
    SharedEvent(int file, Words *words) : file_(file), words_(words) {}
    static std::shared_ptr<SharedEvent> map(int file);
    const int file_;
    Words *const words_;
};

} // namespace cpu_device
