// Loading: parse, lay out and initialise variables, decode all functions.
#include "decoder.hpp"
#include "requirements.hpp"
#include "shared_layout.hpp"
#include "../ptx/parser.hpp"

#include <algorithm>

namespace cpu_device {

using ptx::Space;

namespace {

uint64_t round_up(uint64_t v, uint64_t align) {
    return (v + align - 1) / align * align;
}

// Lays out and fills what a module declares.
class Loader {
  public:
    explicit Loader(ProgramImage &image) : image_(image) {}
    void run();

  private:
    void check_target() const;
    void function_ids();
    void variable(const ptx::Variable &v, const std::string &key);
    void initialise(const ptx::Variable &v, const std::string &key);
    uint64_t symbol_address(const std::string &name, const ptx::Variable &v, bool generic) const;
    void decode_all();
    void kernels();
    [[noreturn]] void fail(ptx::Place place, std::string message, Status status = Status::invalid_ptx) const {
        throw DecodeError{status, place, std::move(message)};
    }

    ProgramImage &image_;
    std::vector<std::unique_ptr<Decoder>> decoders_;
    std::unordered_map<const ptx::Function *, uint64_t> shared_; // bytes of an entry
};

void Loader::function_ids() {
    for (const ptx::Function &f : image_.module.functions) {
        auto [place, is_new] = image_.function_ids.try_emplace(f.name, static_cast<uint32_t>(image_.codes.size()));
        if (is_new) image_.codes.emplace_back();
        if (f.is_declaration) continue;
        if (image_.codes[place->second]) {
            if (f.is_weak) continue;
            fail(f.place, "function " + f.name + " is defined twice");
        }
        auto code = std::make_unique<Code>();
        code->name = f.name;
        code->source = &f;
        code->id = place->second;
        image_.codes[place->second] = std::move(code);
    }
    for (const auto &alias : image_.module.aliases) {
        auto target = image_.function_ids.find(alias.target);
        if (target == image_.function_ids.end()) fail({}, "alias of unknown function " + alias.target);
        image_.function_ids[alias.name] = target->second;
    }
}

void Loader::variable(const ptx::Variable &v, const std::string &key) {
    Symbol s;
    s.space = v.space;
    s.variable = &v;
    s.size = variable_bytes(v);
    if (s.size == UINT64_MAX || s.size > (uint64_t(1) << 40)) fail(v.place, "variable " + v.name + " is too large");
    const uint32_t align = variable_align(v);
    if ((align & (align - 1)) || align > (1u << 20))
        fail(v.place, "the alignment of " + v.name + " is no power of two");
    if (v.space == Space::shared) {
        s.dynamic_shared = v.is_extern;
        if (!v.is_extern || !image_.symbols.count(key)) image_.symbols[key] = s; // placed by lay_out_shared
        return;
    }
    if (v.space == Space::global || v.space == Space::constant) {
        auto before = image_.symbols.find(key);
        if (before != image_.symbols.end() && before->second.address) return; // declared once more
        if (v.is_extern && v.init.empty()) {
            image_.symbols[key] = s; // resolved when it is defined
            return;
        }
        if (s.size == 0 && !v.init.empty()) s.size = v.init.size() * std::max<uint64_t>(1, type_bytes(v.type));
        const MemoryKind kind = v.is_managed ? MemoryKind::managed : MemoryKind::module;
        const Allocation *a = image_.memory->allocate(std::max<uint64_t>(s.size, 1),
                                                      std::max<uint32_t>(variable_align(v), 16), kind, image_.device);
        if (!a) fail(v.place, "no memory for variable " + v.name, Status::out_of_memory);
        image_.allocations.push_back(a->base);
        std::memset(a->host, 0, a->size);
        s.address = a->base;
        image_.symbols[key] = s;
        return;
    }
    if (v.space == Space::tex || v.type == Type::texref || v.type == Type::surfref || v.type == Type::samplerref)
        fail(v.place, "texture and surface references are not supported", Status::not_supported);
}

uint64_t Loader::symbol_address(const std::string &name, const ptx::Variable &v, bool generic) const {
    auto function = image_.function_ids.find(name);
    auto symbol = image_.symbols.find(name);
    if (symbol == image_.symbols.end() && function != image_.function_ids.end()) {
        if (!image_.codes[function->second]) fail(v.place, "unresolved extern function '" + name + "'");
        return kCodeWindow + 16 * uint64_t(function->second);
    }
    if (symbol == image_.symbols.end()) fail(v.place, "unknown name " + name + " in the initializer of " + v.name);
    if (symbol->second.unresolved()) fail(v.place, "unresolved extern variable '" + name + "'");
    return symbol->second.address + (generic && symbol->second.space == Space::shared ? kSharedWindow : 0);
}

void Loader::initialise(const ptx::Variable &v, const std::string &key) {
    auto found = image_.symbols.find(key);
    if (v.init.empty() || found == image_.symbols.end() || !found->second.address) return;
    const Symbol &s = found->second;
    const Allocation *a = image_.memory->find(s.address, std::max<uint64_t>(s.size, 1));
    if (!a) return;
    uint8_t *host = a->host + (s.address - a->base);
    const uint64_t element = std::max<uint32_t>(1, type_bytes(v.type));
    uint64_t at = 0;
    for (const ptx::Initializer &i : v.init) {
        uint64_t value = i.bits, bytes = std::min<uint64_t>(element, 8);
        if (!i.symbol.empty()) {
            value += symbol_address(i.symbol, v, i.generic_address);
            if (i.mask_bytes) value >>= i.mask_shift;
        }
        if (at + element > s.size) fail(v.place, "too many initial values for " + v.name);
        std::memcpy(host + at, &value, bytes);
        at += element;
    }
}

void Loader::decode_all() {
    for (auto &code : image_.codes) {
        if (!code) continue;
        decoders_.push_back(std::make_unique<Decoder>(image_, *code->source, *code));
        decoders_.back()->declare();
    }
    for (auto &d : decoders_) d->run();
    image_.constant_storage.reset(new uint8_t[image_.constant_bytes.size() + 128]());
    uintptr_t start = reinterpret_cast<uintptr_t>(image_.constant_storage.get());
    image_.constants = image_.constant_storage.get() + ((64 - start % 64) % 64);
    if (!image_.constant_bytes.empty())
        std::memcpy(image_.constants, image_.constant_bytes.data(), image_.constant_bytes.size());
    image_.constant_bytes.clear();
}

// What a compiler would say: every virtual register, but no more than a CTA of the largest size has, or than was asked for.
uint32_t registers(const Code &code, uint32_t max_threads) {
    constexpr uint32_t kOfMultiprocessor = 65536, kMost = 255, kLeast = 16;
    const uint32_t fit = kOfMultiprocessor / ((max_threads + 31) / 32 * 32) / 8 * 8;
    const uint32_t asked = code.source->maxnreg ? code.source->maxnreg : kMost;
    return std::min({std::max(code.registers, kLeast), fit, asked, kMost});
}

void Loader::kernels() {
    uint64_t constant_bytes = 0;
    for (const auto &[name, symbol] : image_.symbols)
        if (symbol.space == Space::constant) constant_bytes += symbol.size;
    for (auto &code : image_.codes) {
        if (!code || !code->source->is_entry) continue;
        const ptx::Function &f = *code->source;
        auto kernel = std::make_unique<Kernel>();
        kernel->name_ = f.name;
        uint64_t offset = 0;
        for (const ptx::Variable &v : f.params) {
            offset = round_up(offset, variable_align(v));
            if (variable_bytes(v) > 65536 || offset > 65536) fail(v.place, "the parameters are too large");
            kernel->params_.push_back({static_cast<uint32_t>(offset), static_cast<uint32_t>(variable_bytes(v))});
            offset += variable_bytes(v);
        }
        const uint64_t shared = shared_[&f];
        if (shared > (1u << 20)) fail(f.place, "kernel " + f.name + " has too much shared memory");
        kernel->static_shared_bytes = static_cast<uint32_t>(shared);
        kernel->local_bytes = code->local_bytes;
        kernel->const_bytes = static_cast<uint32_t>(constant_bytes);
        uint64_t limit = 1;
        for (uint32_t n : f.maxntid) limit *= std::max<uint32_t>(n, 1);
        if (f.maxntid[0]) kernel->max_threads = static_cast<uint32_t>(std::min<uint64_t>(limit, 1024));
        if (f.reqntid[0]) {
            uint64_t required = 1;
            for (int k = 0; k < 3; ++k) required *= kernel->required_threads[k] = std::max<uint32_t>(f.reqntid[k], 1);
            kernel->max_threads = static_cast<uint32_t>(std::min<uint64_t>(required, 1024));
        }
        kernel->registers = registers(*code, kernel->max_threads);
        for (int k = 0; k < 3 && f.reqnctapercluster[0]; ++k)
            kernel->required_cluster[k] = std::max<uint32_t>(f.reqnctapercluster[k], 1);
        kernel->must_have_cluster = f.explicit_cluster;
        kernel->decoded = code.get();
        image_.kernels.push_back(std::move(kernel));
    }
}

void Loader::run() {
    ptx::Module &m = image_.module;
    function_ids();
    for (const ptx::Variable &v : m.variables) variable(v, v.name);
    for (const ptx::Function &f : m.functions)
        for (const ptx::Variable &v : f.variables)
            if (v.space == Space::shared || v.space == Space::global || v.space == Space::constant)
                variable(v, f.name + '\0' + v.name);
    shared_ = lay_out_shared(image_);
    for (const ptx::Variable &v : m.variables) initialise(v, v.name);
    for (const ptx::Function &f : m.functions)
        for (const ptx::Variable &v : f.variables) initialise(v, f.name + '\0' + v.name);
    decode_all();
    kernels();
}

std::string log_line(const std::string &text, ptx::Place place, const std::string &message) {
    std::string log =
        "ptx:" + std::to_string(place.line) + ":" + std::to_string(place.column) + ": error: " + message + "\n";
    size_t start = 0;
    for (uint32_t k = 1; k < place.line && start != std::string::npos; ++k) {
        start = text.find('\n', start);
        if (start != std::string::npos) ++start;
    }
    if (place.line && start != std::string::npos)
        log += "    " + text.substr(start, std::min<size_t>(text.find('\n', start) - start, 400)) + "\n";
    return log;
}

} // namespace

std::unique_ptr<Program> Program::load(std::string_view text, Memory &memory, int device, int cc, Status &status,
                                       std::string &log) {
    auto state = std::make_unique<State>();
    state->text = std::string(text);
    state->memory = &memory;
    state->device = device;
    try {
        ptx::Error error;
        status = Status::invalid_ptx;
        if (!ptx::parse(state->text, state->module, error)) {
            log += log_line(state->text, error.place, error.message);
            return nullptr;
        }
        if (target_number(state->module.target) > cc) {
            log += "ptx:1:1: error: target " + state->module.target + " is newer than the device (compute capability " +
                   std::to_string(cc / 10) + "." + std::to_string(cc % 10) + ")\n";
            return nullptr;
        }
        auto program = std::make_unique<Program>(std::move(state));
        ProgramImage &image = *program->state();
        try {
            Loader(image).run();
        } catch (const DecodeError &e) {
            status = e.status;
            log += log_line(image.text, e.place, e.message);
            return nullptr;
        }
        for (auto &kernel : image.kernels) kernel->program = program.get();
        status = Status::success;
        return program;
    } catch (const std::bad_alloc &) {
        status = Status::out_of_memory;
        log += "ptx:1:1: error: out of memory\n";
        return nullptr;
    }
}

Program::Program(std::unique_ptr<State> state) : state_(std::move(state)) {}

int Program::target() const {
    return target_number(state_->module.target);
}

Program::~Program() {
    for (uint64_t base : state_->allocations) state_->memory->release(base);
}

const Kernel *Program::kernel(std::string_view name) const {
    for (const auto &k : state_->kernels)
        if (k->name() == name) return k.get();
    return nullptr;
}

std::vector<const Kernel *> Program::kernels() const {
    std::vector<const Kernel *> result;
    for (const auto &k : state_->kernels) result.push_back(k.get());
    return result;
}

bool Program::global(std::string_view name, uint64_t &address, uint64_t &size) const {
    auto found = state_->symbols.find(std::string(name));
    if (found == state_->symbols.end() || !found->second.address) return false;
    if (found->second.space != Space::global && found->second.space != Space::constant) return false;
    address = found->second.address;
    size = found->second.size;
    return true;
}

} // namespace cpu_device
