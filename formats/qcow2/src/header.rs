//! The fields of the header, read and judged one by one.
//!
//! What they name is read in `validate`.

use imgdelta_core::{Bytes, Error, FileOffset, Result, Source, read_array};

use crate::{
    compressed::Compression,
    fault::Fault,
    geometry::Geometry,
    layout::{
        CLUSTER_BITS, COMPRESSION_ZLIB, COMPRESSION_ZSTD, EXTENDED_CLUSTER_BITS, HEADER_V2,
        HEADER_V3, Header, HeaderV3, L1_LIMIT, L1Entry, MAGIC, REFCOUNT_ORDER_LIMIT,
        REFCOUNT_ORDER_V2, REFCOUNT_TABLE_LIMIT, incompatible,
    },
};

/// A fault in a field of the header.
pub(crate) fn in_header(fault: Fault, field: &'static str) -> Error {
    let at = if Header::FIELDS.iter().any(|one| one.name == field) {
        Header::at(field)
    } else if HeaderV3::FIELDS.iter().any(|one| one.name == field) {
        HEADER_V2 + HeaderV3::at(field)
    } else {
        HEADER_V3
    };
    Error::from(fault)
        .in_field("header", field)
        .at(FileOffset(at))
}

/// The part of the header that both versions have.
pub(crate) fn read_header(source: &dyn Source) -> Result<Header> {
    let start: [u8; 8] = read_array(source, FileOffset::ZERO)?;
    let (found, version) = start.split_at(4);
    if found != MAGIC {
        let found = found
            .iter()
            .fold(0, |sum, &byte| sum << 8 | u32::from(byte));
        return Err(in_header(Fault::Magic { found }, "magic"));
    }
    let found = version
        .iter()
        .fold(0, |sum, &byte| sum << 8 | u32::from(byte));
    match found {
        1 => Err(in_header(Fault::VersionOne, "version")),
        2 | 3 => Ok(Header::parse(&read_array(source, FileOffset::ZERO)?)),
        _ => Err(in_header(Fault::Version { found }, "version")),
    }
}

/// What version 3 adds.
pub(crate) fn read_features(source: &dyn Source, header: &Header) -> Result<HeaderV3> {
    if header.version >= 3 {
        return Ok(HeaderV3::parse(&read_array(source, FileOffset(HEADER_V2))?));
    }
    Ok(HeaderV3 {
        incompatible_features: 0,
        compatible_features: 0,
        autoclear_features: 0,
        refcount_order: REFCOUNT_ORDER_V2,
        header_length: u32::try_from(HEADER_V2).unwrap_or_default(),
    })
}

/// Sizes that the rest is measured by.
pub(crate) fn validate_geometry(header: &Header, features: &HeaderV3) -> Result<Geometry> {
    let bits = header.cluster_bits;
    let refuse = |least| {
        let found = bits;
        in_header(Fault::ClusterBits { found, least }, "cluster_bits")
    };
    if !CLUSTER_BITS.contains(&bits) {
        return Err(refuse(*CLUSTER_BITS.start()));
    }
    let extended = features.incompatible_features & incompatible::EXTENDED_L2 != 0;
    if extended && bits < EXTENDED_CLUSTER_BITS {
        return Err(refuse(EXTENDED_CLUSTER_BITS));
    }
    let geometry = Geometry {
        version: header.version,
        cluster_bits: bits,
        extended,
        data_file: features.incompatible_features & incompatible::DATA_FILE != 0,
    };
    let (found, most) = (features.header_length, geometry.cluster().0);
    let length = u64::from(found);
    if header.version >= 3 && (length < HEADER_V3 || length > most || !length.is_multiple_of(8)) {
        return Err(in_header(
            Fault::HeaderLength { found, most },
            "header_length",
        ));
    }
    if features.refcount_order > REFCOUNT_ORDER_LIMIT {
        let found = features.refcount_order;
        return Err(in_header(Fault::RefcountOrder { found }, "refcount_order"));
    }
    Ok(geometry)
}

/// The compression type, which a bit must announce and only then.
pub(crate) fn read_compression(source: &dyn Source, features: &HeaderV3) -> Result<Compression> {
    let found = if u64::from(features.header_length) > HEADER_V3 {
        let [found] = read_array(source, FileOffset(HEADER_V3))?;
        found
    } else {
        COMPRESSION_ZLIB
    };
    let announced = features.incompatible_features & incompatible::COMPRESSION != 0;
    let fault = match (found, announced) {
        (COMPRESSION_ZLIB, false) => return Ok(Compression::Zlib),
        (COMPRESSION_ZSTD, true) => return Ok(Compression::Zstd),
        (COMPRESSION_ZLIB, true) => Fault::CompressionBitAlone,
        (_, false) => Fault::CompressionWithoutBit { found },
        (_, true) => Fault::CompressionType { found },
    };
    Err(in_header(fault, "compression_type"))
}

/// Places and sizes of the tables.
pub(crate) fn validate_tables(
    source: &dyn Source,
    header: &Header,
    geometry: Geometry,
) -> Result<()> {
    let end = source.len();
    let found = header.refcount_table_clusters;
    let most = REFCOUNT_TABLE_LIMIT.0 / geometry.cluster().0;
    if found == 0 {
        let fault = Fault::NoRefcountTable;
        return Err(in_header(fault, "refcount_table_clusters"));
    }
    if u64::from(found) > most {
        let fault = Fault::RefcountTableTooLarge { found, most };
        return Err(in_header(fault, "refcount_table_clusters"));
    }
    let len = Bytes(u64::from(found) * geometry.cluster().0);
    let at = FileOffset(header.refcount_table_offset);
    geometry
        .place("the refcount table", at, len, end)
        .map_err(|fault| in_header(fault, "refcount_table_offset"))?;
    validate_l1_table(header, geometry, end)
}

/// Place and size of the active L1 table.
fn validate_l1_table(header: &Header, geometry: Geometry, end: Bytes) -> Result<()> {
    let (found, most) = (header.size, geometry.most());
    if found > most {
        return Err(in_header(Fault::Size { found, most }, "size"));
    }
    let (found, most) = (header.l1_size, L1_LIMIT.0 / L1Entry::SIZE);
    if u64::from(found) > most {
        return Err(in_header(Fault::L1TooLarge { found, most }, "l1_size"));
    }
    let required = geometry.l1_entries(Bytes(header.size));
    if u64::from(found) < required {
        return Err(in_header(Fault::L1TooSmall { found, required }, "l1_size"));
    }
    if found == 0 {
        return Ok(());
    }
    let len = Bytes(u64::from(found) * L1Entry::SIZE);
    geometry
        .place("the L1 table", FileOffset(header.l1_table_offset), len, end)
        .map_err(|fault| in_header(fault, "l1_table_offset"))
}
