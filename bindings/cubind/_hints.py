"""What usually causes an error and what to do about it, in a sentence; by the class of the error, or by its status."""

_NEWER_PTX = "compile with an older NVRTC, or update the driver: it knows PTX up to its own CUDA version"
_ALIGNMENT = "an access of n bytes needs an address that is a multiple of n"
_BY_NAME = {
    "NVRTC_ERROR_BUILTIN_OPERATION_FAILURE": "NVRTC's builtins library must lie beside it, of the same release",
    "CUDA_ERROR_UNSUPPORTED_PTX_VERSION": _NEWER_PTX,
    "cudaErrorUnsupportedPtxVersion": _NEWER_PTX,
    "CUDA_ERROR_MISALIGNED_ADDRESS": _ALIGNMENT,
    "cudaErrorMisalignedAddress": _ALIGNMENT,
}

_BY_FUNCTION = {
    (
        "EventElapsedTime",
        "InvalidHandleError",
    ): "both events must be made with timing, and recorded in streams of one context"
}
_BY_CLASS = {
    "OutOfMemoryError": "free what is not needed, trim the memory pools, or use smaller pieces; other processes share the device",
    "NotInitializedError": "call cuInit(0) first; in the child of a fork CUDA cannot be used: start processes with 'spawn'",
    "InvalidContextError": "make a context current in this thread first, e.g. cuDevicePrimaryCtxRetain and cuCtxSetCurrent",
    "InvalidDeviceError": "devices are counted from 0; CUDA_VISIBLE_DEVICES hides some",
    "NoDeviceError": "CUBIND_DEVICE=cpu runs kernels on the CPU device; CUDA_VISIBLE_DEVICES may hide a GPU",
    "NotFoundError": 'C++ names are mangled: declare the kernel extern "C", or ask NVRTC for the lowered name',
    "NoBinaryForDeviceError": "compile for this device's compute capability, or load PTX, which fits any",
    "InvalidPtxError": "the JIT's error log names the line",
    "LaunchResourcesError": "use fewer threads a block or less shared memory; more than 48 KB of dynamic shared memory must be"
    " asked for by a function attribute",
    "IllegalAddressError": "run the program on the CPU device (CUBIND_DEVICE=cpu), which says which access it was, or under"
    " compute-sanitizer; the context cannot be used any more",
    "LaunchTimeoutError": "split the work into several launches",
    "DriverMismatchError": "the installed driver is older than the library or not a real one; see python -m cubind",
    "StreamCaptureError": "while a stream is captured, calls that wait or that act on other streams are not allowed",
    "DeinitializedError": "the driver is shutting down: close CUDA objects before the interpreter ends",
    "PeerAccessError": "ask with cuDeviceCanAccessPeer first, and enable it once",
}


def hint(error):
    """The hint for an error, or None."""
    if error.log and type(error).__name__ == "IllegalAddressError":
        return "the report above says which access it was; the context cannot be used any more"
    place = (error.function or "").removeprefix("cuda").removeprefix("cu").partition("_v")[0], type(error).__name__
    return (
        _BY_NAME.get(error.name)
        or _BY_FUNCTION.get(place)
        or next((_BY_CLASS[c.__name__] for c in type(error).__mro__ if c.__name__ in _BY_CLASS), None)
    )
