//! The footer of a stream: a header at its end that says where the grain directory is.

use imgdelta_core::{Bytes, Error, FileOffset, Result, SECTOR, Source, read_array, read_vec};

use super::{header::validate, scan::Markers};
use crate::{
    fault::Fault,
    layout::{AT_END, FOOTER, Marker, SPARSE_MAGIC, SparseHeader},
};

/// How far from the end a footer is looked for where no marker leads to it.
const REACH: u64 = 1 << 20;

/// The header of a stream, its grain directory filled in from the footer; and where what follows the footer stands.
pub(super) fn find(
    source: &dyn Source,
    header: &SparseHeader,
) -> Result<(SparseHeader, FileOffset)> {
    let at = place(source, header)?.ok_or(Fault::NoFooter)?;
    let footer = SparseHeader::parse(&read_array(source, at)?);
    validate(&footer, at)?;
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
    let whole = SparseHeader {
        gd_offset: footer.gd_offset,
        rgd_offset: 0,
        ..header.clone()
    };
    Ok((whole, at.saturating_add(Bytes(SECTOR))))
}

/// Whether the marker that ends a stream stands at `end`: a sector of zeros.
pub(super) fn has_end(source: &dyn Source, end: FileOffset) -> Result<bool> {
    let mut last = [1; SECTOR as usize];
    if end.saturating_add(Bytes(SECTOR)).0 <= source.len().0 {
        source.read_at(end, &mut last)?;
    }
    Ok(last.iter().all(|byte| *byte == 0))
}

/// What the user should know of a stream whose last marker should stand at `end`: some tools leave it out, pad files, or append to them.
pub(super) fn notes(source: &dyn Source, end: FileOffset) -> Result<Vec<String>> {
    if !has_end(source, end)? {
        return Ok(vec![
            "the stream has no end marker behind its footer: 'imgdelta check' tells of it".into(),
        ]);
    }
    let rest = FileOffset(source.len().0).since(end.saturating_add(Bytes(SECTOR)));
    let told = (rest > Bytes::ZERO)
        .then(|| format!("{} bytes behind the end of the stream are not read", rest.0));
    Ok(told.into_iter().collect())
}

/// Where the footer stands: two sectors from the end. Where something stands behind the stream, however much, its markers lead there; and
/// where they do not, it is looked for near the end.
fn place(source: &dyn Source, header: &SparseHeader) -> Result<Option<FileOffset>> {
    let end = source.len().0;
    let usual = end.checked_sub(1024).filter(|at| at.is_multiple_of(SECTOR));
    if let Some(at) = usual.map(FileOffset)
        && read_array::<4>(source, at)? == SPARSE_MAGIC.to_le_bytes()
    {
        return Ok(Some(at));
    }
    match by_markers(source, header)? {
        Some(at) => Ok(Some(at)),
        None => near_the_end(source),
    }
}

/// The footer to which the markers lead, one after the other.
fn by_markers(source: &dyn Source, header: &SparseHeader) -> Result<Option<FileOffset>> {
    let mut markers = Markers::of(source, header);
    while let Some((at, marker)) = markers.next()? {
        if (marker.size, marker.kind) != (0, FOOTER) {
            continue;
        }
        let place = at.saturating_add(Bytes(SECTOR));
        let mut magic = [0; 4];
        source.read_padded_at(place, &mut magic)?;
        let is_whole = place.0.saturating_add(SECTOR) <= source.len().0;
        return Ok(Some(place).filter(|_| is_whole && magic == SPARSE_MAGIC.to_le_bytes()));
    }
    Ok(None)
}

fn near_the_end(source: &dyn Source) -> Result<Option<FileOffset>> {
    let end = source.len().0;
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
