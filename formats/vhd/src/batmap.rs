//! tapdisk's batmap: one bit a block that says that all of its sectors are present. Readers need it only to refuse what is encrypted.

use imgdelta_core::{Bytes, Error, FileOffset, Result, SECTOR, Source, read_array, read_vec};

use crate::{
    fault::Fault,
    layout::{BATMAP_COOKIE, BatmapHeader, DynamicHeader, Footer, checksum},
};

/// The longest map that is read: one bit for each entry of the longest BAT.
const MAX_MAP: Bytes = Bytes::mib(2);

/// The header of the batmap and where it stands; `None` if there is none. It stands right behind the BAT, in images of tapdisk.
pub(crate) fn header(
    source: &dyn Source,
    footer: &Footer,
    dynamic: &DynamicHeader,
) -> Result<Option<(BatmapHeader, FileOffset)>> {
    if footer.creator_application != *b"tap\0" {
        return Ok(None);
    }
    let bat = Bytes(u64::from(dynamic.max_table_entries) * 4).round_up(Bytes(SECTOR));
    let at = FileOffset(dynamic.table_offset).saturating_add(bat);
    if at.saturating_add(Bytes(512)).0 > source.len().0 {
        return Ok(None);
    }
    let header = BatmapHeader::parse(&read_array(source, at)?);
    Ok((header.cookie == BATMAP_COOKIE).then_some((header, at)))
}

/// Refuses an image whose batmap holds a key hash: its blocks are ciphertext.
pub(crate) fn refuse_encrypted(
    source: &dyn Source,
    footer: &Footer,
    dynamic: &DynamicHeader,
) -> Result<()> {
    match header(source, footer, dynamic)? {
        Some((header, at)) if header.keyhash_cookie != 0 => Err(Error::from(Fault::Encrypted)
            .in_field("batmap", "keyhash_cookie")
            .at(at.saturating_add(Bytes(BatmapHeader::at("keyhash_cookie"))))),
        _ => Ok(()),
    }
}

/// A batmap that was read.
pub(crate) struct Batmap {
    /// One bit a block, the first in the highest bit.
    pub(crate) map: Vec<u8>,
    /// Where the map stands.
    pub(crate) at: FileOffset,
    /// What is wrong with its checksum, if anything is.
    pub(crate) wrong: Option<Error>,
}

/// The map itself; `None` where there is none.
///
/// # Errors
/// Corrupt, if it is not where its header says.
pub(crate) fn read(
    source: &dyn Source,
    footer: &Footer,
    dynamic: &DynamicHeader,
) -> Result<Option<Batmap>> {
    let Some((header, header_at)) = header(source, footer, dynamic)? else {
        return Ok(None);
    };
    let at = FileOffset(header.batmap_offset);
    let len = Bytes(u64::from(header.batmap_size) * SECTOR);
    let required = Bytes(u64::from(dynamic.max_table_entries).div_ceil(8));
    let end = source.len().0;
    if len < required || len > MAX_MAP || at.saturating_add(len).0 > end {
        let fault = Fault::BatmapOutside {
            at,
            len: len.0,
            required: required.0,
            end,
        };
        return Err(Error::from(fault)
            .in_field("batmap", "batmap_offset")
            .at(header_at));
    }
    let map = read_vec(source, at, len)?;
    // Version 1.1 summed up signed chars.
    let signed = !map
        .iter()
        .map(|byte| i32::from(byte.cast_signed()).cast_unsigned())
        .fold(0, u32::wrapping_add);
    let (found, computed) = (header.checksum, checksum(&map));
    let wrong = (found != computed && found != signed).then(|| {
        Error::from(Fault::BatmapChecksum { found, computed })
            .in_field("batmap", "checksum")
            .at(header_at)
    });
    Ok(Some(Batmap { map, at, wrong }))
}
