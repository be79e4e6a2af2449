"""The cache of compiled programs: what it tells apart, and that nothing can break it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import cuda_unified as cu
from cuda_unified.cache import default_cache, parse_size, user_folder
from tests.helpers import fakes
from tests.unified.running import one_number

SOURCE = 'extern "C" __global__ void k(int *x) { *x = N; }'
ROOT = str(fakes.PACKAGE.parents[1])


@pytest.fixture
def cache(tmp_path: Path) -> cu.ProgramCache:
    return cu.ProgramCache(tmp_path / "programs")


def other(cache: cu.ProgramCache) -> cu.ProgramCache:
    """Another cache of the same folder, as another process has it."""
    return cu.ProgramCache(cache.folder, max_size=cache.max_size)


def code(text: str = "x", size: int = 0) -> cu.ObjectCode:
    return cu.ObjectCode(text.encode() + bytes(size), "cubin", name=text)


def compile_(cache: cu.ProgramCache, source: str = SOURCE, **options: Any) -> cu.ObjectCode:
    options.setdefault("defines", {"N": 1})
    return cu.Program(source, cache=cache, arch=80, **options).compile("ptx")


# ---- hits ------------------------------------------------------------------------------------------------------------


def test_a_second_compilation_is_none(cache: cu.ProgramCache, monkeypatch: pytest.MonkeyPatch) -> None:
    first = compile_(cache, name_expressions=["k"], source=SOURCE + "\n__device__ void f() { int unused; }")
    monkeypatch.setattr("cuda_unified.compilation.run", lambda *a, **k: pytest.fail("compiled again"))
    for which in (cache, other(cache)):
        again = compile_(which, name_expressions=["k"], source=SOURCE + "\n__device__ void f() { int unused; }")
        assert again == first
        assert "unused" in again.log, "the log is there too"
        assert dict(again.lowered_names) == {"k": "k"}
    assert (cache.statistics.memory_hits, cache.statistics.misses, cache.statistics.stores) == (1, 1, 1)
    assert cache.statistics.hits == 1
    assert len(cache) == 1


def test_what_makes_another_entry(cache: cu.ProgramCache, tmp_path: Path) -> None:
    variants: list[dict[str, Any]] = [
        {},
        {"source": SOURCE + " "},
        {"defines": {"N": 2}},
        {"name": "other.cu"},
        {"lineinfo": True},
        {"name_expressions": ["k"]},
        {"headers": {"a.h": "1"}},
        {"headers": {"a.h": "2"}},
        {"headers": {"b.h": "1"}},
        {"include_paths": [tmp_path]},
        {"extra": ["--ftz=true"]},
        {"std": "c++20"},
    ]
    for n, variant in enumerate(variants, 1):
        compile_(cache, **variant)
        assert (cache.statistics.misses, cache.statistics.hits) == (n, n - 1), variant
        compile_(cache, **variant)
    cu.Program(SOURCE, cache=cache, arch=86, defines={"N": 1}).compile("ptx")
    cu.Program(SOURCE, cache=cache, arch=80, defines={"N": 1}).compile("cubin")
    assert cache.statistics.misses == len(variants) + 2


def test_the_working_directory(cache: cu.ProgramCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It makes no other entry, but where it is in the code: in line information."""
    texts = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        monkeypatch.chdir(tmp_path / folder)
        compile_(cache)
        texts.append(compile_(cache, lineinfo=True).text)
    assert cache.statistics.memory_hits == 1
    assert [str(tmp_path / folder) in text for folder, text in zip("ab", texts, strict=True)] == [True, True]


def test_name_expressions_have_their_order(cache: cu.ProgramCache) -> None:
    source = "template <int n> __global__ void t(int *x) { *x = n; }"
    for names in (["t<1>"], ["t<2>"], ["t<1>", "t<2>"]):
        assert list(compile_(cache, source, name_expressions=names).lowered_names) == names
    assert cache.statistics.misses == 3


def test_hits_do_not_share_modules(device: cu.Device, cache: cu.ProgramCache) -> None:
    """Code from the cache is as good as compiled: its variables are its own."""
    source = '__device__ int n; extern "C" __global__ void k(int *x) { *x = n++; }'
    codes = [cu.Program(source, cache=cache).compile() for _ in range(3)]
    codes.append(cu.Program(source, cache=other(cache)).compile())
    modules = [code.module() for code in codes]
    assert [[one_number(module, "k") for _ in range(2)] for module in modules] == [[0, 1]] * 4
    assert len({id(code) for code in codes}) == 4


