"""What a parameter that Python passes contributes to the body: conversions, counts, callbacks, kernel arguments."""

from __future__ import annotations

from ..plan import Parameter
from ..typetable import Value
from .body import Body, code, local_type, pointee, to_python
from .types_pxd import NOGIL

_INTEGER = {
    "i32": ("int", "cu_to_i32"),
    "u32": ("unsigned int", "cu_to_u32"),
    "i64": ("long long", "cu_to_i64"),
    "u64": ("unsigned long long", "cu_to_u64"),
}
_NARROW = {
    "i8": ("signed char", 8, 1),
    "u8": ("unsigned char", 8, 0),
    "i16": ("short", 16, 1),
    "u16": ("unsigned short", 16, 0),
}


# -- inputs


def _scalar(body: Body, p: Parameter, value: Value, type_: str, name: str) -> str:
    """Converts an argument that is passed by value; returns the C expression."""
    arg = body.arg(p.name)
    if value.kind in _INTEGER:
        local, function = _INTEGER[value.kind]
        body.declare(local, f"{name} = 0")
        body.convert(f"{function}({arg}, &{name})", p.name)
    elif value.kind in _NARROW:
        local, bits, signed = _NARROW[value.kind]
        body.declare(local, f"{name} = 0")
        body.convert(f"cu.index({arg}, {bits}, {signed}, &{name})", p.name)
    elif value.is_float:
        body.declare("double", f"{name} = 0")
        body.convert(f"cu_to_f64({arg}, &{name})", p.name)
    elif value.kind == "enum":
        body.declare("int", f"{name} = 0")
        body.convert(f"cu_to_enum({arg}, &M, E_{value.name}, &{name})", p.name)
    elif value.kind == "handle":
        body.declare("void *", name)
        body.convert(f"cu_to_handle({arg}, &M, H_{value.name}, &{name})", p.name)
    elif value.kind == "record":
        body.declare("void *", name)
        body.convert(f"cu.record_arg({arg}, &M, R_{value.name}, 0, &{name})", p.name)
        return f"(<{type_} *>{name})[0]"
    else:
        body.declare("void *", name)
        body.convert(f"cu_to_pointer({arg}, {body.fr()}, 0, &{name})", p.name)
    return f"<{type_}>{name}"


def value(body: Body, p: Parameter) -> None:
    body.c_arguments.append(_scalar(body, p, p.value, local_type(body.c(p)), f"c_{p.name}"))


def string(body: Body, p: Parameter) -> None:
    body.declare("const char *", f"c_{p.name}")
    body.convert(f"cu.string({body.arg(p.name)}, 1, &c_{p.name})", p.name)
    body.c_arguments.append(f"c_{p.name}")


def address(body: Body, p: Parameter) -> None:
    writable = 0 if p.options == ("const",) or "const" in p.type else 1
    body.declare("void *", f"c_{p.name}")
    body.convert(f"cu_to_pointer({body.arg(p.name)}, {body.fr()}, {writable}, &c_{p.name})", p.name)
    body.c_arguments.append(f"<{body.c(p)}>c_{p.name}")


def record(body: Body, p: Parameter) -> None:
    assert p.target
    body.declare("void *", f"c_{p.name}")
    body.convert(f"cu.record_arg({body.arg(p.name)}, &M, R_{p.target.name}, 1, &c_{p.name})", p.name)
    body.c_arguments.append(f"<{body.c(p)}>c_{p.name}")


def keep(body: Body, p: Parameter) -> None:
    record(body, p)
    how, owner = p.options
    where = "NULL" if owner == "-" else f"c_{owner}"
    body.after.append(f"if cu.record_keep({body.arg(p.name)}, &M, CU_KEEP_{how.upper()}, {where}): return NULL")


def ref(body: Body, p: Parameter) -> None:
    """A scalar or handle that C wants by address: the address of a copy."""
    assert p.target
    type_ = pointee(body.c(p)).removeprefix("const ")
    expression = _scalar(body, p, p.target, type_, f"v_{p.name}")
    body.declare(type_, f"c_{p.name}")
    body.arguments.append(f"c_{p.name} = {expression}")
    body.c_arguments.append(f"&c_{p.name}")


def inout(body: Body, p: Parameter) -> None:
    """Taken and returned; None passes NULL."""
    assert p.target
    type_ = pointee(body.c(p))
    body.declare(type_, f"c_{p.name}")
    body.declare(f"{type_} *", f"p_{p.name} = NULL")
    mark = len(body.arguments)
    expression = _scalar(body, p, p.target, type_, f"v_{p.name}")
    conversion = body.arguments[mark:]
    body.arguments[mark:] = [
        f"if {body.arg(p.name)} != Py_None:",
        *(f"    {line}" for line in conversion),
        f"    c_{p.name} = {expression}",
        f"    p_{p.name} = &c_{p.name}",
    ]
    body.c_arguments.append(f"p_{p.name}")
    body.results.append(f"({to_python(p.target, f'c_{p.name}')} if p_{p.name} != NULL else cu_none())")


