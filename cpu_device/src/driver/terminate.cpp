// What happens at std::terminate.  The C++ library's own handler prints the exception's type, and brings a demangler of 47 KB with
// it; nothing is thrown out of this library, so there would be nothing to print.
#include <cstdlib>

namespace __gnu_cxx {

void __verbose_terminate_handler() {
    std::abort();
}

} // namespace __gnu_cxx
