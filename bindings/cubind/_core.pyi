"""The classes that enums, handles and records of all libraries are made of."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, SupportsIndex, TypeVar

from _typeshed import ReadableBuffer, WriteableBuffer
from typing_extensions import Self

from ._types import SupportsCudaStream

_E = TypeVar("_E", bound=Enum)

class _EnumType(type):
    @property
    def __members__(self: type[_E]) -> MappingProxyType[str, _E]:  # type: ignore[misc]
        """Name → member, aliases included."""
    def __iter__(self: type[_E]) -> Iterator[_E]:  # type: ignore[misc]
        """The members in the order of their declaration, without aliases."""
    def __len__(self) -> int: ...
    def __bool__(self) -> bool: ...
    def __getitem__(self: type[_E], name: str, /) -> _E:  # type: ignore[misc]
        """The member of a name.  KeyError if there is none."""
    def __contains__(self, value: object, /) -> bool:
        """Whether a value has a name here."""

class Enum(int, metaclass=_EnumType):
    """A C enumeration: an int with a name.

    A value that has no name here (a newer driver may return one) is a member too, its `name` is None.
    """

    def __new__(cls, value: int, /) -> Self:
        """The member of a value.  ValueError for what does not fit in the C type."""
    @property
    def name(self) -> str | None:
        """The C name; None for a value that these bindings do not know."""
    @property
    def value(self) -> int:
        """The value as a plain int."""
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, memo: Any, /) -> Self: ...

class Handle:
    """An opaque C pointer.  It owns nothing; `int(handle)` is the address, NULL is false."""

    def __new__(cls, address: SupportsIndex | Self | SupportsCudaStream | None = None, /) -> Self:
        """A handle of an address.  Only stream classes take an object with `__cuda_stream__`."""
    def __int__(self) -> int: ...
    def __bool__(self) -> bool: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, memo: Any, /) -> Self: ...

class Record:
    """A C struct or union.  It owns its memory, or is a view of memory that it keeps alive where it can.

    `bytes(record)` and `memoryview(record)` give the memory; records of one class compare by their bytes.
    """

    __layout__: ClassVar[Mapping[str, tuple[int, int]]]
    """Field → (offset, size) in bytes."""
    __hash__: ClassVar[None]  # type: ignore[assignment]

    @property
    def ptr(self) -> int:
        """The address of the record's memory."""
    @property
    def nbytes(self) -> int:
        """The size of the record in bytes."""
    @classmethod
    def from_ptr(cls, address: SupportsIndex, /) -> Self:
        """A view of the record at an address, which nothing keeps alive."""
    @classmethod
    def from_buffer(cls, obj: WriteableBuffer, offset: SupportsIndex = 0) -> Self:
        """A view of a writable buffer, which it keeps alive."""
    @classmethod
    def from_bytes(cls, data: ReadableBuffer, /) -> Self:
        """A record with a copy of the bytes."""
    def __eq__(self, other: object, /) -> bool: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, memo: Any, /) -> Self: ...

def _has(name: str, /) -> bool: ...
def _open(name: str, /) -> str | None: ...
def _libraries() -> list[dict[str, Any]]: ...
def _per_thread_default_stream(enable: bool | None, /) -> bool: ...
