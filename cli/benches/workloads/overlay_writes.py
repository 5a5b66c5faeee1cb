#!/usr/bin/env python3
"""Prints qemu-io commands that fill a seeded choice of 64 KiB blocks, 1600 of them for 100 MiB.

overlay_writes.py SEED DISK_BYTES COUNT
"""
import random
import sys

BLOCK = 64 << 10


def main():
    choice, size, count = random.Random(int(sys.argv[1])), int(sys.argv[2]), int(sys.argv[3])
    for number in sorted(choice.sample(range(size // BLOCK), count)):
        print(f"write -P {choice.randrange(1, 256)} {number * BLOCK} {BLOCK}")


main()
