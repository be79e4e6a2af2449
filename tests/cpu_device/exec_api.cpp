// The CPU device's memory and programs as plain C functions, for the tests of its execution.
#include <cstdio>
#include <cstring>
#include <string>

#include "exec/decoder.hpp"
#include "exec/forms.hpp"
#include "exec/handlers.hpp"
#include "exec/program.hpp"
#include "exec/textures.hpp"
#include "exec_record.hpp"
#include "memory/written.hpp"

using namespace cpu_device;

namespace {

Memory &memory() {
    static Memory instance;
    return instance;
}
Fault last;
volatile bool stop_flag = false;

void put(const std::string &text, char *out, size_t size) {
    if (size) std::snprintf(out, size, "%s", text.c_str());
}

} // namespace

extern "C" {

const char *exec_level() {
    return handler_level();
}

void *exec_load(const char *text, size_t length, int cc, int *status, char *log, size_t log_size) {
    Status s;
    std::string messages;
    auto program = Program::load(std::string_view(text, length), memory(), 0, cc, s, messages);
    *status = static_cast<int>(s);
    put(messages, log, log_size);
    return program.release();
}

// Instructions of a program that are executed are noted from now on.
void exec_watch(void *program) {
    recorder().watch(static_cast<Program *>(program)->state());
}

// What was executed, a form a line; how many bytes that is.
uint64_t exec_recorded(char *out, size_t size) {
    const std::string text = recorder().text();
    put(text, out, size);
    return text.size();
}

// The opcodes; the forms they have, sets written out.  A row a line.
const char *exec_opcodes() {
    static const std::string text = [] {
        std::string all;
        for (const OpcodeTable &table : opcode_tables())
            for (const Opcode *o = table.rows; o != table.rows + table.size; ++o) all += std::string(o->name) + "\n";
        return all;
    }();
    return text.c_str();
}
const char *exec_forms() {
    static const std::string text = [] {
        std::string all;
        const FormTable table = forms();
        for (const FormRow *r = table.rows; r != table.rows + table.size; ++r)
            for (const std::string &words : expanded(r->words)) all += std::string(r->opcodes) + "\t" + words + "\n";
        return all;
    }();
    return text.c_str();
}
// Instructions by lanes between the two calls, of one program.
void exec_count(void *program) {
    recorder().forget(static_cast<Program *>(program)->state());
    Counter::instance().start(static_cast<Program *>(program)->state());
}
uint64_t exec_counted() {
    return Counter::instance().stop();
}

void exec_unload(void *program) {
    recorder().forget(static_cast<Program *>(program)->state());
    delete static_cast<Program *>(program);
}

uint64_t exec_alloc(uint64_t size) {
    const Allocation *a = memory().allocate(size, 256, MemoryKind::device, 0);
    return a ? a->base : 0;
}
int exec_free(uint64_t base) {
    return memory().release(base);
}

int exec_copy_in(uint64_t to, const void *from, uint64_t size) {
    const Allocation *a = memory().find(to, size);
    if (a) std::memcpy(a->host + (to - a->base), from, size);
    memory().written().mark(to, size);
    return a != nullptr;
}
int exec_copy_out(void *to, uint64_t from, uint64_t size) {
    const Allocation *a = memory().find(from, size);
    if (a) std::memcpy(to, a->host + (from - a->base), size);
    return a != nullptr;
}

// A texture or surface object, as the driver would make it: what is common to its levels, then eight numbers for each of them.
enum { kSurface, kKind, kBytes, kChannels, kIntegers, kLayered, kCube, kLevels, kCommon };
void exec_add_object(uint64_t handle, const uint64_t *fields) {
    const auto level = [&](const uint64_t *at) {
        auto object = std::make_shared<TextureObject>();
        Texels &t = object->texels;
        t.address = at[0], t.bytes = at[1], t.width = at[2], t.height = at[3], t.depth = at[4];
        t.pitch = at[5], t.slice = at[6];
        t.layered = fields[kLayered], t.cube = fields[kCube];
        t.format = {static_cast<TexelKind>(fields[kKind]), static_cast<uint8_t>(fields[kBytes]),
                    static_cast<uint8_t>(fields[kChannels])};
        object->is_surface = fields[kSurface];
        object->as_integer = fields[kIntegers];
        object->normalized_coordinates = t.cube;
        object->most = static_cast<float>(fields[kLevels]);
        return object;
    };
    const auto object = level(fields + kCommon);
    for (uint64_t k = 1; k < fields[kLevels]; ++k) object->smaller.push_back(level(fields + kCommon + 8 * k));
    add_texture(handle, object);
}
void exec_remove_object(uint64_t handle) {
    remove_texture(handle);
}

int exec_global(void *program, const char *name, uint64_t *address, uint64_t *size) {
    return static_cast<Program *>(program)->global(name, *address, *size);
}

// Where the parameters of a kernel are: pairs of offset and size; the number of them, or -1.
int exec_params(void *program, const char *name, uint32_t *pairs, int room) {
    const Kernel *k = static_cast<Program *>(program)->kernel(name);
    if (!k) return -1;
    int n = 0;
    for (const KernelParam &p : k->params()) {
        if (n < room) {
            pairs[2 * n] = p.offset;
            pairs[2 * n + 1] = p.size;
        }
        ++n;
    }
    return n;
}

// sizes: grid, block, cluster (0: none); options: dynamic shared bytes, cooperative, threads, steps, deterministic, races,
// uninitialised
int exec_run(void *program, const char *name, const uint32_t *sizes, const uint64_t *options, const void *params,
             size_t size) {
    const Kernel *k = static_cast<Program *>(program)->kernel(name);
    if (!k) return static_cast<int>(Status::not_found);
    Launch l;
    l.kernel = k;
    l.grid = {sizes[0], sizes[1], sizes[2]};
    l.block = {sizes[3], sizes[4], sizes[5]};
    l.has_cluster = sizes[6];
    if (l.has_cluster) l.cluster = {sizes[6], sizes[7], sizes[8]};
    l.dynamic_shared_bytes = static_cast<uint32_t>(options[0]);
    l.cooperative = options[1];
    l.interrupts = interrupts();
    l.params.assign(static_cast<const uint8_t *>(params), static_cast<const uint8_t *>(params) + size);
    Options o;
    o.threads = static_cast<unsigned>(options[2]);
    o.step_budget = options[3];
    o.deterministic = options[4];
    o.races = options[5];
    o.uninitialised = options[6];
    if (o.races || o.uninitialised)
        recorder().forget(static_cast<Program *>(program)->state()); // they look at handlers
    return static_cast<int>(run(l, memory(), o, &stop_flag, last));
}

// Whether what is written to allocations from now on is noted.
void exec_track(int on) {
    memory().written().track(on);
}

// Warp-instructions of the last launch.
uint64_t exec_steps() {
    return last.steps;
}

// The last fault as lines "key: value".
void exec_fault(char *out, size_t size) {
    std::string s = "status: " + std::to_string(static_cast<int>(last.status)) + "\nwhat: " + last.what +
                    "\nkernel: " + last.kernel;
    s += "\nblock: " + std::to_string(last.block.x) + " " + std::to_string(last.block.y) + " " +
         std::to_string(last.block.z);
    s += "\nthread: " + std::to_string(last.thread.x) + " " + std::to_string(last.thread.y) + " " +
         std::to_string(last.thread.z);
    s += "\nptx_line: " + std::to_string(last.ptx_place.line) + "\nptx_text: " + last.ptx_text +
         "\nsource_file: " + last.source_file;
    s += "\nsource_line: " + std::to_string(last.source_line) + "\naddress: " + std::to_string(last.address) +
         "\nnearest: " + last.nearest + "\nnotes: ";
    for (const std::string &note : last.notes) s += note + "; ";
    s += "\n";
    put(s, out, size);
}

} // extern "C"
