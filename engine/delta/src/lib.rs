//! Whole disks: chain, union, compare, make, apply, convert, digest.
