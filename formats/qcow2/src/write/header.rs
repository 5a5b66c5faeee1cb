//! The first cluster in the making: header, header extensions, name of the backing file.
//!
//! It is judged when the image is begun, so that no work is done for an image whose parent it cannot name, and written last.

use imgdelta_core::{Bytes, Error, Kind, ParentSpec, Result};

use super::{create_options::CreateOptions, space::MetadataLocations};
use crate::{
    backing::path_text,
    extension::{self, Extension},
    layout::{
        CRYPT_NONE, FeatureName, HEADER_V3_NOW, Header, HeaderCompression, HeaderV3, MAGIC,
        autoclear, extension as kind, incompatible,
    },
};

/// Names of feature bits: kind, bit, name; as qemu writes them.
const FEATURES: [(u8, u8, &str); 8] = [
    (0, 0, "dirty bit"),
    (0, 1, "corrupt bit"),
    (0, 2, "external data file"),
    (0, 3, "compression type"),
    (0, 4, "extended L2 entries"),
    (1, 0, "lazy refcounts"),
    (2, 0, "bitmaps"),
    (2, 1, "raw external data"),
];

/// The first cluster, but for what is known only at the end.
#[derive(Debug)]
pub(super) struct HeaderBuilder {
    /// The header's first part.
    header: Header,
    /// What version 3 adds.
    more: Option<(HeaderV3, HeaderCompression)>,
    /// Header extensions, end mark included.
    extensions: Vec<u8>,
    /// Name of the backing file; empty if there is none.
    backing: String,
}

impl HeaderBuilder {
    /// The head of an image of a disk of `size`.
    ///
    /// # Errors
    /// Usage, if the parent's format is not known; Unsupported, if the first cluster has no room for its name.
    pub(super) fn new(
        form: &CreateOptions,
        size: Bytes,
        parent: Option<&ParentSpec>,
    ) -> Result<Self> {
        let backing = parent.map(path_text).transpose()?.unwrap_or_default();
        let more = (form.version >= 3).then(|| version_3(form));
        let start = Header::SIZE
            + more
                .as_ref()
                .map_or(0, |_| HeaderV3::SIZE + HeaderCompression::SIZE);
        let room = form.cluster().in_memory().saturating_sub(start);
        let extensions = extensions(form, parent, room.saturating_sub(backing.len()))?;
        let needed = extensions.len() + backing.len();
        if needed > room {
            return Err(no_room(form, needed, room));
        }
        let backing_at = if backing.is_empty() {
            0
        } else {
            (start + extensions.len()) as u64
        };
        let header = Header {
            magic: MAGIC,
            version: form.version,
            backing_file_offset: backing_at,
            backing_file_size: u32::try_from(backing.len()).unwrap_or(u32::MAX),
            cluster_bits: form.cluster_bits,
            size: size.0,
            crypt_method: CRYPT_NONE,
            l1_size: form.l1_size(size)?,
            l1_table_offset: 0,
            refcount_table_offset: 0,
            refcount_table_clusters: 0,
            nb_snapshots: 0,
            snapshots_offset: 0,
        };
        Ok(Self {
            header,
            more,
            extensions,
            backing,
        })
    }

    /// Entries of the L1 table.
    pub(super) const fn l1_size(&self) -> u32 {
        self.header.l1_size
    }

    /// The first cluster as it stands on disk.
    pub(super) fn emit(&self, ends: &MetadataLocations) -> Vec<u8> {
        let header = Header {
            // qemu does the same for a disk of no bytes.
            l1_table_offset: if self.header.l1_size == 0 {
                0
            } else {
                ends.l1.0
            },
            refcount_table_offset: ends.refcount_table.0,
            refcount_table_clusters: ends.refcount_table_clusters,
            ..self.header.clone()
        };
        let mut bytes = header.emit().to_vec();
        if let Some((more, compression)) = &self.more {
            bytes.extend(more.emit());
            bytes.extend(compression.emit());
        }
        bytes.extend_from_slice(&self.extensions);
        bytes.extend_from_slice(self.backing.as_bytes());
        bytes.resize(1 << self.header.cluster_bits, 0);
        bytes
    }
}

/// What version 3 adds.
fn version_3(form: &CreateOptions) -> (HeaderV3, HeaderCompression) {
    let compression_type = form.compression.code();
    let mut incompatible_features = 0;
    if compression_type != 0 {
        incompatible_features |= incompatible::COMPRESSION;
    }
    if form.extended_l2 {
        incompatible_features |= incompatible::EXTENDED_L2;
    }
    if form.data_file.is_some() {
        incompatible_features |= incompatible::DATA_FILE;
    }
    let is_raw = form.data_file.as_ref().is_some_and(|file| file.is_raw);
    let more = HeaderV3 {
        incompatible_features,
        compatible_features: 0,
        autoclear_features: if is_raw { autoclear::RAW_DATA_FILE } else { 0 },
        refcount_order: form.refcount_order,
        header_length: u32::try_from(HEADER_V3_NOW).unwrap_or(u32::MAX),
    };
    let compression = HeaderCompression {
        compression_type,
        padding: [0; 7],
    };
    (more, compression)
}

