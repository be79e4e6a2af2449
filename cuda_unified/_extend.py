"""One class from two halves: what programs call in loops is in C, the rest is Python.

    @extend
    class Stream(_native.Stream): ...

puts what the class body defines into `_native.Stream` itself and returns that.  So objects that C makes are of the class
that programs see, and none of the costs of a derived class are paid when they are made, called and dropped.
"""

from __future__ import annotations

from ._light import TypeVar

T = TypeVar("T")
_NOT_MOVED = {"__slots__", "__module__", "__dict__", "__weakref__", "__orig_bases__"}
_NO_INSTANCES = 1 << 7  # Py_TPFLAGS_DISALLOW_INSTANTIATION


def _explain(base: type, made: str) -> None:
    """Lets the error for calling the class say who makes its objects."""

    def refuse(cls: type, *_: object, **__: object) -> object:
        raise TypeError(f"cannot create {cls.__name__!r} instances: {made.rstrip('.')}")

    base.__new__ = refuse  # type: ignore[method-assign,assignment]


def extend(cls: type[T]) -> type[T]:
    """Moves the body of a class into its base, a type of `_native`; no `super()` in it."""
    (base,) = cls.__bases__
    if base.__flags__ & _NO_INSTANCES:
        _explain(base, (cls.__doc__ or "").partition("\n")[0])
    for name, value in vars(cls).items():
        if name not in _NOT_MOVED:
            setattr(base, name, value)
    base.__name__, base.__qualname__, base.__module__ = cls.__name__, cls.__qualname__, __package__
    return base
