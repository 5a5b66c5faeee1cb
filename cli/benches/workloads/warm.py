#!/usr/bin/env python3
"""Reads the data of sparse files once, so that it lies in the page cache; holes are skipped.

warm.py FILE...
"""
import errno
import os
import sys


def warm(path):
    fd, at = os.open(path, os.O_RDONLY), 0
    size = os.fstat(fd).st_size
    piece = bytearray(1 << 20)
    while at < size:
        try:
            at = os.lseek(fd, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                break
            raise
        end = os.lseek(fd, at, os.SEEK_HOLE)
        while at < end:
            # Not a byte of the hole behind it: holes take room in the page cache like data.
            read = os.preadv(fd, [memoryview(piece)[: end - at]], at)
            if read == 0:
                return
            at += read
    os.close(fd)


for name in sys.argv[1:]:
    warm(name)
