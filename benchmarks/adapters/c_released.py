"""Hand-written C, the GIL released during the call."""

from __future__ import annotations

from typing import Any

from . import floor
from .floor import STATEMENTS as STATEMENTS


def namespace() -> dict[str, Any]:
    """What the statements refer to."""
    return floor.namespace("floor_released")
