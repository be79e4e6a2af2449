"""versions.toml, the cache of headers, and the stubs. Only the tests that take `parsed` need the wheels."""

from __future__ import annotations

import hashlib
import stat
import subprocess
import tomllib
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from generator import headers, pins
from generator.headers import HeadersError, Package, Release, Versions, Wheel

TOY_RULE = Package("toy-cuda", include="toy/include", lib="toy/lib", serves=("toy",), why='headers, "quoted"')
# The vendor's headers that include GL or VDPAU only on some platforms, or not at all, want them to come first.
DRIVER = ["cuda.h", "cudaProfiler.h", "GL/gl.h", "cudaGL.h", "cudaEGL.h", "vdpau/vdpau.h", "cudaVDPAU.h"]
DRIVER_TYPEDEFS = [f"cuda{part}Typedefs.h" for part in ("", "Profiler", "GL", "EGL", "VDPAU")]
RUNTIME = ["cuda_runtime_api.h", "cuda_profiler_api.h", "GL/gl.h"]
RUNTIME_INTEROP = ["cuda_gl_interop.h", "cuda_egl_interop.h", "cuda_vdpau_interop.h"]
HEADERS = {"driver": DRIVER + DRIVER_TYPEDEFS, "runtime": RUNTIME + RUNTIME_INTEROP}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, the only one that the test sees."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("CUBIND_CACHE", str(folder))
    return folder


