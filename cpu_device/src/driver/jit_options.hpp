// The options of a load or link, and the logs that a program asked for.
#pragma once

#include <string>

#include "generated_exports.hpp"

namespace cpu_device {

class JitOptions {
  public:
    // INVALID_VALUE where the arrays are missing or an option does not exist.  Options about code generation have no effect.
    CUresult read(unsigned n, const CUjit_option *options, void **values);
    // Fills the program's buffers and says in the options' values how much that was.
    void write_logs(const std::string &info, const std::string &error) const;
    bool lto() const { return lto_; } // optimisation at link time was asked for

  private:
    bool lto_ = false;
    struct Log {
        char *buffer = nullptr;
        size_t size = 0;
        void **filled = nullptr;
        void write(const std::string &text) const;
    };
    Log info_, error_;
};

} // namespace cpu_device
