#!/usr/bin/env python3
"""Reads a transport file as docs/transport-format.md says it, with nothing of imgdelta: Python and the program zstd.

    decode.py FILE BASE TARGET      writes the target
"""

import hashlib
import os
import struct
import subprocess
import sys
import tempfile

BLOCK, PAGE, WINDOW_BLOCKS, SEGMENT_BLOCKS = 4096, 32768, 64, 16384


def crc32c(data):
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    crc = 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def zstd(frame, prefix=b""):
    """What a frame unpacks to behind a prefix, by the program zstd."""
    with tempfile.TemporaryDirectory() as folder:
        names = [os.path.join(folder, name) for name in ("frame.zst", "prefix", "out")]
        for name, data in zip(names, (frame, prefix)):
            with open(name, "wb") as file:
                file.write(data)
        patch = ["--patch-from=" + names[1]] if prefix else []
        subprocess.run(["zstd", "-q", "-d", *patch, names[0], "-o", names[2]], check=True)
        with open(names[2], "rb") as file:
            return file.read()


class Numbers:
    def __init__(self, data):
        self.data, self.at = data, 0

    def number(self):
        value = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def distance(self):
        value = self.number()
        return -(value >> 1) - 1 if value & 1 else value >> 1


def record(data, at, packed, crc):
    part = data[at : at + packed]
    assert len(part) == packed and crc32c(part) == crc, "a record is not what the index says"
    return part


def sha256(data):
    return hashlib.sha256(data).digest()


def content_id(disk):
    leaves = [sha256(b"\0" + disk[at : at + 65536]) for at in range(0, len(disk), 65536)]

    def root(part):
        if len(part) <= 1:
            return part[0] if part else sha256(b"")
        half = 1 << (len(part) - 1).bit_length() - 1
        return sha256(b"\1" + root(part[:half]) + root(part[half:]))

    return sha256(b"\2" + struct.pack("<Q", len(disk)) + root(leaves))


def stored_blocks(data, base, index_at, windows, fresh):
    """All stored blocks, one behind the other."""
    out = bytearray()
    for number in range(windows):
        at, packed, crc, digest = struct.unpack_from("<QII32s", data, index_at + 48 * number)
        part = record(data, at, packed, crc)
        numbers = Numbers(part)
        pages, after = [], 0
        for _ in range(numbers.number()):
            pages.append(after + numbers.number())
            after = pages[-1] + 1
        prefix = b"".join(base[page * PAGE : (page + 1) * PAGE] for page in pages)
        blocks = zstd(part[numbers.at :], prefix)
        assert len(blocks) == BLOCK * min(WINDOW_BLOCKS, fresh - number * WINDOW_BLOCKS)
        assert sha256(blocks) == digest, "a window unpacks to something else"
        out += blocks
    return out


def padded(disk):
    return bytes(disk) + bytes(-len(disk) % BLOCK)


def segment(runs, first, count, base, stored, fresh):
    """The blocks of a segment."""
    out, copy = bytearray(), first
    while len(out) < count * BLOCK:
        head = runs.number()
        length, kind = head >> 3, head & 7
        assert length > 0 and len(out) + length * BLOCK <= count * BLOCK
        if kind == 0:
            start = first * BLOCK + len(out)
            out += base[start : start + length * BLOCK].ljust(length * BLOCK, b"\0")
        elif kind == 1:
            out += bytes(length * BLOCK)
        elif kind == 2:
            copy += runs.distance()
            out += base[copy * BLOCK : (copy + length) * BLOCK]
            copy += length
        elif kind == 3:
            out += stored[fresh * BLOCK : (fresh + length) * BLOCK]
            fresh += length
        else:
            start = fresh - runs.number()
            assert 0 <= start and start + length <= fresh
            out += stored[start * BLOCK : (start + length) * BLOCK]
    assert len(out) == count * BLOCK and runs.at == len(runs.data)
    return out


def main(path, base_path, target_path):
    data, base = open(path, "rb").read(), open(base_path, "rb").read()
    magic, version, *units = struct.unpack_from("<8s6I", data)
    assert (magic, version) == (b"\x89IDT\r\n\x1a\n", 1)
    assert units == [352, BLOCK, PAGE, WINDOW_BLOCKS, SEGMENT_BLOCKS]
    assert sha256(data[:320]) == data[320:352]
    base_size, target_size, base_id, target_id = struct.unpack_from("<QQ32s32s", data, 32)
    fresh, windows, segments = struct.unpack_from("<3Q", data, 112)
    manifest_at, packed, unpacked, window_index, segment_index, length = struct.unpack_from("<QIIQQQ", data, 152)
    assert length == len(data) and base_size == len(base) and content_id(base) == base_id
    manifest = zstd(data[manifest_at : manifest_at + packed])
    assert len(manifest) == unpacked and sha256(manifest) == data[192:224]
    assert sha256(data[window_index:segment_index]) == data[224:256]
    assert sha256(data[segment_index:]) == data[256:288]

    stored = stored_blocks(data, base, window_index, windows, fresh)
    blocks = -(-target_size // BLOCK)
    target = bytearray(padded(base)[: blocks * BLOCK].ljust(blocks * BLOCK, b"\0"))
    for place in range(segments):
        entry = struct.unpack_from("<QQQIIII32s", data, segment_index + 72 * place)
        number, at, before, packed, crc, unpacked, _, digest = entry
        runs = zstd(record(data, at, packed, crc))
        assert len(runs) == unpacked and sha256(runs) == digest
        first = number * SEGMENT_BLOCKS
        count = min(SEGMENT_BLOCKS, blocks - first)
        part = segment(Numbers(runs), first, count, padded(base), stored, before)
        target[first * BLOCK : (first + count) * BLOCK] = part
    target = bytes(target[:target_size])
    assert content_id(target) == target_id, "another disk came out"
    with open(target_path, "wb") as file:
        file.write(target)


main(*sys.argv[1:])
