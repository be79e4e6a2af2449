"""Which files a program includes, found without a preprocessor: for the key of the cache, and to see which headers are missing.

NVRTC does not tell which files it read.  So every `#include` is followed, also one in a comment or under a false `#if`: that
finds at least what the compiler reads, and what is found too much costs at most a compilation that was not needed.
"""

from __future__ import annotations

import os
import re
import stat
import time
from hashlib import sha256
from pathlib import Path

from ._records import NamedTuple, dataclass, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_SPACE = rb"(?:[^\S\n]|/\*.*?\*/)*"
_INCLUDE = re.compile(
    rb"(?:#|%:)" + _SPACE + rb"include(_next)?" + _SPACE + rb'(<[^>\n]*>|"[^"\n]*"|[A-Za-z_]\w*[^\S\n]*\(?)'
    rb'|__has_include(_next)?\s*\(\s*(<[^>\n]*>|"[^"\n]*")',
    re.DOTALL,
)
_DEFINE = re.compile(
    rb"(?:#|%:)" + _SPACE + rb"define" + _SPACE + rb'([A-Za-z_]\w*)(?:[^\S\n]+(<[^>\n]*>|"[^"\n]*"))?', re.DOTALL
)
_CLOCK = re.compile(rb"__(?:DATE|TIME|TIMESTAMP)__")
_SPLICE = re.compile(rb"\\[^\S\n]*\r?\n")
_SETTLED = (
    2.0  # seconds after which a file's time of change is trusted: two changes may fall into one tick of the clock
)
_MOST_REMEMBERED = 20_000


class Text(NamedTuple):
    """What matters of a file."""

    digest: bytes
    includes: tuple[bytes, ...]
    """<name> or "name", as written"""
    tried: frozenset[bytes]
    """those of them that only `__has_include` names"""
    following: frozenset[bytes]
    """those of them that are looked for behind the folder of the file, by `#include_next`"""
    computed: frozenset[bytes]
    """macros whose value is included"""
    defines: tuple[tuple[bytes, bytes], ...]
    """macros, and what they mean where that is a name to include, else b"" """
    has_clock: bool


def read(content: bytes) -> Text:
    """What matters of a text."""
    joined = _SPLICE.sub(b"", content) if b"\\" in content else content
    named: dict[bytes, None] = {}
    tried: set[bytes] = set()
    following: set[bytes] = set()
    computed: set[bytes] = set()
    for match in _INCLUDE.finditer(joined):
        name = match[2] or match[4]
        if name[:1] not in b'<"':
            computed.add(name.replace(b" ", b""))
            continue
        if match[2] is None and name not in named:
            tried.add(name)
        elif match[2] is not None:
            tried.discard(name)
        if match[1] or match[3]:
            following.add(name)
        named[name] = None
    defines = tuple({(m[1], m[2] or b"") for m in _DEFINE.finditer(joined)})
    clock = bool(_CLOCK.search(joined))
    digest = sha256(content).digest()
    return Text(digest, tuple(named), frozenset(tried), frozenset(following), frozenset(computed), defines, clock)


_remembered: dict[str, tuple[int, int, Text]] = {}


def read_file(path: str) -> Text | None:
    """The same of a file, remembered while the file does not change; None if there is none."""
    try:
        status = os.stat(path)  # noqa: PTH116 - hundreds of files: no objects
        if not stat.S_ISREG(status.st_mode):
            return None
        known = _remembered.get(path)
        if known and known[0] == status.st_mtime_ns and known[1] == status.st_size:
            return known[2]
        now = time.time()
        text = read(Path(path).read_bytes())
    except (OSError, ValueError):
        return None
    if len(_remembered) >= _MOST_REMEMBERED:
        _remembered.clear()
    if now - status.st_mtime > _SETTLED:
        _remembered[path] = (status.st_mtime_ns, status.st_size, text)
    return text


@dataclass
class Closure:
    """All that a program includes, as far as it can be known."""

    files: dict[str, bytes] = field(default_factory=dict)
    """path -> SHA-256 of what is in it"""
    missing: set[str] = field(default_factory=set)
    """names that are included somewhere and found nowhere; many of them are of branches that NVRTC does not take"""
    unknown: str = ""
    """why files or other inputs cannot be known, as a clause; "" if they are"""


