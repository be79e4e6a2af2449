"""Classes of named values: as much of `dataclasses` and `typing.NamedTuple` as this package needs.

Those two and what they bring along take longer to import than all of this package.  Type checkers see the originals, and so
does who asks: `dataclasses.fields`, `asdict`, `replace` and `inspect.signature` work with the classes that are made here.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
    from dataclasses import field as field
    from dataclasses import fields as fields
    from dataclasses import replace as replace
    from typing import NamedTuple as NamedTuple
else:
    _NOTHING = object()

    class _Field:
        __slots__ = ("compare", "default", "default_factory", "metadata", "name", "type")

        def __init__(self, default, default_factory, metadata, compare):
            self.default, self.default_factory, self.compare = default, default_factory, compare
            self.metadata = metadata or {}
            self.name = self.type = ""

        def value(self, cls):
            """What it is where nothing was given."""
            if self.default_factory is not None:
                return self.default_factory()
            if self.default is _NOTHING:
                raise TypeError(f"{cls.__name__}() is missing the argument {self.name!r}")
            return self.default

    def field(*, default=_NOTHING, default_factory=None, metadata=None, compare=True):
        """A field that has more than a default."""
        return _Field(default, default_factory, metadata, compare)

    def fields(thing):
        """The fields of a class or object."""
        return thing._fields

    def replace(thing, **changes):
        """A copy with some fields changed."""
        return type(thing)(**{f.name: getattr(thing, f.name) for f in thing._fields} | changes)

    class _OfOriginal:
        """An attribute that a class has of the dataclass that it would be, which is made when somebody asks."""

        def __init__(self, get):
            self.get = get

        def __get__(self, thing, cls):
            import dataclasses

            rows = []
            for f in cls._fields:
                default = {"default_factory": f.default_factory} if f.default_factory else {"default": f.default}
                if f.default is _NOTHING and not f.default_factory:
                    default = {}
                rows.append((f.name, f.type, dataclasses.field(**default, metadata=f.metadata, compare=f.compare)))
            return self.get(dataclasses.make_dataclass(cls.__name__, rows, kw_only=not cls.__match_args__))

    def _signature(original):
        import inspect

        return inspect.signature(original)

    def _init(self, *args, **values):
        cls, state = type(self), self.__dict__
        if len(args) > len(cls.__match_args__):
            raise TypeError(f"{cls.__name__}() takes {len(cls.__match_args__)} arguments by position, not {len(args)}")
        state.update(zip(cls.__match_args__, args, strict=False))
        for name in values:
            if name not in cls._names or name in state:
                problem = "was given twice" if name in state else "is unknown"
                raise TypeError(f"{cls.__name__}(): the argument {name!r} {problem}")
        state.update(values)
        for f in cls._fields:
            if f.name not in state:
                state[f.name] = f.value(cls)
        if hasattr(cls, "__post_init__"):
            self.__post_init__()

    def _values(self):
        return tuple(getattr(self, f.name) for f in self._fields if f.compare)

    def _repr(self):
        shown = [
            f for f in self._fields if type(self).__match_args__ or getattr(self, f.name) != f.default
        ]  # of options
        return f"{type(self).__qualname__}({', '.join(f'{f.name}={getattr(self, f.name)!r}' for f in shown)})"

    def _eq(self, other):
        return _values(self) == _values(other) if type(self) is type(other) else NotImplemented

    def _frozen(self, name, *_):
        from dataclasses import FrozenInstanceError

        raise FrozenInstanceError(f"{name!r} cannot be changed: {type(self).__name__} is immutable")

    def _make(cls, frozen, eq, kw_only):
        inherited = [f for f in getattr(cls, "_fields", ()) if f.name not in cls.__annotations__]
        own = []
        for name, kind in cls.__annotations__.items():
            if kind.startswith("ClassVar"):
                continue
            default = cls.__dict__.get(name, _NOTHING)
            f = default if isinstance(default, _Field) else _Field(default, None, None, True)
            f.name, f.type = name, kind
            own.append(f)
            if default is f:
                delattr(cls, name) if f.default is _NOTHING else setattr(cls, name, f.default)
        cls._fields = (*inherited, *own)
        cls._names = frozenset(f.name for f in cls._fields)
        methods = {"__init__": _init, "__repr__": _repr}
        if eq:
            methods |= {"__eq__": _eq, "__hash__": (lambda self: hash(_values(self))) if frozen else None}
        if frozen:
            methods |= {"__setattr__": _frozen, "__delattr__": _frozen}
        for name, method in methods.items():
            if name not in cls.__dict__ or (name == "__hash__" and cls.__hash__ is None):
                setattr(cls, name, method)
        cls.__match_args__ = () if kw_only else tuple(f.name for f in cls._fields)
        cls.__dataclass_fields__ = _OfOriginal(lambda original: original.__dataclass_fields__)
        cls.__signature__ = _OfOriginal(_signature)
        return cls

    def dataclass(cls=None, *, frozen=False, eq=True, kw_only=False):
        """Makes a class with fields of its annotated names."""
        return _make(cls, frozen, eq, kw_only) if cls is not None else lambda c: _make(c, frozen, eq, kw_only)

    class _NamedTupleType(type):
        def __new__(cls, name, bases, body):
            names = tuple(body.get("__annotations__", ()))
            items = {n: property(lambda self, i=i: self[i], doc=f"Item {i}.") for i, n in enumerate(names)}
            defaults = {n: body[n] for n in names if n in body}
            about = {"__slots__": (), "_fields": names, "__match_args__": names, "_field_defaults": defaults}
            return super().__new__(cls, name, bases, {**body, **about, **items})

    class NamedTuple(tuple, metaclass=_NamedTupleType):
        """A tuple whose items have names."""

        def __new__(cls, *args, **values):
            names, given = cls._fields[len(args) :], {**cls._field_defaults, **values}
            missing, unknown = [n for n in names if n not in given], [n for n in values if n not in names]
            if missing or unknown or len(args) > len(cls._fields):
                raise TypeError(f"{cls.__name__}() takes {', '.join(cls._fields)}; given {len(args)} and {[*values]}")
            return tuple.__new__(cls, (*args, *(given[n] for n in names)))

        def __repr__(self):
            return f"{type(self).__name__}({', '.join(f'{n}={self[i]!r}' for i, n in enumerate(self._fields))})"

        def __getnewargs__(self):
            return tuple(self)

        @classmethod
        def _make(cls, items):
            return cls(*items)

        def _asdict(self):
            return dict(zip(self._fields, self, strict=True))

        def _replace(self, **changes):
            return type(self)(**{**self._asdict(), **changes})
