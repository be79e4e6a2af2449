"""What documentation says about a function: facts only, never a sentence of a header."""

from __future__ import annotations

import re
import textwrap

from ..names import parameter
from ..plan import FunctionPlan, Parameter, Plan
from .pytypes import PyTypes, is_read_only, pointee


def c_signature(f: FunctionPlan) -> str:
    """The C declaration."""
    params = ", ".join(_declaration(p.type, p.name) for p in f.params) or "void"
    return f"{f.function.returns} {f.function.symbol}({params})"


def _declaration(type_: str, name: str) -> str:
    if "(*)" in type_:
        return type_.replace("(*)", f"(*{name})", 1)
    return f"{type_}{name}" if type_.endswith("*") else f"{type_} {name}"


def docstring(f: FunctionPlan) -> str:
    """The short text that is compiled into the module; the stub has the long one."""
    lines = [c_signature(f)]
    if f.function.deprecated:
        lines.append("Deprecated by CUDA.")
    if f.since:
        lines.append(f"Since CUDA {f.since}.")
    if f.page:
        lines.append(f.page)
    return "\n".join(lines)


# -- the long text, for stubs: what each parameter is, what is returned and raised

WIDTH = 112
"""Characters of a line of a docstring in a stub, without its indentation."""

_KEPT = {
    "call": "called during this call only",
    "once": "kept until it has been called once",
    "stream": "kept until it has been called, or for a capturing stream as long as the graph",
    "graph": "kept as long as the graph `{0}`",
    "key": "kept until `{0}` is given up",
    "forever": "kept for good",
}


def long_docstring(plan: Plan, f: FunctionPlan) -> list[str]:
    """The lines of a function's docstring in a stub: Google's style, which editors render."""
    lines = _declaration_lines(c_signature(f))
    taken = [(parameter(p.name), parameter_note(plan, f, p)) for p in f.signature]
    _section(lines, "Args", taken)
    _section(lines, "Returns", _returns(plan, f))
    _section(lines, "Raises", _raises(plan, f))
    lines += ["", *_wrap(" ".join(_remarks(f)))]
    if f.page:
        lines.append(f.page)
    return lines


