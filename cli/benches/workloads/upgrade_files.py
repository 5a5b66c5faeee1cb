#!/usr/bin/env python3
"""Prints a debugfs script that upgrades about MIB MiB of the files in TREE, as a package manager would.

upgrade_files.py TREE NEW SEED MIB
Each chosen file is removed and written again with a few bytes inserted, so that its content shifts; one in ten
is only removed, one in twenty gains a new neighbour. New contents are put into the folder NEW.
"""
import os
import random
import sys


def shifted(choice, data):
    """The data with a few random bytes inserted for every 200 kB."""
    data = bytearray(data)
    for _ in range(1 + len(data) // 200_000):
        at = choice.randrange(len(data) + 1)
        data[at:at] = choice.randbytes(choice.randrange(1, 64))
    return data


def main():
    tree, new, seed, mib = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    choice = random.Random(seed)
    files = []
    for folder, folders, names in os.walk(tree):
        folders.sort()
        files += [os.path.join(folder, name) for name in sorted(names)]
    choice.shuffle(files)

    written = 0

    def write(content, name):
        nonlocal written
        path = os.path.join(new, f"f{written}")
        with open(path, "wb") as out:
            out.write(content)
        written += 1
        print(f"write {path} {name}")

    total = 0
    for path in files:
        if total >= mib << 20:
            break
        name = "/" + os.path.relpath(path, tree)
        if " " in name or '"' in name:
            continue
        size = os.path.getsize(path)
        total += size
        fate = choice.random()
        print(f"rm {name}")
        if fate < 0.1:
            continue
        with open(path, "rb") as old:
            write(shifted(choice, old.read()), name)
        if fate > 0.95:
            write(choice.randbytes(size // 2), name + ".new")


main()
