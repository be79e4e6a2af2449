"""Our calls do not become slower unnoticed: instructions per call against benchmarks/instructions.json."""

from __future__ import annotations

import shutil
import warnings
from typing import Any

import pytest

from benchmarks import gate, instructions

TABLE = {"compiler": "gcc 1", "interpreter": "3", "rows": {"a": {"total": 300, "own": 100, "crossings": 4}}}


def changed(**changes: Any) -> dict[str, Any]:
    """TABLE as if it had been measured with changed figures."""
    return TABLE | {"rows": {"a": TABLE["rows"]["a"] | changes}}


@pytest.fixture(scope="module")
def now() -> dict[str, Any]:
    if not instructions.SUPPORTED or not shutil.which("gcc"):
        pytest.skip("counting instructions needs Linux on x86-64 and gcc")
    return gate.measure()


def test_no_row_takes_more_than_recorded(now: dict[str, Any]) -> None:
    if gate.key() not in gate.recorded():
        pytest.skip(f"nothing is recorded for {gate.key()}; `{gate.ACCEPT}` does")
    rose, fell = gate.compare(gate.recorded()[gate.key()], now)
    if fell:
        warnings.warn(f"fewer instructions than recorded; lower the table with `{gate.ACCEPT}`: "
                      + "; ".join(map(str, fell)), stacklevel=1)  # fmt: skip
    assert not rose, "more instructions than recorded; if that is meant: `{}`\n{}".format(
        gate.ACCEPT, "\n".join(map(str, rose))
    )


def test_every_row_of_ours_is_measured_and_recorded(now: dict[str, Any]) -> None:
    assert set(now["rows"]) == gate.gated()
    for table in gate.recorded().values():
        assert set(table["rows"]) == gate.gated()


def test_counts_repeat(now: dict[str, Any]) -> None:
    rose, fell = gate.compare(now, gate.measure())
    assert not rose
    assert not fell


def test_a_rise_names_row_and_figures() -> None:
    rose, fell = gate.compare(TABLE, changed(own=104))
    assert [str(change) for change in rose] == ["a: own 100 -> 104 (+4.0 %)"]
    assert not fell


def test_a_small_rise_passes_and_a_fall_is_told() -> None:
    rose, fell = gate.compare(TABLE, changed(own=103, total=200))
    assert not rose
    assert [change.figure for change in fell] == ["total"]


@pytest.mark.parametrize(("other", "figures"), [("interpreter", ["crossings", "own"]), ("compiler", ["crossings"])])
def test_only_what_can_be_compared_is(other: str, figures: list[str]) -> None:
    now = changed(own=200, total=900, crossings=5) | {other: "another"}
    rose, _ = gate.compare(TABLE, now)
    assert [change.figure for change in rose] == figures
