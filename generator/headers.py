"""Pinned wheels to include folders: the only module that fetches anything.

`versions.toml` says which wheels hold the headers of a CUDA version. pins.py writes it, `include_dirs` and `libraries`
unpack what it pins into a cache. Every wheel is checked against its pinned sha256 before a byte of it is unpacked.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

ROOT = Path(__file__).resolve().parent
STUBS = ROOT / "stubs"
VERSIONS_FILE = "versions.toml"

_BANNER = """\
# Where the headers of each CUDA version come from, and the only place where a version is written.
# [packages.MAJOR] is edited by hand: which wheels a CUDA major needs, where in them the headers and shared libraries lie.
# [cuda."X.Y"] is written by generator/headers.py: `python -m generator add X.Y`. Comments elsewhere do not survive it.
"""
SHA256 = re.compile(r"[0-9a-f]{64}")
# What pip prints when the index cannot be reached; it then also says "No matching distribution", which misleads.
_PIP_OFFLINE = re.compile(r"NewConnectionError|ConnectionError|ConnectTimeout|name resolution|ProxyError|SSLError")
_PIP_WRONG_HASH = "DO NOT MATCH THE HASHES"


class HeadersError(Exception):
    """The headers of a CUDA version cannot be had; the message says what failed and what to do."""


@dataclass(frozen=True)
class Package:
    """One wheel that a CUDA major needs: where in it things lie, and which libraries are read from it."""

    name: str
    include: str
    serves: tuple[str, ...]
    lib: str = ""
    why: str = ""


@dataclass(frozen=True)
class Wheel:
    """One pinned file; its name says the platform."""

    package: str
    version: str
    file: str
    sha256: str

    @property
    def key(self) -> str:
        """A folder name that changes whenever the content does."""
        return f"{self.package}-{self.version}-{self.sha256[:16]}"


@dataclass(frozen=True)
class Release:
    """One CUDA version: pinned wheels, or folders of headers that lie beside versions.toml."""

    version: str
    wheels: tuple[Wheel, ...] = ()
    include: tuple[str, ...] = ()


@dataclass(frozen=True)
class Versions:
    """The whole of versions.toml."""

    target: str
    platforms: tuple[str, ...] = ()
    packages: dict[str, tuple[Package, ...]] = field(default_factory=dict)
    releases: dict[str, Release] = field(default_factory=dict)

    def release(self, version: str) -> Release:
        """Return the release called `version`; raise HeadersError, naming those that exist, if there is none."""
        try:
            return self.releases[version]
        except KeyError:
            known = ", ".join(sorted(self.releases, key=_order, reverse=True)) or "none"
            raise HeadersError(
                f"CUDA {version} is not in {VERSIONS_FILE}, which has: {known}. "
                f"Use one of these, or pin it with `python -m generator add {version}`."
            ) from None

    def rules(self, version: str) -> tuple[Package, ...]:
        """Return the packages that the major of `version` needs; raise HeadersError if none are written down."""
        major = version.partition(".")[0]
        try:
            return self.packages[major]
        except KeyError:
            raise HeadersError(
                f"CUDA {version}: {VERSIONS_FILE} does not say which wheels CUDA {major} needs. "
                f"Add its [packages.{major}.NAME] tables, after the example of another major."
            ) from None


# -- versions.toml ----------------------------------------------------------------------------------------------------


def load(root: Path = ROOT) -> Versions:
    """Read versions.toml in the folder `root`; raise HeadersError if it is absent or not of this shape."""
    path = root / VERSIONS_FILE
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        versions = Versions(
            target=data.pop("target"),
            platforms=tuple(data.pop("platforms", ())),
            packages={major: _load_packages(rules) for major, rules in data.pop("packages", {}).items()},
            releases={version: _load_release(version, table) for version, table in data.pop("cuda", {}).items()},
        )
        if data:
            raise ValueError(f"unknown key {min(data)!r}")
    except FileNotFoundError:
        raise HeadersError(f"There is no {path}. Give the folder that holds it.") from None
    except KeyError as missing:
        raise HeadersError(f"{path}: the key {missing} is missing. Add it.") from None
    except (ValueError, TypeError, AttributeError) as wrong:
        raise HeadersError(f"{path}: {wrong}. Correct that line.") from wrong
    versions.release(versions.target)
    return versions


def _load_packages(rules: dict[str, dict[str, Any]]) -> tuple[Package, ...]:
    """Return the rules of one major in their written order; raise TypeError on a key that is none of ours."""
    return tuple(Package(name, **{**rule, "serves": tuple(rule["serves"])}) for name, rule in rules.items())


def _load_release(version: str, table: dict[str, Any]) -> Release:
    """Return one release; raise ValueError or TypeError on an unknown key, or on a pin that is not one."""
    if unknown := sorted(set(table) - {"wheels", "include"}):
        raise ValueError(f"unknown key {unknown[0]!r} in CUDA {version}")
    wheels = tuple(Wheel(**wheel) for wheel in table.get("wheels", ()))
    for wheel in wheels:
        if not SHA256.fullmatch(wheel.sha256):
            raise ValueError(f"{wheel.package} {wheel.version} has no valid sha256")
        if PurePosixPath(wheel.file).name != wheel.file:
            raise ValueError(f"{wheel.package} {wheel.version}: file must be a name, without a folder")
    return Release(version, wheels, tuple(table.get("include", ())))


def dump(versions: Versions) -> str:
    """Return the text of versions.toml: equal data give equal bytes, newest CUDA first, packages in the rules' order."""
    lines = [_BANNER + f"target = {_toml(versions.target)}", f"platforms = {_toml(versions.platforms)}"]
    for major in sorted(versions.packages, key=int, reverse=True):
        for package in versions.packages[major]:
            lines += ["", f"[packages.{major}.{package.name}]"]
            keys = ("why", "include", "lib", "serves")
            lines += [f"{key} = {_toml(getattr(package, key))}" for key in keys if getattr(package, key)]
    for version in sorted(versions.releases, key=_order, reverse=True):
        release = versions.releases[version]
        if release.include:
            lines += ["", f"[cuda.{_toml(version)}]", f"include = {_toml(release.include)}"]
        for wheel in release.wheels:
            lines += ["", f"[[cuda.{_toml(version)}.wheels]]"]
            lines += [f"{key} = {_toml(getattr(wheel, key))}" for key in ("package", "version", "file", "sha256")]
    return "\n".join(lines) + "\n"


