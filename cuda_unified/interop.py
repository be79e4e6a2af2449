"""Taking arrays of other libraries: `as_array` for whatever there is, and a function for each protocol."""

from __future__ import annotations

from . import _native
from . import array as _array  # noqa: F401 (the class that C makes)
from ._light import TypeVar
from .array import Array
from .device import Device

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

T = TypeVar("T")
_VERSION = (1, 3)
_CPU, _CUDA = 1, 2
as_array = _native.as_array
from_cuda_array_interface = _native.from_cuda_array_interface
from_array_interface = _native.from_array_interface
from_buffer = _native.from_buffer
from_dlpack = _native.from_dlpack


def from_dlpack_with(obj: Any, device: Any = None, copy: bool | None = None, stream: Any = None) -> Array:
    """`_native.from_dlpack` where a device or a copy is asked for."""
    if copy is not None and not isinstance(copy, bool):
        raise TypeError(f"copy must be True, False or None, not {copy!r}")
    here = tuple(int(x) for x in obj.__dlpack_device__())
    from .copying import resolve_device

    place = resolve_device(device) if device is not None else None
    to_host = device is not None and place is None and here[0] != _CPU
    array, copied = _export(obj, here, to_host, copy, stream)
    if copied and copy is False:
        raise BufferError(f"{type(obj).__name__} made a copy although copy=False")
    if device is not None and not _is_at(array, place):
        if copy is False:
            raise BufferError(f"an array on {array.device} is not on {device!r} without a copy")
        array, copied = array.to_device("cpu" if place is None else place, stream=_no_order(stream)), True
    return array if not copy or copied else array.copy(stream=_no_order(stream))


def _no_order(stream: Any) -> Any:
    return None if isinstance(stream, int) and stream == -1 else stream


def _is_at(array: Array, place: Device | None) -> bool:
    """Whether it can be used there: page-locked and managed memory can everywhere."""
    if array.is_host_accessible:
        return place is None or array.is_device_accessible
    return array.device == place


def _export(
    obj: Any, here: tuple[int, ...], to_host: bool, copy: bool | None, stream: Any
) -> tuple[Array, bool | None]:
    """The producer's tensor, with the newest words that it understands."""
    old: dict[str, Any] = {}
    consumer = None
    if here[0] != _CPU and not to_host:
        if stream is None or not isinstance(stream, int) or stream != -1:
            context = Device(here[1]).context if here[0] == _CUDA else Device().context
            consumer = _native.stream_for(stream, context)
        old["stream"] = consumer.address or 1 if consumer is not None else -1
    new: dict[str, Any] = {} if copy is None else {"copy": copy}
    if to_host:
        new["dl_device"] = (_CPU, 0)
    capsule = _call(obj.__dlpack__, {**old, **new, "max_version": _VERSION}, {**old, "max_version": _VERSION}, old)
    array, copied = _native.consume_capsule(capsule)
    if consumer is not None:
        array.stream = consumer
    return array, copied


def _call(method: Any, *attempts: dict[str, Any]) -> Any:
    for keywords in attempts[:-1]:
        try:
            return method(**keywords)
        except TypeError:  # a keyword that this producer does not know yet
            continue
    return method(**attempts[-1])


def array_arguments(*which: int | str, stream: str | None = None) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """A decorator: these arguments of the function become Arrays, whatever library they come from; None stays None.

        @cu.array_arguments("x", "y", stream="stream")
        def saxpy(a, x, y, stream=None):
            kernel[cu.LaunchConfig.for_size(x.size, kernel), stream](a, x, y, x.size)

    which: positions (from 0) or names of parameters.  stream: the parameter that has the stream that the arrays are going
    to be used in; default: the current one.

    Raises TypeError, when the function is decorated, for a parameter that it does not have, and, when it is called, for
    what is no array, with the parameter's name.
    """
    from functools import wraps
    from inspect import signature

    def decorate(function: Callable[..., T]) -> Callable[..., T]:
        form = signature(function)
        names = [_parameter(function, form.parameters, chosen) for chosen in which]
        used = None if stream is None else _parameter(function, form.parameters, stream)

        @wraps(function)
        def call(*args: Any, **keywords: Any) -> T:
            bound = form.bind(*args, **keywords)
            there = bound.arguments.get(used) if used else None
            for name in names:
                if bound.arguments.get(name) is not None:
                    bound.arguments[name] = _as_argument(function, name, bound.arguments[name], there)
            return function(*bound.args, **bound.kwargs)

        return call

    return decorate


def _parameter(function: Any, parameters: Mapping[str, Any], chosen: int | str) -> str:
    names = [name for name, p in parameters.items() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if isinstance(chosen, str) and chosen in names:
        return chosen
    if isinstance(chosen, int) and 0 <= chosen < len(names):
        return names[chosen]
    raise TypeError(f"{function.__qualname__}() has no parameter {chosen!r}: it has {', '.join(names) or 'none'}")


def _as_argument(function: Any, name: str, value: Any, stream: Any) -> Array:
    try:
        array: Array = as_array(value, stream=stream)
    except TypeError as error:
        raise TypeError(f"{function.__qualname__}(), argument {name}: {error}") from error
    return array
