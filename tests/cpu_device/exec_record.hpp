// Which forms of instructions were executed: before its first execution an instruction has a handler that notes it.
#pragma once

#include <mutex>
#include <set>
#include <string>
#include <unordered_map>

#include "exec/image.hpp"

namespace cpu_device {

class Recorder {
  public:
    void watch(ProgramImage *image) {
        std::lock_guard<std::mutex> lock(mutex_);
        for (auto &code : image->codes) {
            if (!code) continue;
            // the last of those that an instruction was decoded to: others may be jumped from; the function's own end is no one's
            for (size_t k = 0; k + 1 < code->insts.size(); ++k) {
                Inst &inst = code->insts[k];
                if (k + 2 < code->insts.size() && (&inst)[1].index == inst.index) continue;
                watched_[&inst] = {inst.fn, code.get()};
                inst.fn = &noted;
            }
        }
    }

    void forget(ProgramImage *image) {
        std::lock_guard<std::mutex> lock(mutex_);
        for (auto &code : image->codes)
            if (code)
                for (Inst &inst : code->insts) {
                    auto found = watched_.find(&inst);
                    if (found == watched_.end()) continue;
                    inst.fn = found->second.handler;
                    watched_.erase(found);
                }
    }

    std::string text() {
        std::lock_guard<std::mutex> lock(mutex_);
        std::string all;
        for (const std::string &form : forms_) all += form + "\n";
        return all;
    }

    Handler note(const Inst *inst);

  private:
    struct Watched {
        Handler handler;
        const Code *code;
    };
    static const Inst *noted(Warp &w, const Inst *inst);

    std::mutex mutex_;
    std::unordered_map<const Inst *, Watched> watched_;
    std::set<std::string> forms_;
};

// Counts instructions by the lanes that execute them, in one host thread.
class Counter {
  public:
    void start(ProgramImage *image) {
        lanes = 0;
        for (auto &code : image->codes)
            if (code)
                for (Inst &inst : code->insts) {
                    handlers_[&inst] = inst.fn;
                    inst.fn = &counted;
                }
    }
    uint64_t stop() {
        for (auto &[inst, handler] : handlers_) const_cast<Inst *>(inst)->fn = handler;
        handlers_.clear();
        return lanes;
    }
    uint64_t lanes = 0;

    static Counter &instance() {
        static Counter only;
        return only;
    }

  private:
    static const Inst *counted(Warp &w, const Inst *inst) {
        uint32_t mask = w.mask;
        if (inst->inner) mask &= *at<uint32_t>(w, inst->guard & ~1u) ^ (inst->guard & 1 ? ~0u : 0u); // @p
        instance().lanes += static_cast<uint64_t>(__builtin_popcount(mask));
        return instance().handlers_.at(inst)(w, inst);
    }
    std::unordered_map<const Inst *, Handler> handlers_;
};

inline Recorder &recorder() {
    static Recorder instance;
    return instance;
}

inline bool is_predicate(const ptx::Function &f, const std::string &name) {
    for (const ptx::Variable &v : f.variables) {
        if (v.space != ptx::Space::reg || v.type != ptx::Type::pred || name.compare(0, v.name.size(), v.name)) continue;
        const std::string rest = name.substr(v.name.size());
        if (v.count ? !rest.empty() && rest.find_first_not_of("0123456789") == std::string::npos : rest.empty())
            return true;
    }
    return false;
}

// An operand without what it is called: "=" a result, "0" a value, "%p" a predicate, "%rd" an object's handle.
inline std::string shape_of(const ptx::Function &f, const ptx::Operand &op, bool result) {
    using Kind = ptx::Operand::Kind;
    std::string inside;
    for (const ptx::Operand &part : op.parts)
        inside += (inside.empty() ? "" : op.kind == Kind::pair ? "|" : ", ") + shape_of(f, part, result);
    switch (op.kind) {
    case Kind::name:
        return is_predicate(f, op.name) ? "%p" : result ? "=" : op.selector.empty() ? "0" : "%r." + op.selector;
    case Kind::integer: return std::to_string(op.bits);
    case Kind::address:
        return op.parts.size() > 1 ? "[%rd" + shape_of(f, op.parts[1], false).insert(0, ", ") + "]" : "[0]";
    case Kind::list: return "{" + inside + "}";
    case Kind::pair: return inside;
    case Kind::discard: return "_";
    case Kind::group: return "()";
    default: return "0";
    }
}

// The opcode with its modifiers, a tab, the shapes of its operands.
inline std::string form_of(const Code &code, const Inst &inst) {
    const ptx::Instruction &written = code.source->body[inst.index];
    std::string text = written.opcode;
    for (const std::string &m : written.modifiers) text += "." + m;
    text += "\t";
    for (size_t k = 0; k < written.operands.size(); ++k)
        text += (k ? ", " : "") + shape_of(*code.source, written.operands[k], k == 0);
    return text;
}

inline Handler Recorder::note(const Inst *inst) {
    std::lock_guard<std::mutex> lock(mutex_);
    auto found = watched_.find(inst);
    if (found == watched_.end()) return inst->fn; // another thread came first
    const Watched watched = found->second;
    forms_.insert(form_of(*watched.code, *inst));
    watched_.erase(found);
    const_cast<Inst *>(inst)->fn = watched.handler;
    return watched.handler;
}

inline const Inst *Recorder::noted(Warp &w, const Inst *inst) {
    return recorder().note(inst)(w, inst);
}

} // namespace cpu_device
