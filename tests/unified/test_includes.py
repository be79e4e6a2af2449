"""Included files in the key of the cache: whatever NVRTC reads is seen when it changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import cuda_unified as cu
from cuda_unified import compilation

SOURCE = 'extern "C" __global__ void k(int *x) { *x = N; }'


@pytest.fixture
def cache(tmp_path: Path) -> cu.ProgramCache:
    return cu.ProgramCache(tmp_path / "programs")


def compile_(cache: cu.ProgramCache, source: str = SOURCE, **options: Any) -> cu.ObjectCode:
    options.setdefault("defines", {"N": 1})
    return cu.Program(source, cache=cache, arch=80, **options).compile("ptx")


CHAINS: dict[str, tuple[str, dict[str, str]]] = {
    "quoted": ('#include "a.h"\n', {"a.h": "#define N {}"}),
    "angles": ("#include <a.h>\n", {"a.h": "#define N {}"}),
    "deep": ('#include "a.h"\n', {"a.h": '#include "sub/b.h"', "sub/b.h": '#include "c.h"', "sub/c.h": "#define N {}"}),
    "conditional": ("#if 1\n#  include <a.h>\n#endif\n", {"a.h": "#define N {}"}),
    "computed": ("#define WHICH <a.h>\n#include WHICH\n", {"a.h": "#define N {}"}),
    "computed in a header": ('#include "w.h"\n#include WHICH\n', {"w.h": '#define WHICH "a.h"', "a.h": "#define N {}"}),
    "spliced": ('#inc\\\nlude "a.h"\n', {"a.h": "#define N {}"}),
    "comments": ('#/* */include/**/"a.h"\n', {"a.h": "#define N {}"}),
    "digraph": ('%:include "a.h"\n', {"a.h": "#define N {}"}),
    "next": ("#include <a.h>\n", {"a.h": "#include_next <a.h>\n", "sub/a.h": "#define N {}"}),
}


@pytest.mark.parametrize("chain", CHAINS)
def test_a_changed_include_is_seen(cache: cu.ProgramCache, tmp_path: Path, chain: str) -> None:
    include, files = CHAINS[chain]
    results = []
    for n in (111, 222, 222):
        for name, content in files.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(content.replace("{}", str(n)))
        results.append(compile_(cache, include + SOURCE, include_paths=[tmp_path, tmp_path / "sub"], defines={}))
    assert ["111" in r.text for r in results] == [True, False, False]
    assert (cache.statistics.misses, cache.statistics.hits) == (2, 1), "of the same size, in the same instant"


def test_a_file_that_comes_before_another_is_seen(cache: cu.ProgramCache, tmp_path: Path) -> None:
    for folder, n in (("second", 2), ("first", 1)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.h").write_text(f"#define N {n}00{n}")
        result = compile_(
            cache, "#include <a.h>\n" + SOURCE, include_paths=[tmp_path / "first", tmp_path / "second"], defines={}
        )
        assert f"{n}00{n}" in result.text


def test_a_file_that_changes_while_it_is_compiled(
    cache: cu.ProgramCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was made from one content is not stored for the other."""
    real = compilation.run

    def run(*arguments: Any, **options: Any) -> Any:
        (tmp_path / "a.h").write_text("#define N 222")
        return real(*arguments, **options)

    def compiled() -> str:
        return compile_(cache, "#include <a.h>\n" + SOURCE, include_paths=[tmp_path], defines={}).text

    (tmp_path / "a.h").write_text("#define N 111")
    with monkeypatch.context() as patch:
        patch.setattr(compilation, "run", run)
        assert "222" in compiled()
    (tmp_path / "a.h").write_text("#define N 111")
    assert "111" in compiled()


def test_has_include_is_seen(cache: cu.ProgramCache, tmp_path: Path) -> None:
    source = "#if __has_include(<maybe.h>)\n#define N 1234\n#else\n#define N 4321\n#endif\n" + SOURCE
    assert "4321" in compile_(cache, source, include_paths=[tmp_path], defines={}).text
    (tmp_path / "maybe.h").write_text("")
    assert "1234" in compile_(cache, source, include_paths=[tmp_path], defines={}).text


def test_files_beside_the_source_and_before_it(cache: cu.ProgramCache, tmp_path: Path) -> None:
    file = tmp_path / "program.cu"
    file.write_text('#include "a.h"\n' + SOURCE)
    for n in (1001, 2002):
        (tmp_path / "a.h").write_text(f"#define N {n}")
        assert str(n) in cu.Program(file, cache=cache, arch=80).compile("ptx").text
        assert str(n) in compile_(cache, pre_includes=tmp_path / "a.h", defines={}).text
        assert str(n) in compile_(cache, "#include <a.h>\n" + SOURCE, extra=["-I", str(tmp_path)], defines={}).text
    assert cache.statistics.hits == 0


@pytest.mark.parametrize(
    "source",
    [
        "#define X(name) <name>\n#include X(a.h)\n" + SOURCE,
        "#ifdef NONE\n#define X <b.h>\n#else\n#define Y <a.h>\n#define X Y\n#endif\n#include X\n" + SOURCE,
        SOURCE + "\n__device__ const char *when = __DATE__;",
    ],
)
def test_what_cannot_be_known_is_not_cached(cache: cu.ProgramCache, tmp_path: Path, source: str) -> None:
    (tmp_path / "a.h").write_text("")
    for _ in range(2):
        compile_(cache, source, include_paths=[tmp_path])
    assert (cache.statistics.bypassed, cache.statistics.stores, cache.statistics.hits) == (2, 0, 0)


def test_a_cache_of_ones_own() -> None:
    class Recording(cu.ProgramCache):
        def __init__(self) -> None:
            super().__init__()
            self.entries: dict[str, cu.ObjectCode] = {}

        def get(self, key: str) -> cu.ObjectCode | None:
            return self.entries.get(key)

        def put(self, key: str, code: cu.ObjectCode) -> None:
            self.entries[key] = code

    own = Recording()
    first = compile_(own)
    ((key, entry),) = own.entries.items()
    assert entry is first
    assert len(key) == 64
    assert compile_(own) is first


def test_compilations_that_write_files_are_made(cache: cu.ProgramCache, tmp_path: Path) -> None:
    for n, options in enumerate([{"time_trace": tmp_path / "t"}, {"extra": [f"--fdevice-time-trace={tmp_path}/t"]}], 1):
        for _ in range(2):
            compile_(cache, **options)
            (tmp_path / "t.json").unlink()
        assert cache.statistics.bypassed == 2 * n
    assert cache.statistics.stores == 0
