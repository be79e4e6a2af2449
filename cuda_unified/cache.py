"""The cache of compiled programs: in memory, and behind that in a folder that processes share.

An entry is one file, named by a hash of all that the compilation depends on, and written so that readers see it whole or
not at all.  Nothing that goes wrong with the folder is an error of a compilation: then it is just not cached.
"""

from __future__ import annotations

import os
import time
from _thread import allocate_lock

from ._light import suppress
from ._records import dataclass, replace
from .object_code import ObjectCode, write_whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import OrderedDict
    from collections.abc import Iterator
    from pathlib import Path
    from weakref import WeakSet

_SUFFIX = ".cuobj"
_ABANDONED = 3600.0  # seconds after which a temporary file is nobody's any more
_KEEP = 0.9  # of the limit: what is left when old entries were removed
DEFAULT_SIZE = 512 << 20
MEMORY_SIZE = 64 << 20


@dataclass(frozen=True)
class CacheStatistics:
    """What a cache did in this process."""

    memory_hits: int = 0
    disk_hits: int = 0
    misses: int = 0
    """looked for and not there"""
    stores: int = 0
    evictions: int = 0
    """removed from the folder because it was full"""
    damaged: int = 0
    """entries that were not what was written, and were removed"""
    failures: int = 0
    """files that could not be read, written or removed"""
    bypassed: int = 0
    """compilations that cannot be cached"""

    @property
    def hits(self) -> int:
        """Compilations that were not needed."""
        return self.memory_hits + self.disk_hits


_every: WeakSet[ProgramCache] | None = None


def _survive_forks(cache: ProgramCache) -> None:
    """Gives the cache a new lock in children: another thread of the parent may have had it."""
    global _every  # noqa: PLW0603
    if _every is None:
        from weakref import WeakSet

        _every = WeakSet()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=_after_fork)
    _every.add(cache)


def _after_fork() -> None:
    for cache in _every or ():
        cache._lock = allocate_lock()


class ProgramCache:
    """A cache of compiled programs.  A class derived from it may have other `get`, `put` and `bypass`.

    folder: where entries are files, made when the first is written; None: in memory alone.  max_size: bytes in the folder,
    from which on those go that were not used for the longest time; memory_size: the same in memory.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str] | None = None,
        *,
        max_size: int = DEFAULT_SIZE,
        memory_size: int = MEMORY_SIZE,
    ) -> None:
        from collections import OrderedDict
        from pathlib import Path

        if max_size < 0 or memory_size < 0:
            raise ValueError("the size of a cache is not negative")
        self.folder = None if folder is None else Path(folder).absolute()
        self.max_size, self.memory_size = max_size, memory_size
        self._lock = allocate_lock()
        self._memory: OrderedDict[str, ObjectCode] = OrderedDict()
        self._memory_used = 0
        self._statistics = CacheStatistics()
        _survive_forks(self)

    @property
    def statistics(self) -> CacheStatistics:
        """What it did so far in this process."""
        return self._statistics

    def get(self, key: str) -> ObjectCode | None:
        """The entry of a key; None if there is none."""
        with self._lock:
            code = self._memory.get(key)
            if code is not None:
                self._memory.move_to_end(key)
                self._count("memory_hits")
        if code is not None:
            self._touch(key)
            return code.copy()
        code = self._read(key)
        with self._lock:
            self._count("misses" if code is None else "disk_hits")
            if code is not None:
                self._remember(key, code.copy())
        return code

    def put(self, key: str, code: ObjectCode) -> None:
        """Stores an entry."""
        with self._lock:
            self._remember(key, code.copy())
            self._count("stores")
        packed = code.pack() if self.folder is not None else b""
        if self.folder is None or len(packed) > self.max_size:
            return
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_whole(self._path(key), packed)
        except OSError:
            self._failed()
            return
        self._shrink(self._path(key))

    def bypass(self) -> None:
        """Counts a compilation that cannot be cached."""
        with self._lock:
            self._count("bypassed")

    def clear(self) -> None:
        """Removes all entries, of the folder too."""
        with self._lock:
            self._memory.clear()
            self._memory_used = 0
        for path, _, _ in self._files():
            self._remove(path)

    @property
    def size(self) -> int:
        """Bytes of the entries in the folder; in memory, if there is no folder."""
        return self._memory_used if self.folder is None else sum(size for _, size, _ in self._files())

    def __len__(self) -> int:
        return len(self._memory) if self.folder is None else sum(1 for _ in self._files())

    def __bool__(self) -> bool:
        return True  # also an empty one is a cache

    def __repr__(self) -> str:
        return f"<ProgramCache, {len(self)} entries in {self.folder or 'memory'}>"

    # ---- memory; with the lock

    def _remember(self, key: str, code: ObjectCode) -> None:
        old = self._memory.pop(key, None)
        self._memory_used -= len(old) if old else 0
        if len(code) > self.memory_size:
            return
        self._memory[key] = code
        self._memory_used += len(code)
        while self._memory_used > self.memory_size:
            _, dropped = self._memory.popitem(last=False)
            self._memory_used -= len(dropped)

    def _count(self, what: str) -> None:
        self._statistics = replace(self._statistics, **{what: getattr(self._statistics, what) + 1})

    # ---- files

    def _path(self, key: str) -> Path:
        assert self.folder is not None
        return self.folder / f"{key}{_SUFFIX}"

    def _read(self, key: str) -> ObjectCode | None:
        if self.folder is None:
            return None
        path = self._path(key)
        try:
            code = ObjectCode.unpack(path.read_bytes())
        except FileNotFoundError:
            return None
        except OSError:
            self._failed()
            return None
        except (ValueError, TypeError):
            with self._lock:
                self._count("damaged")
            self._remove(path)
            return None
        self._touch(key)
        return code

    def _touch(self, key: str) -> None:
        """The time of change of an entry's file is that of its last use."""
        if self.folder is not None:
            with suppress(OSError):
                os.utime(self._path(key))

    def _files(self) -> Iterator[tuple[Path, int, float]]:
        """(path, size, time of last use) of the entries."""
        from pathlib import Path

        try:
            entries = list(os.scandir(self.folder)) if self.folder else []
        except OSError:
            return
        for entry in entries:
            with suppress(OSError):
                status = entry.stat(follow_symlinks=False)
                if entry.name.endswith(_SUFFIX):
                    yield Path(entry.path), status.st_size, status.st_mtime
                elif entry.name.endswith(".tmp") and time.time() - status.st_mtime > _ABANDONED:
                    Path(entry.path).unlink()

    def _shrink(self, newest: Path) -> None:
        files = list(self._files())
        total = sum(size for _, size, _ in files)
        if total <= self.max_size:
            return
        for path, size, _ in sorted(files, key=lambda f: f[2]):
            if total <= self.max_size * _KEEP:
                return
            if path != newest and self._remove(path):
                total -= size
                with self._lock:
                    self._count("evictions")

    def _remove(self, path: Path) -> bool:
        try:
            path.unlink(missing_ok=True)  # another process may have been faster
        except OSError:
            self._failed()
            return False
        return True

    def _failed(self) -> None:
        with self._lock:
            self._count("failures")


