// A function from its first to its last instruction: declarations, guards, links.
#include "decoder.hpp"
#include "forms.hpp"
#include "requirements.hpp"

#include <algorithm>

namespace cpu_device {

using ptx::Space;

namespace {

// Instructions that block, leave or gather lanes: with a guard they are jumped over, all others run with fewer lanes.
bool is_control(std::string_view name) {
    static const std::string_view names[] = {
        "bar", "barrier", "shfl",  "vote",      "match", "redux", "elect",    "call",     "ret",       "exit",
        "brx", "trap",    "brkpt", "nanosleep", "mma",   "wmma",  "ldmatrix", "stmatrix", "movmatrix", "mbarrier"};
    return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

// Volatile and ordered accesses do not race with each other, and may order others; parameters of calls are nobody's business.
void note_order(const ptx::Instruction &instruction, std::vector<Touch> &touches, size_t first) {
    for (const std::string &m : instruction.modifiers) {
        const bool releases = m == "release" || m == "acq_rel" || m == "sc";
        const bool strong = releases || m == "acquire" || m == "volatile" || m == "relaxed" || m == "mmio";
        const bool parameter = m.compare(0, 5, "param") == 0;
        for (size_t k = first; k < touches.size(); ++k) {
            touches[k].releases |= releases;
            touches[k].strong |= strong;
            if (parameter) touches[k].kind = Touch::none;
        }
    }
}

} // namespace

void Decoder::declare() {
    if (function_.is_entry) {
        uint64_t offset = 0;
        for (const ptx::Variable &v : function_.params) {
            uint64_t align = variable_align(v);
            offset = (offset + align - 1) & ~(align - 1);
            Symbol s;
            s.space = Space::param;
            s.address = offset;
            s.size = variable_bytes(v);
            s.variable = &v;
            symbols_[v.name] = s;
            offset += s.size;
        }
    } else {
        code_.results.clear();
        code_.arguments.clear();
        for (const ptx::Variable &v : function_.results) code_.results.push_back(formal(v));
        for (const ptx::Variable &v : function_.params) code_.arguments.push_back(formal(v));
    }
    for (const ptx::Variable &v : function_.variables) {
        if (v.space == Space::reg) {
            if (v.count)
                sets_[v.name] = &v;
            else
                registers_.emplace(
                    v.name,
                    Register{v.type, 0, v.type == Type::pred ? 0 : std::max<uint32_t>(2, type_bytes(v.type)), false});
        } else if (v.space == Space::local || v.space == Space::param) {
            formal(v);
        }
    }
    for (const auto &label : function_.labels) labels_[label.name] = label.at;
}

void Decoder::decode(const ptx::Instruction &instruction) {
    const Opcode *opcode = find_opcode(instruction.opcode);
    if (!opcode) {
        const RefusalTable table = refusals();
        for (const Refusal *r = table.rows; r != table.rows + table.size; ++r)
            if (instruction.opcode == r->opcode)
                fail(instruction.opcode + " is not supported by the CPU device: " + r->why, Status::not_supported);
        fail("unknown instruction " + instruction.opcode);
    }
    std::string whole = instruction.opcode;
    for (const std::string &m : instruction.modifiers) (whole += '.') += m;
    const bool is_new = !image_.forms.count(whole);
    if (is_new) check_age(*opcode, instruction);
    Form form;
    form.written = &instruction;
    for (const std::string &m : instruction.modifiers) {
        Type type = ptx::type_of(m);
        if (type != Type::unknown)
            form.types.push_back(type);
        else
            form.modifiers.push_back(m);
    }
    operands_used_ = 0;
    const size_t first = code_.insts.size();
    const bool guarded = !instruction.predicate.empty();
    uint32_t guard = 0;
    if (guarded) {
        Register &r = need_register(instruction.predicate);
        if (r.bytes) fail(instruction.predicate + " is no predicate");
        guard = place_register(r) | (instruction.predicate_negated ? 1 : 0);
    }
    if (instruction.opcode == "bra") {
        form.take("uni");
        branch(operand(form, 0), guarded, guard);
    } else if (guarded && is_control(instruction.opcode)) {
        Inst &over = emit("bra.if");
        over.guard = guard ^ 1;
        opcode->decode(*this, form);
        code_.insts[first].target = reinterpret_cast<const Inst *>(code_.insts.size()); // a number until link()
        code_.insts[first].sub = 1;
    } else {
        opcode->decode(*this, form);
        for (size_t k = first; guarded && k < code_.insts.size(); ++k) {
            Inst &inst = code_.insts[k];
            inst.inner = inst.fn;
            inst.fn = find_handler("guarded");
            inst.guard = guard;
        }
    }
    if (operands_used_ < instruction.operands.size() && instruction.opcode != "call")
        fail(instruction.opcode + " takes " + std::to_string(operands_used_) + " operands here, not " +
             std::to_string(instruction.operands.size()));
    note_order(instruction, code_.touches, first);
    if (!form.modifiers.empty())
        fail("modifier ." + std::string(form.modifiers[0]) + " is not known for " + instruction.opcode);
    if (!is_new) return;
    if (!is_form(instruction)) fail("there is no " + whole + ": these modifiers and types do not go together");
    image_.forms.insert(std::move(whole));
}

// Numbers become pointers now that the instructions stay where they are.
void Decoder::link() {
    const Inst *insts = code_.insts.data();
    for (Inst &inst : code_.insts)
        if (inst.sub == 1 && inst.target) inst.target = insts + reinterpret_cast<uintptr_t>(inst.target);
    for (const auto &[at, label] : jumps_) code_.insts[at].target = insts + starts_[labels_[label]];
    for (auto &table : code_.tables)
        for (uint32_t &target : table) target = starts_[target];
}

void Decoder::run() {
    code_.insts.reserve(function_.body.size() * 2 + 8);
    for (const ptx::Instruction &instruction : function_.body) {
        current_ = &instruction;
        starts_.push_back(static_cast<uint32_t>(code_.insts.size()));
        decode(instruction);
        ++index_;
    }
    starts_.push_back(static_cast<uint32_t>(code_.insts.size()));
    if (index_) --index_;
    emit(function_.is_entry ? "end" : "ret");
    link();
    code_.local_bytes = (code_.local_bytes + 15) & ~15u;
}

} // namespace cpu_device
