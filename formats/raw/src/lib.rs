//! Raw disk images and block devices.
