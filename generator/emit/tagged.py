"""Parameters whose type depends on an attribute: `void *` that points to whatever an enumerator says."""

from __future__ import annotations

from ..plan import Parameter
from .body import Body

# -- values whose type depends on an attribute


def _tags(body: Body, enum_param: str) -> str:
    p = body.param(enum_param)
    value = p.value if p.value.kind == "enum" else p.target
    assert value and value.kind == "enum", f"{body.function.name}: {enum_param} is no enum"
    return f"TAGS_{value.name}, N_TAGS_{value.name}"


def tagged(body: Body, p: Parameter) -> None:
    body.declare("cu_tagged", f"t_{p.name}")
    enum = p.options[0]
    call = f"cu.tagged_from(&M, {_tags(body, enum)}, c_{enum}, {body.arg(p.name)}, {body.fr()}, &t_{p.name})"
    position = body._positions[p.name]
    body.outputs.append(f"if {call}: return cu.bad_arg(&F[{body.function.index}], {position})")
    body.c_arguments.append(f"t_{p.name}.data")


def out_tagged(body: Body, p: Parameter) -> None:
    enum, *size = p.options
    given = f"c_{size[0]}" if size and body.param(size[0]).python else "CU_NO_ARRAY"
    body.declare("cu_tagged", f"t_{p.name}")
    call = f"cu.tagged_room(&M, {_tags(body, enum)}, c_{enum}, <size_t>{given}, {body.fr()}, &t_{p.name})"
    position = body._positions[enum]
    body.outputs.append(f"if {call}: return cu.bad_arg(&F[{body.function.index}], {position})")
    body.c_arguments.append(f"t_{p.name}.data")
    body.results.append(f"cu.tagged_value(&M, &t_{p.name})")


def out_tagged_array(body: Body, p: Parameter) -> None:
    attributes, count, *sizes = p.options
    body.declare("cu_tagged *", f"t_{p.name}")
    body.declare("void **", f"c_{p.name}")
    given = f"<const size_t *>c_{sizes[0]}" if sizes else "NULL"
    which = f"{_tags(body, attributes)}, <const int *>c_{attributes}, c_{count}"
    arguments = f"{which}, {given}, {body.fr()}, &c_{p.name}, &t_{p.name}"
    position = body._positions[attributes]
    body.outputs.append(
        f"if cu.tagged_array_room(&M, {arguments}): return cu.bad_arg(&F[{body.function.index}], {position})"
    )
    body.c_arguments.append(f"c_{p.name}")
    body.results.append(f"cu.tagged_array_value(&M, t_{p.name}, c_{count})")
