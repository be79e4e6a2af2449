"""Fat binaries whose parts are compressed, as nvcc's fatbinary writes them (--compress-mode, --compress-all, --concat)."""

from __future__ import annotations

import textwrap

from tests.helpers.cpu import on_cpu

FAT = r"""
import random, struct
import zstandard
PTX = KERNELS.encode() + b"\0"
LZ4, ZSTD = 0x2000, 0x8000

def packed_by(flags, data):
    if flags == ZSTD:
        return zstandard.ZstdCompressor(level=19, write_checksum=False).compress(data)
    n, out = len(data), bytearray([0xF0])      # one run of literals
    n -= 15
    while n >= 0:
        out.append(min(n, 255)); n -= 255
    return bytes(out) + data
def header(kind, size, architecture, flags=0, packed=0, unpacked=0, before=64):
    return struct.pack("<HHIQIIHHIIIQQQ", kind, 0x101, before, size, packed, 0, 0, 8, architecture, 0, 0, flags, 0, unpacked)
def part(kind, data, architecture=70, flags=0):
    payload = packed_by(flags, data) if flags else data
    whole = payload + bytes(-len(payload) % 8)
    return header(kind, len(whole), architecture, flags, len(payload) if flags else 0, len(data) if flags else 0) + whole
def together(flags, *images, shift=0):
    "Images (kind, data, architecture) behind one another, compressed as one."
    table, data = b"", b""
    for kind, image, architecture in images:
        table += header(kind, len(image), architecture, before=len(data) + shift) + bytes(16)
        data += image
    payload = packed_by(flags, data)
    whole = payload + bytes(-len(payload) % 8)
    first = header(0x100, len(whole), 0, flags, len(payload), len(data), 64 + 8 + len(table))
    return first + struct.pack("<II", len(images), 8 + len(table)) + table + whole
def fat(*parts):
    return struct.pack("<IHHQ", 0xBA55ED50, 1, 16, sum(map(len, parts))) + b"".join(parts)
def cubin(ptx):
    names, body = b"\0.nv_debug_ptx_txt\0", ptx.rstrip(b"\0").replace(b"\n", b"\0")
    sections = struct.pack("<IIQQQQIIQQ", 0, *[0] * 9)
    sections += struct.pack("<IIQQQQIIQQ", 1, 1, 0, 0, 64 + 192 + len(names), len(body), 0, 0, 1, 0)
    sections += struct.pack("<IIQQQQIIQQ", 0, 3, 0, 0, 64 + 192, len(names), 0, 0, 1, 0)
    head = b"\x7fELF\2\1\1" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 2, 190, 1, 0, 0, 64, 0, 64, 0, 0, 64, 3, 2)
    return head + sections + names + body

def load(image):
    m = d.cuModuleLoadData(image)
    d.cuModuleGetFunction(m, "fill")
    d.cuModuleUnload(m)
def why(image):
    "The status and the line in the log."
    O, log = d.CUjit_option, bytearray(500)
    status = name(d.cuModuleLoadDataEx, image, None, [O.CU_JIT_ERROR_LOG_BUFFER, O.CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES], [log, len(log)])
    return status, log.split(b"\0")[0].decode()
"""


def run(script: str) -> None:
    on_cpu(FAT + textwrap.dedent(script))


def test_compressed_parts() -> None:
    run("""
    for flags in (LZ4, ZSTD):
        load(fat(part(1, PTX, 70, flags)))
        load(fat(part(2, cubin(PTX), 80, flags)))
        load(fat(part(2, bytes(99), 80, flags), part(1, b"none", 120, flags), part(1, b"old", 50, flags), part(1, PTX, 75, flags)))
        load(fat(together(flags, (1, PTX, 70))))
        load(fat(together(flags, (2, bytes(99), 80), (1, b"none", 120), (1, PTX, 80), (1, b"old", 75))))
        load(fat(part(1, b"old", 50), together(flags, (2, cubin(PTX), 80), (1, PTX, 75)), part(2, bytes(99), 80)))
        load(fat(together(flags, (2, cubin(PTX), 80))))
        status, line = why(fat(part(2, cubin(PTX).replace(b".nv_debug", b".nv_other"), 80, flags)))
        assert status == "CUDA_ERROR_NO_BINARY_FOR_GPU" and "-lineinfo" in line
    """)


def test_damaged_parts() -> None:
    run("""
    for flags in (LZ4, ZSTD):
        payload = packed_by(flags, PTX)
        for short in (payload[:-40], payload[:20], b"", payload[:-1] if flags == ZSTD else payload[:-2]):
            image = fat(header(1, len(short), 70, flags, len(short), len(PTX)) + short)
            status, line = why(image)
            assert status == "CUDA_ERROR_INVALID_IMAGE" and "damaged" in line, (flags, len(short), status, line)
        for size in (1, len(PTX) - 1, len(PTX) + 1, 1 << 31, (1 << 64) - 1):
            assert why(fat(header(1, len(payload), 70, flags, len(payload), size) + payload))[0] == "CUDA_ERROR_INVALID_IMAGE", size
        assert why(fat(together(flags, (1, PTX, 70), shift=1 << 20)))[0] == "CUDA_ERROR_INVALID_IMAGE"
        choose = random.Random(flags)
        whole = fat(together(flags, (2, bytes(99), 80), (1, PTX, 80)), part(1, PTX, 70, flags))
        for turn in range(400):
            broken = bytearray(whole)
            for _ in range(choose.randint(1, 3)):
                broken[choose.randrange(4, 300 if turn % 2 else len(whole))] = choose.choice((0, 1, 255, choose.randrange(256)))
            name(load, bytes(broken))          # any status, no crash
    load(PTX)
    """)
