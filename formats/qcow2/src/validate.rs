//! The header and what it names, read and judged: what stands here is true.
//!
//! The tables' entries are judged when they are looked up; whether an image can be read is asked of [`ValidatedHeader::refuse_unreadable`].

use imgdelta_core::{Bytes, Error, FileOffset, ParentLink, Result, Source, read_vec};

use crate::{
    backing::{self, Backing, utf8},
    bitmap::Bitmaps,
    compressed::Compression,
    extension::{self, Extension, data_of},
    fault::Fault,
    geometry::{Geometry, Reserved},
    header::{
        in_header, read_compression, read_features, read_header, validate_geometry, validate_tables,
    },
    layout::{
        CRYPT_AES, CRYPT_LUKS, CRYPT_NONE, EncryptionExtension, Header, HeaderV3, L1Entry,
        autoclear, extension as kind, incompatible,
    },
    snapshot::Snapshots,
};

/// What an image's metadata say.
#[derive(Clone, Debug)]
pub(crate) struct ValidatedHeader {
    /// The header.
    pub(crate) header: Header,
    /// What version 3 adds; what version 2 means by its absence.
    pub(crate) features: HeaderV3,
    /// How clusters are compressed.
    pub(crate) compression: Compression,
    /// Sizes.
    pub(crate) geometry: Geometry,
    /// Header extensions, in order.
    pub(crate) extensions: Vec<Extension>,
    /// The backing file's name, and its format as recorded.
    pub(crate) backing: Option<Backing>,
    /// Internal snapshots.
    pub(crate) snapshots: Snapshots,
    /// Dirty bitmaps; none where they are out of date.
    pub(crate) bitmaps: Bitmaps,
}

impl ValidatedHeader {
    /// Reads and judges the metadata of `source`.
    pub(crate) fn read(source: &dyn Source) -> Result<Self> {
        let header = read_header(source)?;
        let features = read_features(source, &header)?;
        let geometry = validate_geometry(&header, &features)?;
        let area = first_cluster(source, &header, &features, geometry)?;
        let extensions = validate_features(&features, &area)?;
        let compression = read_compression(source, &features)?;
        validate_encryption(&header, &extensions)?;
        validate_tables(source, &header, geometry)?;
        let backing = backing::validate(source, &header, &extensions)?;
        let raw_data_file = features.autoclear_features & autoclear::RAW_DATA_FILE != 0;
        if geometry.data_file && raw_data_file && backing.is_some() {
            let fault = Fault::RawDataFileWithBacking;
            return Err(in_header(fault, "autoclear_features"));
        }
        let snapshots = Snapshots::read(source, &header, geometry)?;
        let bitmaps = match data_of(&extensions, kind::BITMAPS) {
            Some(data) if features.autoclear_features & autoclear::BITMAPS != 0 => {
                Bitmaps::read(source, data, geometry)?
            }
            _ => Bitmaps::default(),
        };
        Ok(Self {
            header,
            features,
            compression,
            geometry,
            extensions,
            backing,
            snapshots,
            bitmaps,
        })
    }

    /// Refuses an image whose guest data are encrypted.
    pub(crate) fn refuse_unreadable(&self) -> Result<()> {
        let fault = match self.header.crypt_method {
            CRYPT_NONE => return Ok(()),
            CRYPT_AES => Fault::Aes,
            CRYPT_LUKS => Fault::Luks,
            found => Fault::CryptMethod { found },
        };
        Err(in_header(fault, "crypt_method"))
    }

    /// Whether refcounts may be stale.
    pub(crate) const fn is_dirty(&self) -> bool {
        self.features.incompatible_features & incompatible::DIRTY != 0
    }

    /// Refuses an image that its last writer found damaged.
    pub(crate) fn refuse_corrupt(&self) -> Result<()> {
        if self.features.incompatible_features & incompatible::CORRUPT == 0 {
            Ok(())
        } else {
            Err(in_header(Fault::CorruptBit, "incompatible_features"))
        }
    }

