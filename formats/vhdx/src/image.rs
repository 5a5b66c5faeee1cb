//! The layer that a VHDX holds: opened, mapped, read. Its parent is named and never opened.

use std::sync::Arc;

use imgdelta_core::{
    Bytes, Error, Extent, FileOffset, Image, ImageMetadata, Kind, Open, PagedTable, ParentLink,
    Result, State, VirtOffset,
};

use crate::{
    bitmap, check,
    fault::Fault,
    info,
    layout::BatEntry,
    map::{Slot, Tables, state_of, validate::FileRanges},
    open_options::OpenOptions,
    validate::ValidatedHeader,
};

/// An open VHDX.
#[derive(Debug)]
struct Vhdx {
    facts: ImageMetadata,
    parent: Option<ParentLink>,
    tables: Tables,
    bat: PagedTable,
    bitmaps: PagedTable,
    /// All that is known of it, for who looks closer.
    meta: ValidatedHeader,
}

/// Opens an image.
pub(crate) fn open(open: Open<'_>) -> Result<Arc<dyn Image>> {
    let reading = OpenOptions::take(open.options)?;
    if let Some(name) = open.snapshot {
        let message = format!("VHDX has no internal snapshots, '{name}' was asked for");
        return Err(Error::new(Kind::Unsupported, message));
    }
    let mut meta = ValidatedHeader::read(&open.source, reading)?;
    meta.validate_blocks(FileRanges::Held)?;
    Ok(Arc::new(Vhdx {
        facts: info::of(&meta),
        parent: meta.link.take(),
        tables: meta.tables(),
        bat: PagedTable::new(Arc::clone(&meta.source)),
        bitmaps: PagedTable::new(Arc::clone(&meta.source)),
        meta,
    }))
}

impl Vhdx {
    /// The entry of `block`, which may lie past the end if the caller broke its promise.
    fn entry(&self, block: u64) -> Result<BatEntry> {
        if block < self.tables.shape.blocks {
            self.tables.entry(&self.bat, Slot::Block(block))
        } else {
            Ok(BatEntry(0))
        }
    }

    /// The run from byte `inside` of a partially present block on, as far as the page of its bitmap shows.
    fn partial_run(&self, block: u64, entry: BatEntry, inside: u64) -> Result<(Bytes, State)> {
        let tables = &self.tables;
        let (chunk, place) = (block / tables.shape.ratio, block % tables.shape.ratio);
        let bitmap_entry = tables.entry(&self.bat, Slot::Bitmap(chunk))?;
        let missing = || {
            let index = tables.shape.block_index(block);
            tables.in_bat(Fault::BitmapMissing { block }, index)
        };
        if bitmap_entry.state() != BatEntry::FULLY_PRESENT {
            return Err(missing());
        }
        let sectors = tables.block_size.0 / tables.sector;
        let first = inside / tables.sector;
        let bit = place * sectors + first;
        let byte = FileOffset(bitmap_entry.at()).saturating_add(Bytes(bit / 8));
        let (page, skip) = self.bitmaps.page(byte)?;
        let bits = page.get(skip..).unwrap_or_default();
        let (bit, limit) = (bit % 8, sectors - first + bit % 8);
        let (is_set, run) = bitmap::run(bits, Bytes(bit).in_memory(), Bytes(limit).in_memory());
        if run == 0 {
            return Err(missing());
        }
        let end = (first + run as u64) * tables.sector;
        let at = FileOffset(entry.at()).saturating_add(Bytes(inside));
        let state = if is_set {
            State::Data { file: 0, at }
        } else {
            State::Absent
        };
        Ok((Bytes(end.saturating_sub(inside)), state))
    }
}

impl Image for Vhdx {
    fn metadata(&self) -> &ImageMetadata {
        &self.facts
    }

    fn parent(&self) -> Option<&ParentLink> {
        self.parent.as_ref()
    }

    fn extent_at(&self, at: VirtOffset) -> Result<Extent> {
        let tables = &self.tables;
        let left = Bytes(tables.size.0.saturating_sub(at.0));
        let (block, inside) = tables.split(at);
        let entry = self.entry(block)?;
        let (len, state) = match (state_of(entry), entry.state()) {
            (Some(state), _) => {
                let blocks = tables.run(&self.bat, block, state)?;
                let len = tables.block_size.0.saturating_mul(blocks);
                (
                    Bytes(len.saturating_sub(inside)),
                    state.moved(Bytes(inside)),
                )
            }
            (None, BatEntry::PARTIALLY_PRESENT) => self.partial_run(block, entry, inside)?,
            (None, state) => {
                let index = tables.shape.block_index(block);
                return Err(tables.in_bat(Fault::BlockState { block, state }, index));
            }
        };
        Ok(Extent {
            at,
            len: len.min(left),
            state,
        })
    }

    fn passed_over(&self) -> Result<Vec<String>> {
        Ok(check::look(self.meta.clone())?.summary(&[]))
    }
}
