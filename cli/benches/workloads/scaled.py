#!/usr/bin/env python3
"""Prints qemu-io commands that fill runs of 2 MiB, spread evenly over a disk.

scaled.py DISK_BYTES RUNS [new]
With 'new' every 20th run has other bytes.
"""
import sys

RUN = 2 << 20


def main():
    size, runs = int(sys.argv[1]), int(sys.argv[2])
    is_new = sys.argv[3:] == ["new"]
    for number in range(runs):
        pattern = 1 + (number + (is_new and number % 20 == 0)) % 255
        print(f"write -P {pattern} {size // runs // RUN * RUN * number} {RUN}")


main()
