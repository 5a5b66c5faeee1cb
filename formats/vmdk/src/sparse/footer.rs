//! The footer of a stream: a header at its end that says where the grain directory is.

use imgdelta_core::{Bytes, Error, FileOffset, Result, SECTOR, Source, read_array, read_vec};

use super::header::judge;
use crate::{
    fault::Fault,
    layout::{AT_END, FOOTER, Marker, SPARSE_MAGIC, SparseHeader},
};

/// How far from the end a footer is looked for: some tools leave junk behind a stream.
const REACH: u64 = 1 << 20;

/// The header of a stream, its grain directory filled in from the footer.
pub(super) fn find(source: &dyn Source, header: &SparseHeader) -> Result<SparseHeader> {
    let at = place(source)?.ok_or(Fault::NoFooter)?;
    let footer = SparseHeader::parse(&read_array(source, at)?);
    judge(&footer, at)?;
    let agree = [
        (
            "version",
            u64::from(footer.version),
            u64::from(header.version),
        ),
        ("capacity", footer.capacity, header.capacity),
        ("grainSize", footer.grain_size, header.grain_size),
        ("flags", u64::from(footer.flags), u64::from(header.flags)),
    ];
    for (field, found, required) in agree {
        if found != required {
            let fault = Fault::Footer {
                field,
                found,
                required,
            };
            return Err(Error::from(fault).in_structure("footer").at(at));
        }
    }
    if footer.gd_offset == AT_END {
        return Err(Error::from(Fault::FooterWithoutDirectory)
            .in_field("footer", "gdOffset")
            .at(at));
    }
    Ok(SparseHeader {
        gd_offset: footer.gd_offset,
        rgd_offset: 0,
        ..header.clone()
    })
}

/// Where the footer stands: two sectors from the end, or further in front, behind its marker.
fn place(source: &dyn Source) -> Result<Option<FileOffset>> {
    let end = source.len().0;
    let usual = end.checked_sub(1024).filter(|at| at.is_multiple_of(SECTOR));
    if let Some(at) = usual.map(FileOffset)
        && read_array::<4>(source, at)? == SPARSE_MAGIC.to_le_bytes()
    {
        return Ok(Some(at));
    }
    let last = end - end % SECTOR;
    let from = last.saturating_sub(REACH);
    let bytes = read_vec(source, FileOffset(from), Bytes(last - from))?;
    let (sectors, _) = bytes.as_chunks::<{ SECTOR as usize }>();
    let is_footer = |pair: &[[u8; SECTOR as usize]]| match pair {
        [marker, footer] => {
            let marker = marker.first_chunk().map(Marker::parse);
            marker.is_some_and(|marker| (marker.size, marker.kind) == (0, FOOTER))
                && footer.starts_with(&SPARSE_MAGIC.to_le_bytes())
        }
        _ => false,
    };
    let found = sectors.windows(2).rposition(is_footer);
    Ok(found.map(|at| FileOffset(from + (at as u64 + 1) * SECTOR)))
}
