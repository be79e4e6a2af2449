from typing import Literal

from . import cpu as cpu
from . import driver as driver
from . import nvjitlink as nvjitlink
from . import nvrtc as nvrtc
from . import nvvm as nvvm
from . import runtime as runtime
from ._errors import *
from ._errors import CudaError

__version__: str

class Library:
    name: str
    title: str
    path: str | None
    how: Literal["override", "process", "wheel", "CUDA_PATH", "CUDA_HOME", "system"] | None
    version: str | None
    functions: int
    resolved: int
    resolver: str | None
    hint: str | None
    error: str | None

class Info:
    version: str
    python: str
    per_thread_default_stream: bool
    libraries: dict[str, Library]

def has(name: str) -> bool: ...
def info() -> Info: ...
def per_thread_default_stream(enable: bool | None = None) -> bool: ...
def get_include() -> str: ...
def error_from_status(code: int, function: str, arguments: str | None = None, log: str | None = None) -> CudaError: ...
