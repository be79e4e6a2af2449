// Operands, constants and symbols of a function; see decoder.hpp.
#include "decoder.hpp"
#include "forms.hpp"

#include <algorithm>

namespace cpu_device {

using Kind = ptx::Operand::Kind;
using ptx::Space;

uint64_t variable_bytes(const ptx::Variable &v) {
    uint64_t bytes = uint64_t(type_bytes(v.type)) * std::max<uint32_t>(v.vector, 1);
    for (uint64_t d : v.dimensions)
        if (__builtin_mul_overflow(bytes, d, &bytes)) return UINT64_MAX;
    return bytes;
}

uint32_t variable_align(const ptx::Variable &v) {
    return std::max<uint32_t>(v.align, std::max<uint32_t>(1, type_bytes(v.type) * std::max<uint32_t>(v.vector, 1)));
}

bool Form::take(std::string_view name) {
    auto found = std::find(modifiers.begin(), modifiers.end(), name);
    if (found == modifiers.end()) return false;
    modifiers.erase(found);
    return true;
}

int Form::take_one(std::initializer_list<std::string_view> names) {
    int k = 0;
    for (std::string_view name : names) {
        if (take(name)) return k;
        ++k;
    }
    return -1;
}

Decoder::Decoder(ProgramImage &image, const ptx::Function &function, Code &code)
    : image_(image), function_(function), code_(code) {}

void Decoder::fail(std::string message, Status status) const {
    throw DecodeError{status, current_ ? current_->place : function_.place, std::move(message)};
}

const Decoder::Op &Decoder::operand(const Form &f, size_t k) {
    if (k >= f.written->operands.size()) fail(f.written->opcode + " needs more operands");
    operands_used_ = std::max(operands_used_, k + 1);
    return f.written->operands[k];
}

Inst &Decoder::emit(std::string_view handler) {
    Handler fn = find_handler(handler);
    if (!fn && current_ && !is_form(*current_)) fail("these modifiers and types do not go together");
    if (!fn) fail("this form is not supported (no handler " + std::string(handler) + ")", Status::not_supported);
    code_.insts.emplace_back();
    Inst &inst = code_.insts.back();
    inst.fn = fn;
    inst.index = index_;
    code_.touches.push_back(touch_of(handler));
    return inst;
}

uint32_t Decoder::constant(uint64_t bits, uint32_t bytes) {
    if (bytes < 8) bits &= (uint64_t(1) << (8 * bytes)) - 1;
    auto [place, is_new] = image_.constant_places.try_emplace({bits, bytes}, 0);
    if (is_new) {
        size_t start = (image_.constant_bytes.size() + 63) & ~size_t(63);
        image_.constant_bytes.resize(start + kLanes * bytes);
        for (int l = 0; l < kLanes; ++l)
            std::memcpy(image_.constant_bytes.data() + start + l * bytes, &bits, std::min<uint32_t>(bytes, 8));
        place->second = static_cast<uint32_t>(start) | 1;
    }
    return place->second;
}

uint32_t Decoder::temporary(uint32_t bytes) {
    uint32_t place = code_.register_bytes;
    code_.register_bytes += std::max<uint32_t>(64, bytes * kLanes);
    return place;
}

uint32_t Decoder::list(const std::vector<uint32_t> &operands) {
    uint32_t start = static_cast<uint32_t>(code_.lists.size());
    code_.lists.insert(code_.lists.end(), operands.begin(), operands.end());
    return start;
}

// Registers take room in the frame when they are first met: sets are often declared larger than used.
Decoder::Register *Decoder::find_register(const std::string &name) {
    auto found = registers_.find(name);
    if (found != registers_.end()) return &found->second;
    size_t digits = name.size();
    while (digits > 0 && name[digits - 1] >= '0' && name[digits - 1] <= '9') {
        --digits;
        auto set = sets_.find(name.substr(0, digits));
        if (set == sets_.end() || name.size() - digits > 9) continue;
        if (std::stoul(name.substr(digits)) >= set->second->count) continue;
        Type type = set->second->type;
        Register r{type, 0, type == Type::pred ? 0 : std::max<uint32_t>(2, type_bytes(type)), false};
        return &registers_.emplace(name, r).first->second;
    }
    return nullptr;
}

Decoder::Register &Decoder::need_register(const std::string &name) {
    Register *r = find_register(name);
    if (!r) fail("unknown register " + name);
    return *r;
}

uint32_t Decoder::place_register(Register &r) {
    if (!r.placed) {
        r.at = temporary(r.bytes ? r.bytes : 2);
        r.placed = true;
        ++code_.registers;
    }
    return r.at;
}

uint32_t Decoder::register_bytes(const Op &op) {
    if (op.kind != Kind::name || op.member) return 0;
    Register *r = find_register(op.name);
    return r ? r->bytes : 0;
}

bool Decoder::is_predicate(const Op &op) {
    if (op.kind != Kind::name) return false;
    Register *r = find_register(op.name);
    return r && r->bytes == 0;
}

namespace {

bool is_f32(Type t) {
    return t == Type::f32;
}
bool is_f64(Type t) {
    return t == Type::f64;
}

} // namespace

bool Decoder::immediate(const Op &op, Type type, uint64_t &result) const {
    double value;
    switch (op.kind) {
    case Kind::integer: result = op.bits; return true;
    case Kind::float32: {
        float f;
        uint32_t b = static_cast<uint32_t>(op.bits);
        std::memcpy(&f, &b, 4);
        value = f;
        if (!is_f64(type)) {
            result = b;
            return true;
        }
        break;
    }
    case Kind::float64:
        std::memcpy(&value, &op.bits, 8);
        if (!is_f32(type)) {
            result = op.bits;
            return true;
        }
        break;
    case Kind::number: value = op.number; break;
    default: return false;
    }
    if (is_f32(type) || type_bytes(type) == 4) {
        float f = static_cast<float>(value);
        uint32_t b;
        std::memcpy(&b, &f, 4);
        result = b;
    } else {
        std::memcpy(&result, &value, 8);
    }
    return true;
}

const Symbol *Decoder::symbol(const std::string &name) const {
    auto own = symbols_.find(name);
    if (own != symbols_.end()) return &own->second;
    auto in_function = image_.symbols.find(function_.name + '\0' + name);
    if (in_function != image_.symbols.end()) return &in_function->second;
    auto global = image_.symbols.find(name);
    return global == image_.symbols.end() ? nullptr : &global->second;
}

// The address of a variable or function in its own space, as a value.
uint32_t Decoder::symbol_value(const Op &op, uint32_t bytes) {
    auto function = image_.function_ids.find(op.name);
    const Symbol *s = symbol(op.name);
    if (!s && function != image_.function_ids.end()) {
        if (!image_.codes[function->second]) fail("unresolved extern function '" + op.name + "'");
        return constant(kCodeWindow + 16 * uint64_t(function->second), bytes);
    }
    if (!s) fail("unknown name " + op.name);
    if (s->unresolved()) fail("unresolved extern variable '" + op.name + "'");
    if (s->space == Space::local || (s->space == Space::param && !function_.is_entry) || s->dynamic_shared) {
        uint32_t t = temporary(bytes);
        Inst &inst =
            emit(std::string(s->dynamic_shared ? "mov.dynamic." : "mov.frame.") + (bytes == 8 ? "u64" : "u32"));
        inst.d = t;
        inst.imm = s->address + op.bits;
        return t;
    }
    return constant(s->address + op.bits, bytes);
}

static void check_special(const Decoder &d, const std::string &name) {
    if (name.find("cluster") != std::string::npos) d.require(78, 90, name);
}

uint32_t Decoder::special(const Op &op, uint32_t bytes) {
    uint32_t own = 0;
    int id = special_register(op.name, op.member, own);
    if (id < 0) fail("unknown special register " + op.name + (op.member ? std::string(".") + op.member : ""));
    check_special(*this, op.name);
    uint32_t t = temporary(8);
    Inst &inst = emit(bytes == 8 ? "sreg.u64" : bytes == 2 ? "sreg.u16" : "sreg.u32");
    inst.d = t;
    inst.imm = static_cast<uint64_t>(id);
    return t;
}

uint32_t Decoder::source(const Op &op, Type type) {
    uint64_t value;
    const uint32_t bytes = std::max<uint32_t>(2, type_bytes(type));
    if (immediate(op, type, value)) return constant(value, bytes);
    if (op.kind != Kind::name) fail("this operand cannot be a source here");
    uint32_t place;
    if (Register *r = op.member ? nullptr : find_register(op.name)) {
        if (r->bytes != bytes)
            fail("register " + op.name + " is " + std::to_string(8 * r->bytes) + " bits wide, the instruction wants " +
                 std::to_string(8 * bytes));
        place = place_register(*r);
    } else if (op.name[0] == '%' && !symbol(op.name)) {
        place = special(op, bytes);
    } else {
        place = symbol_value(op, bytes);
    }
    if (op.negated) {
        uint32_t t = temporary(bytes), a = place;
        Inst &inst = emit(bytes == 8 ? "neg.s64" : bytes == 4 ? "neg.s32" : "neg.s16");
        inst.d = t;
        inst.a = a;
        return t;
    }
    return place;
}

uint32_t Decoder::wide_source(const Op &op, Type type, uint32_t &bytes) {
    bytes = register_bytes(op);
    if (bytes >= type_bytes(type) && bytes) return place_register(need_register(op.name));
    bytes = std::max<uint32_t>(2, type_bytes(type));
    return source(op, type);
}

uint32_t Decoder::predicate(const Op &op, bool &negated) {
    negated = op.negated;
    if (op.kind == Kind::integer) return constant(op.bits ? ~0u : 0, 4);
    if (op.kind != Kind::name) fail("a predicate is wanted");
    uint32_t own = 0;
    const int id = find_register(op.name) ? -1 : special_register(op.name, op.member, own);
    if (id >= 0) {
        check_special(*this, op.name);
        const uint32_t t = temporary(2);
        Inst &inst = emit("sreg.pred");
        inst.d = t;
        inst.imm = static_cast<uint64_t>(id);
        return t;
    }
    Register &r = need_register(op.name);
    if (r.bytes) fail("register " + op.name + " is no predicate");
    return place_register(r);
}

uint32_t Decoder::destination(const Op &op, uint32_t bytes) {
    if (op.kind == Kind::discard) return temporary(bytes); // written, never read
    if (op.kind != Kind::name) fail("a register is wanted as destination");
    Register &r = need_register(op.name);
    if (r.bytes != std::max<uint32_t>(2, bytes))
        fail("register " + op.name + " is " + std::to_string(8 * r.bytes) + " bits wide, the instruction writes " +
             std::to_string(8 * bytes));
    return place_register(r);
}

uint32_t Decoder::destination_predicate(const Op &op) {
    if (op.kind == Kind::discard) return temporary(2);
    bool negated;
    if (op.kind != Kind::name) fail("a predicate register is wanted");
    return predicate(op, negated);
}

uint32_t Decoder::carry_flag() {
    if (!has_carry_) carry_ = temporary(2);
    has_carry_ = true;
    return carry_;
}

Decoder::Address Decoder::address(const Op &op, Space space) {
    if (op.kind != Kind::address || op.parts.empty()) fail("an address in brackets is wanted");
    const Op &base = op.parts[0];
    Address result;
    result.offset = op.bits;
    uint64_t value;
    if (immediate(base, Type::u64, value)) {
        result.a = constant(value, 8);
        return result;
    }
    if (uint32_t bytes = register_bytes(base)) {
        if (bytes < 4) fail("register " + base.name + " is too narrow for an address");
        result.a = place_register(need_register(base.name));
        result.bytes = bytes;
        return result;
    }
    const Symbol *s = symbol(base.name);
    if (!s) fail("unknown name " + base.name + " in an address");
    result.space = s->space;
    if (s->space == Space::param && function_.is_entry && (space == Space::param)) {
        result.kernel_param = true;
        result.offset += s->address;
        return result;
    }
    result.frame = s->space == Space::local || s->space == Space::param;
    result.a = symbol_value(base, 8);
    return result;
}

void Decoder::branch(const Op &label, bool conditional, uint32_t guard) {
    if (label.kind != Kind::name || !labels_.count(label.name)) fail("unknown label " + label.name);
    Inst &inst = emit(conditional ? "bra.if" : "bra");
    inst.guard = guard;
    jumps_.emplace_back(static_cast<uint32_t>(code_.insts.size() - 1), label.name);
}

void Decoder::branch_table(const Form &f) {
    uint32_t a = source(operand(f, 0), Type::u32);
    const Op &name = operand(f, 1);
    for (const auto &table : function_.tables) {
        if (table.name != name.name) continue;
        std::vector<uint32_t> targets;
        for (const std::string &label : table.targets) {
            auto found = labels_.find(label);
            if (found == labels_.end()) fail("unknown label " + label);
            targets.push_back(found->second); // written; decoded places come with link()
        }
        code_.tables.push_back(std::move(targets));
        Inst &inst = emit("brx");
        inst.a = a;
        inst.extra = static_cast<uint32_t>(code_.tables.size() - 1);
        return;
    }
    fail("unknown branch table " + name.name);
}

Slot Decoder::formal(const ptx::Variable &v) {
    Slot s;
    s.size = static_cast<uint32_t>(variable_bytes(v));
    if (v.space == Space::reg) {
        Register &r =
            registers_
                .emplace(v.name, Register{v.type, 0,
                                          v.type == Type::pred ? 0 : std::max<uint32_t>(2, type_bytes(v.type)), false})
                .first->second;
        s.is_register = true;
        s.at = place_register(r);
        s.size = r.bytes;
        return s;
    }
    uint32_t align = variable_align(v);
    if ((align & (align - 1)) || align > kLocalLimit) fail("the alignment of " + v.name + " is no power of two");
    code_.local_bytes = (code_.local_bytes + align - 1) & ~(align - 1);
    s.at = code_.local_bytes;
    if (variable_bytes(v) > kLocalLimit || code_.local_bytes + variable_bytes(v) > kLocalLimit)
        fail("more local memory than a thread can have");
    code_.local_bytes += s.size;
    Symbol symbol;
    symbol.space = v.space == Space::local ? Space::local : Space::param;
    symbol.address = s.at;
    symbol.size = s.size;
    symbol.variable = &v;
    symbols_[v.name] = symbol;
    if (function_.is_entry && symbol.space == Space::param)
        symbols_[v.name].space = Space::local; // of a call, not the kernel's
    return s;
}

Slot Decoder::slot(const Op &op, const ptx::Variable *formal) {
    Slot s;
    if (op.kind == Kind::name && !op.member)
        if (const Symbol *symbol = this->symbol(op.name)) {
            s.at = static_cast<uint32_t>(symbol->address);
            s.size = static_cast<uint32_t>(symbol->size);
            return s;
        }
    s.is_register = true;
    uint32_t bytes = register_bytes(op);
    if (bytes) {
        s.at = place_register(need_register(op.name));
        s.size = bytes;
        return s;
    }
    Type type = formal ? formal->type : Type::b32;
    s.size = std::max<uint32_t>(2, type_bytes(type));
    s.at = source(op, type);
    return s;
}

// Whether another module, which knew the function by its declaration alone, was linked with these results in mind.
bool Decoder::declares(const std::string &name, const std::vector<Slot> &results) const {
    return std::any_of(image_.module.functions.begin(), image_.module.functions.end(), [&](const ptx::Function &f) {
        return f.is_declaration && f.is_extern && f.name == name && f.results.size() == results.size();
    });
}

void Decoder::call(const Form &f) {
    const std::vector<Op> &ops = f.written->operands;
    size_t k = 0;
    const Op *results = nullptr, *arguments = nullptr, *prototype = nullptr;
    if (!ops.empty() && ops[0].kind == Kind::group) results = &ops[k++];
    if (k >= ops.size() || ops[k].kind != Kind::name) fail("call needs a function");
    const Op &callee = ops[k++];
    if (k < ops.size() && ops[k].kind == Kind::group) arguments = &ops[k++];
    if (k < ops.size()) prototype = &ops[k++];
    CallSite site;
    const std::vector<ptx::Variable> *params = nullptr;
    auto id = image_.function_ids.find(callee.name);
    const bool indirect = register_bytes(callee) != 0;
    if (!indirect) {
        if (id == image_.function_ids.end()) fail("unknown function " + callee.name);
        for (const ptx::Function &fn : image_.module.functions)
            if (fn.name == callee.name) params = &fn.params;
        site.callee = image_.codes[id->second].get();
    } else {
        if (register_bytes(callee) != 8) fail("the address of a function has 64 bits");
        site.pointer = place_register(need_register(callee.name));
        for (const auto &p : function_.prototypes)
            if (prototype && p.name == prototype->name) params = &p.params;
    }
    if (arguments)
        for (size_t n = 0; n < arguments->parts.size(); ++n)
            site.arguments.push_back(slot(arguments->parts[n], params && n < params->size() ? &(*params)[n] : nullptr));
    if (results)
        for (const Op &op : results->parts) site.results.push_back(slot(op, nullptr));
    std::string handler = indirect ? "call.indirect" : site.callee ? "call" : "system." + callee.name;
    if (!indirect && !site.callee && !has(handler)) fail("unresolved extern function '" + callee.name + "'");
    if (site.callee && (site.callee->arguments.size() != site.arguments.size() ||
                        (site.callee->results.size() < site.results.size() && !declares(callee.name, site.results))))
        fail("call of " + callee.name + " with the wrong number of arguments");
    code_.calls.push_back(std::move(site));
    Inst &inst = emit(handler);
    inst.extra = static_cast<uint32_t>(code_.calls.size() - 1);
}

} // namespace cpu_device
