"""The plans of all libraries, from the committed facts and policies, for the version that is emitted."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from generator import policy
from generator.pipeline import ROOT, lowered, target
from generator.plan import FunctionPlan, Plan


@cache
def plans() -> dict[str, Plan]:
    """Library name → plan."""
    return {one.plan.info.name: one.plan for one in lowered(ROOT, target(ROOT), strict=False)}


@cache
def policies() -> dict[str, policy.Policy]:
    """Library name → what its policy file says."""
    return {name: policy.load(ROOT, name) for name in plans()}


def functions() -> list[tuple[str, FunctionPlan]]:
    """Every function of every library, with the library's name."""
    return [(name, function) for name, plan in plans().items() for function in plan.functions]


def package() -> Path:
    """The folder of the bindings' sources."""
    return ROOT.parent / "bindings" / "cubind"
