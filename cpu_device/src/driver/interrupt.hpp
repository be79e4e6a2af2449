// Ending the launches that run: by call, and by a signal that comes while the program's main thread waits for them.
#pragma once

namespace cpu_device {

// While it lives in the main thread, the watched signal ends what runs before the program's own handler is called.
class Interruptible {
  public:
    Interruptible();
    ~Interruptible();
    Interruptible(const Interruptible &) = delete;
    Interruptible &operator=(const Interruptible &) = delete;

  private:
    bool installed_ = false;
};

} // namespace cpu_device
