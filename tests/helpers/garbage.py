"""What to call any function of an API with, made from the facts: `arguments(plan)` says of what kind each argument is, RUN calls.

Handles, addresses, sizes and enums are any number: one that is good, was good, is another kind's, or random.  What C reads
without a question is the program's to get right on a GPU too: pointers lead to room, or nowhere at all, and an array is as long
as its count says.  Where there is no array, the count is any number.
"""

from __future__ import annotations

from typing import Any

from generator.plan import FunctionPlan, Parameter, Plan, RecordPlan

HOST = ("srcHost", "dstHost")  # a copy reads or writes there
DIMENSIONS = ("grid", "block")  # a kernel of 2^31 CTAs ends some day
WAITS = ("WaitValue", "MemOp", "MemOps")  # addresses that are good would stop a stream for ever


def arguments(plan: Plan) -> dict[str, list[Any]]:
    """Symbol → kind of each argument; of the functions that return a status."""
    records = {record.name: record for record in plan.records}
    found: dict[str, list[Any]] = {}
    for function in plan.functions:
        if function.function.returns != plan.info.status:
            continue
        kinds = [_kind(parameter, function, records) for parameter in function.params]
        for symbol in filter(None, (function.function.symbol, function.function.per_thread)):
            found[symbol] = kinds
    for older in (one for one in plan.library.functions if one.returns == plan.info.status):
        found.setdefault(older.symbol, [_older(older.symbol, p.type, p.name) for p in older.params])
    return found


def _older(function: str, type_: str, name: str) -> list[Any]:
    """Of functions that a newer version has taken the place of, only the types are known."""
    if type_ == "size_t *":
        return ["lengths"]
    if type_.endswith("*"):
        return ["pointers"] if type_.endswith("**") else ["room"]
    if any(word in function for word in WAITS) and type_ != "CUstream":
        return ["bad"]
    return ["count"] if name.startswith(("num", "count")) else ["handle", type_]


def _kind(parameter: Parameter, function: FunctionPlan, records: dict[str, RecordPlan]) -> list[Any]:
    value, target = parameter.value, parameter.target
    counted = {p.count for p in function.params} | {"numOptions", "numDependencies"}
    if value.kind == "record":
        return ["value", *_layout(records[value.name], records)]
    if value.kind == "func":
        return ["function"]
    if value.kind == "cstr" or parameter.role == "string":
        return ["text"]
    if parameter.role == "address" and not parameter.type.endswith("**"):
        return (
            ["host"] if parameter.name in HOST or ("cpy" in function.name and "void" in parameter.type) else ["number"]
        )
    if value.kind == "ptr":
        if parameter.name in counted or parameter.role in (
            "inout",
            "count",
            "used_count",
            "fill_count",
            "borrow_count",
        ):
            return ["lengths"]
        if target is not None and target.kind == "record" and target.name in records:
            return ["record", *_layout(records[target.name], records)]
        return ["pointers"] if parameter.type.endswith("**") else ["room"]
    if parameter.role in ("count", "used_count", "fill_count", "borrow_count") or parameter.name in counted:
        return ["count"]
    if parameter.name.lower().startswith(DIMENSIONS):
        return ["dimension"]
    if any(p.name in HOST or p.role == "address" for p in function.params) and "cpy" in function.name:
        return ["size"] if value.kind == "u64" and not parameter.type.startswith("CUdeviceptr") else ["number"]
    if any(word in function.name for word in WAITS):
        return ["handle", parameter.type] if value.kind == "handle" else ["bad"]
    return ["enum"] if value.kind == "enum" else ["handle", parameter.type.removeprefix("const ").strip()]


def _layout(record: RecordPlan, records: dict[str, RecordPlan]) -> tuple[int, list[list[Any]]]:
    """Size, and of each field [offset, size, kind, for a count the offset of its pointer, else -1]."""
    fields: list[list[Any]] = []

    def walk(one: RecordPlan, base: int) -> None:
        linked = {field.link: field.offset + base for field in one.fields if field.link}
        for field in one.fields:
            at = base + field.offset
            if field.value.kind == "record" and field.value.name in records:
                walk(records[field.value.name], at)
            elif field.value.kind in ("ptr", "cstr", "func"):
                fields.append([at, 8, "pointer", -1])
            elif field.name in linked:
                fields.append([at, field.value.size, "count", linked[field.name]])
            else:
                is_dimension = field.name.startswith(DIMENSIONS) or one.name == "dim3"
                kind = "dimension" if is_dimension else field.value.name or "number"
                kind = "enum" if field.value.kind == "enum" else kind
                fields.append([at, field.value.size * max(field.value.count, 1), kind, -1])

    walk(record, 0)
    return record.size, fields


