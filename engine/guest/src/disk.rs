//! What is read: a disk as its guest sees it.

use imgdelta_core::{Bytes, Result, VirtOffset};

/// A disk.
pub trait Disk {
    /// Its size in bytes.
    fn size(&self) -> Bytes;

    /// The bytes of a logical sector, in which an MBR counts: 512 or 4096.
    fn sector(&self) -> Bytes;

    /// Fills `buf` with the bytes from `at` on; those beyond the end are zero.
    ///
    /// # Errors
    /// Those of the image: its file system is not what fails here.
    fn read_at(&self, at: VirtOffset, buf: &mut [u8]) -> Result<()>;
}
