"""CUDA for Python programs: objects that own what they hold, errors that say what to do, kernels from strings, shared arrays.

    import cuda_unified as cu

    device = cu.Device()
    kernel = cu.Program(source).compile().kernel("saxpy")
    with device.stream() as stream:
        ...

Names are imported when they are first used; importing the package costs a few milliseconds and never opens a library.
"""

_HOME = {
    "Device": "device",
    "Context": "context",
    "Stream": "stream",
    "current_stream": "stream",
    "Event": "event",
    "Buffer": "memory",
    "Kernel": "kernel",
    "launch": "launcher",
    "LaunchConfig": "config",
    "Launcher": "launcher",
    "AccessPolicy": "config",
    "Graph": "graph",
    "GraphExec": "graph",
    "info": "environment",
    "annotate": "profiling",
    "profile": "profiling",
    "time_kernel": "profiling",
    "trace": "tracer",
    "copy_2d": "copy",
    "copy_3d": "copy",
    "copy_batch": "batch",
    "Pool": "pool",
    "Host": "location",
    "MemoryResource": "resources",
    "SyncResource": "resources",
    "PinnedResource": "resources",
    "GraphMemoryResource": "resources",
    "register_host": "resources",
    "ManagedResource": "managed",
    "ManagedBuffer": "managed",
    "prefetch_batch": "managed",
    "discard_batch": "managed",
    "discard_prefetch_batch": "managed",
    "Adaptor": "adaptors",
    "StatisticsResource": "adaptors",
    "LimitResource": "adaptors",
    "FailureCallbackResource": "adaptors",
    "LoggingResource": "tracing",
    "TrackingResource": "tracing",
    "as_cupy_allocator": "plugins",
    "as_torch_allocator": "plugins",
    "as_rmm_resource": "plugins",
    "CupyResource": "plugins",
    "TorchResource": "plugins",
    "RmmResource": "plugins",
    "empty_pinned": "host_arrays",
    "zeros_pinned": "host_arrays",
    "empty_managed": "host_arrays",
    "zeros_managed": "host_arrays",
    "buffer_of": "host_arrays",
    "memory_report": "report",
    "Array": "array",
    "DType": "dtype",
    "array_arguments": "interop",
    "as_array": "interop",
    "from_array_interface": "interop",
    "from_buffer": "interop",
    "from_cuda_array_interface": "interop",
    "from_dlpack": "interop",
    "empty": "creation",
    "empty_like": "creation",
    "from_host": "creation",
    "full": "creation",
    "full_like": "creation",
    "zeros": "creation",
    "zeros_like": "creation",
    "Program": "program",
    "NvvmProgram": "nvvm",
    "compile": "program",
    "compile_kernel": "program",
    "ProgramOptions": "options",
    "ProgramCache": "cache",
    "default_cache": "cache",
    "ObjectCode": "object_code",
    "Module": "module",
    "Linker": "linker",
    "JitOptions": "jit",
}
"""name -> the module that it is in"""


def __getattr__(name: str) -> object:
    if name == "__all__":  # of `from cuda_unified import *`
        from . import errors

        return sorted({*_HOME, *errors.__all__})
    home = _HOME.get(name)
    if home is None and name[:1].isupper():
        from . import errors

        home = "errors" if name in errors.__all__ else None
    if home:
        # not by importlib, which takes longer than this package and Python has not imported yet
        value = globals()[name] = getattr(__import__(home, globals(), None, (name,), 1), name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name)


def __dir__() -> list[str]:
    from . import errors

    return sorted({*globals(), *_HOME, *errors.__all__})
