"""What the tests that call into recording libraries work with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

from generator.plan import FunctionPlan, Plan

from .recorder import Recorder
from .values import Values


@dataclass
class Bench:
    """One library on the bench: its plan, its Python module, and what stands in for it."""

    plan: Plan
    module: ModuleType
    recorder: Recorder
    errors: type[Exception]
    """CudaError."""

    def values(self) -> Values:
        return Values(self.module, self.plan)

    def target(self, function: FunctionPlan) -> Callable[..., object]:
        found: Callable[..., object] = getattr(self.module, function.name)
        return found


@dataclass
class Benches:
    """All libraries, and the package that calls them."""

    cubind: ModuleType
    of: dict[str, Bench]
