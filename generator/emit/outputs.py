"""What a parameter that is returned contributes to the body: room for it, the C argument, the result."""

from __future__ import annotations

from ..plan import Parameter
from ..typetable import Value
from .body import CALL_AGAIN, Body, code, local_type, pointee, to_python

# -- outputs


def out(body: Body, p: Parameter) -> None:
    target = p.target
    assert target
    if target.kind == "record":
        _out_record(body, p, target)
        return
    type_ = pointee(body.c(p))
    if target.is_integer or target.is_float or target.kind == "enum":
        body.declare(local_type(type_), f"c_{p.name} = <{local_type(type_)}>0")
    else:
        body.declare(type_, f"c_{p.name} = NULL")
    body.c_arguments.append(f"&c_{p.name}")
    body.results.append(to_python(target, f"c_{p.name}"))


def _out_record(body: Body, p: Parameter, target: Value) -> None:
    body.declare("void *", f"c_{p.name} = NULL")
    body.declare("PyObject *", f"o_{p.name}")
    body.outputs.append(f"o_{p.name} = cu.new_record(&M, R_{target.name}, &c_{p.name})")
    body.outputs.append(f"if o_{p.name} == NULL: {body.fail()}")
    body.cleanup.append(f"Py_DecRef(o_{p.name})")
    body.c_arguments.append(f"<{body.c(p)}>c_{p.name}")
    body.results.append(f"o_{p.name}")


def _length(body: Body, name: str) -> str:
    """A C expression for the number that a parameter (or a literal) holds."""
    if name.isdigit():
        return name
    p = body.param(name)
    if p.role == "inout":
        return f"(c_{name} if p_{name} != NULL else 0)"
    return f"c_{name}"


def _room(body: Body, p: Parameter, length: str, size: int | str, into: list[str]) -> None:
    body.declare("void *", f"c_{p.name} = NULL")
    into.append(f"if cu_room({body.fr()}, <long long>({length}), {size}, &c_{p.name}): {body.fail()}")


def out_array(body: Body, p: Parameter) -> None:
    assert p.target
    length = _length(body, p.count)
    if p.options[:1] == ("per",):
        length = f"cu_divide({length}, {_length(body, p.options[1])})"
    body.declare("size_t", f"n_{p.name}")
    body.outputs.append(f"n_{p.name} = <size_t>({length})")
    _room(body, p, f"n_{p.name}", f"sizeof({_element(body, p)})", body.outputs)
    body.c_arguments.append(f"<{body.c(p)}>c_{p.name}")
    used = f"n_{p.name}"
    filled = p.options[1] if p.options[:1] == ("used",) else p.count
    if not filled.isdigit() and (p.options[:1] == ("used",) or body.param(filled).role == "inout"):
        used = f"cu_min(n_{p.name}, <size_t>c_{filled})"
    body.results.append(f"cu.list(c_{p.name}, &M, {code(p.target)}, {used})")


def _element(body: Body, p: Parameter) -> str:
    return pointee(body.c(p)).removeprefix("const ")


def used_count(body: Body, p: Parameter) -> None:
    body.declare(pointee(body.c(p)), f"c_{p.name} = 0")
    body.c_arguments.append(f"&c_{p.name}")


def fill(body: Body, p: Parameter) -> None:
    """Filled by a second call, when the first has told how many there are."""
    assert p.target
    body.declare("void *", f"c_{p.name} = NULL")
    body.first_arguments[len(body.c_arguments)] = "NULL"
    body.c_arguments.append(f"<{body.c(p)}>c_{p.name}")
    size = f"sizeof({_element(body, p)})"
    room = f"    if cu_room({body.fr()}, <long long>c_{p.count}, {size}, &c_{p.name}): {body.fail()}"
    if not body.second_call:
        body.second_call = [f"n_{p.count} = c_{p.count}", f"if n_{p.count} != 0:", CALL_AGAIN]
    body.second_call.insert(-1, room)
    body.results.append(f"cu.list(c_{p.name}, &M, {code(p.target)}, cu_min(n_{p.count}, c_{p.count}))")


def fill_count(body: Body, p: Parameter) -> None:
    type_ = pointee(body.c(p))
    body.declare(type_, f"c_{p.name} = 0")
    body.declare("size_t", f"n_{p.name}")
    body.c_arguments.append(f"&c_{p.name}")


