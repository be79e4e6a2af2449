"""Python bindings of the CUDA host API: exact C names, one module a library.

    from cubind import driver
    driver.cuInit(0)
    pointer = driver.cuMemAlloc(1 << 20)

Nothing is imported and no library is opened before it is used.  `python -m cubind` says what was found.
"""

__version__ = "0.1.0"  # the only place; pyproject.toml reads it


def __getattr__(name):
    """Modules and error classes, imported when they are first asked for."""
    if name[:1].islower():
        try:
            return __import__(f"{__name__}.{name}", fromlist=(name,))  # importlib costs more than this whole package
        except ModuleNotFoundError as error:
            if error.name != f"{__name__}.{name}":
                raise
    elif name[:1].isupper():
        from . import _errors

        if name in _errors.__all__:
            value = globals()[name] = getattr(_errors, name)
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name)


def __dir__():
    from . import _errors, _info

    return sorted({*globals(), "cpu", *_info.modules(), *_errors.__all__})


def has(name):
    """Whether the installed library has the C function `name`; opens that library if needed.

    False also where the library is missing and for a name that no library has.
    """
    from . import _core, _info

    _info.import_modules()
    return _core._has(name)


def info():
    """What was found on this machine, and where: an object with attributes, and a table when printed."""
    from . import _info

    return _info.Info()


def per_thread_default_stream(enable=None):
    """Whether stream 0 means a stream of the calling thread's own; with an argument, switch that for the whole process.

    Off at the start, unless $CUBIND_PER_THREAD_DEFAULT_STREAM is set to something other than 0 (or, as in NVIDIA's
    Python package, $CUDA_PYTHON_CUDA_PER_THREAD_DEFAULT_STREAM).  Switch before the first CUDA call: work that was put
    into one default stream is not ordered with the other.  Returns the setting now in force.
    """
    from . import _core

    return _core._per_thread_default_stream(enable)


def error_from_status(code, function, arguments=None, log=None):
    """The exception that a failing status means; for layers that call the C level.

    code: a member of a library's status enum; function: the C function; arguments, log: text for the error's message.
    """
    from . import _errors

    return _errors.error_from_status(code, function, arguments, log)


def get_include():
    """The folder of the C headers: own declarations of CUDA's types, values and functions."""
    return __path__[0] + "/_abi"
