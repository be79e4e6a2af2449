"""`bindings/cubind/_tables/<library>.h`: the static tables that a generated module hands to the core.

What exists (enums, handles, records, callbacks, constants, functions, method table) as C data: no code runs for it at
import, and the classes are made from it on first use.  The trampolines of callbacks are the only functions here.
"""

from __future__ import annotations

from ..names import emitted_functions, parameter
from ..plan import CallbackPlan, FieldPlan, FunctionPlan, Parameter, Plan, RecordPlan
from ..typetable import Value
from ..writer import Writer, stamp
from .declare import PREFIX
from .docs import docstring

_KINDS_WITH_AUX = {"enum": "E_", "handle": "H_", "record": "R_", "func": "C_"}


def emit(plan: Plan) -> str:
    """The text of the header."""
    name = plan.info.name
    w = Writer()
    w.line(stamp("/*", f"api/{name}.jsonl and policy/{name}.toml"))
    for header in ("_core.h", f"_abi/{PREFIX}{name}.h", f"_abi/{PREFIX}{name}_symbols.h"):
        w.line(f'#include "{header}"')
    w.line()
    _indices(w, plan)
    _enums(w, plan)
    _handles(w, plan)
    _records(w, plan)
    _callbacks(w, plan)
    _tags(w, plan)
    _constants(w, plan)
    _functions(w, plan)
    _module(w, plan)
    return w.text()


def _c(text: str) -> str:
    """A C string literal."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _table(w: Writer, declaration: str, rows: list[str]) -> None:
    """A static array; one entry at least, since C has no empty arrays."""
    w.line(f"static {declaration}[] = {{")
    with w.indented():
        for row in rows or ["{0}"]:
            w.line(row + ",")
    w.line("};")


def _indices(w: Writer, plan: Plan) -> None:
    for prefix, names in (
        ("E_", [e.name for e in plan.library.enums]),
        ("H_", [h[0] for h in plan.handles]),
        ("R_", [r.name for r in plan.records]),
        ("C_", [c.name for c in plan.callbacks]),
    ):
        if names:
            w.line(f"enum {{ {', '.join(f'{prefix}{name}' for name in names)} }};")
    w.line()


def _enums(w: Writer, plan: Plan) -> None:
    for enum in plan.library.enums:
        rows = [f"{{{_c(name)}, {_integer(value)}}}" for name, value in enum.values]
        _table(w, f"const cu_member members_{enum.name}", rows)
    rows = [f"{{{_c(e.name)}, members_{e.name}, {len(e.values)}, {int(e.signed)}}}" for e in plan.library.enums]
    _table(w, "const cu_enum_spec enum_specs", rows)
    w.line()


def _integer(value: int) -> str:
    if value == -(1 << 63):
        return "INT64_MIN"
    return f"{value}LL" if abs(value) > 0x7FFFFFFF else str(value)


def _handles(w: Writer, plan: Plan) -> None:
    rows = []
    for name, tag, module in plan.handles:
        also = f"H_{plan.accepts[name]}" if name in plan.accepts else "-1"
        rows.append(f"{{{_c(name)}, {_c(tag)}, {_c(module)}, {int(name in plan.streams)}, {also}}}")
    _table(w, "const cu_handle_spec handle_specs", rows)
    w.line()


def _aux(value: Value) -> str:
    if value.name and value.kind in _KINDS_WITH_AUX:
        return f"{_KINDS_WITH_AUX[value.kind]}{value.name}"
    return f"R_{value.name}" if value.kind == "ptr" and value.name else "-1"


def _field_kind(f: FieldPlan) -> str:
    if f.value.kind == "i8" and f.value.count:
        return "CU_TEXT" if f.text else "CU_BYTES"
    if f.value.kind == "u8" and f.value.count:
        return "CU_BYTES"
    return f"CU_{f.value.kind.upper()}"


def _records(w: Writer, plan: Plan) -> None:
    for record in plan.records:
        positions = {f.name: i for i, f in enumerate(record.fields)}
        rows = []
        for f in record.fields:
            offset = _offset(record, f)
            link = positions[f.link] if f.link else -1
            element = f", {{CU_{f.element.kind.upper()}, {_aux(f.element)}}}" if f.element else ""
            rows.append(
                f"{{{_c(parameter(f.name))}, {offset}, {f.value.count}, {_field_kind(f)}, {_aux(f.value)}, {link}{element}}}"
            )
        _table(w, f"const cu_field_spec fields_{record.name}", rows)
    rows = []
    for r in plan.records:
        size = _size(r)
        align = r.align
        rows.append(
            f"{{{_c(r.name)}, {_c(r.tag)}, {_c(f'cubind.{r.home or plan.info.name}')}, fields_{r.name}, {size}, {align}, "
            f"{len(r.fields)}, {int(r.union)}}}"
        )
    _table(w, "const cu_record_spec record_specs", rows)
    w.line()


def _offset(record: RecordPlan, f: FieldPlan) -> str:
    """Left to the C compiler, so that the tables follow the platform's layout."""
    outer = f"offsetof({PREFIX}{record.c_type}, {f.c_path})"
    return f"{outer} - offsetof({PREFIX}{record.c_type}, {record.c_path})" if record.c_path else outer


