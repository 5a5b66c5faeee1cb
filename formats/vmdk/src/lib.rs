//! VMDK images: hosted sparse, flat, split, streamOptimized, COWD, seSparse.
