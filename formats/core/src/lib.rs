//! The vocabulary of imgdelta: units, extents, images, writers, sources, errors and drivers.