def _size(record: RecordPlan) -> str:
    c_type = f"{PREFIX}{record.c_type}"
    return f"sizeof((({c_type} *)0)->{record.c_path})" if record.c_path else f"sizeof({c_type})"


# -- callbacks


def _callbacks(w: Writer, plan: Plan) -> None:
    for callback in plan.callbacks:
        if not _by_value(callback):
            _trampoline(w, plan, callback)
    rows = []
    for c in plan.callbacks:
        kinds = ", ".join(_callback_kind(c, i) for i in range(len(c.values)))
        w.line(f"static const cu_type params_{c.name}[] = {{{kinds or '{CU_NONE, -1}'}}};")
        result = f"{{CU_{c.returns.kind.upper()}, {_aux(c.returns)}}}"
        trampoline = "NULL" if _by_value(c) else f"(void *)trampoline_{c.name}"
        rows.append(f"{{{_c(c.name)}, {trampoline}, {result}, params_{c.name}, {len(c.values)}}}")
    _table(w, "const cu_callback_spec callback_specs", rows)
    w.line()


def _by_value(callback: CallbackPlan) -> bool:
    """A record passes by value: Python callables are not taken, only addresses of functions."""
    return any(value.kind == "record" for value in (callback.returns, *callback.values))


def _callback_kind(callback: CallbackPlan, i: int) -> str:
    if i == callback.user:
        return "{CU_NONE, -1}"
    value = callback.values[i]
    return "{CU_CSTR, -1}" if i in callback.texts else f"{{CU_{value.kind.upper()}, {_aux(value)}}}"


def _trampoline(w: Writer, plan: Plan, callback: CallbackPlan) -> None:
    """A C function of exactly the callback's type that hands its arguments to the core as 8-byte slots."""
    params = ", ".join(f"{_raw_type(v)} p{i}" for i, v in enumerate(callback.values)) or "void"
    result = _raw_type(callback.returns) if callback.returns.kind != "none" else "void"
    user = f"p{callback.user}" if callback.user >= 0 else "cu->callback_current()"
    w.line(f"static {result} trampoline_{callback.name}({params}) {{")
    with w.indented():
        w.line(f"uint64_t values[{max(len(callback.values), 1)}] = {{0}};")
        for i in range(len(callback.values)):
            w.line(f"memcpy(&values[{i}], &p{i}, sizeof p{i});")
        for text, length in callback.texts.items():
            w.line(f"char *text{text} = cu_text_copy(p{text}, (size_t)p{length});")
            w.line(f"memcpy(&values[{text}], &text{text}, sizeof text{text});")
        if result != "void":
            w.line(f"{result} result = 0;")
        w.line(f"cu->callback_enter({user}, values, {'NULL' if result == 'void' else '&result'});")
        for text in callback.texts:
            w.line(f"free(text{text});")
        if result != "void":
            w.line("return result;")
    w.line("}")


_RAW = {
    "i8": "int8_t", "u8": "uint8_t", "i16": "int16_t", "u16": "uint16_t", "i32": "int32_t", "u32": "uint32_t",
    "i64": "int64_t", "u64": "uint64_t", "f32": "float", "f64": "double", "enum": "unsigned int",
}  # fmt: skip


def _raw_type(value: Value) -> str:
    """A C type of the same calling convention; every pointer is a `void *`."""
    return _RAW.get(value.kind, "void *")


# -- tags, constants


