"""What each parameter contributes to the body of a function: one small function a role (see policy/README.md).

Locals are called `c_NAME`; `a[i]` is the i-th Python argument; `fr` is the frame that holds what must live as long as
the call.
"""

from __future__ import annotations

from collections.abc import Callable

from ..plan import Parameter
from . import inputs, outputs, tagged
from .body import Body

_ROLES: dict[str, Callable[[Body, Parameter], None]] = {
    "value": inputs.value,
    "string": inputs.string,
    "address": inputs.address,
    "record": inputs.record,
    "keep": inputs.keep,
    "ref": inputs.ref,
    "inout": inputs.inout,
    "array": inputs.array,
    "inout_array": inputs.inout_array,
    "count": inputs.count,
    "out": outputs.out,
    "out_array": outputs.out_array,
    "used_count": outputs.used_count,
    "fill": outputs.fill,
    "fill_count": outputs.fill_count,
    "borrow": outputs.borrow,
    "borrow_count": outputs.used_count,
    "borrow_bytes": outputs.borrow_bytes,
    "text": outputs.text,
    "bytes": outputs.text,
    "fixed_text": outputs.fixed_text,
    "fixed_bytes": outputs.fixed_text,
    "sized_text": outputs.sized_text,
    "sized_bytes": outputs.sized_text,
    "sized_array": outputs.sized_array,
    "out_pointer": outputs.out_pointer,
    "on_failure": outputs.on_failure,
    "null": outputs.null,
    "tagged": tagged.tagged,
    "out_tagged": tagged.out_tagged,
    "out_tagged_array": tagged.out_tagged_array,
    "kernel_params": inputs.kernel_params,
    "callback": inputs.callback,
    "user_data": inputs.user_data,
}


def contribute(body: Body, p: Parameter) -> None:
    """Adds what one parameter needs to the body."""
    _ROLES[p.role](body, p)
