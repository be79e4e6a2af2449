"""The columns: each module has STATEMENTS (row -> the Python statement that is measured) and `namespace()`."""

ALL = ("ours", "legacy", "v2", "c_released", "c_held")
OURS, LEGACY, V2 = ALL[:3]
LAYERS = ("unified", "core")
"""The columns of the unified layer's rows."""
UNIFIED, CORE = LAYERS
