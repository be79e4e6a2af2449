#include "imported.hpp"

namespace cpu_device {

std::shared_ptr<ImportedMemory> ImportedMemory::map(const File &file, uint64_t offset, Mapped use) {
    const uint64_t lead = offset % kPage, room = (lead + use.size + kPage - 1) / kPage * kPage;
    if (!use.size || offset % kGranule || room < use.size || !file.holds(offset - lead, room)) return nullptr;
    const uint64_t base = memory().reserve(room, kPage, 0);
    if (!base) return nullptr;
    use.address = base + lead;
    std::shared_ptr<ImportedMemory> made(new ImportedMemory(use.address, base, room));
    const bool to_host = use.kind == MemoryKind::pinned;
    if (!memory().map_file(base, room, file.number, offset - lead, to_host)) return nullptr;
    return memory().lay_out(base, {use}) ? made : nullptr;
}

// No kernel sees the pages go.  Those of the reserved addresses come back first: what is released may be emptied.
ImportedMemory::~ImportedMemory() {
    memory().lay_out(base_, {});
    if (memory().map(base_, room_, base_)) memory().release(base_);
}

Imports &imports() {
    static auto &made = *new Imports;
    return made;
}

bool drop_import(uint64_t address, bool of_pool) {
    std::shared_ptr<ImportedMemory> last;
    Imports &i = imports();
    std::lock_guard<std::mutex> guard(i.lock);
    const auto found = i.all.find(address);
    if (found == i.all.end() || of_pool == (found->second->context != 0)) return false;
    if (--found->second->references) return true;
    last = std::move(found->second);
    i.all.erase(found);
    return true;
}

bool is_import(uint64_t address, bool of_pool) {
    Imports &i = imports();
    std::lock_guard<std::mutex> guard(i.lock);
    const auto found = i.all.find(address);
    return found != i.all.end() && of_pool == (found->second->context == 0);
}

void drop_imports(uint64_t context) {
    Imports &i = imports();
    std::lock_guard<std::mutex> guard(i.lock);
    for (auto one = i.all.begin(); one != i.all.end();)
        one = one->second->context == context ? i.all.erase(one) : std::next(one);
}

} // namespace cpu_device
