#!/usr/bin/env python3
"""Rewrites a seeded fraction of an image's allocated blocks in place.

rewrite_blocks.py IMAGE SEED FRACTION BLOCK
A third of the blocks become random bytes, a third get one 4 KiB piece changed, a third become log text.
"""
import errno
import os
import random
import sys


def allocated_blocks(fd, block):
    """Numbers of the blocks that hold data by the file system's word, ascending."""
    size, at, blocks = os.fstat(fd).st_size, 0, []
    while at < size:
        try:
            start = os.lseek(fd, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                break
            raise
        end = os.lseek(fd, start, os.SEEK_HOLE)
        last = blocks[-1] if blocks else -1
        blocks += [n for n in range(start // block, -(-end // block)) if n > last]
        at = end
    return blocks


def main():
    path, seed, fraction, block = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
    choice = random.Random(seed)
    fd = os.open(path, os.O_RDWR)
    blocks = allocated_blocks(fd, block)
    picked = sorted(choice.sample(blocks, int(len(blocks) * fraction)))
    for turn, number in enumerate(picked):
        at = number * block
        if turn % 3 == 0:
            os.pwrite(fd, choice.randbytes(block), at)
        elif turn % 3 == 1:
            piece = choice.randbytes(4096)
            os.pwrite(fd, piece, at + 4096 * choice.randrange(block // 4096))
        else:
            line = b"log line %08x status=ok " % choice.getrandbits(32)
            os.pwrite(fd, (line * (block // len(line) + 1))[:block], at)
    os.close(fd)
    print(f"{len(blocks)} allocated blocks, {len(picked)} rewritten", file=sys.stderr)


main()
