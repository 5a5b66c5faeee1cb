#!/usr/bin/env python3
"""Makes many images of a repository's only one: many.py REPOSITORY COUNT tree|chain|star. See many.sh."""
import glob
import hashlib
import json
import os
import shutil
import struct
import sys
import zlib

repository, count = sys.argv[1], int(sys.argv[2])
parent_of = {"tree": lambda n: n // 2, "chain": lambda n: n - 1, "star": lambda n: 0}[sys.argv[3]]
own = os.path.join(repository, ".imgdelta")
with open(glob.glob(os.path.join(own, "images", "*.json"))[0]) as file:
    first = json.load(file)
first_file = os.path.join(repository, first["files"][0]["path"])
windows = first["size"] // 65536


def leaf(number, window):
    return hashlib.sha256(b"leaf %d %d" % (number, window)).digest()


def leaves(number):
    """Those of the image's parent, or nearly so, but for two windows; an eighth of the disk is zero."""
    digests = [leaf(0, window) for window in range(windows - windows // 8)]
    while number > 0:
        for window in (number % len(digests), number * 7 % len(digests)):
            if digests[window] == leaf(0, window):
                digests[window] = leaf(number, window)
        number = parent_of(number) if number % 64 else 0
    return digests


def word(value):
    return struct.pack("<Q", value)


def write_leaves(number, content):
    parts, digests = bytearray(b"imgdelta leaves2"), leaves(number)

    def close():
        parts.extend(struct.pack("<I", zlib.crc32(parts[close.at:])))
        close.at = len(parts)

    close.at = 0
    parts += word(first["size"])
    close()
    parts += b"\1" + word(len(digests)) + b"".join(digests)
    close()
    parts += b"\0" + word(windows - len(digests))
    close()
    parts += b"\2" + bytes.fromhex(content)
    close()
    with open(os.path.join(own, "leaves", content + ".leaves"), "wb") as file:
        file.write(parts)


def content_of(number):
    return hashlib.sha256(b"image %d" % number).hexdigest() if number else first["content_id"].split(":")[1]


for number in range(1, count):
    content = content_of(number)
    name = f"image-{number}"
    place = os.path.join(repository, name + ".raw")
    with open(place, "wb") as file:
        file.truncate(first["size"])
    shutil.copystat(first_file, place)
    record = dict(first, id="imgdelta1:" + content, content_id="imgdelta1:" + content, name=name)
    record["files"] = [dict(first["files"][0], path=name + ".raw", inode=str(os.stat(place).st_ino))]
    record["parent"] = {"id": "imgdelta1:" + content_of(parent_of(number)), "known": "measured"}
    record["tags"] = [f"release-{number // 100}"]
    record["digest"] = "sha256:" + "0" * 64
    text = json.dumps(record, indent=2) + "\n"
    text = text.replace("0" * 64, hashlib.sha256(text.encode()).hexdigest())
    with open(os.path.join(own, "images", f"imgdelta1~{content}.json"), "w") as file:
        file.write(text)
    write_leaves(number, content)
