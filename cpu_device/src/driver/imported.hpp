// Memory of other processes, mapped at addresses of this one.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "../memory/address_index.hpp"
#include "../memory/arena.hpp"
#include "../memory/memory.hpp"
#include "device.hpp"
#include "file.hpp"

namespace cpu_device {

class ImportedMemory {
  public:
    // Where it lies in the file, and as what it is used here: its address is chosen.  nullptr: no addresses, or the file does not hold it.
    static std::shared_ptr<ImportedMemory> map(const File &file, uint64_t offset, Mapped use);
    ~ImportedMemory(); // the addresses are free again
    ImportedMemory(const ImportedMemory &) = delete;
    ImportedMemory &operator=(const ImportedMemory &) = delete;

    const uint64_t address;
    unsigned references = 1; // of the program
    uint64_t context = 0;    // whose end is its own; 0: none (of a pool)
    std::string opened_from; // the handle

  private:
    ImportedMemory(uint64_t address_, uint64_t base, uint64_t room) : address(address_), base_(base), room_(room) {}
    const uint64_t base_, room_; // whole pages
};

// All of them, by their addresses.
struct Imports {
    std::mutex lock;
    std::map<uint64_t, std::shared_ptr<ImportedMemory>> all;
};
Imports &imports();
// One of the program's references goes; the memory with the last one.  False where it is none.  `of_pool`: which kind is meant.
bool drop_import(uint64_t address, bool of_pool);
bool is_import(uint64_t address, bool of_pool);
void drop_imports(uint64_t context);

} // namespace cpu_device