@pytest.fixture
def no_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail the test if it starts pip."""

    def refuse(*command: Any, **options: Any) -> None:
        pytest.fail(f"started {command}")

    monkeypatch.setattr(subprocess, "run", refuse)


def toy_zip(path: Path, *extra: str) -> Path:
    """Make a wheel-like zip with a header, a library, metadata, and members with the names in `extra`."""
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("toy/include/toy.h", "toy/include/sub/deep.h", "toy/lib/libtoy.so.1", "toy/lib/libtoy.a", *extra):
            archive.writestr(name, name)
    return path


def toy_root(folder: Path, cache: Path) -> Wheel:
    """Write a versions.toml that pins one toy wheel, and put that wheel into the cache."""
    built = toy_zip(folder / "toy.whl")
    wheel = Wheel(
        "toy-cuda", "1.0.5", "toy_cuda-1.0.5-py3-none-any.whl", hashlib.sha256(built.read_bytes()).hexdigest()
    )
    pinned = cache / "wheels" / wheel.key / wheel.file
    pinned.parent.mkdir(parents=True)
    built.rename(pinned)
    versions = Versions("1.0", ("any",), {"1": (TOY_RULE,)}, {"1.0": Release("1.0", (wheel,))})
    (folder / "versions.toml").write_text(headers.dump(versions), encoding="utf-8")
    return wheel


def contents(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


# -- versions.toml ----------------------------------------------------------------------------------------------------


def test_committed_versions_are_as_the_program_writes_them() -> None:
    text = (headers.ROOT / "versions.toml").read_text(encoding="utf-8")
    assert headers.dump(headers.load()) == text


def test_dump_then_load_gives_the_same(tmp_path: Path) -> None:
    wheel = Wheel("toy-cuda", "1.0.5", "toy.whl", "0" * 64)
    releases = {"1.9": Release("1.9", (wheel,)), "1.10": Release("1.10", include=("headers",))}
    versions = Versions("1.9", ("any",), {"1": (TOY_RULE,)}, releases)
    (tmp_path / "versions.toml").write_text(headers.dump(versions), encoding="utf-8")
    assert headers.load(tmp_path) == versions


def test_newer_releases_are_written_first_and_by_number() -> None:
    releases = {version: Release(version, include=("x",)) for version in ("1.9", "1.10", "2.0")}
    written = headers.dump(Versions("1.9", releases=releases))
    assert list(tomllib.loads(written)["cuda"]) == ["2.0", "1.10", "1.9"]


def test_every_pin_of_the_committed_versions_has_a_rule_and_every_rule_a_pin() -> None:
    versions = headers.load()
    for version, release in versions.releases.items():
        assert [wheel.package for wheel in release.wheels] == [rule.name for rule in versions.rules(version)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'target' is missing"),
        ('target = "1.0"', "CUDA 1.0 is not in"),
        ('target = "1.0"\ntypo = 1', "unknown key 'typo'"),
        ('target = "1.0"\n[cuda."1.0"]\nincludes = []', "unknown key 'includes'"),
        ('target = "1.0"\n[packages.1.toy]\ninclude = "x"', "'serves' is missing"),
        ('target = "1.0"\n[packages.1.toy]\ninclude = "x"\nserves = []\nlibs = "y"', "libs"),
        ('target = "1.0"\n[[cuda."1.0".wheels]]\npackage="a"\nversion="1"\nfile="f"\nsha256="12"', "no valid sha256"),
        (
            f'target = "1"\n[[cuda.1.wheels]]\npackage="a"\nversion="1"\nfile="../f"\nsha256="{"0" * 64}"',
            "must be a name",
        ),
        ("target = ", "versions.toml"),
    ],
)
def test_a_malformed_file_is_named_with_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "versions.toml").write_text(text, encoding="utf-8")
    with pytest.raises(HeadersError, match=message):
        headers.load(tmp_path)


def test_an_unknown_version_names_those_that_exist() -> None:
    known = ", ".join(headers.load().releases)
    with pytest.raises(HeadersError, match=f"CUDA 1.2 is not in .* has: {known}.*add 1.2"):
        headers.include_dirs("1.2")


# -- resolving --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["13", "13.5.37", "latest", "13.x", ""])
def test_only_major_and_minor_are_resolved(version: str, no_pip: None) -> None:
    with pytest.raises(HeadersError, match="major and minor"):
        pins.resolve(version)


def test_a_major_without_rules_is_told_where_to_write_them(no_pip: None) -> None:
    with pytest.raises(HeadersError, match=r"\[packages\.99\.NAME\]"):
        pins.resolve("99.0")


def test_a_release_with_its_own_folders_is_not_resolved(tmp_path: Path, no_pip: None) -> None:
    (tmp_path / "versions.toml").write_text('target = "1.0"\n[cuda."1.0"]\ninclude = ["h"]\n', encoding="utf-8")
    with pytest.raises(HeadersError, match="nothing to resolve"):
        pins.resolve("1.0", tmp_path)


def test_what_pip_reports_is_pinned(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toy_root(tmp_path, cache)

    def report(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        assert command[-1] == "toy-cuda==1.1.*"
        source = '{"url": "file:///x/toy%2Bcuda.whl", "archive_info": {"hashes": {"sha256": "' + "a" * 64 + '"}}}'
        entry = '{"metadata": {"name": "Toy_CUDA", "version": "1.1.7"}, "download_info": ' + source + "}"
        Path(command[command.index("--report") + 1]).write_text('{"install": [' + entry + "]}", encoding="utf-8")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", report)
    release = pins.resolve("1.1", tmp_path)
    assert release.wheels == (Wheel("toy-cuda", "1.1.7", "toy+cuda.whl", "a" * 64),)
    assert list(headers.load(tmp_path).releases) == ["1.1", "1.0"]


def test_what_a_rule_names_later_is_pinned_too(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other pins of the release stay as they are."""
    toy_root(tmp_path, cache)
    (old,) = headers.load(tmp_path).release("1.0").wheels
    rule = '[packages.1.toy-more]\ninclude = "toy/include"\nserves = ["toy"]\n'
    file = tmp_path / "versions.toml"
    file.write_text(file.read_text(encoding="utf-8").replace("[[cuda", rule + "\n[[cuda", 1), encoding="utf-8")
    more = Wheel("toy-more", "1.0.3", "toy_more.whl", "b" * 64)
    asked = []

    def newest(version: str, names: list[str], platforms: tuple[str, ...]) -> dict[str, Wheel]:
        asked.append((version, names))
        return {"toy-more": more}

    monkeypatch.setattr(pins, "_newest", newest)
    for _ in range(2):  # the second time nothing is lacking
        assert pins.pinned("1.0", tmp_path).wheels == (old, more)
    assert asked == [("1.0", ["toy-more"])]
    assert headers.load(tmp_path).release("1.0").wheels == (old, more)


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM ...", "hash mismatch"),
        ("WARNING: NewConnectionError(...)\nERROR: No matching distribution found", "cannot be reached"),
        ("ERROR: ... (from versions: none)\nERROR: No matching distribution found", "no such package, or"),
        ("ERROR: ... (from versions: 1.0)\nERROR: No matching distribution found", "has no such wheel"),
        ("python: No module named pip", "has no pip"),
        ("Traceback: something new", "something new"),
    ],
)
def test_what_pip_says_becomes_a_cause(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, said: str, cause: str
) -> None:
    toy_root(tmp_path, cache)
    failed = subprocess.CompletedProcess([], 1, "", said)
    monkeypatch.setattr(subprocess, "run", lambda *command, **options: failed)
    with pytest.raises(HeadersError, match=f"(?s)CUDA 1.1: resolving toy-cuda failed: .*{cause}"):
        pins.resolve("1.1", tmp_path)


