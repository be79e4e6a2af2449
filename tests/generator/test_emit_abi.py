"""The C header, the symbols, the .pxd and the C level: parts of their text, and what compilers make of it."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from dataclasses import replace
from pathlib import Path

import pytest
from toy import EXTRA, EXTRA_INFO, TOY, TOY_INFO

from generator.emit import abi_header, cy_layer, declare, probe, types_pxd
from generator.ir import Field, Function, Library, Record, Typedef
from generator.typetable import Types, UnknownTypeError

CORE = Path(__file__).parents[2] / "bindings" / "cubind"
SHARED = abi_header.shared_names([TOY, EXTRA])
TYPES, EXTRA_TYPES = Types(TOY), Types(EXTRA)


@pytest.fixture(scope="module")
def header() -> str:
    return abi_header.emit(TOY, TOY_INFO, TYPES, SHARED)


def _compile(folder: Path, text: str, *options: str) -> None:
    source = folder / "source.c"
    source.write_text(text)
    command = ["gcc", "-Wall", "-Wextra", "-Werror", f"-I{folder}", f"-I{CORE}", str(source), *options]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


# -- the C header


@pytest.mark.parametrize(
    "part",
    [
        "#define cubind_TOY_SIZE 16\n",
        "#define cubind_TOY_NONE (-1)\n",
        "#define cubind_TOY_ANY 0xffffffffu\n",
        "#define cubind_TOY_BIG 0x10000000000ull\n",
        "typedef enum cubind_toyMode {\n    cubind_TOY_MODE_NONE = (-1),\n",
        "    cubind_TOY_MODE_LOW = (-2147483647 - 1),\n",
        "    cubind_TOY_SUCCESS = 0,\n    cubind_TOY_FIRST = 0,\n",
        "struct toyStream_st;\n",
        "typedef struct toyStream_st *cubind_toyStream;\n",
        "typedef const struct toyStream_st *cubind_toyConstStream;\n",
        "typedef uint64_t cubind_toyPtr_v2;\ntypedef cubind_toyPtr_v2 cubind_toyPtr;\n",
        "typedef cubind_toyStatus (CUBIND_CB *cubind_toyFn)(void *, const cubind_toyLocation *);\n",
        "    union {\n        int id;\n        cubind_toyLocation_v1_near near;\n    };\n",
        "    cubind_toyChain_pairs pairs[2];\n    cubind_toyWhole *whole;\n    char from[8];\n",
        "    CUBIND_ALIGN(64) unsigned long long words[16];\n",
        "    int grid[2][3];\n",
        "    cubind_toyStatus (CUBIND_API *toyAlloc_v2)(cubind_toyPtr *, size_t);\n",
        "    cubind_toyStatus (CUBIND_API *toyDraw)(unsigned int, void *const *);\n",
        "    cubind_toyStatus (CUBIND_API *toyGone)(void);\n",
        "    const char *(CUBIND_API *toyGoneText)(cubind_toyStatus);\n",
        "    cubind_toyStatus (CUBIND_API *toyNames)(const char *const *, int, size_t *);\n",
        "    void (CUBIND_API *toyReset)(int (*)(void *, void *));\n",
        "#ifndef CUBIND_HAVE_toyUuid\n#define CUBIND_HAVE_toyUuid\nstruct cubind_toyUuid {\n",
        "typedef cubind_toyLocation toyLocation;\n",
        "#define TOY_FIRST cubind_TOY_FIRST\n",
    ],
)
def test_header_declares(header: str, part: str) -> None:
    assert part in header


@pytest.mark.parametrize("absent", ["GLuint", "GLImage", "(CUBIND_API *toyAlloc)", "struct cubind_toyStream_st"])
def test_header_leaves_out(header: str, absent: str) -> None:
    """Foreign names are resolved, legacy symbols without a version are not called, opaque records stay opaque."""
    assert absent not in header


def test_header_is_in_dependency_order(header: str) -> None:
    """A record by value comes before the record that holds it; a pointer needs nothing."""
    names = ("struct cubind_toyChain_pairs", "struct cubind_toyChain", "union cubind_toyWhole")
    places = [header.index(f"{name} {{") for name in names]
    assert places == sorted(places)
    assert header.index("struct cubind_toyMap {") < places[-1]


@pytest.mark.parametrize("compiler", ["gcc -std=c11", "gcc -std=gnu99", "g++ -x c++ -std=c++11"])
def test_header_compiles_and_lays_out_as_the_facts_say(header: str, compiler: str, tmp_path: Path) -> None:
    (tmp_path / "cubind_toy.h").write_text(header)
    text = probe.emit([(TOY, TOY_INFO, TYPES)])
    (tmp_path / "probe.c").write_text("#ifdef __cplusplus\n#define _Alignof alignof\n#endif\n" + text)
    options = ["-DCUBIND_PROBE_OURS", "-w", f"-I{tmp_path}", "-o", str(tmp_path / "probe")]
    subprocess.run([*compiler.split(), str(tmp_path / "probe.c"), *options], check=True)
    printed = subprocess.run([tmp_path / "probe"], capture_output=True, text=True, check=True).stdout
    assert printed == probe.expected([(TOY, TOY_INFO, TYPES)])


def test_two_libraries_go_together(tmp_path: Path) -> None:
    for library, information, types in ((TOY, TOY_INFO, TYPES), (EXTRA, EXTRA_INFO, EXTRA_TYPES)):
        (tmp_path / f"cubind_{library.name}.h").write_text(abi_header.emit(library, information, types, SHARED))
    use = "extraUuid *same(toyUuid *uuid) { return uuid; }\nextraStream pass(toyStream s) { return s; }\n"
    for order in (["toy", "extra"], ["extra", "toy"]):
        text = "#define CUBIND_EXACT_NAMES\n" + "".join(f'#include "cubind_{name}.h"\n' for name in order) + use
        _compile(tmp_path, text, "-std=c11", "-fsyntax-only")


def test_packed_record_is_refused() -> None:
    packed = Record("toyPacked", "", False, 5, 1, (Field("a", "char", 0, 1), Field("b", "int", 1, 4)))
    library = Library("toy", "1.5", records=(packed,))
    with pytest.raises(declare.EmitError, match="toyPacked is packed"):
        abi_header.emit(library, TOY_INFO, Types(library))


def test_two_types_of_one_name_are_refused() -> None:
    """A nested record is called after its path, which may be the name of something else."""
    inner = Record("", "", False, 4, 4, (Field("x", "int", 0, 4),))
    outer = Record("toyA", "", False, 4, 4, (Field("b", "", 0, 4, inner),))
    library = Library("toy", "1.5", records=(outer,), typedefs=(Typedef("toyA_b", "int"),))
    with pytest.raises(declare.EmitError, match="toyA_b"):
        abi_header.emit(library, TOY_INFO, Types(library))


def test_undeclared_type_is_refused() -> None:
    library = Library("toy", "1.5", functions=(Function("toyF", "toyF", "toyNothing *", (), "toy.h"),))
    with pytest.raises(UnknownTypeError, match="toyNothing"):
        abi_header.emit(library, TOY_INFO, Types(library))


# -- the symbols


def test_symbols(tmp_path: Path) -> None:
    text = abi_header.emit_symbols(TOY, TOY_INFO, {"toyAlloc_v2": 1000, "toyDraw": 1040}, {"toyAlloc_v2": "toyAlloc"})
    assert '{"toyAlloc_v2", "toyAlloc", 3020, NULL, 3020, "toyAlloc"},' in text
    assert '{"toyDraw", NULL, 0, "toyDraw_ptsz", 1040, NULL},' in text
    assert '"install \\"it\\"",\n' in text
    assert '_wheel_dirs[] = {"a/lib", "b/lib", NULL};' in text
    python = f"-I{sysconfig.get_paths()['include']}"
    count = "sizeof cubind_toy_symbols / sizeof *cubind_toy_symbols"
    check = f"int main(void) {{ return cubind_toy_spec.n_symbols == {count} ? 0 : 1; }}\n"
    _compile(tmp_path, text + check, python, "-Wno-unused", "-fsyntax-only")


def test_abi_number_changes_with_signatures_and_order() -> None:
    first, *rest = TOY.functions
    assert abi_header.abi(TOY) == abi_header.abi(replace(TOY, functions=(*rest, first))), "sorted by symbol"
    for changed in ((*rest,), (replace(first, returns="int"), *rest), (replace(first, symbol="toyAlloc_v3"), *rest)):
        assert abi_header.abi(TOY) != abi_header.abi(replace(TOY, functions=changed))


# -- Cython


@pytest.mark.parametrize(
    "part",
    [
        'from libc.stdint cimport uint64_t\n',
        '    enum:\n        TOY_NONE "cubind_TOY_NONE"\n        TOY_SIZE "cubind_TOY_SIZE"\n',
        '    const unsigned int TOY_ANY "cubind_TOY_ANY"\n    const long long TOY_BIG "cubind_TOY_BIG"\n',
        '    ctypedef enum toyStatus "cubind_toyStatus":\n        TOY_SUCCESS "cubind_TOY_SUCCESS"\n',
        '    struct toyStream_st:\n        pass\n',
        '    ctypedef toyStream_st *toyStream "cubind_toyStream"\n',
        '    ctypedef toyStatus (*toyFn "cubind_toyFn")(void *user, const toyLocation *location) noexcept nogil\n',
        '        toyMode mode\n        int id\n        toyLocation_v1_near near\n',
        '        toyChain_pairs pairs[2]\n        toyWhole *whole\n        char from_ "from"[8]\n',
        '    ctypedef toyLocation_v1 toyLocation_st "cubind_toyLocation_v1"\n',
        '        void (*toyReset)(int (*check)(void *, void *) noexcept nogil) noexcept nogil\n',
    ],
)  # fmt: skip
def test_pxd_declares(part: str) -> None:
    assert part in types_pxd.emit(TOY, TOY_INFO, TYPES)


def test_pxd_takes_what_is_shared_from_the_other_library() -> None:
    text = types_pxd.emit(EXTRA, EXTRA_INFO, EXTRA_TYPES, TYPES)
    assert "from cubind._abi.toy cimport toyStream_st, toyUuid\n" in text
    assert "struct toyStream_st" not in text
    assert "struct toyUuid" not in text
    assert '    ctypedef toyUuid extraUuid "cubind_extraUuid"\n' in text


def test_c_level_has_public_names_and_symbols() -> None:
    text = cy_layer.emit_pxd(TOY, TOY_INFO, TYPES)
    for name in ("toyAlloc", "toyAlloc_v2"):
        assert f"cdef toyStatus {name}(toyPtr *out, size_t size) noexcept nogil\n" in text
    assert "cdef toyDesc toyMakeDesc(toyDesc from_, toyMode mode) noexcept nogil\n" in text
    assert "cdef toyStatus toyOld_v2(toyStream *in_) noexcept nogil\n" in text


CORE_STUB = r"""
#define CUBIND_CORE_BUILD
#include "_core.h"
#include <dlfcn.h>
static void *table[2][32];
static cu_library libraries[2];
static cu_library *library(const cu_library_spec *spec) {
    int i = strcmp(spec->name, "toy") != 0;
    libraries[i].spec = spec;
    libraries[i].table = table[i];
    return &libraries[i];
}
static int library_slot(cu_library *lib, void ***slot) { *slot = lib->table; return 0; }
static int resolve_nogil(cu_library *lib, int i) {
    void *handle = dlopen(lib->spec->sonames[0], RTLD_NOW);
    lib->table[i] = handle ? dlsym(handle, lib->spec->symbols[i].name) : NULL;
    return lib->table[i] ? 0 : -1;
}
cu_int_words cubind_int_words;
const struct cu_api cubind_api = {
    .size = sizeof(struct cu_api), .int_words = &cubind_int_words,
    .library = library, .library_slot = library_slot, .resolve_nogil = resolve_nogil};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "_core", .m_size = -1};