def borrow(body: Body, p: Parameter) -> None:
    """An array that the library owns: copied."""
    assert p.target
    type_ = pointee(body.c(p))
    element = body.plan.types.resolve(pointee(pointee(p.type)).removeprefix("const "))
    body.declare(type_, f"c_{p.name} = NULL")
    body.c_arguments.append(f"&c_{p.name}")
    body.results.append(f"cu.list(c_{p.name}, &M, {code(element)}, c_{p.count} if c_{p.name} != NULL else 0)")


def borrow_bytes(body: Body, p: Parameter) -> None:
    body.declare("void *", f"c_{p.name} = NULL")
    body.c_arguments.append(f"&c_{p.name}")
    body.results.append(
        f"PyBytes_FromStringAndSize(<char *>c_{p.name}, <Py_ssize_t>c_{p.count} if c_{p.name} != NULL else 0)"
    )


def text(body: Body, p: Parameter) -> None:
    raw = int(p.role == "bytes")
    body.declare("size_t", f"n_{p.name}")
    body.outputs.append(f"n_{p.name} = <size_t>({_length(body, p.count)})")
    n = f"n_{p.name}"
    _room(body, p, f"{n} if {n} else 1" if "empty" in p.options else n, 1, body.outputs)
    body.c_arguments.append(f"<char *>c_{p.name}")
    used = f"n_{p.name}"
    if not p.count.isdigit() and body.param(p.count).role == "ref":
        used = f"cu_min(n_{p.name}, <size_t>c_{p.count})"
    body.results.append(f"cu.text(<const char *>c_{p.name}, {used}, {raw})")


def fixed_text(body: Body, p: Parameter) -> None:
    (size,) = p.options
    body.declare("char", f"c_{p.name}[{size}]")
    body.before.append(f"memset(c_{p.name}, 0, {size})")
    body.c_arguments.append(f"c_{p.name}")
    body.results.append(f"cu.text(c_{p.name}, {size}, {int(p.role == 'fixed_bytes')})")


def sized_text(body: Body, p: Parameter) -> None:
    """As long as a sibling function of the same inputs says."""
    sibling = next(f for f in body.plan.functions if f.name == p.options[0])
    symbol = sibling.function.symbol
    body.needs(symbol)
    body.declare("size_t", f"n_{p.name} = 0")
    inputs = ", ".join([*body.c_arguments, f"&n_{p.name}"])
    body.declare_once("int", "r")
    body.outputs.append(f"with nogil: r = <int>T.{symbol}({inputs})")
    body.outputs.append(f"if r: {body.fail(f'cu.raise_(&M, {sibling.index}, r)')}")
    n = f"n_{p.name}"
    _room(body, p, f"{n} if {n} else 1" if "empty" in p.options else n, 1, body.outputs)
    body.c_arguments.append(f"<char *>c_{p.name}")
    body.results.append(f"cu.text(<const char *>c_{p.name}, n_{p.name}, {int(p.role == 'sized_bytes')})")


def sized_array(body: Body, p: Parameter) -> None:
    """An array as long as a sibling function says through its last parameter."""
    assert p.target
    sibling = next(f for f in body.plan.functions if f.name == p.options[0])
    symbol = sibling.function.symbol
    body.needs(symbol)
    body.declare(pointee(sibling.params[-1].type), f"n_{p.name} = 0")
    body.declare_once("int", "r")
    body.outputs.append(f"with nogil: r = <int>T.{symbol}({', '.join([*body.c_arguments, f'&n_{p.name}'])})")
    body.outputs.append(f"if r: {body.fail(f'cu.raise_(&M, {sibling.index}, r)')}")
    _room(body, p, f"n_{p.name}", f"sizeof({_element(body, p)})", body.outputs)
    body.c_arguments.append(f"<{body.c(p)}>c_{p.name}")
    body.results.append(f"cu.list(c_{p.name}, &M, {code(p.target)}, <size_t>n_{p.name})")


def out_pointer(body: Body, p: Parameter) -> None:
    """A `void *` that C takes for the address of a pointer that it writes."""
    body.declare("void *", f"c_{p.name} = NULL")
    body.c_arguments.append(f"&c_{p.name}")
    body.results.append(f"PyLong_FromVoidPtr(c_{p.name})")


def on_failure(body: Body, p: Parameter) -> None:
    """An output that says more about a failure: it becomes a note of the exception."""
    if p.target and p.target.kind == "i8":
        text(body, p)
    else:
        out(body, p)
    body.notes.append((p.name, body.results.pop()))


def null(body: Body, p: Parameter) -> None:
    tagged = next(
        (q for q in body.function.params if q.role in ("tagged", "out_tagged") and q.options[1:] == (p.name,)), None
    )
    body.c_arguments.append(f"&t_{tagged.name}.size" if tagged else "NULL")
