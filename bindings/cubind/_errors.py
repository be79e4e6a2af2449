"""The exceptions of cubind.

A failing status raises.  The class says what the status means, the same in every CUDA library, and is also the builtin
that a Python programmer would catch, where there is one whose meaning fits.  `CudaError` is the root of everything that
this package raises on purpose about CUDA.  A wrong argument is Python's own TypeError, ValueError, OverflowError or
BufferError: it never reached CUDA.

Which status is of which class is in `_error_table.py`.
"""


class CudaError(RuntimeError):
    """A call into a CUDA library failed.

    Raised with two arguments, the status (a member of the library's status enum) and the name of the function.  Errors
    that are not the answer of a library have a text in place of the status, and `code` is None.
    """

    arguments = None
    """What matters of the call's arguments, as text; None where the caller did not say."""
    _log = _hint = None

    @property
    def code(self):
        """The status, e.g. `driver.CUresult.CUDA_ERROR_INVALID_DEVICE`; None if no library answered."""
        first = self.args[0] if self.args else None
        return first if isinstance(first, int) else None

    @property
    def name(self):
        """The status as C spells it, e.g. "CUDA_ERROR_INVALID_DEVICE"; None if there is none or it has no name."""
        return getattr(self.code, "name", None)

    @property
    def function(self):
        """The C function that failed, e.g. "cuDeviceGet"; None if it was none."""
        second = self.args[1] if len(self.args) > 1 else None
        return second if isinstance(second, str) else None

    @property
    def description(self):
        """What the library itself says about the status; None if it says nothing or cannot be asked."""
        code = self.code
        return None if code is None else _describe(code)

    @property
    def hint(self):
        """What usually causes this and what to do about it; None if nothing in particular is known.

        Who knows the cause sets it.
        """
        if self._hint or self.code is None:
            return self._hint
        from ._hints import hint

        return hint(self)

    @hint.setter
    def hint(self, text):
        self._hint = text

    @property
    def log(self):
        """What a compiler, linker or the CPU device wrote about it; None if nothing."""
        return self._log

    def __str__(self):
        code = self.code
        if code is None:
            text = str(self.args[0]) if self.args else ""
        else:
            text = f"{self.name or type(code).__name__} ({code:d})"
            if self.function:
                text = f"{self.function}{f'({self.arguments})' if self.arguments else ''}: {text}"
            description = self.description
            text = f"{text}: {description}" if description and description != self.name else text
        return "\n".join([text, *(part.rstrip() for part in (self.log, self.hint and f"hint: {self.hint}") if part)])


def error_from_status(code, function, arguments=None, log=None):
    """The exception that a status means.

    code: a member of a library's status enum, e.g. `driver.CUresult(2)`; function: the C function that returned it;
    arguments: what matters of its arguments, as text; log: what a compiler or linker wrote.  For layers that call the
    C level and want the same errors as the Python level raises.
    """
    from ._error_table import TABLE

    entry = TABLE[type(code).__name__]
    error = globals()[entry["classes"].get(int(code), "CudaError")](code, function)
    error.arguments, error._log = arguments, log
    return error


def _describe(code):
    """Ask the library.  Nothing that fails here may hide the error that is being described."""
    try:
        from importlib import import_module

        from ._error_table import TABLE

        entry = TABLE[type(code).__name__]
        text = getattr(import_module(entry["module"]), entry["text"])(code)
        if isinstance(text, bytes):
            text = text.decode("utf-8", "replace")
        return text or None
    except Exception:
        return None


# ---- what was asked for ----------------------------------------------------------------------------------------------


class InvalidValueError(CudaError, ValueError):
    """An argument has a value that the function does not accept."""


class InvalidHandleError(CudaError, ValueError):
    """A handle is not, or no longer, that of a living object of the right kind."""


class InvalidDeviceError(CudaError, ValueError):
    """There is no device of this number, or the device is not fit for the call."""


class InvalidContextError(CudaError):
    """There is no current context, or it was destroyed, or it is not of the right kind."""


class NotFoundError(CudaError, LookupError):
    """A kernel, variable or other thing of this name does not exist."""


class NotSupportedError(CudaError, NotImplementedError):
    """The device, the driver or the system cannot do this."""


class SymbolNotFoundError(NotSupportedError):
    """The library that was found does not have the function; it is older or newer than the function."""


class PermissionDeniedError(CudaError, PermissionError):
    """The process may not do this."""


