"""A CUDA version that is not pinned yet: `add` takes it as it is.  Needs a package index, or the wheels in the cache."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from roots import run

from generator import database, headers, pipeline

VERSION = "13.3"
PROBE = "nvidia-cuda-runtime==13.3.*"


def _index_or_skip(folder: Path) -> None:
    """Skips with pip's own words where no index answers."""
    arguments = [
        "--dry-run",
        "--quiet",
        "--no-input",
        "--no-deps",
        "--ignore-installed",
        "--target",
        str(folder),
        PROBE,
    ]
    command = [sys.executable, "-m", "pip", "--retries", "1", "--timeout", "10", "install", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no package index can be reached: {done.stderr.strip().splitlines()[-1]}")


def test_unpinned_version_is_added_without_a_change(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Complaint 1: pinned, parsed and merged in a copy of generator/; what is emitted stays, since it is not the target."""
    _index_or_skip(tmp_path / "probe")
    root, out = tmp_path / "generator", tmp_path / "out"
    for folder in ("api", "policy"):
        shutil.copytree(pipeline.ROOT / folder, root / folder)
    versions = headers.load()
    kept = {v: release for v, release in versions.releases.items() if v != VERSION}
    pinned = headers.Versions(versions.target, versions.platforms, versions.packages, kept)
    (root / headers.VERSIONS_FILE).write_text(headers.dump(pinned))
    assert run(root, out, "add", VERSION) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"added CUDA {VERSION} from {len(headers.load(root).release(VERSION).wheels)} wheels\n")
    assert not out.exists()
    for library in ("driver", "runtime", "nvrtc"):
        assert VERSION in database.load(root, library).versions
    assert run(root, out, "diff", "13.0", VERSION) == 0
    counts = re.findall(rf"^(\w+): 13\.0 -> {VERSION}: (\d+) changes$", capsys.readouterr().out, re.MULTILINE)
    assert {name for name, count in counts if int(count)} >= {"driver", "runtime"}
    assert run(root, out, "emit") == 0
    assert (out / pipeline.PACKAGE / "driver.pyx").is_file()
