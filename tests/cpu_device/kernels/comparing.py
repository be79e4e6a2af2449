"""Two recordings of a whole kernel, of a GPU and of the CPU device, side by side."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Verdict:
    """`short` goes into the table; `fault` says what is wrong, if anything is."""

    short: str
    fault: str = ""
    ulp: int = 0


def ordered(array: np.ndarray) -> np.ndarray:
    """Floating-point numbers as integers in the same order, neighbours one apart."""
    bits = array.view(f"i{array.dtype.itemsize}").astype(object)
    return np.where(bits < 0, -(1 << (8 * array.dtype.itemsize - 1)) - bits, bits)


def ulps(one: np.ndarray, other: np.ndarray) -> int:
    """The largest distance, counted in numbers between; NaN is next to NaN alone."""
    if one.dtype.kind == "c":
        part = f"f{one.dtype.itemsize // 2}"
        one, other = one.view(part), other.view(part)
    numbers = ~(np.isnan(one) & np.isnan(other))
    if not numbers.any():
        return 0
    return int(np.max(np.abs(ordered(one[numbers]) - ordered(other[numbers]))))


def of_buffer(name: str, one: np.ndarray, other: np.ndarray, promised: bool) -> Verdict:
    """Two contents of one buffer; `name` ends with how the case judged it."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return Verdict("shape", f"{name}: {one.dtype}{one.shape} and {other.dtype}{other.shape}")
    at = np.flatnonzero(one.view(np.uint8) != other.view(np.uint8)) // one.dtype.itemsize
    if not len(at):
        return Verdict("=")
    places = f"{name}: {len(set(at.tolist()))} of {len(one)} differ, first at {at[0]}: {one[at[0]]} and {other[at[0]]}"
    if promised or name.endswith("equal"):
        return Verdict("differs", places)
    return Verdict("ulp", "", ulps(one, other)) if one.dtype.kind in "fc" else Verdict("order")


def of_case(name: str, gpu: Path, cpu: Path) -> Verdict:
    """One case; both sides have held it to NumPy already."""
    ends = [json.loads((side / f"{name}.json").read_text()) for side in (gpu, cpu)]
    for side, end in zip(("GPU", "CPU device"), ends, strict=True):
        if end["ended"] != "ran":
            return Verdict(f"fails: {side}", f"on the {side}: {end['ended'].strip().splitlines()[-1]}")
    with np.load(gpu / f"{name}.npz") as one, np.load(cpu / f"{name}.npz") as other:
        found = [of_buffer(key, one[key], other[key], ends[0]["promised"]) for key in one.files if key in other.files]
        if one.files != other.files:
            found.append(Verdict("order"))  # it read until something was so
    faults = [verdict for verdict in found if verdict.fault]
    if faults:
        return faults[0]
    ulp = max((verdict.ulp for verdict in found), default=0)
    words = {verdict.short for verdict in found}
    return Verdict(f"{ulp} ulp" if ulp else "order" if "order" in words else "=", ulp=ulp)
