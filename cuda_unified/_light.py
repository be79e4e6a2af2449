"""What keeps imports short: stand-ins for what `contextlib` and `typing` have, and modules that are imported later.

Importing those two takes longer than half of this package.  Type checkers see the originals.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import contextmanager as contextmanager
    from contextlib import nullcontext as nullcontext
    from contextlib import suppress as suppress
    from typing import Any
    from typing import Generic as Generic
    from typing import TypeVar as TypeVar
    from typing import overload as overload

    def later(package: str | None, name: str) -> Any: ...

else:

    def contextmanager(function):
        """The original, from the first call on."""

        def make(*args, **kwargs):
            from contextlib import contextmanager

            return contextmanager(function)(*args, **kwargs)

        for name in ("__module__", "__name__", "__qualname__", "__doc__", "__annotations__"):
            setattr(make, name, getattr(function, name))
        make.__wrapped__ = function
        return make

    class suppress:  # noqa: N801
        """Lets the block end at an exception of these classes."""

        def __init__(self, *classes):
            self.classes = classes

        def __enter__(self):
            pass

        def __exit__(self, cls, error, trace):
            return cls is not None and issubclass(cls, self.classes)

    class nullcontext:  # noqa: N801
        """Nothing."""

        def __init__(self, result=None):
            self.result = result

        def __enter__(self):
            return self.result

        def __exit__(self, *error):
            pass

    class later:  # noqa: N801
        """A module beside one of `package`, imported when something in it is first used; checkers import it."""

        def __init__(self, package, name):
            self._place = package, name

        def __getattr__(self, attribute):
            package, name = self._place
            module = __import__(name, {"__package__": package}, None, (attribute,), 1)
            value = self.__dict__[attribute] = getattr(module, attribute)
            return value

    class Generic:
        """Only for type checkers."""

        def __class_getitem__(cls, item):
            return cls

    def TypeVar(name):  # noqa: N802
        """Only for type checkers."""
        return name

    def overload(function):
        """Only for type checkers."""
        return function
