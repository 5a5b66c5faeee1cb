#!/usr/bin/env python3
"""Copies a seeded choice of regular files below SOURCE into DESTINATION until MIB MiB are reached.

pick_tree.py SOURCE DESTINATION MIB
The files are this machine's own, so sizes are stable and bytes are not the same on another machine.
"""
import os
import random
import shutil
import sys

SEED = 7
LARGEST_FILE = 200 << 20
MODIFIED = 1_700_000_000


def regular_files(source):
    """All plain files below source with their sizes, in one order on every file system."""
    for folder, folders, names in os.walk(source):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(folder, name)
            if os.path.islink(path) or not os.path.isfile(path):
                continue
            size = os.path.getsize(path)
            if 0 < size < LARGEST_FILE:
                yield path, size


def main():
    source, destination, mib = sys.argv[1], sys.argv[2], int(sys.argv[3])
    files = list(regular_files(source))
    random.Random(SEED).shuffle(files)
    total = 0
    for path, size in files:
        if total >= mib << 20:
            break
        copy = os.path.join(destination, os.path.relpath(path, source))
        os.makedirs(os.path.dirname(copy), exist_ok=True)
        shutil.copyfile(path, copy)
        os.utime(copy, (MODIFIED, MODIFIED))
        total += size
    print(f"picked {total >> 20} MiB of files", file=sys.stderr)


main()
