"""`bindings/cubind/_error_table.py`: which exception class each status of each library is."""

from __future__ import annotations

from collections.abc import Sequence

from ..plan import Plan
from ..policy import ROOT_CLASS
from ..writer import Writer, stamp


def emit(plans: Sequence[Plan]) -> str:
    """The text of the module."""
    w = Writer()
    w.line(stamp("#", "api/*.jsonl and policy/errors.toml"))
    w.line(
        '"""Status enum → where it lives, which function describes a status, and status → class in `cubind._errors`."""'
    )
    w.line()
    w.line("TABLE = {")
    with w.indented():
        for plan in plans:
            _library(w, plan)
    w.line("}")
    return w.text()


def _library(w: Writer, plan: Plan) -> None:
    status = plan.types.enums[plan.info.status]
    w.line(f'"{status.name}": {{')
    with w.indented():
        w.line(f'"module": "cubind.{plan.info.name}",')
        w.line(f'"text": "{plan.info.error_text}",')
        w.line('"classes": {')
        with w.indented():
            for value, class_ in sorted({v: plan.errors.get(n, "") for n, v in status.values}.items()):
                if class_ not in ("", ROOT_CLASS):
                    w.line(f'{value}: "{class_}",')
        w.line("},")
    w.line("},")
