// Which modifiers go with which types: what is written must match one line of its opcode.
#include "forms.hpp"
#include "../ptx/types.hpp"

#include <algorithm>
#include <unordered_map>

namespace cpu_device {
namespace {

// Sets that many lines have, by a letter: $R.
struct Set {
    char letter;
    const char *words;
};
const Set sets[] = {
    {'R', "rn|rz|rm|rp"},
    {'N', "rni|rzi|rmi|rpi"},
    {'E', "eq|ne"},
    {'C', "eq|ne|lt|le|gt|ge"},
    {'F', "eq|ne|lt|le|gt|ge|equ|neu|ltu|leu|gtu|geu|num|nan"},
    {'B', "and|or|xor"},
    {'W', "u32|s32|u64|s64"},
    {'I', "u16|u32|u64|s16|s32|s64"},
    {'J', "u8|u16|u32|u64|s8|s16|s32|s64"},
    {'b', "b16|b32|b64"},
    {'A', "b8|b16|b32|b64|b128|u8|u16|u32|u64|s8|s16|s32|s64|f32|f64"},
    {'K', "b8|b16|b32|u8|u16|u32|s8|s16|s32|f32"},
    {'X', "b32|u32|s32|f32"},
    {'Z', "b8|b16|u8|u16|s8|s16"},
    {'Y', "b64|u64|s64|f64"},
    {'S', "global|shared|shared::cta|shared::cluster|local|param|param::func"},
    {'G', "global|shared|shared::cta|shared::cluster"},
    {'D', "shared|shared::cta|shared::cluster"},
    {'P', "cta|cluster|gpu|sys"},
    {'V', "v2|v4|v8"},
    {'H', "L1::evict_normal|L1::evict_unchanged|L1::evict_first|L1::evict_last|L1::no_allocate"},
    {'L', "L2::evict_normal|L2::evict_first|L2::evict_last"},
    {'Q', "L2::64B|L2::128B|L2::256B"},
    {'M', "u32|s32"},
    {'T', "u32|s32|f32"},
};

// Words with '|' between them are alternatives, a '?' behind them says that there may be none.
const FormRow rows[] = {
    {"add", "u16|u32|u64|s16|s64"},
    {"add", "sat? s32"},
    {"add", "cc $W"},
    {"add", "u16x2|s16x2"},
    {"sub", "u16|u32|u64|s16|s64"},
    {"sub", "sat? s32"},
    {"sub", "cc $W"},
    {"addc subc", "cc? $W"},
    {"add sub mul", "$R? ftz? sat? f32"},
    {"add sub mul", "$R? f64"},
    {"add sub mul", "rn? ftz? sat? f16|f16x2"},
    {"add sub mul", "rn? bf16|bf16x2"},
    {"add sub mul", "$R? ftz? f32x2"},
    {"add sub", "$R? sat? f32 f16|bf16"},
    {"mul mad", "lo|hi|wide u16|u32|s16|s32"},
    {"mul mad", "lo|hi u64|s64"},
    {"mad mad24", "hi sat s32"},
    {"mad", "lo|hi cc $W"},
    {"madc", "lo|hi cc? $W"},
    {"mul24 mad24", "lo|hi $M"},
    {"mad fma", "$R ftz? sat? f32"},
    {"mad fma", "$R f64"},
    {"fma", "rn ftz? sat? f16|f16x2"},
    {"fma", "rn ftz? relu f16|f16x2"},
    {"fma", "rn relu? bf16|bf16x2"},
    {"fma", "$R ftz? f32x2"},
    {"fma", "$R sat? f32 f16|bf16"},
    {"div rem", "$I"},
    {"div", "approx|full ftz? f32"},
    {"div rcp sqrt", "$R ftz? f32"},
    {"div rcp sqrt", "$R f64"},
    {"rcp sqrt rsqrt sin cos lg2 ex2", "approx ftz? f32"},
    {"rcp", "approx ftz f64"},
    {"rsqrt", "approx ftz? f64"},
    {"tanh", "approx f32|f16|f16x2|bf16|bf16x2"},
    {"ex2", "approx f16|f16x2"},
    {"ex2", "approx ftz bf16|bf16x2"},
    {"neg abs", "s16|s32|s64|f64|bf16|bf16x2"},
    {"neg abs", "ftz? f32|f16|f16x2"},
    {"min max", "u16|u32|u64|s16|s64|u16x2|f64"},
    {"min max", "relu? s32|s16x2"},
    {"min max", "ftz? NaN? f32|f16|f16x2"},
    {"min max", "ftz? NaN? xorsign abs f32|f16|f16x2"},
    {"min max", "NaN? bf16|bf16x2"},
    {"min max", "NaN? xorsign abs bf16|bf16x2"},
    {"copysign", "f32|f64"},
    {"testp", "finite|infinite|number|notanumber|normal|subnormal f32|f64"},
    {"setp", "$E $B? $b"},
    {"setp", "$C $B? $I"},
    {"setp", "lo|ls|hi|hs $B? u16|u32|u64"},
    {"setp", "$F $B? ftz? f32|f16|f16x2"},
    {"setp", "$F $B? f64|bf16|bf16x2"},
    {"set", "$E $B? u32|s32|f32|f16|bf16 $b"},
    {"set", "$C $B? u32|s32|f32|f16|bf16 $I"},
    {"set", "lo|ls|hi|hs $B? u32|s32|f32|f16|bf16 u16|u32|u64"},
    {"set", "$F $B? ftz? u32|s32|f32|f16 f32"},
    {"set", "$F $B? bf16 f32"},
    {"set", "$F $B? u32|s32|f32|f16|bf16 f64"},
    {"set", "$F $B? ftz? u16|s16|u32|s32|f16 f16"},
    {"set", "$F $B? u16|s16|u32|s32|bf16 bf16"},
    {"set", "$F $B? ftz? u32|s32|f16x2 f16x2"},
    {"set", "$F $B? u32|s32|bf16x2 bf16x2"},
    {"selp", "$b|$I|f32|f64"},
    {"slct", "$b|$I|f32|f64 s32"},
    {"slct", "ftz? $b|$I|f32|f64 f32"},
    {"and or xor not", "pred|$b"},
    {"cnot shl", "$b"},
    {"shr", "$b|$I"},
    {"shf", "l|r wrap|clamp b32"},
    {"lop3", "and|or? b32"},
    {"bfe", "$W"},
    {"bfi popc clz brev", "b32|b64"},
    {"bfind", "shiftamt? $W"},
    {"fns", "b32"},
    {"prmt", "b32 f4e|b4e|rc8|ecl|ecr|rc16?"},
    {"sad", "$I"},
    {"dp4a", "$M $M"},
    {"dp2a", "lo|hi $M $M"},
    {"bmsk", "wrap|clamp b32"},
    {"szext", "wrap|clamp $M"},
    {"mov", "pred|$b|b128|$I|f32|f64"},
    {"cvt", "sat? $J $J"},
    {"cvt", "$N ftz? sat? $J f32"},
    {"cvt", "$N sat? $J f16|f64"},
    {"cvt", "$N $J bf16"},
    {"cvt", "$R ftz? sat? f32 $J"},
    {"cvt", "$R sat? f16|f64 $J"},
    {"cvt", "$R bf16 $J"},
    {"cvt", "$N? ftz? sat? f32 f32"},
    {"cvt", "$N? sat? f16 f16"},
    {"cvt", "$N? sat? f64 f64"},
    {"cvt", "sat? f64 f16"},
    {"cvt", "$N? bf16 bf16"},
    {"cvt", "$R ftz? sat? f32 f64"},
    {"cvt", "ftz? sat? f32 f16"},
    {"cvt", "ftz? sat? f64 f32"},
    {"cvt", "$R? ftz? f32 bf16"},
    {"cvt", "$R? f64 bf16"},
    {"cvt", "$R ftz? sat? f16 f32"},
    {"cvt", "$R sat? f16 f64"},
    {"cvt", "$R ftz? bf16 f32"},
    {"cvt", "$R bf16 f64"},
    {"cvt", "$R? bf16 f16"},
    {"cvt", "$R? f16 bf16"},
    {"cvt", "rn|rz relu? satfinite? f16|bf16|f16x2|bf16x2 f32"},
    {"cvt", "rna satfinite? tf32 f32"},
    {"cvt", "rn|rz relu? satfinite? tf32 f32"},
    {"cvt", "rn satfinite relu? e4m3x2|e5m2x2|e2m1x2|e2m3x2|e3m2x2 f32"},
    {"cvt", "rn satfinite relu? e4m3x2|e5m2x2 f16x2"},
    {"cvt", "rn relu? f16x2 e4m3x2|e5m2x2|e2m1x2|e2m3x2|e3m2x2"},
    {"cvt", "rz|rp satfinite? ue8m0x2 f32|bf16x2"},
    {"cvt", "rn bf16x2 ue8m0x2"},
    {"cvt", "pack sat u16|s16 s32"},
    {"cvt", "pack sat u8|s8|u4|s4|u2|s2 s32 b32"},
    {"ld", "weak? $S|const? ca|cg|cs|lu|cv? $H? $L? L2::cache_hint? $Q? unified? $A"},
    {"ld", "param::entry $A"},
    {"ld", "param::entry v2|v4 $K"},
    {"ld", "param::entry v2 $Y"},
    {"ld", "global ca|cg|cs? nc $H? $L? L2::cache_hint? $Q? $A"},
    {"ld", "volatile $S|const? $Q? $A"},
    {"ld", "relaxed|acquire $P $S? $H? $L? L2::cache_hint? $Q? $A"},
    {"ld", "mmio relaxed sys global? $A"},
    {"ld", "weak|volatile? $S|const? ca|cg|cs|lu|cv? $H? $L? L2::cache_hint? $Q? unified? v2|v4 $K"},
    {"ld", "weak|volatile? $S|const? ca|cg|cs|lu|cv? $H? $L? L2::cache_hint? $Q? unified? v2 $Y"},
    {"ld", "weak|volatile? global ca|cg|cs? nc? $H? $L? L2::cache_hint? $Q? v2|v4 $K"},
    {"ld", "weak|volatile? $S|const? ca|cg|cs|lu|cv? $H? $L? L2::cache_hint? $Q? v8 $Z"},
    {"ld", "weak|volatile? global? ca|cg|cs|lu|cv? nc? $H? $L? L2::cache_hint? $Q? v2|v4 $Y"},
    {"ld", "weak|volatile? global? ca|cg|cs|lu|cv? nc? $H? $L? L2::cache_hint? $Q? v8 $X|$Z"},
    {"ld", "relaxed|acquire $P global? $H? $L? L2::cache_hint? $Q? v4 $Y"},
    {"ld", "relaxed|acquire $P global? $H? $L? L2::cache_hint? $Q? v8 $X"},
    {"ld", "relaxed|acquire $P $S? $H? $L? L2::cache_hint? $Q? v8 $Z"},
    {"ld", "relaxed|acquire $P $S? $H? $L? L2::cache_hint? $Q? v2|v4 $K"},
    {"ld", "relaxed|acquire $P $S? $H? $L? L2::cache_hint? $Q? v2 $Y"},
    {"ldu", "global? $A"},
    {"ldu", "global? v2|v4 $K"},
    {"ldu", "global? v2 $Y"},
    {"st", "weak? $S? wb|cg|cs|wt? $H? $L? L2::cache_hint? $A"},
    {"st", "volatile $S? $A"},
    {"st", "relaxed|release $P $S? $H? $L? L2::cache_hint? $A"},
    {"st", "mmio relaxed sys global? $A"},
    {"st", "weak|volatile? $S? wb|cg|cs|wt? $H? $L? L2::cache_hint? v2|v4 $K"},
    {"st", "weak|volatile? $S? wb|cg|cs|wt? $H? $L? L2::cache_hint? v2 $Y"},
    {"st", "weak|volatile? global? wb|cg|cs|wt? $H? $L? L2::cache_hint? v4 $Y"},
    {"st", "weak|volatile? global? wb|cg|cs|wt? $H? $L? L2::cache_hint? v8 $X"},
    {"st", "weak|volatile? $S? wb|cg|cs|wt? $H? $L? L2::cache_hint? v8 $Z"},
    {"st", "relaxed|release $P global? $H? $L? L2::cache_hint? v4 $Y"},
    {"st", "relaxed|release $P global? $H? $L? L2::cache_hint? v8 $X"},
    {"st", "relaxed|release $P $S? $H? $L? L2::cache_hint? v8 $Z"},
    {"st", "relaxed|release $P $S? $H? $L? L2::cache_hint? v2|v4 $K"},
    {"st", "relaxed|release $P $S? $H? $L? L2::cache_hint? v2 $Y"},
    {"st", "async weak? mbarrier::complete_tx::bytes shared::cluster v2? b32|b64|$W|f32|f64"},
    {"st", "async weak? mbarrier::complete_tx::bytes shared::cluster v4 b32|$M|f32"},
    {"atom", "relaxed|acquire|release|acq_rel? $P? $G? add L2::cache_hint? u32|s32|u64|f32|f64"},
    {"atom", "relaxed|acquire|release|acq_rel? $P? $G? add noftz L2::cache_hint? f16|f16x2|bf16|bf16x2"},
    {"atom", "relaxed|acquire|release|acq_rel? $P? $G? min|max L2::cache_hint? $W"},
    {"atom", "relaxed|acquire|release|acq_rel? $P? $G? inc|dec L2::cache_hint? u32"},
    {"atom", "relaxed|acquire|release|acq_rel? $P? $G? and|or|xor L2::cache_hint? b32|b64"},
    {"atom", "relaxed|acquire|release|acq_rel? $P? $G? exch L2::cache_hint? b32|b64|b128"},
    {"atom", "relaxed|acquire|release|acq_rel? $P? $G? cas L2::cache_hint? b16|b32|b64|b128"},
    {"atom", "relaxed|acquire|release|acq_rel? $P? global add L2::cache_hint? v2|v4 f32"},
    {"atom", "relaxed|acquire|release|acq_rel? $P? global add|min|max noftz L2::cache_hint? $V f16|bf16"},
    {"atom", "relaxed|acquire|release|acq_rel? $P? global add|min|max noftz L2::cache_hint? v2|v4 f16x2|bf16x2"},
    {"red", "relaxed|release? $P? $G? add L2::cache_hint? u32|s32|u64|f32|f64"},
    {"red", "relaxed|release? $P? $G? add noftz L2::cache_hint? f16|f16x2|bf16|bf16x2"},
    {"red", "relaxed|release? $P? $G? min|max L2::cache_hint? $W"},
    {"red", "relaxed|release? $P? $G? inc|dec L2::cache_hint? u32"},
    {"red", "relaxed|release? $P? $G? and|or|xor L2::cache_hint? b32|b64"},
    {"red", "relaxed|release? $P? global add L2::cache_hint? v2|v4 f32"},
    {"red", "relaxed|release? $P? global add|min|max noftz L2::cache_hint? $V f16|bf16"},
    {"red", "relaxed|release? $P? global add|min|max noftz L2::cache_hint? v2|v4 f16x2|bf16x2"},
    {"red", "async relaxed cluster mbarrier::complete_tx::bytes shared::cluster add $M|u64"},
    {"red", "async relaxed cluster mbarrier::complete_tx::bytes shared::cluster min|max $M"},
    {"red", "async relaxed cluster mbarrier::complete_tx::bytes shared::cluster inc|dec u32"},
    {"red", "async relaxed cluster mbarrier::complete_tx::bytes shared::cluster and|or|xor b32"},
    {"membar", "cta|gl|sys"},
    {"membar", "proxy alias"},
    {"fence", "sc|acq_rel|acquire|release? $P"},
    {"fence", "acquire sync_restrict::shared::cluster cluster"},
    {"fence", "release sync_restrict::shared::cta cluster"},
    {"fence", "mbarrier_init release cluster"},
    {"fence", "proxy alias"},
    {"fence", "proxy async $G?"},
    {"fence", "proxy async::generic acquire sync_restrict::shared::cluster cluster"},
    {"fence", "proxy async::generic release sync_restrict::shared::cta cluster"},
    {"fence", "proxy tensormap::generic acquire|release $P"},
    {"prefetch", "global|local? L1|L2"},
    {"prefetch", "global L2::evict_last|L2::evict_normal"},
    {"prefetch", "const|param? tensormap"},
    {"prefetchu", "L1"},
    {"applypriority", "global? L2::evict_normal"},
    {"discard", "global? L2"},
    {"createpolicy",
     "fractional L2::evict_last|L2::evict_normal|L2::evict_first|L2::evict_unchanged L2::evict_first? b64"},
    {"createpolicy",
     "fractional L2::evict_last|L2::evict_normal|L2::evict_first|L2::evict_unchanged L2::evict_unchanged? b64"},
    {"createpolicy", "range global? L2::evict_last|L2::evict_normal|L2::evict_first|L2::evict_unchanged "
                     "L2::evict_first|L2::evict_unchanged? b64"},
    {"createpolicy", "cvt L2 b64"},
    {"cvta", "to? global|shared|shared::cta|shared::cluster|local|const|param|param::entry u64"},
    {"isspacep", "$G|local|const|param|param::entry"},
    {"shfl", "sync? up|down|bfly|idx b32"},
    {"vote", "sync? all|any|uni pred"},
    {"vote", "sync? ballot b32"},
    {"match", "any|all sync b32|b64"},
    {"redux", "sync add|min|max $M"},
    {"redux", "sync and|or|xor b32"},
    {"redux", "sync min|max abs? NaN? f32"},
    {"activemask", "b32"},
    {"elect", "sync"},
    {"bar", "cta? sync"},
    {"bar", "cta? arrive"},
    {"bar", "cta? red popc u32"},
    {"bar", "cta? red and|or pred"},
    {"bar", "warp sync"},
    {"barrier", "cta? sync|arrive aligned?"},
    {"barrier", "cta? red popc aligned? u32"},
    {"barrier", "cta? red and|or aligned? pred"},
    {"barrier", "cluster arrive release|relaxed? aligned?"},
    {"barrier", "cluster wait acquire? aligned?"},
    {"nanosleep", "u32"},
    {"alloca stacksave stackrestore", "u32|u64"},
    {"bra call ret", "uni?"},
    {"brx", "idx uni?"},
    {"pmevent", "mask?"},
    {"setmaxnreg", "inc|dec sync aligned u32"},
    {"exit trap brkpt", ""},
    {"griddepcontrol", "wait|launch_dependents"},
    {"cp", "async ca|cg shared|shared::cta global L2::cache_hint? $Q?"},
    {"cp", "async commit_group|wait_group|wait_all"},
    {"cp", "async mbarrier arrive noinc? shared|shared::cta? b64"},
    {"cp",
     "async bulk shared::cluster|shared::cta global mbarrier::complete_tx::bytes multicast::cluster? L2::cache_hint?"},
    {"cp", "async bulk shared::cluster shared::cta mbarrier::complete_tx::bytes"},
    {"cp", "async bulk global shared::cta bulk_group L2::cache_hint? cp_mask?"},
    {"cp", "async bulk prefetch L2 global L2::cache_hint?"},
    {"cp", "async bulk commit_group"},
    {"cp", "async bulk wait_group read?"},
    {"cp", "reduce async bulk shared::cluster shared::cta mbarrier::complete_tx::bytes add $M|u64"},
    {"cp", "reduce async bulk shared::cluster shared::cta mbarrier::complete_tx::bytes min|max $M"},
    {"cp", "reduce async bulk shared::cluster shared::cta mbarrier::complete_tx::bytes inc|dec u32"},
    {"cp", "reduce async bulk shared::cluster shared::cta mbarrier::complete_tx::bytes and|or|xor b32"},
    {"cp", "reduce async bulk global shared::cta bulk_group L2::cache_hint? add $M|u64|f32|f64"},
    {"cp", "reduce async bulk global shared::cta bulk_group L2::cache_hint? add noftz f16|bf16"},
    {"cp", "reduce async bulk global shared::cta bulk_group L2::cache_hint? min|max $W|f16|bf16"},
    {"cp", "reduce async bulk global shared::cta bulk_group L2::cache_hint? inc|dec u32"},
    {"cp", "reduce async bulk global shared::cta bulk_group L2::cache_hint? and|or|xor b32|b64"},
    {"mbarrier", "init|inval shared|shared::cta? b64"},
    {"mbarrier", "expect_tx|complete_tx relaxed? cta|cluster? $D? b64"},
    {"mbarrier", "arrive|arrive_drop expect_tx|noComplete? release|relaxed? cta|cluster? $D? b64"},
    {"mbarrier", "test_wait|try_wait parity? acquire|relaxed? cta|cluster? shared|shared::cta? b64"},
    {"mbarrier", "pending_count b64"},
    {"mapa getctarank", "shared::cluster? u32|u64"},
    {"ldmatrix", "sync aligned m8n8 x1|x2|x4 trans? shared|shared::cta? b16"},
    {"stmatrix", "sync aligned m8n8 x1|x2|x4 trans? shared|shared::cta? b16"},
    {"movmatrix", "sync aligned m8n8 trans b16"},
    {"vadd vsub vabsdiff vmin vmax", "$M $M $M sat? add|min|max?"},
    {"vshl vshr", "$M $M u32 sat? clamp|wrap add|min|max?"},
    {"vmad", "$M $M $M po? sat? shr7|shr15?"},
    {"vset", "$M $M $C add|min|max?"},
    {"vadd2 vsub2 vavrg2 vabsdiff2 vmin2 vmax2 vadd4 vsub4 vavrg4 vabsdiff4 vmin4 vmax4", "$M $M $M sat?"},
    {"vadd2 vsub2 vavrg2 vabsdiff2 vmin2 vmax2 vadd4 vsub4 vavrg4 vabsdiff4 vmin4 vmax4", "$M $M $M add"},
    {"vset2 vset4", "$M $M $C add?"},
};

} // namespace

std::string expanded(const char *line) {
    std::string text;
    for (const char *c = line; *c; ++c) {
        if (*c != '$') {
            text += *c;
            continue;
        }
        ++c;
        for (const Set &s : sets)
            if (s.letter == *c) text += s.words;
    }
    return text;
}

namespace {

// Alternatives; whether one of them must be there.
struct Group {
    std::vector<std::string> words;
    bool optional = false;
};
using Line = std::vector<Group>;

std::vector<std::string> split(const std::string &text, char by) {
    std::vector<std::string> parts;
    for (size_t at = 0; at < text.size();) {
        const size_t end = std::min(text.find(by, at), text.size());
        parts.push_back(text.substr(at, end - at));
        at = end + 1;
    }
    return parts;
}

Line line_of(const char *words) {
    Line line;
    for (std::string &text : split(expanded(words), ' ')) {
        Group group;
        group.optional = text.back() == '?';
        if (group.optional) text.pop_back();
        group.words = split(text, '|');
        line.push_back(std::move(group));
    }
    return line;
}

using Lines = std::unordered_map<std::string, std::vector<Line>>;
const Lines &lines() {
    static const Lines all = [] {
        Lines made;
        for (const FormRow &row : rows)
            for (const std::string &opcode : split(row.opcodes, ' ')) made[opcode].push_back(line_of(row.words));
        return made;
    }();
    return all;
}

bool is_type(std::string_view word) {
    return ptx::type_of(word) != ptx::Type::unknown || (word.size() > 2 && word.substr(word.size() - 2) == "x2");
}

// Modifiers may come in another order than the ISA's, types may not.
bool matches(const Line &line, std::vector<std::string_view> left) {
    for (const Group &group : line) {
        bool type = false; // one was passed over
        auto found = left.begin();
        for (; found != left.end(); ++found) {
            const bool is = is_type(*found);
            if (!(is && type) && std::find(group.words.begin(), group.words.end(), *found) != group.words.end()) break;
            type = type || is;
        }
        if (found != left.end())
            left.erase(found);
        else if (!group.optional)
            return false;
    }
    return left.empty();
}

} // namespace

FormTable forms() {
    return {rows, sizeof rows / sizeof rows[0]};
}

bool is_form(const ptx::Instruction &instruction) {
    const auto found = lines().find(instruction.opcode);
    if (found == lines().end()) return true;
    const std::vector<std::string_view> words(instruction.modifiers.begin(), instruction.modifiers.end());
    return std::any_of(found->second.begin(), found->second.end(),
                       [&](const Line &line) { return matches(line, words); });
}

} // namespace cpu_device
