"""Compiled code: its kinds, files and pickles."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

import cuda_unified as cu

KERNEL = 'extern "C" __global__ void answer(int *x) { *x = N; }'
TEMPLATE = "template <class T> __global__ void fill(T *x, T value) { x[threadIdx.x] = value; }"


def test_code_is_pickled_saved_and_loaded(tmp_path: Path) -> None:
    code = cu.Program(TEMPLATE, name_expressions=["fill<int>"]).compile("ptx")
    again = pickle.loads(pickle.dumps(code))
    assert again == code
    assert dict(again.lowered_names) == dict(code.lowered_names)
    code.save(tmp_path / "code")
    loaded = cu.ObjectCode.from_file(tmp_path / "code")
    assert loaded == code
    assert (loaded.name, loaded.arch, loaded.log) == (code.name, code.arch, code.log)
    assert [p.name for p in tmp_path.iterdir()] == ["code"], "no temporary file is left"
    content = bytearray((tmp_path / "code").read_bytes())
    content[-1] ^= 1
    (tmp_path / "code").write_bytes(content)
    with pytest.raises(ValueError, match="damaged"):
        cu.ObjectCode.from_file(tmp_path / "code")


def test_kinds_of_code(tmp_path: Path) -> None:
    ptx = cu.Program(KERNEL, defines={"N": 1}).compile("ptx")
    (tmp_path / "k.ptx").write_bytes(ptx.code)
    assert cu.ObjectCode.from_file(tmp_path / "k.ptx").kind == "ptx"
    assert cu.ObjectCode.from_bytes(ptx.text).code == ptx.code
    assert cu.ObjectCode.from_bytes(ptx.code + b"\0").code == ptx.code, "without the terminating zero"
    assert cu.ObjectCode.from_bytes(b"\x50\xed\x55\xba" + bytes(12)).kind == "fatbin"
    assert cu.ObjectCode.from_bytes(b"!<arch>\n").kind == "library"
    assert cu.ObjectCode.from_bytes(b"\x7fELF" + bytes(14) + b"\x3e\0").kind == "object"
    for junk in (b"", b"\x7fELF", b"hello", b"// .version"):
        with pytest.raises(ValueError, match="neither PTX"):
            cu.ObjectCode.from_bytes(junk)
    with pytest.raises(ValueError, match="'sass' is no kind of code"):
        cu.ObjectCode(b"", "sass")
