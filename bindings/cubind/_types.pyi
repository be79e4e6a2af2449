"""What the annotations of cubind are made of.

For type checkers only: there is no module of this name at run time.  A program that wants these names for its own
annotations imports them below `if typing.TYPE_CHECKING:`.
"""

from _ctypes import CFuncPtr as CFuncPtr
from collections.abc import Mapping, Sequence
from typing import Any, Generic, Protocol, SupportsIndex, TypeAlias

from _typeshed import ReadableBuffer as ReadableBuffer
from _typeshed import WriteableBuffer as WriteableBuffer
from typing_extensions import TypeVar

from ._core import Handle

class SupportsCudaStream(Protocol):
    """A stream of another package."""

    def __cuda_stream__(self) -> tuple[int, int]:
        """(0, address of the stream)"""

Pointer: TypeAlias = SupportsIndex | Handle | ReadableBuffer | None
"""A `void *` that C reads through: an address, NULL (None), a handle, or the memory of a buffer or record."""

WritablePointer: TypeAlias = SupportsIndex | Handle | WriteableBuffer | None
"""A `void *` that C may write through: the same, but a buffer must be writable."""

FunctionAddress: TypeAlias = SupportsIndex | CFuncPtr | None
"""A C function: its address, a ctypes function, or NULL (None)."""

Text: TypeAlias = str | bytes | None
"""A `const char *`: text in UTF-8, or NULL (None)."""

KernelParams: TypeAlias = Sequence[Any] | ReadableBuffer | SupportsIndex | None
"""The arguments of a kernel: a sequence of values, (values, ctypes types), or C's array of pointers to them."""

Fields: TypeAlias = Mapping[str, Any]
"""The fields of a new record by name: what its class takes as keywords."""

_T = TypeVar("_T")

Array: TypeAlias = Sequence[_T] | ReadableBuffer | SupportsIndex | None
"""An array that C reads: its elements, the memory of a buffer or record, the address of the first element, or NULL."""

_Get = TypeVar("_Get")
_Set = TypeVar("_Set", default=_Get)

class Field(Generic[_Get, _Set]):
    """A field of a record: what reading gives, and what assignment accepts besides."""

    def __get__(self, instance: Any, owner: Any = None) -> _Get: ...
    def __set__(self, instance: Any, value: _Get | _Set) -> None: ...
