"""Pinning: which wheels hold the headers of a CUDA version now; written to versions.toml."""

from __future__ import annotations

import json
import re
import tempfile
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from .headers import (
    ROOT,
    SHA256,
    VERSIONS_FILE,
    HeadersError,
    Release,
    Versions,
    Wheel,
    dump,
    load,
    pip,
    platform_options,
    write_whole,
)

_CUDA_VERSION = re.compile(r"(\d+)\.(\d+)")


def resolve(version: str, root: Path = ROOT) -> Release:
    """Pin the newest wheels of a CUDA version and write them to versions.toml.

    Args:
        version: a CUDA version without a patch, such as "13.3".
        root: the folder that holds versions.toml.

    Returns:
        The release as written; what was pinned for this version before is replaced.

    Raises:
        HeadersError: the version is malformed or local, its major has no rule, or pip finds no such wheel.
    """
    if not _CUDA_VERSION.fullmatch(version):
        raise HeadersError(f"{version!r} is not a CUDA version. Give major and minor only, such as 13.3.")
    versions = load(root)
    if version in versions.releases and versions.releases[version].include:
        raise HeadersError(f"CUDA {version} names header folders of its own in {VERSIONS_FILE}: nothing to resolve.")
    rules = versions.rules(version)
    return _pin(versions, version, _newest(version, [rule.name for rule in rules], versions.platforms), root)


def pinned(version: str, root: Path = ROOT) -> Release:
    """Return a release, pinning what is not pinned yet: all of it, or wheels that a rule names since it was.

    Args and errors are those of `resolve`.
    """
    versions = load(root)
    release = versions.releases.get(version)
    if release is None:
        return resolve(version, root)
    found = {wheel.package: wheel for wheel in release.wheels}
    lacking = [rule.name for rule in versions.rules(version) if rule.name not in found] if release.wheels else []
    if not lacking:
        return release
    return _pin(versions, version, found | _newest(version, lacking, versions.platforms), root)


def _pin(versions: Versions, version: str, found: dict[str, Wheel], root: Path) -> Release:
    """Write the wheels of a release to versions.toml, in the rules' order."""
    release = Release(version, tuple(found[rule.name] for rule in versions.rules(version)))
    updated = replace(versions, releases={**versions.releases, version: release})
    write_whole(root / VERSIONS_FILE, dump(updated))
    return release


def _newest(version: str, names: list[str], platforms: tuple[str, ...]) -> dict[str, Wheel]:
    """Ask pip for the newest patch of each package, without downloading more than pip needs to know it."""
    with tempfile.TemporaryDirectory() as temp:
        report = Path(temp, "report.json")
        wanted = [f"{name}=={version}.*" for name in names]
        # --target only because pip wants one with --platform; a dry run puts nothing there.
        options = ["--dry-run", "--ignore-installed", "--target", temp, "--report", str(report)]
        pip(
            ["install", *options, *platform_options(platforms), *wanted],
            f"CUDA {version}: resolving {', '.join(names)}",
        )
        wheels = [_wheel_of(item) for item in json.loads(report.read_text(encoding="utf-8"))["install"]]
    found = {wheel.package: wheel for wheel in wheels}
    if missing := [name for name in names if name not in found]:
        raise HeadersError(f"CUDA {version}: pip did not report {', '.join(missing)}. Update pip to 22.2 or newer.")
    return found


def _wheel_of(item: dict[str, Any]) -> Wheel:
    """Return the pin that one entry of pip's report stands for; raise HeadersError if the index gave no sha256."""
    name = re.sub(r"[-_.]+", "-", item["metadata"]["name"]).lower()
    source = item["download_info"]
    sha256 = source.get("archive_info", {}).get("hashes", {}).get("sha256", "")
    if not SHA256.fullmatch(sha256):
        raise HeadersError(f"{name} {item['metadata']['version']}: the index gives no sha256. Use an index that does.")
    file = PurePosixPath(unquote(urlsplit(source["url"]).path)).name
    return Wheel(name, item["metadata"]["version"], file, sha256)
