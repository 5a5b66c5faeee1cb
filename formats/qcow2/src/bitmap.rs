//! The bitmap directory: which dirty bitmaps an image keeps.
//!
//! The bits themselves are not read: they say what changed since something that is not known here.

use imgdelta_core::{Bytes, Error, FileOffset, Result, Source, read_array, read_vec};

use crate::{
    fault::Fault,
    geometry::Geometry,
    layout::{BITMAP_DIRECTORY_LIMIT, BITMAP_LIMIT, BitmapDirEntry, BitmapEntry, BitmapsExtension},
};

/// Flag bit 0: it was in use when the image was last closed, and is not to be trusted.
const IN_USE: u32 = 1;

/// A dirty bitmap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bitmap {
    /// Where its entry is in the file.
    pub(crate) at: FileOffset,
    /// The entry's head.
    pub(crate) header: BitmapDirEntry,
    /// Its name.
    pub(crate) name: String,
}

/// All bitmaps, and where their directory is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bitmaps {
    /// In the directory's order.
    pub(crate) all: Vec<Bitmap>,
    /// Where the directory is.
    pub(crate) at: FileOffset,
    /// Bytes of the directory.
    pub(crate) len: Bytes,
}

impl Bitmaps {
    /// Reads the directory that the extension's `data` name.
    pub(crate) fn read(source: &dyn Source, data: &[u8], geometry: Geometry) -> Result<Self> {
        let in_extension =
            |fault: Fault, field| Error::from(fault).in_field("bitmaps extension", field);
        let bytes = data.try_into().map_err(|_| {
            let fault = Fault::ExtensionSize {
                what: "bitmaps",
                found: data.len(),
                required: BitmapsExtension::SIZE,
            };
            in_extension(fault, "length")
        })?;
        let extension = BitmapsExtension::parse(bytes);
        let (found, most) = (extension.nb_bitmaps, BITMAP_LIMIT);
        if found == 0 {
            return Err(in_extension(Fault::NoBitmaps, "nb_bitmaps"));
        }
        if found > most {
            return Err(in_extension(
                Fault::BitmapCount { found, most },
                "nb_bitmaps",
            ));
        }
        let len = Bytes(extension.bitmap_directory_size);
        if len > BITMAP_DIRECTORY_LIMIT {
            let fault = Fault::BitmapDirectoryTooLarge {
                found: len.0,
                most: BITMAP_DIRECTORY_LIMIT.0,
            };
            return Err(in_extension(fault, "bitmap_directory_size"));
        }
        let at = FileOffset(extension.bitmap_directory_offset);
        geometry
            .place("the bitmap directory", at, len, source.len())
            .map_err(|fault| in_extension(fault, "bitmap_directory_offset"))?;
        let all = read_all(source, at, len, found)?;
        Ok(Self { all, at, len })
    }
}

/// The `count` entries of the directory at `at`, which fill its `len` bytes.
fn read_all(source: &dyn Source, at: FileOffset, len: Bytes, count: u32) -> Result<Vec<Bitmap>> {
    let end = at.saturating_add(len);
    let misfit = |place| {
        let found = len.0;
        Error::from(Fault::BitmapDirectory { found, count })
            .in_structure("bitmap directory")
            .at(place)
    };
    let mut all = Vec::new();
    let mut next = at;
    for _ in 0..count {
        let name = next.saturating_add(Bytes::from(BitmapDirEntry::SIZE));
        if name > end {
            return Err(misfit(next));
        }
        let header = BitmapDirEntry::parse(&read_array(source, next)?);
        let (extra, size) = (
            u64::from(header.extra_data_size),
            u64::from(header.name_size),
        );
        let name = name.saturating_add(Bytes(extra));
        let behind = name.saturating_add(Bytes(size));
        if behind > end {
            return Err(misfit(next));
        }
        let name = read_vec(source, name, Bytes(size))?;
        let bitmap = Bitmap {
            at: next,
            header,
            name: String::from_utf8_lossy(&name).into_owned(),
        };
        bitmap
            .validate()
            .map_err(|fault| Error::from(fault).in_structure("bitmap directory").at(next))?;
        all.push(bitmap);
        next = at.saturating_add(behind.since(at).round_up(Bytes(8)));
    }
    if next == end {
        Ok(all)
    } else {
        Err(misfit(next))
    }
}

impl Bitmap {
    /// Judges its kind and its granularity.
    fn validate(&self) -> Result<(), Fault> {
        let name = self.name.clone();
        let (kind, bits) = (self.header.kind, self.header.granularity_bits);
        if kind != 1 {
            return Err(Fault::BitmapType { name, found: kind });
        }
        if !(9..=31).contains(&bits) {
            return Err(Fault::BitmapGranularity { name, found: bits });
        }
        Ok(())
    }

    /// The entries that its table needs for a disk of `size`: each maps a cluster of bits.
    pub(crate) const fn table_entries(&self, geometry: Geometry, size: Bytes) -> u64 {
        let bits = geometry.cluster().0 * 8;
        size.pieces(Bytes(1 << (self.header.granularity_bits % 64)))
            .div_ceil(bits)
    }

    /// Bytes of its table.
    pub(crate) fn table_len(&self) -> Bytes {
        Bytes(u64::from(self.header.bitmap_table_size) * BitmapEntry::SIZE)
    }

    /// Whether it is not to be trusted.
    pub(crate) const fn is_in_use(&self) -> bool {
        self.header.flags & IN_USE != 0
    }

    /// Name and granularity, for `info`.
    pub(crate) fn describe(&self) -> String {
        let granularity = Bytes(1 << (self.header.granularity_bits % 64));
        let state = if self.is_in_use() { ", in use" } else { "" };
        format!("{} (granularity {granularity}{state})", self.name)
    }
}
