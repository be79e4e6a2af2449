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


def extend(cls: type[T]) -> type[T]:
    """Moves the body of a class into its base, a type of `_native`; no `super()` in it."""
    (base,) = cls.__bases__
    for name, value in vars(cls).items():
        if name not in _NOT_MOVED:
            setattr(base, name, value)
    base.__name__, base.__qualname__, base.__module__ = cls.__name__, cls.__qualname__, __package__
    return base
