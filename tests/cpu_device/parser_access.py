"""The PTX parser, compiled from its sources for the tests, and what is asked of it."""

import ctypes
import json
import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PTX = HERE.parent.parent / "cpu_device" / "src" / "ptx"
HEAD = ".version 8.7\n.target sm_80\n.address_size 64\n"


def compile_parser(folder: Path, name: str, *options: str) -> Path:
    sources = [*PTX.glob("*.cpp"), HERE / "parser_api.cpp"]
    flags = ["-std=c++17", "-Wall", "-Wextra", "-Werror", *options]
    objects = [folder / f"{name}-{source.stem}.o" for source in sources]

    def build(source: Path, target: Path) -> None:
        subprocess.run(["g++", *flags, "-c", source, "-o", target], check=True)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(build, sources, objects))
    subprocess.run(["g++", *flags, *objects, "-o", folder / name], check=True)
    return folder / name


class Parser:
    """The parser in this process."""

    def __init__(self, library: Path) -> None:
        self.library = ctypes.CDLL(str(library))
        self.library.ptx_dump.argtypes = self.library.ptx_parses.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
        self.library.ptx_dump.restype = ctypes.c_void_p
        self.library.ptx_release.argtypes = [ctypes.c_void_p]

    def dump(self, text: str | bytes) -> Any:
        data = text.encode() if isinstance(text, str) else text
        address = self.library.ptx_dump(data, len(data))
        try:
            return json.loads(ctypes.string_at(address))
        finally:
            self.library.ptx_release(address)

    def module(self, text: str) -> Any:
        module = self.dump(HEAD + text)
        assert "error" not in module, module
        return module

    def body(self, text: str) -> Any:
        return self.module(".entry k { .reg .b32 %r<9>; .reg .pred %p<4>; " + text + "}")["functions"][0]

    def operands(self, text: str) -> Any:
        return self.body(text)["body"][0]["operands"]

    def value(self, expression: str) -> int:
        operand = self.operands(f"x {expression};")[0]
        assert operand["kind"] == "integer"
        return int(operand["bits"])

    def error(self, text: str | bytes) -> Any:
        head = HEAD.encode() if isinstance(text, bytes) else HEAD
        found = self.dump(head + text)  # type: ignore[operator]
        assert "error" in found, text
        return found["error"]

    def milliseconds(self, data: bytes) -> float:
        best = 1e9
        for _ in range(20):
            start = time.perf_counter()
            assert self.library.ptx_parses(data, len(data))
            best = min(best, time.perf_counter() - start)
        return best * 1e3