# The test's are `library`, `functions` (what arguments() says), `seed`, `turns`, good() -> {type: a good number, "": others
# that were}, and check(name of what was called), which says whether the device still works
RUN = """
import ctypes, random
random.seed(seed)
room = (ctypes.c_uint8 * (1 << 17))()
start = ctypes.addressof(room)
text = ctypes.create_string_buffer(b"/nonexistent/nothing")
NOTHING = ctypes.CFUNCTYPE(None)(lambda: None)
nothing = ctypes.cast(NOTHING, ctypes.c_void_p).value
odd = [0, 1, 2, 3, 7, 0xFF, 1 << 16, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 1]
# AddressSanitizer has its records there: memory that anyone could write to
records = range(0x7fff8000, 0x10007fff8000) if "asan" in os.environ.get("LD_PRELOAD", "") else ()

def number(of=""):
    known = good()
    if of and of in known and random.random() < 0.7: return known[of]
    likely = [known[k] for k in known if k] + known[""] + odd + odd
    n = random.choice(likely) if random.random() < 0.8 else random.getrandbits(random.choice((8, 16, 32, 47, 64)))
    return n if n not in records else 0

def bad(of=""):
    return random.choice(odd)

def enum():
    return random.randrange(12) if random.random() < 0.8 else number()

def dimension():
    return random.choice((0, 1, 2, 3, 64))

def write(at, size, value):
    ctypes.memmove(at, (value & ((1 << 8 * size) - 1)).to_bytes(size, "little"), size)

def make(at, size, fields, any_number, pointers):
    ctypes.memset(at, 0, size)
    for offset, n, kind, _ in fields:
        for k in range(0, n, 8):
            if kind in ("pointer", "count"): break
            value = dimension() if kind == "dimension" else enum() if kind == "enum" else any_number(kind)
            write(at + offset + k, min(8, n - k), value)
    for offset, n, kind, where in fields:                # last, for those in unions: a number is no pointer
        if kind == "pointer": write(at + offset, 8, random.choice((0, start + 65536)) if pointers else 0)
    for offset, n, kind, where in fields:
        if kind == "count":
            there = int.from_bytes(ctypes.string_at(at + where, 8), "little")
            write(at + offset, n, random.randrange(4) if there else number())

def arguments_of(name):
    any_number = bad if "MemOp" in name else number
    arrays = random.random() < 0.7                       # else none, and any count
    values = []
    for i, (kind, *rest) in enumerate(functions[name]):
        at = start + 8192 * (i % 7)
        if kind == "number": values.append(number())
        elif kind == "handle": values.append(number(*rest))
        elif kind == "enum": values.append(enum())
        elif kind == "bad": values.append(bad())
        elif kind == "dimension": values.append(dimension())
        elif kind == "count": values.append(random.randrange(4) if arrays else number())
        elif kind == "size": values.append(random.choice((0, 1, 8, 100)))
        elif kind == "host": values.append(random.choice((0, at)))
        elif kind == "text": values.append(random.choice((0, ctypes.addressof(text))))
        elif kind == "function": values.append(random.choice((0, nothing)))
        elif kind == "value":
            make(at, *rest, number, True)
            whole = {"_fields_": [("x", ctypes.c_uint64 * (-(-rest[0] // 8)))]}
            values.append(type("Value", (ctypes.Structure,), whole).from_address(at))
        elif not arrays or random.random() < 0.1: values.append(0)
        else:
            if kind == "record":
                for k in range(4): make(at + k * rest[0], *rest, any_number, "cpy" not in name)
            else:
                word = {"lengths": lambda: random.randrange(4), "room": any_number,
                        "pointers": lambda: random.choice((0, start + 65536))}
                for k in range(32): write(at + 8 * k, 8, word[kind]())
            values.append(at)
    return [v if isinstance(v, ctypes.Structure) else ctypes.c_uint64(v) for v in values]

seen, answered, called = set(), set(), set()
names = sorted(functions)
random.shuffle(names)
for turn in range(turns):
    chosen = names[turn % len(names)]
    values = arguments_of(chosen)
    if TRACE: print(chosen, values, flush=True)
    function = getattr(library, chosen)
    function.restype = ctypes.c_int
    code = function(*values)
    called.add(chosen)
    assert 0 <= code < 1000, (chosen, values, code)
    seen.add(code)
    if code == 0: answered.add(chosen)
    check(chosen)
assert called == set(functions)
"""
