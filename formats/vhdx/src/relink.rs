//! Makes a child name another parent: what is to be written over a copy of it. Its blocks, and what its own children name, stay as they are.
//!
//! The copy takes the child's place at once when all of it is durable: a cut at any step leaves the child with the old parent or with
//! the new one, and nothing between. So the log, which keeps a change in place whole, is not needed.

use std::sync::Arc;

use imgdelta_core::{Bytes, Error, FileOffset, Kind, ParentSpec, Patch, Result, Source};

use crate::{
    create_options::parent_sector,
    header::renewed,
    layout::{IS_USER, METADATA_TABLE_LEN, MetadataEntry, MetadataHead, PARENT_LOCATOR},
    link::Link,
    metadata::{MAX_ITEM, Metadata},
    open_options::OpenOptions,
    validate::ValidatedHeader,
};

/// The patches that make the child in `source` one of `parent`: the parent locator, and headers that say that the file was written to.
pub(crate) fn relink(source: &Arc<dyn Source>, parent: &ParentSpec) -> Result<Vec<Patch>> {
    let meta = ValidatedHeader::read(source, OpenOptions::default())?;
    let (Some(old), true) = (&meta.locator, meta.metadata.is_child()) else {
        let message = "is not a differencing VHDX, which alone names a parent";
        return Err(Error::new(Kind::Unsupported, message));
    };
    if meta.headers.has_log() {
        // A copy has what the file has, not what was replayed in memory.
        return Err(Error::new(
            Kind::Unsupported,
            "the file was not closed: its log must be replayed before it gets another parent",
        )
        .with_code("vhdx_log_in_use"));
    }
    validate_sector(&meta.metadata, parent)?;
    let link = Link::to(parent)?;
    let new = link.locator(Some(old));
    if new.pairs == old.pairs {
        // It names that parent already: there is nothing to be written.
        return Ok(Vec::new());
    }
    let item = new.emit();
    let mut patches = locator_patches(&meta.metadata, &item)?;
    patches.extend(renewed(&meta.headers, link.guid, |_| ())?);
    Ok(patches)
}

/// Sectors of another size than the parent's are opened by nobody.
fn validate_sector(metadata: &Metadata, parent: &ParentSpec) -> Result<()> {
    match parent_sector(parent) {
        Some(found) if found != metadata.sector => Err(Error::new(
            Kind::Chain,
            format!(
                "the child has sectors of {} bytes, the parent of {found}",
                metadata.sector
            ),
        )),
        _ => Ok(()),
    }
}

/// Writes the locator where the old one stands, or elsewhere in the region if it has grown too long.
fn locator_patches(metadata: &Metadata, item: &[u8]) -> Result<Vec<Patch>> {
    let entries = metadata.entries.iter().enumerate();
    let mut ours = entries.filter(|(_, entry)| is_locator(entry));
    let (Some((number, old)), Ok(len)) = (ours.next(), u32::try_from(item.len())) else {
        return Err(no_room(item));
    };
    let offset = if len > MAX_ITEM {
        None
    } else {
        room(metadata, old, len)
    };
    let offset = offset.ok_or_else(|| no_room(item))?;
    let at = |skipped: u64| FileOffset(metadata.region.start).saturating_add(Bytes(skipped));
    // What the old path leaves behind must not stay readable.
    let blank = vec![0; Bytes(old.length.into()).in_memory()];
    let entry = MetadataEntry {
        offset,
        length: len,
        ..old.clone()
    };
    let skipped = MetadataHead::SIZE.saturating_add(number.saturating_mul(MetadataEntry::SIZE));
    Ok(vec![
        Patch {
            at: at(old.offset.into()),
            bytes: blank,
        },
        Patch {
            at: at(offset.into()),
            bytes: item.to_vec(),
        },
        Patch {
            at: at(skipped as u64),
            bytes: entry.emit().into(),
        },
    ])
}

const fn is_user(entry: &MetadataEntry) -> bool {
    entry.flags & IS_USER != 0
}

fn is_locator(entry: &MetadataEntry) -> bool {
    entry.item_id == PARENT_LOCATOR && !is_user(entry)
}

fn no_room(item: &[u8]) -> Error {
    Error::new(
        Kind::Unsupported,
        format!(
            "the metadata have no room for a parent locator of {} bytes",
            item.len()
        ),
    )
}

/// Where in the region `len` bytes fit: where `old` starts, else behind the table or behind any item.
fn room(metadata: &Metadata, old: &MetadataEntry, len: u32) -> Option<u32> {
    let end = metadata.region.end.saturating_sub(metadata.region.start);
    let fits = |from: u64, but: Option<&MetadataEntry>| {
        let to = from.saturating_add(len.into());
        let others = metadata.entries.iter().filter(|one| Some(*one) != but);
        to <= end
            && others.filter(|one| one.length > 0).all(|one| {
                let start = u64::from(one.offset);
                to <= start || start.saturating_add(one.length.into()) <= from
            })
    };
    if fits(old.offset.into(), Some(old)) {
        return Some(old.offset);
    }
    let behind = |one: &MetadataEntry| u64::from(one.offset).saturating_add(one.length.into());
    let starts = metadata.entries.iter().map(behind);
    let mut starts: Vec<u64> = starts.chain([METADATA_TABLE_LEN as u64]).collect();
    starts.sort_unstable();
    let fitting = starts
        .into_iter()
        .filter(|start| *start >= METADATA_TABLE_LEN as u64);
    let from = fitting.into_iter().find(|start| fits(*start, None))?;
    u32::try_from(from).ok()
}