def _toml(value: str | tuple[str, ...]) -> str:
    """Return a string or a list of strings as TOML; JSON's quoting is a subset of TOML's."""
    return json.dumps(value, ensure_ascii=False)


def _order(version: str) -> tuple[int, ...]:
    """Sort "12.10" after "12.9"."""
    return tuple(int(part) for part in re.findall(r"\d+", version))


def write_whole(path: Path, text: str) -> None:
    """Write `path` whole or not at all, and not at all if it already holds `text`."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    temp = path.with_name(f".{path.name}.{os.getpid()}")
    temp.write_text(text, encoding="utf-8", newline="\n")
    temp.replace(path)


# -- unpacking --------------------------------------------------------------------------------------------------------


def include_dirs(version: str, root: Path = ROOT, *, library: str | None = None) -> list[Path]:
    """Return the folders to give a compiler with -I, fetching and unpacking what the cache lacks.

    The stubs are not among them: give STUBS with -isystem, so that a vendor's header goes before our stub of it.

    Args:
        version: a CUDA version in versions.toml.
        root: the folder that holds versions.toml; local header folders are relative to it.
        library: only the folders that this library ("driver", "runtime", "nvrtc" ...) is read from; None for all.

    Raises:
        HeadersError: unknown version, a local folder that is not there, no network, a hash mismatch, an unsafe wheel.
    """
    versions = load(root)
    release = versions.release(version)
    folders = [root / folder for folder in release.include]
    for folder in folders:
        if not folder.is_dir():
            raise HeadersError(f"CUDA {version}: there is no header folder {folder}. Correct it in {VERSIONS_FILE}.")
    for wheel, rule in _pins(versions, release):
        if library is None or library in rule.serves:
            headers = _unpack_once(wheel, versions.platforms, "include", _below(rule.include))
            folders.append(headers / rule.include)
    return folders


def libraries(version: str, root: Path = ROOT) -> list[Path]:
    """Return the folders with the shared libraries of the same wheels as the headers; empty for local headers.

    Args and errors are those of `include_dirs`.
    """
    versions = load(root)
    folders = []
    for wheel, rule in _pins(versions, versions.release(version)):
        if rule.lib:
            shared = _unpack_once(wheel, versions.platforms, "lib", _below(rule.lib, ".so"))
            folders.append(shared / rule.lib)
    return folders


def cache_dir() -> Path:
    """Return the folder for wheels and what is unpacked from them; it may not exist yet, and may be deleted any time."""
    if own := os.environ.get("CUBIND_CACHE"):
        return Path(own).expanduser().absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "cubind"


def _pins(versions: Versions, release: Release) -> Iterator[tuple[Wheel, Package]]:
    """Yield each pinned wheel with the rule that says what lies where in it."""
    rules = {rule.name: rule for rule in versions.rules(release.version)} if release.wheels else {}
    for wheel in release.wheels:
        if wheel.package not in rules:
            major = release.version.partition(".")[0]
            raise HeadersError(
                f"CUDA {release.version} pins {wheel.package}, which [packages.{major}] of {VERSIONS_FILE} does not name. "
                f"Add its table, or pin anew with `python -m generator add {release.version}`."
            )
        yield wheel, rules[wheel.package]


def _below(top: str, mark: str = "") -> Callable[[str], bool]:
    """Return a test for the members of a wheel that lie below the folder `top` and have `mark` in their file name."""
    return lambda name: name.startswith(top + "/") and mark in name.rpartition("/")[2]


def _unpack_once(wheel: Wheel, platforms: tuple[str, ...], part: str, keep: Callable[[str], bool]) -> Path:
    """Return the cache's folder with one part ("include", "lib") of a wheel, filling it if it is not there."""
    folder = cache_dir() / part / wheel.key
    if not folder.is_dir():
        _unpack(_download(wheel, platforms), folder, keep)
    return folder