/// Header extensions, end mark included, in the order in which qemu writes them. What must be there may take more than `room`.
fn extensions(form: &CreateOptions, parent: Option<&ParentSpec>, room: usize) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    let mut add = |kind, data: &[u8]| {
        let data = data.to_vec();
        all.push(Extension { kind, data });
    };
    if let Some(parent) = parent {
        // Whoever opened a child without it would have to guess, and a guest can write a header that guides the guess.
        let format = parent.format.ok_or_else(|| {
            Error::new(
                Kind::Usage,
                "the parent's format is not known, and a qcow2 child must record it",
            )
        })?;
        add(kind::BACKING_FORMAT, format.qemu_name().as_bytes());
    }
    if let Some(file) = &form.data_file {
        add(kind::DATA_FILE, file.name.as_bytes());
    }
    let required = extension::emit(&all);
    if form.version < 3 {
        return Ok(required);
    }
    let data = feature_names();
    all.push(Extension {
        kind: kind::FEATURE_NAMES,
        data,
    });
    let named = extension::emit(&all);
    // qemu leaves the names out too where clusters are too small for them.
    Ok(if named.len() <= room { named } else { required })
}

/// The feature name table.
fn feature_names() -> Vec<u8> {
    let mut bytes = Vec::new();
    for (kind, bit, name) in FEATURES {
        let mut padded = [0; 46];
        for (place, byte) in padded.iter_mut().zip(name.bytes()) {
            *place = byte;
        }
        let row = FeatureName {
            kind,
            bit,
            name: padded,
        };
        bytes.extend(row.emit());
    }
    bytes
}

/// The first cluster is too small.
fn no_room(form: &CreateOptions, needed: usize, room: usize) -> Error {
    Error::new(
        Kind::Unsupported,
        format!(
            "the names that the header records need {needed} bytes, a first cluster of {} has room for {room}",
            form.cluster()
        ),
    )
    .with_code("qcow2_header_full")
    .with_hint("use a larger --option cluster_size")
}

#[cfg(test)]
mod tests {
    use imgdelta_core::{FileOffset, Format, Options};

    use super::*;

    fn form(items: &[&str]) -> Result<CreateOptions> {
        CreateOptions::take(Options::parse(items)?)
    }

    fn parent(relative: &str) -> ParentSpec {
        ParentSpec {
            format: Some(Format::Qcow2),
            relative: Some(relative.to_owned()),
            absolute: "/base/q.qcow2".to_owned(),
            ..ParentSpec::default()
        }
    }

    const ENDS: MetadataLocations = MetadataLocations {
        l1: FileOffset(0x3_0000),
        refcount_table: FileOffset(0x1_0000),
        refcount_table_clusters: 1,
        len: Bytes(0x4_0000),
    };

    #[test]
    fn the_header_of_1_mib_is_what_qemu_img_writes() -> Result<()> {
        let bytes = HeaderBuilder::new(&form(&[])?, Bytes::mib(1), None)?.emit(&ENDS);
        let words: [u32; 32] = [
            0x5146_49fb,
            3,
            0,
            0,
            0,
            0x10,
            0,
            0x10_0000,
            0,
            1,
            0,
            0x3_0000,
            0,
            0x1_0000,
            1,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            4,
            0x70,
            0,
            0,
            0x6803_f857,
            0x180,
            0x6469,
            0x7274_7920,
        ];
        let expected: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        assert_eq!(bytes[..128], expected);
        assert_eq!(bytes.len(), 65536);
        Ok(())
    }

    #[test]
    fn a_child_names_its_parent_where_qemu_img_does() -> Result<()> {
        let bytes =
            HeaderBuilder::new(&form(&[])?, Bytes::mib(1), Some(&parent("q.qcow2")))?.emit(&ENDS);
        assert_eq!(bytes[8..20], [0, 0, 0, 0, 0, 0, 2, 0x10, 0, 0, 0, 7]);
        assert_eq!(&bytes[0x70..0x80], b"\xe2\x79\x2a\xca\0\0\0\x05qcow2\0\0\0");
        assert_eq!(&bytes[0x210..0x218], b"q.qcow2\0");
        Ok(())
    }

    #[test]
    fn small_clusters_do_without_the_feature_names() -> Result<()> {
        let small = form(&["cluster_size=512"])?;
        let bytes =
            HeaderBuilder::new(&small, Bytes::mib(1), Some(&parent("q.qcow2")))?.emit(&ENDS);
        assert_eq!(bytes.len(), 512);
        assert_eq!(bytes[8..16], [0, 0, 0, 0, 0, 0, 0, 0x88]);
        let long = "x".repeat(400);
        let error = HeaderBuilder::new(&small, Bytes::mib(1), Some(&parent(&long)))
            .expect_err("it does not fit");
        assert_eq!(error.kind(), Kind::Unsupported);
        Ok(())
    }

    #[test]
    fn a_name_with_a_colon_is_no_protocol() -> Result<()> {
        let bytes =
            HeaderBuilder::new(&form(&[])?, Bytes::mib(1), Some(&parent("c:q")))?.emit(&ENDS);
        assert_eq!(&bytes[0x210..0x216], b"./c:q\0");
        Ok(())
    }

    #[test]
    fn a_parent_that_cannot_be_named_is_refused() -> Result<()> {
        let form = form(&[])?;
        let head = |parent: &ParentSpec| HeaderBuilder::new(&form, Bytes::mib(1), Some(parent));
        let error = head(&parent(&"x".repeat(1024))).expect_err("one byte too many");
        assert_eq!(error.kind(), Kind::Unsupported);
        head(&parent(&"x".repeat(1023)))?;
        let unknown = ParentSpec {
            format: None,
            ..parent("q.raw")
        };
        let error = head(&unknown).expect_err("whoever opens it would have to guess");
        assert_eq!(error.kind(), Kind::Usage);
        Ok(())
    }
}