PyMODINIT_FUNC PyInit__core(void) {
    PyObject *m = PyModule_Create(&definition);
    PyModule_AddObject(m, "_api", PyCapsule_New((void *)&cubind_api, "cubind._core._api", NULL));
    return m;
}
"""

TOY_LIBRARY = r"""
#define CUBIND_EXACT_NAMES
#include "cubind_toy.h"
struct toyStream_st { int calls; };
toyStatus toyAlloc_v2(toyPtr *out, size_t size) { *out = 4096 + size; return TOY_SUCCESS; }
toyDesc toyMakeDesc(toyDesc from, toyMode mode) { from.x += 1; from.mode = mode; return from; }
toyStatus toyNames(const char *const *names, int count, size_t *total) {
    for (*total = 0; count--; ) for (const char *c = names[count]; *c; c++) ++*total;
    return TOY_SUCCESS;
}
toyStatus toyLaunch(toyStream stream, toyFn fn, void *user) {
    toyLocation where = {TOY_MODE_ON, {7}};
    return stream ? TOY_ALL : fn(user, &where);
}
void toyReset(int (*check)(void *, void *)) { check(0, 0); }
"""

PROGRAM = """
# cython: language_level=3
from cubind.cytoy cimport *
from cubind.cyextra cimport *
from cubind cimport cyextra, cytoy
from cubind.cytoy cimport TOY_SIZE, toyLocation, toyStatus

