"""Our C headers against the vendor's, by a compiler: one probe, compiled against both, for every pinned CUDA version.

Layouts, values and signs must be those of the facts in both; every function of the table must have the vendor's type.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from generator import database, headers, ir, parse, policy
from generator.emit import abi_header, declare, probe
from generator.plan import LibraryInfo
from generator.typetable import Types

ROOT = Path(headers.__file__).parent
NAMES = ("driver", "runtime", "nvrtc")
VERSIONS = sorted(headers.load().releases, key=database.version_key)


@dataclass(frozen=True)
class Release:
    """One CUDA version: its facts, and our headers made from them."""

    version: str
    libraries: list[tuple[ir.Library, LibraryInfo, Types]]
    folder: Path

    @property
    def vendor(self) -> list[str]:
        """Options that find the vendor's headers; our stubs stand in for GL, EGL and vdpau where there are none."""
        folders = headers.include_dirs(self.version)
        return [*(f"-I{folder}" for folder in folders), "-idirafter", str(headers.STUBS)]

    def compile(self, name: str, text: str, *options: str, language: str = "c") -> Path:
        """Compiles a source beside our headers; fails the test with what the compiler said."""
        source, program = self.folder / f"{name}.{language}", self.folder / name
        source.write_text(text)
        compiler = "g++" if language == "cpp" else "gcc"
        command = [compiler, "-O0", f"-I{self.folder}", *options, str(source), "-o", str(program)]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        assert run.returncode == 0, f"{' '.join(command)}\n{run.stderr[:4000]}"
        return program


def _facts(info: LibraryInfo, version: str) -> ir.Library:
    """The committed facts, or what a parse of the vendor's headers finds where this version is not among them."""
    if database.path_of(ROOT, info.name).exists():
        known = database.load(ROOT, info.name)
        if version in known.versions:
            return known.library_at(version)
    shape = (info.macro_prefixes, info.typedef_headers, info.per_thread_define, info.legacy_define)
    source = parse.Source(info.name, info.headers, info.include, *shape)
    return parse.parse(source, version, headers.include_dirs(version, library=info.name))


@pytest.fixture(scope="session", params=VERSIONS)
def release(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Release:
    version = request.param
    folder = tmp_path_factory.mktemp(f"cuda{version}")
    infos = [policy.load(ROOT, name).info for name in NAMES]
    libraries = [(library, info, Types(library)) for info in infos for library in [_facts(info, version)]]
    shared = abi_header.shared_names(library for library, _, _ in libraries)
    for library, info, types in libraries:
        (folder / f"cubind_{info.name}.h").write_text(abi_header.emit(library, info, types, shared))
    return Release(version, libraries, folder)


def _output(program: Path) -> list[str]:
    return subprocess.run([program], capture_output=True, text=True, check=True).stdout.splitlines()


def _differences(found: list[str], wanted: list[str]) -> list[str]:
    return [f"{a} instead of {b}" for a, b in zip(found, wanted, strict=True) if a != b]


def test_layouts_and_values(release: Release) -> None:
    """Complaints 30 and 33."""
    text = probe.emit(release.libraries)
    wanted = probe.expected(release.libraries).splitlines()
    ours = _output(release.compile("ours", text, "-std=c11", "-DCUBIND_PROBE_OURS"))
    vendor = _output(release.compile("vendor", text, "-std=gnu11", *release.vendor))
    assert len(wanted) > 2500
    assert _differences(ours, wanted) == []
    assert _differences(vendor, wanted) == []


@pytest.mark.parametrize("name", NAMES)
def test_function_types_are_the_vendors(release: Release, name: str) -> None:
    """The table of our header, its prefix taken off, is filled with the vendor's functions in C."""
    library, info, _ = next(entry for entry in release.libraries if entry[1].name == name)
    header = (release.folder / f"cubind_{name}.h").read_text()
    table = re.search(rf"struct cubind_{name}_table \{{\n.*?\n\}};", header, re.DOTALL)
    assert table
    symbols = re.findall(r"\(CUBIND_API \*(\w+)\)", table[0])
    assert len(symbols) > 20
    lines = [f"#define {info.legacy_define}"] if info.legacy_define else []
    lines += [f"#include <{include}>" for include in info.include] + ["#define CUBIND_API"]
    lines += [f"typedef {_keyword(d)} {d.tag} {d.tag};" for d in declare.definitions(library) if d.tag == d.name]
    lines += [table[0].replace("cubind_", ""), f"void fill(struct {name}_table *t) {{"]
    # a pointer to a function of another library is a `void *` in ours
    foreign = {t.name + " *" for t in library.typedefs if t.type == "void"}
    loose = {f.symbol for f in library.functions for p in f.params if p.type in foreign} & set(symbols)
    assert len(loose) <= 2
    lines += [f"    t->{s} = {'(void *)' if s in loose else ''}{s};" for s in symbols] + ["}"]
    options = ["-Wno-deprecated-declarations", "-Werror=incompatible-pointer-types", "-std=gnu11", *release.vendor]
    release.compile(f"table_{name}", "\n".join(lines) + "\n", "-fsyntax-only", *options)


def _keyword(declared: ir.Record | ir.Enum) -> str:
    return "enum" if isinstance(declared, ir.Enum) else "union" if declared.union else "struct"


OURS = "".join(f'#include "cubind_{name}.h"\n' for name in NAMES)
VENDOR = "#include <cuda.h>\n#include <cuda_runtime_api.h>\n#include <nvrtc.h>\n"
HANDLES = "CUstream s;\ncudaEvent_t e;\nvoid f(void) { cubind_CUstream a = s; cubind_CUevent b = e; e = b; s = a; }\n"


@pytest.mark.parametrize("includes", [OURS + VENDOR, VENDOR + OURS], ids=["ours first", "vendor first"])
@pytest.mark.parametrize(("language", "standard"), [("c", "c11"), ("cpp", "c++11"), ("cpp", "c++20")])
def test_goes_together_with_the_vendors(release: Release, language: str, standard: str, includes: str) -> None:
    """In either order, in C and C++; and handles pass between both without casts."""
    options = ["-fsyntax-only", f"-std={standard}", *release.vendor]
    release.compile("together", includes + HANDLES, *options, language=language)


EXACT = """
CUresult cuInit(unsigned int flags) { return flags ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS; }
cudaError_t cudaStreamSynchronize(cudaStream_t stream) { return stream ? cudaErrorInvalidValue : cudaSuccess; }
CUmemLocation location = {CU_MEM_LOCATION_TYPE_DEVICE};
CUstream stream;
dim3 grid;
char handle[CU_IPC_HANDLE_SIZE];
cudaUUID_t *as_runtime(CUuuid *uuid) { return uuid; }
"""


@pytest.mark.parametrize(("language", "standard"), [("c", "c11"), ("cpp", "c++11"), ("cpp", "c++20")])
def test_exact_names_alone(release: Release, language: str, standard: str) -> None:
    """Pedantic on our own headers: a program that implements the API needs nothing else."""
    text = "#define CUBIND_EXACT_NAMES\n" + OURS + EXACT
    options = [f"-std={standard}", "-pedantic-errors", "-Wall", "-Werror"]
    release.compile("exact", text, "-fsyntax-only", *options, language=language)