    /// The name of the external data file, if there is one.
    pub(crate) fn data_file(&self) -> Result<Option<&str>> {
        if !self.geometry.data_file {
            return Ok(None);
        }
        let name = data_of(&self.extensions, kind::DATA_FILE).filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| in_header(Fault::DataFileName, "incompatible_features"))?;
        utf8("name of the data file", name).map(Some)
    }

    /// How it names its parent.
    pub(crate) fn parent(&self) -> Result<Option<ParentLink>> {
        self.backing.as_ref().map(Backing::link).transpose()
    }

    /// The tables that have their place from the header.
    pub(crate) fn reserved(&self) -> Reserved {
        let header = &self.header;
        let cluster = self.geometry.cluster();
        let l1 = Bytes(u64::from(header.l1_size) * L1Entry::SIZE);
        let refcounts = Bytes(u64::from(header.refcount_table_clusters) * cluster.0);
        let mut reserved = Reserved::default();
        reserved.add("header", FileOffset::ZERO, Bytes::from(Header::SIZE));
        reserved.add("L1 table", FileOffset(header.l1_table_offset), l1);
        reserved.add(
            "refcount table",
            FileOffset(header.refcount_table_offset),
            refcounts,
        );
        reserved.add(
            "snapshot table",
            FileOffset(header.snapshots_offset),
            self.snapshots.len,
        );
        reserved.add("bitmap directory", self.bitmaps.at, self.bitmaps.len);
        reserved
    }

    /// Where the LUKS header is, and its length.
    pub(crate) fn luks_header(&self) -> Option<(FileOffset, Bytes)> {
        let data = data_of(&self.extensions, kind::ENCRYPTION)?;
        let pointer = EncryptionExtension::parse(data.try_into().ok()?);
        Some((FileOffset(pointer.offset), Bytes(pointer.length)))
    }
}

/// The room of the extensions: from the header's end to the backing file's name, else to the first cluster's end.
fn first_cluster(
    source: &dyn Source,
    header: &Header,
    features: &HeaderV3,
    geometry: Geometry,
) -> Result<Area> {
    let cluster = geometry.cluster().0;
    let start = u64::from(features.header_length);
    let found = header.backing_file_offset;
    if found != 0 && !(start..=cluster).contains(&found) {
        let fault = Fault::BackingOffset {
            found,
            least: start,
            most: cluster,
        };
        return Err(in_header(fault, "backing_file_offset"));
    }
    let end = if found == 0 { cluster } else { found };
    let there = end.min(source.len().0).saturating_sub(start);
    let at = FileOffset(start);
    let bytes = read_vec(source, at, Bytes(there))?;
    Ok(Area { at, bytes })
}

/// Bytes of the first cluster, and where they start.
struct Area {
    at: FileOffset,
    bytes: Vec<u8>,
}

/// The extensions; a feature bit that nobody here knows is named by them.
fn validate_features(features: &HeaderV3, area: &Area) -> Result<Vec<Extension>> {
    let extensions = extension::parse(&area.bytes, area.at);
    let unknown = features.incompatible_features & !incompatible::KNOWN;
    if unknown == 0 {
        return extensions;
    }
    // Behind an unknown bit the extensions themselves may mean something else: the bit is the better answer.
    let bit = unknown.trailing_zeros();
    let name = extensions
        .ok()
        .and_then(|all| extension::feature_name(&all, 0, bit))
        .unwrap_or_else(|| "without a name".to_owned());
    Err(in_header(
        Fault::Feature { bit, name },
        "incompatible_features",
    ))
}

/// LUKS has a pointer to its header, and nothing else has one.
fn validate_encryption(header: &Header, extensions: &[Extension]) -> Result<()> {
    let data = data_of(extensions, kind::ENCRYPTION);
    let method = header.crypt_method;
    if data.is_some() != (method == CRYPT_LUKS) {
        let fault = Fault::EncryptionHeader { method };
        return Err(in_header(fault, "crypt_method"));
    }
    let found = data.map_or(EncryptionExtension::SIZE, <[u8]>::len);
    if found != EncryptionExtension::SIZE {
        let fault = Fault::ExtensionSize {
            what: "encryption",
            found,
            required: EncryptionExtension::SIZE,
        };
        return Err(Error::from(fault).in_field("header extension", "length"));
    }
    Ok(())
}
