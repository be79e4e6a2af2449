"""Images of every kind that hold PTX, as programs load them, and the same damaged."""

from __future__ import annotations

import random
import struct

import zstandard

PTX, ELF, TOGETHER, PACKED, ZSTANDARD = 1, 2, 0x100, 0x2000, 0x8000


def lz4(data: bytes) -> bytes:
    """A block of LZ4: repetitions of at least eight bytes are matches."""
    out, at, start, seen = bytearray(), 0, 0, {}

    def sequence(literals: bytes, back: int, match: int) -> None:
        def more(n: int) -> bytes:
            return b"" if n < 15 else b"\xff" * ((n - 15) // 255) + bytes([(n - 15) % 255])

        out.append(min(len(literals), 15) << 4 | (min(match - 4, 15) if back else 0))
        out.extend(more(len(literals)) + literals)
        if back:
            out.extend(struct.pack("<H", back) + more(match - 4))

    while at < len(data) - 16:
        other = seen.get(data[at : at + 8])
        seen[data[at : at + 8]] = at
        if other is None or at - other > 65535:
            at += 1
            continue
        n = 8
        while at + n < len(data) - 8 and data[at + n] == data[other + n]:
            n += 1
        sequence(data[start:at], at - other, n)
        at = start = at + n
    sequence(data[start:], 0, 0)
    return bytes(out)


def zstd(data: bytes, level: int = 19, **how: bool) -> bytes:
    """A frame of Zstandard."""
    return zstandard.ZstdCompressor(level=level, **how).compress(data)


def header(
    kind: int, size: int, architecture: int = 70, flags: int = 0, packed: int = 0, unpacked: int = 0, before: int = 64
) -> bytes:
    """What stands before an image of a fat binary."""
    sizes = (before, size, packed, 0, 0, 8, architecture, 0, 0, flags, 0, unpacked)
    return struct.pack("<HHIQIIHHIIIQQQ", kind, 0x101, *sizes)


def part(
    kind: int, payload: bytes, architecture: int = 70, flags: int = 0, packed: int = 0, unpacked: int = 0
) -> bytes:
    """One of the images in a fat binary."""
    payload += bytes(-len(payload) % 8)
    return header(kind, len(payload), architecture, flags, packed, unpacked) + payload


def compressed(data: bytes, payload: bytes, flags: int, kind: int = PTX, architecture: int = 75) -> bytes:
    """An image of which the payload is the compressed form."""
    return part(kind, payload, architecture, flags, len(payload), len(data))


def together(*images: tuple[int, bytes, int]) -> bytes:
    """Images (kind, data, architecture) behind one another, compressed as one."""
    table, data = b"", b""
    for kind, image, architecture in images:
        table += header(kind, len(image), architecture, before=len(data)) + bytes(16)
        data += image
    payload = zstd(data)
    whole = payload + bytes(-len(payload) % 8)
    first = header(TOGETHER, len(whole), 0, ZSTANDARD, len(payload), len(data), 64 + 8 + len(table))
    return first + struct.pack("<II", len(images), 8 + len(table)) + table + whole


def fat(*parts: bytes) -> bytes:
    return struct.pack("<IHHQ", 0xBA55ED50, 1, 16, sum(map(len, parts))) + b"".join(parts)


def packed(ptx: bytes) -> bytes:
    """The part of a fat binary that nvcc makes: compressed."""
    return compressed(ptx + b"\0", lz4(ptx + b"\0"), PACKED)


def cubin(ptx: bytes, section: bytes = b".nv_debug_ptx_txt") -> bytes:
    """An ELF file with the text in a section, NUL for newline."""
    names, body = b"\0" + section + b"\0", ptx.replace(b"\n", b"\0")
    sections = struct.pack("<IIQQQQIIQQ", 0, *[0] * 9)
    sections += struct.pack("<IIQQQQIIQQ", 1, 1, 0, 0, 64 + 192 + len(names), len(body), 0, 0, 1, 0)
    sections += struct.pack("<IIQQQQIIQQ", 0, 3, 0, 0, 64 + 192, len(names), 0, 0, 1, 0)
    header = b"\x7fELF\2\1\1" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 2, 190, 1, 0, 0, 64, 0, 64, 0, 0, 64, 3, 2)
    return header + sections + names + body


def archive(*members: tuple[str, bytes]) -> bytes:
    """An ar archive, names of more than 15 characters in its table."""
    table, out = b"", b"!<arch>\n"
    fields = []
    for name, _ in members:
        fields.append(f"/{len(table)}" if len(name) > 15 else name + "/")
        table += name.encode() + b"/\n" if len(name) > 15 else b""
    tables = [("/", bytes(4)), *([("//", table)] if table else [])]
    for field, data in [*tables, *zip(fields, (data for _, data in members), strict=True)]:
        out += f"{field:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}".encode() + b"`\n"
        out += data + b"\n" * (len(data) % 2)
    return out


def whole(ptx: bytes) -> list[bytes]:
    """One of each; all can be loaded or, the archive, linked."""
    machine_code = cubin(b"", b".text.of_another_k")
    text = ptx + b"\0"
    frames = zstd(text[:900], 3, write_content_size=False) + zstd(text[900:], -5, write_checksum=True)
    return [
        ptx + b"\0",
        fat(part(PTX, ptx + b"\0")),
        fat(part(ELF, machine_code), part(PTX, b"not this one", 120), packed(ptx)),
        cubin(ptx),
        fat(part(ELF, cubin(ptx))),
        archive(("a.ptx", ptx), ("machine_code_for_a_gpu.o", machine_code)),
        archive(("fat.o", fat(packed(ptx)))),
        fat(compressed(text, zstd(text), ZSTANDARD)),
        fat(part(ELF, machine_code), compressed(text, frames, ZSTANDARD)),
        fat(compressed(cubin(ptx), zstd(cubin(ptx), 1), ZSTANDARD, ELF)),
        fat(together((ELF, machine_code, 80), (PTX, text, 75), (PTX, b"not this one", 120))),
    ]


def damaged(image: bytes, choose: random.Random) -> bytes:
    """Bytes, numbers of 2, 4 and 8 bytes, or lengths are changed, mostly near the start, where the headers are."""
    data = bytearray(image)
    for _ in range(choose.randint(1, 4)):
        at = choose.randrange(min(len(data), choose.choice((64, 400, len(data))))) if data else 0
        size = choose.choice((1, 2, 4, 8))
        number = choose.choice(
            (0, 1, 15, 255, len(data), len(data) + 1, 1 << 31, (1 << 64) - 1, choose.getrandbits(64))
        )
        match choose.randrange(6):
            case 0:
                del data[at : at + choose.choice((1, 8, 64, len(data)))]
            case 1:
                data[at:at] = data[at : at + choose.choice((1, 8, 64))]
            case _:
                data[at : at + size] = (number & ((1 << (8 * size)) - 1)).to_bytes(size, "little")
    return bytes(data)