# -- the cache --------------------------------------------------------------------------------------------------------


def test_headers_and_libraries_come_from_the_cache_without_pip(tmp_path: Path, cache: Path, no_pip: None) -> None:
    wheel = toy_root(tmp_path, cache)
    [include] = headers.include_dirs("1.0", tmp_path)
    assert include == cache / "include" / wheel.key / "toy/include"
    assert contents(cache / "include" / wheel.key) == ["toy/include/sub/deep.h", "toy/include/toy.h"]
    [lib] = headers.libraries("1.0", tmp_path)
    assert contents(lib) == ["libtoy.so.1"]

    (cache / "wheels" / wheel.key / wheel.file).unlink()
    assert headers.include_dirs("1.0", tmp_path) == [include]


def test_one_library_needs_only_its_own_wheels(tmp_path: Path, cache: Path, no_pip: None) -> None:
    toy_root(tmp_path, cache)
    assert len(headers.include_dirs("1.0", tmp_path, library="toy")) == 1
    assert headers.include_dirs("1.0", tmp_path, library="other") == []


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUBIND_CACHE", "/own")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert headers.cache_dir() == Path("/own")
    monkeypatch.delenv("CUBIND_CACHE")
    assert headers.cache_dir() == Path("/xdg/cubind")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/someone")
    assert headers.cache_dir() == Path("/home/someone/.cache/cubind")


def test_a_cache_that_cannot_be_made_is_named(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, no_pip: None
) -> None:
    toy_root(tmp_path, cache)
    (tmp_path / "file").touch()
    monkeypatch.setenv("CUBIND_CACHE", str(tmp_path / "file"))
    with pytest.raises(HeadersError, match="Set CUBIND_CACHE"):
        headers.include_dirs("1.0", tmp_path)


def test_a_damaged_wheel_is_fetched_again_and_a_wrong_one_refused(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = toy_root(tmp_path, cache)
    (cache / "wheels" / wheel.key / wheel.file).write_bytes(b"damaged")
    commands = []

    def fetch_another_file(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        toy_zip(Path(command[command.index("--dest") + 1], wheel.file), "toy/include/not_in_the_pinned_one.h")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", fetch_another_file)
    with pytest.raises(HeadersError, match=f"toy-cuda 1.0.5: hash mismatch, pinned {wheel.sha256}"):
        headers.include_dirs("1.0", tmp_path)
    assert "--require-hashes" in commands[0]
    assert "--no-deps" in commands[0]
    assert not (cache / "include").exists()


@pytest.mark.parametrize("name", ["toy/include/../../../evil.h", "/evil.h", "toy\\include\\evil.h", "C:/evil.h", ".."])
def test_a_member_that_leads_outside_is_refused(tmp_path: Path, name: str) -> None:
    archive = toy_zip(tmp_path / "toy.whl", name)
    with pytest.raises(HeadersError, match="leads outside"):
        headers._unpack(archive, tmp_path / "out" / "toy", lambda member: True)
    assert contents(tmp_path) == ["toy.whl"]


def test_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("toy/include/link.h")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "toy.whl", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(HeadersError, match="leads outside"):
        headers._unpack(tmp_path / "toy.whl", tmp_path / "out", lambda member: True)


def test_a_file_that_is_no_zip_or_holds_nothing_wanted_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.whl").write_text("not a zip", encoding="utf-8")
    with pytest.raises(HeadersError, match="not a wheel that can be read"):
        headers._unpack(tmp_path / "text.whl", tmp_path / "out", lambda member: True)
    with pytest.raises(HeadersError, match="none of the wanted files"):
        headers._unpack(toy_zip(tmp_path / "toy.whl"), tmp_path / "out", lambda member: False)
    assert not (tmp_path / "out").exists()


def test_many_may_unpack_the_same_at_once(tmp_path: Path, cache: Path, no_pip: None) -> None:
    toy_root(tmp_path, cache)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: headers.include_dirs("1.0", tmp_path), range(16)))
    assert found == [found[0]] * 16
    assert len(list((cache / "include").iterdir())) == 1, "a temporary folder was left behind"