class IllegalStateError(CudaError):
    """The call does not fit the state that an object is in: done already, not done yet, or done elsewhere."""


class PeerAccessError(IllegalStateError):
    """Access between two devices is not possible, is not enabled, or is enabled already."""


class MappingError(IllegalStateError):
    """Memory or a graphics resource could not be mapped or unmapped, or is not in the state that this needs."""


class ProfilerError(IllegalStateError):
    """The profiler is disabled, not initialized, or in the other state already."""


class NotReadyError(CudaError):
    """The work is not finished; ask again later."""


# ---- resources -------------------------------------------------------------------------------------------------------


class OutOfMemoryError(CudaError, MemoryError):
    """There is not enough memory, of the device or of the host."""


class ResourceExhaustedError(CudaError):
    """A limited resource other than memory is used up."""


class OperationTimeoutError(CudaError, TimeoutError):
    """The wait took longer than was allowed."""


# ---- the system ------------------------------------------------------------------------------------------------------


class NotInitializedError(CudaError):
    """The library is not initialized, or could not be."""


class DeinitializedError(CudaError):
    """The library is shutting down with the process."""


class NoDeviceError(CudaError):
    """No device can be used by this process."""


class DeviceUnavailableError(CudaError):
    """The device exists but is taken, or not licensed."""


class SystemNotReadyError(CudaError):
    """A part of the system that CUDA depends on has not started; trying again later may succeed."""


class DriverMismatchError(CudaError):
    """The driver that was found is a stub, is too old, or does not fit the library or the system."""


class MpsError(CudaError):
    """The multi-process service does not answer, is not ready, is full, or ended this client."""


class OperatingSystemError(CudaError, OSError):
    """A call to the operating system failed inside CUDA."""


class MissingFileError(OperatingSystemError, FileNotFoundError):
    """A file that CUDA was asked to read does not exist."""


class SharedLibraryError(OperatingSystemError):
    """A shared library that CUDA needs itself is missing, or could not be used."""


class LibraryNotFoundError(CudaError, ImportError):
    """A CUDA library was not found; the text lists where it was looked for."""


class HardwareError(CudaError):
    """The hardware reported a fault: memory, a link between devices, or something outside the device."""


# ---- device code -----------------------------------------------------------------------------------------------------


class CompilationError(CudaError):
    """The compiler refused the program or failed; its log has the details."""


class CompilationCancelledError(CompilationError):
    """The compilation was cancelled by its callback."""


class InvalidImageError(CudaError, ValueError):
    """Device code is malformed, or is inconsistent with other device code."""


class InvalidPtxError(InvalidImageError):
    """PTX does not compile, or is of a version that this driver does not know."""


class NoBinaryForDeviceError(InvalidImageError):
    """The code has nothing that this device can run: it was built for other architectures."""


class LaunchResourcesError(CudaError):
    """A launch needs more registers, shared memory, blocks at once or nesting than the device has."""


class LaunchError(CudaError):
    """A kernel failed while it ran.  Most such errors leave the process's CUDA state unusable.

    On the CPU device `log` is its report: kernel, block, thread, line, address.
    """

    raised = set()  # noqa: RUF012 (typing is not imported for this)
    """The statuses of those that there were in this process: every call that meets such a context fails like the first."""

    def __init__(self, *args):
        super().__init__(*args)
        if self.code is not None:
            LaunchError.raised.add(int(self.code))

    @property
    def log(self):
        if self._log is None and self.code is not None:
            from . import cpu

            self._log = cpu.last_report() or None
        return self._log


class IllegalAddressError(LaunchError):
    """A kernel used an address that is not mapped, not aligned, or of the wrong address space."""


class DeviceAssertError(LaunchError, AssertionError):
    """An assert() in device code failed."""


class LaunchTimeoutError(LaunchError, TimeoutError):
    """A kernel ran longer than the system allows."""


# ---- streams and graphs ----------------------------------------------------------------------------------------------


class StreamCaptureError(CudaError):
    """The call is not allowed during stream capture, or the capture was broken."""


class GraphUpdateError(CudaError):
    """A graph could not be updated or captured anew, because it differs too much."""


__all__ = [name for name, value in globals().items() if isinstance(value, type) and issubclass(value, CudaError)]

for _name in __all__:
    globals()[_name].__module__ = __package__  # they are public as cubind.CudaError; tracebacks and pickles say so
del _name
