// The options of a load or link, and the logs that a program asked for.
#pragma once

#include <string>

#include "generated_exports.hpp"

namespace cpu_device {

class JitOptions {
  public:
    // INVALID_VALUE where the arrays are missing or an option does not exist.  Of those about code generation, the most registers count.
    CUresult read(unsigned n, const CUjit_option *options, void **values);
    // Fills the program's buffers and says in the options' values how much that was.
    void write_logs(const std::string &info, const std::string &error) const;
    bool lto() const { return lto_; } // optimisation at link time was asked for
    uint32_t max_registers() const { return max_registers_; }

  private:
    bool lto_ = false;
    uint32_t max_registers_ = 0;
    struct Log {
        char *buffer = nullptr;
        size_t size = 0;
        void **filled = nullptr;
        void write(const std::string &text) const;
    };
    Log info_, error_;
};

} // namespace cpu_device
