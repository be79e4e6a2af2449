"""Builds the extension modules and the CPU device; everything else is in pyproject.toml.

One binary serves CPython 3.11 and later (the stable ABI).  Free-threaded builds have no stable ABI: they get their own.
"""

import os
import runpy
import shutil
import sysconfig
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

PACKAGE = Path("bindings/cubind")
UNIFIED = Path("cuda_unified")
FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
MACROS = [] if FREE_THREADED else [("Py_LIMITED_API", "0x030B0000")]
HEADERS = [str(p) for p in (*PACKAGE.glob("*.h"), *PACKAGE.glob("_abi/*.h"), *PACKAGE.glob("_tables/*.h"))]


def extension(name, sources, optimize, libraries=()):
    """An extension module of the package."""
    return Extension(
        f"cubind.{name}",
        [str(s) for s in sources],
        include_dirs=[str(PACKAGE), str(PACKAGE / "_abi")],
        define_macros=MACROS,
        extra_compile_args=[optimize, "-g0", "-fvisibility=hidden", "-Wno-unused-function"],
        extra_link_args=["-Wl,-s"],
        libraries=list(libraries),
        depends=HEADERS,
        py_limited_api=not FREE_THREADED,
    )


# The bodies in generated modules are short and call into the core: -O1 costs them nothing and halves the build.
core = extension("_core", sorted(PACKAGE.glob("_*.c")), "-O2", ("dl", "pthread", "m"))
# the unified layer's hot half
native = Extension(
    "cuda_unified._native",
    [str(s) for s in sorted(UNIFIED.glob("src/*.c"))],
    include_dirs=[str(PACKAGE / "_abi")],
    define_macros=MACROS,
    extra_compile_args=["-O2", "-g0", "-fvisibility=hidden", "-Wall", "-Wextra", "-Wno-missing-field-initializers"],
    extra_link_args=["-Wl,-s"],
    depends=[*HEADERS, *(str(p) for p in UNIFIED.glob("src/*.h"))],
    py_limited_api=not FREE_THREADED,
)
generated = [extension(p.stem, [p], "-O1") for p in sorted(PACKAGE.glob("*.pyx"))]


class BuildAll(build_ext):
    """Extension modules, and beside them in the package the libraries of the CPU device, in `_cpu/`."""

    def run(self):
        super().run()
        if os.environ.get("CUBIND_BUILD_CPU_DEVICE") == "0":
            return
        device = runpy.run_path("cpu_device/build.py")
        target = Path(self.build_lib) / "cubind" / "_cpu"
        for library in device["build"](PACKAGE / "_cpu", device["default_objects"]()):
            if not self.inplace:
                target.mkdir(parents=True, exist_ok=True)
                shutil.copy2(library, target)


setup(
    cmdclass={"build_ext": BuildAll},
    ext_modules=[
        core,
        *([native] if UNIFIED.is_dir() else []),
        *cythonize(
            generated,
            include_path=["bindings"],
            build_dir="build/cython",
            nthreads=os.cpu_count() or 1,
            language_level=3,
            quiet=True,
        ),
    ],
    options={
        "build_ext": {"parallel": os.cpu_count() or 1},
        "bdist_wheel": {} if FREE_THREADED else {"py_limited_api": "cp311"},
    },
)
