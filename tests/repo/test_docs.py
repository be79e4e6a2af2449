"""The public names of the unified layer are documented: parameters by name, what is raised, and where the facts are from."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from types import BuiltinFunctionType, FunctionType, MethodDescriptorType
from typing import Any, NamedTuple

import pytest

import cuda_unified as cu

# where facts may be from: a page of the vendor's, or of a specification
PLACES = (
    r"https://docs\.nvidia\.com/cuda/(cuda-driver-api|cuda-c-programming-guide|nvjitlink|nvrtc|libnvvm-api|parallel-thread-execution)/\S+\.html(#\S+)?",
    r"https://nvidia\.github\.io/(numba-cuda|NVTX)/\S*",
    r"https://data-apis\.org/array-api/latest/\S+\.html",
    r"https://numpy\.org/doc/stable/\S+\.html",
    r"https://dmlc\.github\.io/dlpack/latest/\S*",
    r"https://docs\.(cupy\.dev|rapids\.ai|pytorch\.org)/\S+|https://pytorch\.org/docs/stable/\S+",
    r"https://docs\.python\.org/3/\S+\.html",
    r"https://graphviz\.org/doc/info/\S+\.html",
    r"https://ui\.perfetto\.dev|https://docs\.google\.com/document/d/\S+",
)
URL = re.compile(r"https?://[^\s)>,;'\"]+")
OWN = """
Adaptor Array FailureCallbackResource Launcher LimitResource LoggingResource MemoryResource ObjectCode ProgramCache
StatisticsResource TrackingResource array_arguments as_array buffer_of compile compile_kernel current_stream default_cache empty
empty_like empty_managed empty_pinned from_host full full_like info memory_report zeros zeros_like zeros_managed zeros_pinned
"""
"""Names that no page of somebody else explains better."""
IN_C = (BuiltinFunctionType, MethodDescriptorType)
"""Functions in C: their docstrings begin with their signature, as `inspect.signature` reads it."""
UNCHECKED = {"self", "cls", "args", "kwargs", "_"}


class Item(NamedTuple):
    """Something public: its name, itself, and the class that it is of."""

    name: str
    thing: Any
    owner: type | None

    @property
    def doc(self) -> str:
        return inspect.getdoc(self.thing) or ""

    @property
    def text(self) -> str:
        """What a reader of it reads: this, its class, what it overrides, and what it says to see."""
        read = [self.doc]
        if self.owner:
            same = (getattr(base, self.name.rpartition(".")[2], None) for base in self.owner.__mro__)
            read += [inspect.getdoc(thing) or "" for thing in (self.owner, *same) if thing is not None]
        for name in re.findall(r"`([\w.]+)`", " ".join(re.findall(r"(?:see|as|of) `[\w.]+`", self.doc))):
            found: Any = getattr(cu, name.partition(".")[0], None) or getattr(self.owner, name, None)
            for part in name.split(".")[1:]:
                found = getattr(found, part, None)
            read.append(inspect.getdoc(found) or "" if found is not None else "")
        return "\n".join(read)

    @property
    def function(self) -> Any:
        thing = self.thing
        if isinstance(thing, (staticmethod, classmethod)):
            thing = thing.__func__
        if isinstance(thing, property):
            thing = thing.fget
        return getattr(thing, "__wrapped__", thing)


def of_class(cls: type) -> Iterator[Item]:
    for base in cls.__mro__:
        if not base.__module__.startswith("cuda_unified"):
            continue
        for name, thing in vars(base).items():
            if (
                name.startswith("_")
                or isinstance(thing, type)
                or not (callable(thing) or hasattr(type(thing), "__get__"))
            ):
                continue
            yield Item(f"{base.__name__}.{name}", thing, base)


def items() -> Iterator[Item]:
    for name in cu.__all__:
        thing = getattr(cu, name)
        yield Item(name, thing, None)
        if isinstance(thing, type):
            yield from of_class(thing)


ALL = {item.name: item for item in reversed([*items()])}


def parameters(item: Item) -> list[str]:
    thing = item.function
    if isinstance(thing, type):
        if "__init__" not in vars(thing) or not isinstance(vars(thing)["__init__"], FunctionType):
            return []
        thing = vars(thing)["__init__"]
        if thing.__module__.endswith("._records"):  # a record: its fields have docstrings of their own
            return []
    if not isinstance(thing, IN_C) and (not isinstance(thing, FunctionType) or isinstance(item.thing, property)):
        return []
    named = inspect.signature(thing).parameters.values()
    return [p.name for p in named if p.kind != p.VAR_KEYWORD and p.name not in UNCHECKED and p.name[0] != "_"]


def raised(item: Item) -> set[str]:
    """The classes that its own body raises."""
    thing = item.function
    if isinstance(thing, type):
        thing = vars(thing).get("__init__")
    if not isinstance(thing, FunctionType) or thing.__module__.endswith("._records"):
        return set()
    found = set()
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(thing)))):
        made = node.exc if isinstance(node, ast.Raise) else None
        if isinstance(made, ast.Call) and isinstance(made.func, ast.Name) and made.func.id[:1].isupper():
            found.add(made.func.id)
    return found


def says(text: str, word: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text) is not None


@pytest.mark.parametrize("item", ALL.values(), ids=ALL)
def test_is_documented(item: Item) -> None:
    assert item.doc, "no docstring"
    missing = [p for p in parameters(item) if not says(item.text, p)]
    assert missing == [], f"parameters that its docstring does not name: {item.doc}"
    missing = [name for name in raised(item) if not says(item.text, name)]
    assert missing == [], f"exceptions that its docstring does not name: {item.doc}"
    wrong = [url for url in URL.findall(item.doc) if not any(re.fullmatch(p, url.rstrip(".")) for p in PLACES)]
    assert wrong == [], "links to other places than known ones"
    if item.owner is None and not (isinstance(item.thing, type) and issubclass(item.thing, Exception)):
        assert says(OWN, item.name) is not bool(URL.search(item.doc)), "no link to where the facts are from (or OWN)"
