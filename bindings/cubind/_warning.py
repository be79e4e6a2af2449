"""Warnings that point to the program's line, not into the layers between it and the library."""

import sys
import warnings

_LAYERS = ("cubind", "cuda_unified")


def warn(text):
    """A UserWarning at the first line up the stack that is in none of the layers."""
    frame, level = sys._getframe(1), 2
    while frame and frame.f_globals.get("__name__", "").partition(".")[0] in _LAYERS:  # skip_file_prefixes is of 3.12
        frame, level = frame.f_back, level + 1
    warnings.warn(text, UserWarning, stacklevel=level)