def _wrap(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _declaration_lines(text: str) -> list[str]:
    """A C declaration; it breaks behind a comma only."""
    return [line.replace("\xa0", " ") for line in _wrap(re.sub(r"(?<!,) ", "\xa0", text), "    ")]


def _section(lines: list[str], title: str, entries: list[tuple[str, str]]) -> None:
    if entries:
        lines += ["", f"{title}:"]
    for name, text in entries:
        lines += [f"    {line}" for line in _wrap(f"{name}: {text}" if name else text, "    ")]


def _remarks(f: FunctionPlan) -> list[str]:
    found = (
        [f"Since CUDA {f.since}{'; an older driver is asked for its ' + f.older if f.older else ''}."]
        if f.since
        else []
    )
    found += ["Deprecated by CUDA."] if f.function.deprecated else []
    found += [f"Also called {' and '.join(f.aliases)}."] if f.aliases else []
    return [*found, "Keeps the GIL." if f.hold_gil else "Releases the GIL."]


# -- parameters


def parameter_note(plan: Plan, f: FunctionPlan, p: Parameter) -> str:
    """What a Python parameter is: its C type and its part in the call."""
    match p.role:
        case "address":
            return f"{p.type.strip()}; {'only read' if is_read_only(p) else 'may be written to'}"
        case "array" | "inout_array":
            note = f"array of {_length(p)} {_plain(pointee(p.type))}"
            return f"{note}; changed by the call" if p.role == "inout_array" else note
        case "count":
            return _count_note(f, p)
        case "string":
            return "text, None for NULL"
        case "record":
            return f"{_plain(pointee(p.type))}, its address, or None for NULL"
        case "keep":
            how = _KEPT[p.options[0]].format(*p.options[1:])
            return f"{_plain(pointee(p.type))}, its address, or None for NULL; a callable in it is {how}"
        case "ref":
            return f"{_plain(pointee(p.type))}; C gets the address of a copy"
        case "inout":
            return f"{_plain(pointee(p.type))}{_unit(p)}; taken and returned, None passes NULL"
        case "callback":
            return _callback_note(p)
        case "user_data":
            callback = next(q.name for q in f.params if q.role == "callback" and q.options[0] == p.name)
            return f"any object; `{parameter(callback)}` gets it"
        case "kernel_params":
            return f"arguments of `{p.options[0]}`: values, (values, ctypes types), or C's array of pointers"
        case "tagged":
            return f"its type depends on `{p.options[0]}`: {tag_note(plan, f, p)}"
    return f"{p.type.strip()}{_unit(p)}"


def _length(p: Parameter) -> str:
    less = f" - {p.less}" if p.less else ""
    return f"{p.count}{less}" if p.count.isdigit() else f"`{p.count}`{less}"


def _count_note(f: FunctionPlan, p: Parameter) -> str:
    arrays = [q for q in f.params if q.role in ("array", "inout_array") and q.count == p.name]
    lengths = [f"`{parameter(q.name)}`{f' + {q.less}' if q.less else ''}" for q in arrays]
    return f"{p.type.strip()}; None: the length of {' and '.join(lengths)}"


def _callback_note(p: Parameter) -> str:
    user, how, *owner = p.options
    data = "" if user == "-" else f", which gets `{parameter(user)}`"
    kept = _KEPT[how].format(*owner)
    return f"a callable{data}, a function's address, or None; {kept}"


def tag_note(plan: Plan, f: FunctionPlan, p: Parameter) -> str:
    """What a `void *` points to, for each value of the attribute beside it: one type, then the attributes."""
    types = PyTypes(plan)
    by_type: dict[str, list[str]] = {}
    for member, value in types.tags(f, p.options[0]).items():
        text = f"list[{types.given(value)}]" if value.count < 0 else types.given(value)
        by_type.setdefault(text, []).append(member)
    if len(by_type) == 1:
        return next(iter(by_type))
    most = max(by_type, key=lambda text: len(by_type[text]))
    rest = [f"{text} for {', '.join(members)}" for text, members in by_type.items() if text != most]
    return f"{'; '.join(rest)}; else {most}"


def _plain(type_: str) -> str:
    """A type without the const of what is passed on; text as such."""
    plain = type_.strip().removesuffix("const").rstrip()
    return "text" if plain == "const char *" else plain.removeprefix("const ")


def _unit(p: Parameter) -> str:
    """The unit, where the name of the parameter tells it."""
    value = p.target or p.value
    if value.is_integer and "byte" in p.name.lower():
        return ", in bytes"
    if value.is_float and p.name.lower() in ("ms", "pmilliseconds"):
        return ", in milliseconds"
    return ""


# -- results


def _returns(plan: Plan, f: FunctionPlan) -> list[tuple[str, str]]:
    by_name = {p.name: p for p in f.params}
    return [
        (name, _output_note(plan, f, by_name[name])) if name else ("", _own_result(f, text))
        for name, text in PyTypes(plan).outputs(f)
    ]


def _own_result(f: FunctionPlan, text: str) -> str:
    answers = [f"{value} for {status}" for status, value in f.answers if value]
    return f"True; {', '.join(answers)}" if answers else text


def _output_note(plan: Plan, f: FunctionPlan, p: Parameter) -> str:
    match p.role:
        case "out_array" | "fill" | "sized_array":
            return f"list of {_plain(pointee(p.type))}"
        case "borrow":
            return f"list of {_plain(pointee(pointee(p.type)))}"
        case "text" | "fixed_text" | "sized_text":
            return "text"
        case "bytes" | "fixed_bytes" | "sized_bytes" | "borrow_bytes":
            return "bytes"
        case "out_pointer":
            return "an address"
        case "out_tagged":
            return f"by `{parameter(p.options[0])}`: {tag_note(plan, f, p)}"
        case "out_tagged_array":
            return f"a value for each of `{parameter(p.options[0])}`: {tag_note(plan, f, p)}"
    return f"{_plain(pointee(p.type))}{_unit(p)}"


def _raises(plan: Plan, f: FunctionPlan) -> list[tuple[str, str]]:
    if not f.returns_status or f.result == "status":
        return []
    passed = " and ".join([plan.info.success, *(status for status, _ in f.answers)])
    notes = " and ".join(f"`{p.name}`" for p in f.params if p.role == "on_failure")
    text = f"for every status but {passed}; its subclass tells the kind"
    return [("CudaError", f"{text}, a note has {notes}" if notes else text)]