def test_errors_are_not_cached(cache: cu.ProgramCache) -> None:
    for _ in range(2):
        with pytest.raises(cu.CompileError):
            compile_(cache, "x")
    assert cache.statistics.stores == 0


# ---- bounds ----------------------------------------------------------------------------------------------------------


def test_the_least_recently_used_entries_go(tmp_path: Path) -> None:
    cache = cu.ProgramCache(tmp_path, max_size=10_000, memory_size=0)
    now = time.time()
    for i in range(8):
        cache.put(f"{i}", code(f"{i}", 1000))
        os.utime(tmp_path / f"{i}.cuobj", (now - 100 + i, now - 100 + i))
    assert cache.get("0") is not None, "used: now the newest"
    cache.put("new", code("new", 2000))
    assert cache.size <= 10_000
    assert cache.statistics.evictions > 0
    assert cache.get("0") is not None
    assert cache.get("new") is not None
    assert cache.get("1") is None


def test_an_entry_larger_than_the_cache(tmp_path: Path) -> None:
    cache = cu.ProgramCache(tmp_path / "c", max_size=500, memory_size=100)
    cache.put("a", code("a", 1000))
    assert cache.get("a") is None
    assert not (tmp_path / "c").exists()
    assert cache.statistics.failures == 0


def test_memory_is_bounded() -> None:
    cache = cu.ProgramCache(memory_size=3500)
    for i in range(5):
        cache.put(f"{i}", code(f"{i}", 1000))
        assert cache.get("0" if i < 3 else f"{i}") is not None
    assert cache.size <= 3500
    assert [cache.get(f"{i}") is not None for i in range(5)] == [True, False, False, True, True]
    with pytest.raises(ValueError, match="not negative"):
        cu.ProgramCache(max_size=-1)


def test_abandoned_files_go(cache: cu.ProgramCache) -> None:
    cache.put("a", code())
    assert cache.folder is not None
    for name, age in ((".old.tmp", 7200), (".new.tmp", 0)):
        (cache.folder / name).write_text("x")
        os.utime(cache.folder / name, (time.time() - age,) * 2)
    cache.put("b", code())
    assert sorted(p.name for p in cache.folder.iterdir()) == [".new.tmp", "a.cuobj", "b.cuobj"]


def test_clear(cache: cu.ProgramCache) -> None:
    for i in range(3):
        cache.put(f"{i}", code())
    assert (len(cache), bool(cache), cache.size > 0) == (3, True, True)
    cache.clear()
    assert (len(cache), bool(cache), cache.size) == (0, True, 0)
    assert cache.get("1") is None
    assert "0 entries in" in repr(cache)


# ---- what may go wrong -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        lambda content: content[:-1] + bytes([content[-1] ^ 1]),
        lambda content: b"garbage" * 100,
        lambda content: content + b"more",
        lambda content: content[:9] + bytes(32) + content[41:],
    ],
)
def test_damaged_entries_are_made_again(cache: cu.ProgramCache, damage: Callable[[bytes], bytes]) -> None:
    first = compile_(cache)
    assert cache.folder is not None
    (path,) = cache.folder.iterdir()
    path.write_bytes(damage(path.read_bytes()))
    again = other(cache)
    assert compile_(again) == first
    assert (again.statistics.damaged, again.statistics.misses) == (1, 1)
    assert compile_(other(cache)) == first


@pytest.mark.parametrize("kind", ["a file", "below a file", "a folder in place of an entry"])
def test_folders_that_cannot_be_used(tmp_path: Path, kind: str) -> None:
    (tmp_path / "file").write_text("")
    folder = {"a file": tmp_path / "file", "below a file": tmp_path / "file" / "x"}.get(kind, tmp_path / "fine")
    cache = cu.ProgramCache(folder)
    if kind.startswith("a folder"):
        compile_(cache)
        (path,) = folder.iterdir()
        path.unlink()
        path.mkdir()
        cache = other(cache)
    assert ".entry k(" in compile_(cache).text
    assert ".entry k(" in compile_(cache).text
    assert cache.statistics.memory_hits == 1, "in memory it still is"
    assert cache.statistics.failures >= 1
    cache.clear()
    assert ".entry k(" in compile_(cache).text


@pytest.mark.skipif(
    os.geteuid() == 0 and not Path("/proc/self").exists(), reason="/proc: a file system that nobody writes to"
)
def test_a_folder_that_is_read_only() -> None:
    cache = cu.ProgramCache("/proc/self/cuda_unified")
    assert ".entry k(" in compile_(cache).text
    assert cache.statistics.failures == 1


