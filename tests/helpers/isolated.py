"""A second copy of a package in this process, with extension modules, static data and all.

A library that cubind has opened stays open, so tests that put another one in its place need a cubind of their own, and must
leave the other tests theirs.  Extension modules are loaded anew where their file is another one: the copy is made of files.
"""

from __future__ import annotations

import importlib
import importlib.util
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType


def _loaded(name: str) -> dict[str, ModuleType]:
    return {key: module for key, module in sys.modules.items() if key == name or key.startswith(name + ".")}


class Isolated:
    """A copy of the installed package `name` below `folder`.  ModuleNotFoundError where it is not installed."""

    def __init__(self, name: str, folder: Path) -> None:
        spec = importlib.util.find_spec(name)
        if spec is None or not spec.submodule_search_locations:
            raise ModuleNotFoundError(f"{name} is not built: build it before running the tests that call it")
        for place in spec.submodule_search_locations:
            shutil.copytree(place, folder / name, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        self._name = name
        self.folder = folder
        self._modules: dict[str, ModuleType] = {}

    @contextmanager
    def active(self) -> Iterator[ModuleType]:
        """While this runs, `import` finds the copy, the same one each time."""
        outside = _loaded(self._name)
        self._swap(outside, self._modules)
        sys.path.insert(0, str(self.folder))
        importlib.invalidate_caches()
        try:
            yield importlib.import_module(self._name)
        finally:
            sys.path.remove(str(self.folder))
            self._modules = _loaded(self._name)
            self._swap(self._modules, outside)

    @staticmethod
    def _swap(out: dict[str, ModuleType], into: dict[str, ModuleType]) -> None:
        for key in out:
            del sys.modules[key]
        sys.modules.update(into)