cdef toyStatus called(void *user, const toyLocation *location) noexcept with gil:
    (<list>user).append((location.mode, location.id, location.near.device))
    return TOY_MISSING

cdef int checked(void *a, void *b) noexcept nogil:
    global checks
    checks += 1
    return 0
cdef int checks = 0

def calls():
    cdef toyPtr pointer = 0
    cdef toyDesc desc = [4, TOY_MODE_NONE]
    cdef const char *names[2]
    cdef size_t total = 0
    cdef toyStatus status
    seen = []
    names[0], names[1] = b"ab", b"cde"
    with nogil:
        status = cytoy.toyAlloc(&pointer, 10)
        toyAlloc_v2(&pointer, pointer)
        desc = toyMakeDesc(desc, TOY_MODE_ON)
        toyNames(names, 2, &total)
        toyReset(checked)
    return status, pointer, desc.x, desc.mode, total, checks, toyLaunch(NULL, called, <void *>seen), seen

def missing():
    cdef toyUuid uuid
    cdef extraUuid *same = &uuid
    cdef toyStream stream = NULL
    cdef cyextra.extraStream other = stream
    cdef char text[TOY_SIZE]
    status = extraSync(other, same)
    return toyGone(), toyGoneText(TOY_SUCCESS) == NULL, toyGoneDesc(3).x, status, sizeof(text), TOY_ANY, TOY_NONE
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The C level of both libraries, built for the limited API over a small core, and a program that cimports it."""
    root = tmp_path_factory.mktemp("package")
    abi = root / "cubind" / "_abi"
    abi.mkdir(parents=True)
    (abi / "__init__.py").touch()
    (root / "cubind" / "__init__.py").touch()
    for library, information, types, base in ((TOY, TOY_INFO, TYPES, None), (EXTRA, EXTRA_INFO, EXTRA_TYPES, TYPES)):
        name = library.name
        (abi / f"cubind_{name}.h").write_text(abi_header.emit(library, information, types, SHARED))
        (abi / f"cubind_{name}_symbols.h").write_text(abi_header.emit_symbols(library, information))
        (abi / f"{name}.pxd").write_text(types_pxd.emit(library, information, types, base))
        (root / "cubind" / f"cy{name}.pxd").write_text(cy_layer.emit_pxd(library, information, types))
        (root / "cubind" / f"cy{name}.pyx").write_text(cy_layer.emit_pyx(library, information, types))
    (root / "program.pyx").write_text(PROGRAM)
    (root / "cubind" / "_core.c").write_text(CORE_STUB)
    (root / "libtoy.c").write_text(TOY_LIBRARY)
    pyx = ["cubind/cytoy.pyx", "cubind/cyextra.pyx", "program.pyx"]
    subprocess.run([sys.executable, "-m", "cython", "-3", "-I.", *pyx], cwd=root, check=True)
    options = ["-O0", "-shared", "-fPIC", f"-I{CORE}", f"-I{abi}", f"-I{sysconfig.get_paths()['include']}"]
    for source in ("cubind/_core.c", "libtoy.c", *pyx):
        output = "libtoy.so.1" if source == "libtoy.c" else Path(source).with_suffix(".abi3.so")
        limited = "-DPy_LIMITED_API=0x030B0000"
        subprocess.run(["gcc", *options, limited, Path(source).with_suffix(".c"), "-o", output], cwd=root, check=True)
    return root


def _run(package: Path, code: str) -> object:
    environment = {**os.environ, "LD_LIBRARY_PATH": str(package), "PYTHONPATH": str(package)}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert run.returncode == 0, run.stderr
    return eval(run.stdout)


def test_calls_from_cython(package: Path) -> None:
    assert _run(package, "import program; print(program.calls())") == (0, 4096 + 4106, 5, 1, 5, 1, 500, [(1, 7, 7)])


def test_missing_symbols_and_libraries_from_cython(package: Path) -> None:
    """A status where there is one, else zero; handles and records pass between the libraries."""
    assert _run(package, "import program; print(program.missing())") == (500, True, 0, 7, 16, 0xFFFFFFFF, -1)


def test_import_opens_nothing_and_stays_small(package: Path) -> None:
    """The modules that Cython itself would load for the limited API are not loaded."""
    loaded = "import sys, cubind.cytoy; print(['inspect' in sys.modules, 'libtoy' in open('/proc/self/maps').read()])"
    assert _run(package, loaded) == [False, False]
    assert _run(package, "import cubind.cytoy; print(len(cubind.cytoy.__pyx_capi__))") == 12