def test_where_the_default_cache_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CUDA_UNIFIED_CACHE_DIR", str(tmp_path / "own"))
    assert user_folder() == tmp_path / "own"
    chosen = default_cache()
    assert chosen is not None
    assert chosen.folder == tmp_path / "own" / "programs"
    assert default_cache() is chosen, "one for all"
    monkeypatch.delenv("CUDA_UNIFIED_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert user_folder() == tmp_path / "xdg" / "cuda_unified"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert user_folder() == tmp_path / "home" / ".cache" / "cuda_unified"
    monkeypatch.setenv("CUDA_UNIFIED_CACHE_SIZE", "2M")
    resized = default_cache()
    assert resized is not None
    assert resized.max_size == 2 << 20

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert user_folder() is None
    homeless_cache = default_cache()
    assert homeless_cache is not None
    assert homeless_cache.folder is None
    assert "in memory" in repr(homeless_cache)


@pytest.mark.parametrize(
    ("text", "size"), [("0", 0), ("100", 100), ("64K", 65536), ("3 MiB", 3 << 20), ("1gb", 1 << 30)]
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "x", "-1", "1T", "1.5M"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="CUDA_UNIFIED_CACHE_SIZE"):
        parse_size(text)


def test_switched_off(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CUDA_UNIFIED_CACHE_DIR", str(tmp_path))
    for off in ("0", "off", " False "):
        monkeypatch.setenv("CUDA_UNIFIED_CACHE", off)
        assert default_cache() is None
        cu.Program(SOURCE, defines={"N": 1}, arch=80).compile("ptx")
        assert list(tmp_path.iterdir()) == []
    monkeypatch.setenv("CUDA_UNIFIED_CACHE", "1")
    cu.Program(SOURCE, defines={"N": 1}, arch=80, cache=False).compile("ptx")
    assert not (tmp_path / "programs").exists()
    cu.Program(SOURCE, defines={"N": 1}, arch=80, cache=True).compile("ptx")
    assert len(list((tmp_path / "programs").iterdir())) == 1
    with pytest.raises(TypeError, match="option cache"):
        cu.Program(SOURCE, cache="yes").compile("ptx", arch=80)


# ---- processes and threads -------------------------------------------------------------------------------------------

WORKER = """
import sys
import cuda_unified as cu
source = 'extern "C" __global__ void k(int *x) { *x = N; }'
for round in range(2):
    for n in range(5):
        code = cu.Program(source, defines={"N": 1000 + n}, arch=80).compile("ptx")
        assert f"{1000 + n}" in code.text, code.text
s = cu.default_cache().statistics
assert s.damaged == s.failures == 0, s
print(s.misses, s.disk_hits)
"""


def test_processes_share_a_folder(tmp_path: Path) -> None:
    environment = fakes.environment(
        PYTHONPATH=ROOT, CUDA_UNIFIED_CACHE_DIR=str(tmp_path), CUBIND_DEVICE="cpu", CUDA_UNIFIED_CACHE="1"
    )
    command = [sys.executable, "-c", WORKER]
    running = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for process in running:
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        misses, hits = map(int, out.split())
        assert misses + hits == 5
    assert len(list((tmp_path / "programs").glob("*.cuobj"))) == 5
    assert len(list((tmp_path / "programs").iterdir())) == 5, "no temporary file is left"
    assert fakes.run(WORKER, PYTHONPATH=ROOT, CUDA_UNIFIED_CACHE_DIR=str(tmp_path), CUBIND_DEVICE="cpu").split() == [
        "0",
        "5",
    ]


def test_a_child_of_a_fork_does_not_wait_for_a_lock_of_its_parent(cache: cu.ProgramCache) -> None:
    cache.put("a", code())
    with cache._lock:
        child = os.fork()
        if child == 0:
            signal.alarm(10)
            os._exit(0 if cache.get("a") is not None else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_threads_read_write_and_evict(tmp_path: Path) -> None:
    caches = [cu.ProgramCache(tmp_path, max_size=20_000, memory_size=3000) for _ in range(2)]
    errors: list[BaseException] = []

    def work(seed: int) -> None:
        try:
            for i in range(60):
                cache, key = caches[(i + seed) % 2], f"{(i * 7 + seed) % 30}"
                found = cache.get(key)
                assert found is None or found.name == key
                cache.put(key, code(key, 1000))
                if i == 40:
                    cache.clear()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert all(c.statistics.damaged == c.statistics.failures == 0 for c in caches)
    assert caches[0].size <= 20_000 + 6 * 1300, "one more a thread while it looks"
    assert not list(tmp_path.glob("*.tmp"))