# ---- the default cache ---------------------------------------------------------------------------------------------------


def user_folder() -> Path | None:
    """Where this package keeps what it can make again: $CUDA_UNIFIED_CACHE_DIR, else below the user's cache folder.

    None if there is no such place, e.g. for a user without a home.
    """
    from pathlib import Path

    own = os.environ.get("CUDA_UNIFIED_CACHE_DIR")
    if own:
        return Path(own).absolute()
    base = os.environ.get("XDG_CACHE_HOME", "")
    try:
        return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "cuda_unified"
    except RuntimeError:
        return None


def parse_size(text: str) -> int:
    """Bytes of "100000", "64K", "512M" or "2G"; ValueError for anything else."""
    import re

    match = re.fullmatch(r"\s*(\d+)\s*([kKmMgG]?)i?[bB]?\s*", text)
    if not match:
        raise ValueError(f"CUDA_UNIFIED_CACHE_SIZE={text!r} is no size: a number of bytes, with K, M or G if wanted")
    return int(match[1]) << {"": 0, "k": 10, "m": 20, "g": 30}[match[2].lower()]


_default: dict[tuple[Path | None, int], ProgramCache] = {}


def default_cache() -> ProgramCache | None:
    """The cache that compilations use that name none; None where $CUDA_UNIFIED_CACHE is 0.

    Its folder is `programs` in $CUDA_UNIFIED_CACHE_DIR (default: cuda_unified in $XDG_CACHE_HOME or ~/.cache), of at most
    $CUDA_UNIFIED_CACHE_SIZE (default: 512M).
    """
    if os.environ.get("CUDA_UNIFIED_CACHE", "").strip().lower() in ("0", "off", "no", "false"):
        return None
    base = user_folder()
    size = parse_size(os.environ.get("CUDA_UNIFIED_CACHE_SIZE") or str(DEFAULT_SIZE))
    key = (base and base / "programs", size)
    if key not in _default:
        _default.setdefault(key, ProgramCache(key[0], max_size=size))
    return _default[key]
