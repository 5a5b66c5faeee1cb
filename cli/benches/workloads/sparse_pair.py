#!/usr/bin/env python3
"""Two 1 TiB sparse images: scattered 64 KiB pieces (32768 are 2 GiB), and the same with 5 % changed and 1 % in new places.

sparse_pair.py FIRST SECOND SEED PIECES
"""
import os
import random
import sys

BLOCK = 64 << 10
SIZE = 1 << 40


def half_text(choice, at):
    """A block that is half random and half text, with zeros at its end."""
    data = choice.randbytes(BLOCK // 2) + b"text %d " % at * 2000
    return (data + bytes(BLOCK))[:BLOCK]


def main():
    first, second, seed, pieces = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    choice = random.Random(seed)
    places = sorted(choice.sample(range(SIZE // BLOCK), pieces))
    images = [os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644) for path in (first, second)]
    for image in images:
        os.ftruncate(image, SIZE)
    for number in places:
        data = half_text(choice, number)
        os.pwrite(images[0], data, number * BLOCK)
        os.pwrite(images[1], choice.randbytes(BLOCK) if choice.random() < 0.05 else data, number * BLOCK)
    for number in choice.sample(range(SIZE // BLOCK), pieces // 100):
        os.pwrite(images[1], choice.randbytes(BLOCK), number * BLOCK)


main()