class _Scan:
    def __init__(self, folders: Sequence[str], trusted: Sequence[str], beside: str | None) -> None:
        self.folders = list(folders)
        self.trusted = tuple(f.rstrip("/") + "/" for f in trusted)
        self.beside = beside
        self.closure = Closure()
        self.given: frozenset[str] = frozenset()
        self.found: dict[str, str | None] = {}
        self.computed: set[bytes] = set()
        self.texts: list[Text] = []
        self.macros: set[tuple[bytes, bytes]] = set()
        """of the command line, as `Text.defines`"""
        self.work: list[tuple[bytes, str | None, bool]] = []

    def add(self, text: Text, folder: str | None, own: bool) -> None:
        """Takes up a text that lies in `folder`; own: it is not one of the vendor's headers."""
        for name in text.includes:
            self.work.append((name, folder if name[:1] == b'"' else None, name not in text.tried))
            if name in text.following:
                self.everywhere(os.fsdecode(name[1:-1]))
        self.texts.append(text)
        if own:
            self.computed |= text.computed
            if text.has_clock:
                self.closure.unknown = self.closure.unknown or "the date or time is in the program"

    def run(self) -> None:
        done: set[bytes] = set()
        while True:
            while self.work:
                self.follow(*self.work.pop())
            todo = self.computed - done
            if not todo:
                return
            for macro in todo:
                values = {v for text in self.texts for m, v in text.defines if m == macro}
                values |= {v for m, v in self.macros if m == macro}
                if not values or b"" in values:
                    reason = f"what `#include {macro.decode('latin-1').rstrip('(')}` means is not known"
                    self.closure.unknown = self.closure.unknown or reason
                for value in filter(None, values):
                    self.work.append((value, self.beside if value[:1] == b'"' else None, True))
            done |= todo

    def follow(self, written: bytes, folder: str | None, needed: bool) -> None:
        name = os.fsdecode(written[1:-1])
        paths = set()
        if written[:1] == b'"':
            paths = {p for f in {folder, self.beside} if f is not None and self.open(p := os.path.join(f, name))}  # noqa: PTH118
        if name not in self.found:
            every = [name] if name.startswith("/") else (os.path.join(f, name) for f in self.folders)  # noqa: PTH118
            self.found[name] = next((p for p in every if self.open(p)), None)
        if not paths and self.found[name] is None and needed and name not in self.given:
            self.closure.missing.add(name)

    def everywhere(self, name: str) -> None:
        """Takes up the files of a name in all folders: the next one depends on where the including file was found."""
        for folder in self.folders:
            self.open(os.path.join(folder, name))  # noqa: PTH118

    def open(self, path: str) -> bool:
        """Takes up a file if there is one."""
        if path in self.closure.files:
            return True
        text = read_file(path)
        if text is None:
            return False
        self.closure.files[path] = text.digest
        self.add(text, path.rpartition("/")[0], not path.startswith(self.trusted) if self.trusted else True)
        return True


def scan(
    source: bytes,
    *,
    beside: str | None,
    given: Mapping[str, bytes],
    files: Iterable[str],
    folders: Sequence[str],
    trusted: Sequence[str],
    macros: Iterable[str] = (),
) -> Closure:
    """Follows the includes of a program.

    source: its text; beside: the folder that quoted includes are searched in first; given: headers by name; files: those
    that are included before it; folders: where includes are searched, in order; trusted: those of them that hold the
    vendor's headers, in which computed includes stay; macros: NAME=value of the command line.
    """
    s = _Scan(folders, trusted, beside)
    s.given = frozenset(given)
    for macro in macros:
        name, _, value = macro.partition("=")
        literal = os.fsencode(value) if value[:1] in ("<", '"') else b""
        s.macros.add((os.fsencode(name), literal))
    for path in files:
        if not s.open(path):
            s.closure.unknown = f"{path} cannot be read"
    for content in (source, *given.values()):
        s.add(read(content), beside, True)
    s.run()
    return s.closure