def test_losing_the_race_leaves_the_winners_folder(tmp_path: Path) -> None:
    archive = toy_zip(tmp_path / "toy.whl")
    out = tmp_path / "cache" / "toy"

    def other_finishes_first(member: str) -> bool:
        (out / "winner").mkdir(parents=True, exist_ok=True)
        return True

    headers._unpack(archive, out, other_finishes_first)
    assert [path.name for path in out.iterdir()] == ["winner"]
    assert list(out.parent.iterdir()) == [out]


# -- local folders ----------------------------------------------------------------------------------------------------


def test_local_header_folders_are_relative_to_the_root(tmp_path: Path, no_pip: None) -> None:
    (tmp_path / "headers").mkdir()
    text = f'target = "1.0"\n[cuda."1.0"]\ninclude = ["headers", "{tmp_path}"]\n'
    (tmp_path / "versions.toml").write_text(text, encoding="utf-8")
    assert headers.include_dirs("1.0", tmp_path) == [tmp_path / "headers", tmp_path]
    assert headers.libraries("1.0", tmp_path) == []


def test_a_local_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "versions.toml").write_text('target = "1.0"\n[cuda."1.0"]\ninclude = ["gone"]\n', encoding="utf-8")
    with pytest.raises(HeadersError, match=r"no header folder .*gone"):
        headers.include_dirs("1.0", tmp_path)


# -- stubs ------------------------------------------------------------------------------------------------------------


@dataclass
class Parsed:
    """What every pinned CUDA version said when its driver and runtime headers were parsed against the stubs."""

    diagnostics: list[str] = field(default_factory=list)
    stubs_used: set[str] = field(default_factory=set)


@pytest.fixture(scope="module")
def parsed() -> Parsed:
    cindex = pytest.importorskip("clang.cindex")
    result = Parsed()
    for version in headers.load().releases:
        for library, names in HEADERS.items():
            try:
                folders = headers.include_dirs(version, library=library)
            except HeadersError as error:
                if "cannot be reached" in str(error):
                    pytest.skip(f"needs the header wheels of CUDA {version}: {error}")
                raise
            for target in ("x86_64-linux-gnu", "aarch64-linux-gnu"):
                options = ["-x", "c", "-std=gnu11", "-nostdinc", "-target", target, f"-isystem{headers.STUBS}"]
                source = "".join(f"#include <{name}>\n" for name in names)
                unit = cindex.Index.create().parse(
                    "all.c", [*options, *(f"-I{folder}" for folder in folders)], [("all.c", source)]
                )
                result.diagnostics += [f"CUDA {version} {target}: {said}" for said in unit.diagnostics]
                included = (Path(str(found.include)) for found in unit.get_includes())
                result.stubs_used |= {
                    str(path.relative_to(headers.STUBS)) for path in included if path.is_relative_to(headers.STUBS)
                }
    return result


def test_the_stubs_are_all_that_the_headers_need(parsed: Parsed) -> None:
    assert parsed.diagnostics == []


def test_each_stub_is_used(parsed: Parsed) -> None:
    assert contents(headers.STUBS) == sorted(parsed.stubs_used)


def test_each_stub_says_which_header_needs_it() -> None:
    for stub in headers.STUBS.rglob("*.h"):
        assert stub.read_text(encoding="utf-8").startswith("/* For "), stub