def _tags(w: Writer, plan: Plan) -> None:
    for enum, members in sorted(plan.tags.items()):
        values = dict(plan.types.enums[enum].values)
        rows = []
        for member, value in members.items():
            rows.append(f"{{{_integer(values[member])}, {{CU_{value.kind.upper()}, {_aux(value)}}}, {value.count}}}")
        _table(w, f"const cu_tag TAGS_{enum}", rows)
        w.line(f"enum {{ N_TAGS_{enum} = {len(rows)} }};")
    w.line()


def _constants(w: Writer, plan: Plan) -> None:
    rows = []
    for macro in plan.library.macros:
        kind = "CU_CONST_INT" if -(1 << 63) <= macro.value < 1 << 63 else "CU_CONST_UINT"
        rows.append(f"{{{_c(macro.name)}, {kind}, {_integer(macro.value)}, NULL}}")
    for alias, name in sorted(plan.aliases.items()):
        rows.append(f"{{{_c(alias)}, CU_CONST_ALIAS, 0, {_c(name)}}}")
    for name in sorted(plan.types.integer_typedefs()):
        rows.append(f"{{{_c(name)}, CU_CONST_INT_TYPE, 0, NULL}}")
    _table(w, "const cu_const_spec const_specs", rows)
    w.line(f"enum {{ N_CONSTS = {len(rows)} }};")
    w.line()


# -- functions


def _functions(w: Writer, plan: Plan) -> None:
    by_index = {f.index: f for f in plan.functions}
    rows = []
    for i, declared in enumerate(emitted_functions(plan.library)):
        f = by_index.get(i)
        names = " ".join(parameter(p.name) for p in f.signature) if f else ""
        count = len(f.signature) if f else 0
        rows.append(f"{{{_c(declared.name)}, {_c(names)}, {count}, {count - (f.optional if f else 0)}}}")
    _table(w, "const cu_func_spec func_specs", rows)
    w.line("static const cu_func_spec *const F = func_specs;")
    w.line()
    for f in plan.functions:
        symbol = f.function.symbol
        w.line(f"static PyObject *f_{symbol}(PyObject *, PyObject *const *, Py_ssize_t, PyObject *);")
    rows = [_method(f, name) for f in plan.functions for name in (f.name, *f.aliases)]
    _table(w, "PyMethodDef methods", [*rows, "{NULL, NULL, 0, NULL}"])
    w.line()


def _method(f: FunctionPlan, name: str) -> str:
    doc = f"{name}({text_signature(f)})\n--\n\n{docstring(f)}"
    call = f"(PyCFunction)(void (*)(void))f_{f.function.symbol}"
    return f"{{{_c(name)}, {call}, METH_FASTCALL | METH_KEYWORDS, {_c(doc)}}}"


def text_signature(f: FunctionPlan) -> str:
    """As inspect.signature reads it: `$module` first, optional parameters with their default."""
    required = len(f.signature) - f.optional
    return ", ".join(["$module", *(_with_default(p, i >= required) for i, p in enumerate(f.signature))])


def _with_default(p: Parameter, optional: bool) -> str:
    return f"{parameter(p.name)}=None" if optional else parameter(p.name)


def _module(w: Writer, plan: Plan) -> None:
    name = plan.info.name
    declared = emitted_functions(plan.library)
    counts = {
        "funcs": len(declared),
        "enums": len(plan.library.enums),
        "handles": len(plan.handles),
        "records": len(plan.records),
        "callbacks": len(plan.callbacks),
    }
    w.line(f"static struct {PREFIX}{name}_table *T;")
    w.line(f"static cu_enum enum_states[{max(counts['enums'], 1)}];")
    w.line(f"static PyTypeObject *handle_types[{max(counts['handles'], 1)}];")
    w.line(f"static PyTypeObject *record_types[{max(counts['records'], 1)}];")
    status = next(i for i, e in enumerate(plan.library.enums) if e.name == plan.info.status)
    w.line("static cu_module M = {")
    with w.indented():
        w.line(f".name = {_c('cubind.' + name)},")
        w.line(f".library_spec = &{PREFIX}{name}_spec,")
        w.line(".table_slot = (void ***)&T,")
        w.line(".funcs = func_specs, .methods = methods, .enum_specs = enum_specs, .handle_specs = handle_specs,")
        w.line(".record_specs = record_specs, .callback_specs = callback_specs, .const_specs = const_specs,")
        w.line(f"{', '.join(f'.n_{key} = {value}' for key, value in counts.items())}, .n_consts = N_CONSTS,")
        w.line(f".status_enum = {status},")
        w.line(".enums = enum_states, .handles = handle_types, .records = record_types,")
    w.line("};")