def _unpack(archive: Path, folder: Path, keep: Callable[[str], bool]) -> None:
    """Unpack the members of a zip that `keep` accepts, so that `folder` is there whole or not at all.

    Raises:
        HeadersError: not a zip, a member that leads outside, no member kept, or the cache cannot be written.
    """
    with _workspace(folder.parent) as temp:
        content = temp / "content"
        try:
            with zipfile.ZipFile(archive) as zipped:
                members = [info for info in zipped.infolist() if _checked(info, archive) and keep(info.filename)]
                for info in members:
                    target = content / info.filename
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(zipped.read(info))
        except (zipfile.BadZipFile, NotImplementedError) as broken:
            raise HeadersError(
                f"{archive.name} is not a wheel that can be read: {broken}. Delete {archive}."
            ) from broken
        if not members:
            raise HeadersError(f"{archive.name} holds none of the wanted files. Correct [packages] in {VERSIONS_FILE}.")
        try:
            content.replace(folder)
        except OSError:
            if not folder.is_dir():
                raise  # else another process was first: its files are the same, ours go with the workspace


def _checked(info: zipfile.ZipInfo, archive: Path) -> bool:
    """Return whether a member is a file; raise HeadersError if it could be written outside the folder it belongs to."""
    name = info.filename
    escapes = name.startswith("/") or "\\" in name or ":" in name or ".." in name.split("/")
    if escapes or stat.S_ISLNK(info.external_attr >> 16):
        raise HeadersError(f"{archive.name} holds {name!r}, which leads outside its folder. Do not use this wheel.")
    return not info.is_dir()


@contextmanager
def _workspace(parent: Path) -> Iterator[Path]:
    """Give a temporary folder on the file system of `parent`, so that a finished result can be renamed into it."""
    try:
        parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=parent, prefix=".tmp-") as temp:
            yield Path(temp)
    except OSError as failed:
        raise HeadersError(
            f"Cannot write to the cache: {failed}. Set CUBIND_CACHE to a folder that can be."
        ) from failed


# -- downloading ------------------------------------------------------------------------------------------------------


def _download(wheel: Wheel, platforms: tuple[str, ...]) -> Path:
    """Return the cached file of a wheel, asking pip for it if it is absent or damaged; its hash is right either way."""
    path = cache_dir() / "wheels" / wheel.key / wheel.file
    if path.is_file() and _sha256(path) == wheel.sha256:
        return path
    with _workspace(path.parent) as temp:
        pinned = temp / "requirements.txt"
        pinned.write_text(f"{wheel.package}=={wheel.version} --hash=sha256:{wheel.sha256}\n", encoding="utf-8")
        options = ["--require-hashes", "--dest", str(temp), *platform_options(platforms), "-r", str(pinned)]
        pip(["download", *options], f"{wheel.package} {wheel.version}: downloading")
        files = list(temp.glob("*.whl"))
        if len(files) != 1:
            raise HeadersError(f"{wheel.package} {wheel.version}: pip fetched {len(files)} wheels. Update pip.")
        _require_hash(files[0], wheel)
        files[0].replace(path)
    return path


def _require_hash(path: Path, wheel: Wheel) -> None:
    """Raise HeadersError unless the file has the pinned sha256: never trust one tool's word for it."""
    if (actual := _sha256(path)) != wheel.sha256:
        raise HeadersError(
            f"{wheel.package} {wheel.version}: hash mismatch, pinned {wheel.sha256} but {path.name} has {actual}. "
            "Do not use this file; check which package index pip is set to."
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def platform_options(platforms: tuple[str, ...]) -> list[str]:
    return [option for platform in platforms for option in ("--platform", platform)]


def pip(arguments: list[str], doing: str) -> None:
    """Run pip on binary wheels without dependencies, with the user's own index settings.

    Raises:
        HeadersError: pip failed; the message begins with `doing`, names the cause and ends with pip's own last lines.
    """
    command, *rest = arguments
    binary_only = ["--quiet", "--no-input", "--no-deps", "--only-binary", ":all:"]
    run = subprocess.run(
        [sys.executable, "-m", "pip", command, *binary_only, *rest], capture_output=True, text=True, check=False
    )
    if run.returncode:
        tail = "\n".join(run.stderr.splitlines()[-8:])
        raise HeadersError(f"{doing} failed: {_cause(run.stderr)}\n{tail}")


def _cause(said: str) -> str:
    """Return the reason and the remedy for what pip said."""
    if _PIP_WRONG_HASH in said:
        return "hash mismatch, the index has another file than the pinned one. Check which index pip is set to."
    if _PIP_OFFLINE.search(said):
        return "the package index cannot be reached. Check the network, or pip's index settings, and run again."
    if "(from versions: none)" in said:
        return (
            "the package index has no such package, or cannot be reached. Check pip's index settings and the network."
        )
    if "No matching distribution" in said:
        return "the package index has no such wheel. Check the version, and that pip's index carries it."
    if "No module named pip" in said:
        return f"{sys.executable} has no pip. Install it with `python -m ensurepip`."
    return "pip stopped. Its last lines:"
