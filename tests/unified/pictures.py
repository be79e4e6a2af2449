"""Reads the PNG and GIF files that the examples write: decoders of the tests' own, for exactly those kinds."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np


def read_png(path: Path) -> np.ndarray:
    """uint8[height, width, 3] of an 8-bit RGB file without filters; every checksum is checked."""
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, chunks = 8, {}
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", data, at + 8 + length)[0] == zlib.crc32(kind + body)
        chunks[kind] = body
        at += 12 + length
    assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    width, height, depth, colour, *rest = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert (depth, colour, *rest) == (8, 2, 0, 0, 0)
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, 1 + 3 * width)
    assert not rows[:, 0].any(), "a filter"
    return rows[:, 1:].reshape(height, width, 3)


def read_gif(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """(uint8[frames, height, width], palette) of an animation with one palette of 256 colours and whole frames."""
    data = path.read_bytes()
    assert data[:6] == b"GIF89a" and data[10] == 0xF7
    width, height = struct.unpack_from("<HH", data, 6)
    at, frames = 13 + 3 * 256, []
    while data[at] != 0x3B:
        is_image = data[at] == 0x2C
        assert is_image or data[at] == 0x21
        at += 11 if is_image else 2  # an image's place and the size of its first codes; an extension's kind
        body = b""
        while data[at]:
            body += data[at + 1 : at + 1 + data[at]]
            at += 1 + data[at]
        at += 1
        if is_image:
            frames.append(np.frombuffer(_unpacked(body), np.uint8).reshape(height, width))
    assert at == len(data) - 1
    return np.array(frames), np.frombuffer(data, np.uint8, 3 * 256, 13).reshape(256, 3)


def _unpacked(body: bytes) -> bytes:
    bits, at, out = int.from_bytes(body, "little"), 0, []
    table: list[bytes] = []
    width, last = 9, b""
    while True:
        code = bits >> at & (1 << width) - 1
        at += width
        if code == 257:
            return b"".join(out)
        if code == 256:
            table, width, last = [bytes([i]) for i in range(256)] + [b"", b""], 9, b""
            continue
        text = table[code] if code < len(table) else last + last[:1]
        if last:
            table.append(last + text[:1])
        if len(table) == 1 << width and width < 12:
            width += 1
        out.append(text)
        last = text