# -- arrays that are passed in


def array(body: Body, p: Parameter) -> None:
    target = p.target
    assert target
    name = f"c_{p.name}"
    body.declare("void *", name)
    body.declare("size_t", f"n_{p.name}")
    frame = _lasting_frame(body, p.options[1]) if p.options[:1] == ("keep",) else body.fr()
    body.convert(f"cu.array({body.arg(p.name)}, &M, {code(target)}, {frame}, &{name}, &n_{p.name})", p.name)
    if p.count.isdigit():
        body.convert(f"cu_at_least({name}, n_{p.name}, {p.count})", p.name)
    body.c_arguments.append(f"<{body.c(p)}>{name}")


def _lasting_frame(body: Body, owner: str) -> str:
    """Memory that C uses until `owner`, an output, is destroyed."""
    if not any("lasting" in line for line in body.declarations):
        body.declare("cu_frame *", "lasting = NULL")
        body.arguments.append("lasting = cu.frame_new(fr)")
        body.arguments.append("if lasting == NULL: return NULL")
        body.after.append(f"cu.frame_hold(fr, &M, <void *>c_{owner})")
        body.fr()
    return "lasting"


def inout_array(body: Body, p: Parameter) -> None:
    array(body, p)
    assert p.target
    body.after.append(
        f"if cu.array_back({body.arg(p.name)}, &M, {code(p.target)}, c_{p.name}, n_{p.name}): return NULL"
    )


def count(body: Body, p: Parameter) -> None:
    """The number of elements of one or several arrays: given and checked, or None and taken from the arrays."""
    name = f"c_{p.name}"
    arrays = [q for q in body.function.params if q.role in ("array", "inout_array") and q.count == p.name]
    body.declare("size_t", name)
    body.declare("size_t", f"h_{p.name}")
    body.c_arguments.append(f"<{local_type(body.c(p))}>{name}")
    have = "CU_NO_ARRAY"
    for q in arrays:
        have = f"cu_have({have}, c_{q.name}, n_{q.name}, {q.less})"
    body.late.insert(0, f"h_{p.name} = {have}")
    label = " and ".join(q.name for q in arrays)
    position = body._positions[p.name]
    failure = f"return cu.bad_arg(&F[{body.function.index}], {position})"
    body.late.insert(1, f'if cu_count({body.arg(p.name)}, h_{p.name}, {p.value.size}, "{label}", &{name}): {failure}')


# -- kernels and callbacks


def kernel_params(body: Body, p: Parameter) -> None:
    function, *infos = p.options
    body.declare("void **", f"c_{p.name}")
    at = {f.name: f.index for f in body.plan.functions}
    own, other = at[infos[0]], at[infos[-1]]
    kernel = body.arg(function)
    index = f"{own}"
    if own != other:
        # a kernel of the other class is asked by the function of that class
        index = f"cu_either({kernel}, &M, H_{body.plan.accepts[body.param(function).value.name]}, {other}, {own})"
    call = f"cu.kernel_params({body.arg(p.name)}, {kernel}, &M, {index}, {body.fr()}, &c_{p.name})"
    body.convert(call, p.name)
    body.c_arguments.append(f"c_{p.name}")


def callback(body: Body, p: Parameter) -> None:
    user, how, *owner = p.options
    body.declare("void *", f"c_{p.name} = NULL")
    body.declare("void *", f"u_{p.name} = NULL")
    body.declare("cu_callback *", f"k_{p.name} = NULL")
    data = body.arg(user) if user != "-" else "Py_None"
    call = f"cu.callback_arg({body.arg(p.name)}, {data}, &M, C_{p.value.name}, &c_{p.name}, &u_{p.name}, &k_{p.name})"
    position = body._positions[p.name]
    body.late.append(f"if {call}: return cu.bad_arg(&F[{body.function.index}], {position})")
    body.cleanup.append(f"cu_drop(k_{p.name})")
    body.c_arguments.append(f"<{function_pointer(body, p)}>c_{p.name}")
    where = f"<void *>c_{owner[0]}" if owner else "NULL"
    body.after.append(f"cu.callback_keep(k_{p.name}, &M, CU_KEEP_{how.upper()}, {where})")
    body.after.append(f"cu_drop(k_{p.name})")


def function_pointer(body: Body, p: Parameter) -> str:
    """The C type of a callback parameter, for a cast."""
    return f"{body.c(p)}{NOGIL}" if "(*)" in p.type else body.c(p)


def user_data(body: Body, p: Parameter) -> None:
    callback = next(q for q in body.function.params if q.role == "callback" and q.options[0] == p.name)
    body.c_arguments.append(f"u_{callback.name}")
