//! The layer that a VHD holds: opened, mapped, read. Its parent is named and never opened.

use std::sync::Arc;

use imgdelta_core::{
    AuxFiles, Bytes, Error, Extent, FileOffset, Image, ImageMetadata, Kind, Open, PagedTable,
    ParentLink, References, Result, SECTOR, Source, State, VirtOffset,
};

use crate::{
    bitmap, check,
    fault::Fault,
    footer, header, info,
    layout::DIFFERENCING,
    locator,
    map::{self, Tables},
    open_options::OpenOptions,
    validate::ValidatedHeader,
};

/// An open VHD.
#[derive(Debug)]
struct Vhd {
    facts: ImageMetadata,
    parent: Option<ParentLink>,
    source: Arc<dyn Source>,
    reading: OpenOptions,
    /// `None` in fixed images, whose disk starts where the file starts.
    blocks: Option<Blocks>,
}

/// How a dynamic or differencing image finds its blocks.
#[derive(Debug)]
struct Blocks {
    tables: Tables,
    bat: PagedTable,
    bitmaps: PagedTable,
    /// What a sector is whose bit is not set: the parent's in a child, else zero. [VHD] "Data block".
    unset: State,
    /// All sectors of a block are taken for set, as qemu does it.
    ignores_bitmaps: bool,
}

/// Opens an image.
pub(crate) fn open(open: Open<'_>) -> Result<Arc<dyn Image>> {
    let reading = OpenOptions::take(open.options)?;
    if let Some(name) = open.snapshot {
        let message = format!("VHD has no internal snapshots, '{name}' was asked for");
        return Err(Error::new(Kind::Unsupported, message));
    }
    match Vhd::read(&open.source, reading) {
        Ok(image) => Ok(Arc::new(image)),
        Err(error) => Err(told_if_split(error, &*open.source, open.aux_files)),
    }
}

/// The parent link alone. Blocks and checksums are not looked at: what an image names can be asked of a damaged one too.
pub(crate) fn references(source: &Arc<dyn Source>) -> Result<References> {
    let found = footer::find(&**source, true)?;
    if found.footer.disk_type != DIFFERENCING {
        return Ok(References::default());
    }
    let end = found.data_end(source.len().0);
    let read = header::read(&**source, &found.footer, end)?;
    let at = FileOffset(found.footer.data_offset);
    let parent = locator::read_link(&**source, &read, at, &mut Vec::new())?;
    Ok(References {
        parent: Some(parent),
        aux_files: Vec::new(),
    })
}

/// What ends too early may be the first piece of a split image: `disk.vhd`, `disk.v01`, `disk.v02` and so on. [VHD] "Splitting hard
/// disk images"; no tool of today writes them.
fn told_if_split(error: Error, source: &dyn Source, aux_files: &dyn AuxFiles) -> Error {
    if !matches!(error.code(), "vhd_no_footer" | "vhd_block_past_end") {
        return error;
    }
    let stem = source.path().and_then(|path| path.file_stem());
    let Some(next) = stem.map(|stem| format!("{}.v01", stem.to_string_lossy())) else {
        return error;
    };
    match aux_files.open(&next) {
        Ok(_) => Fault::Split { next }.into(),
        Err(_) => error,
    }
}

impl Vhd {
    fn read(source: &Arc<dyn Source>, reading: OpenOptions) -> Result<Self> {
        let mut meta = ValidatedHeader::read(&**source, reading)?;
        let parent = meta.read_link(&**source)?;
        let blocks = match meta.tables(source.len()) {
            Some(tables) => {
                tables.validate(&**source, &meta.locators())?;
                Some(Blocks {
                    tables,
                    bat: PagedTable::new(Arc::clone(source)),
                    bitmaps: PagedTable::new(Arc::clone(source)),
                    unset: if meta.is_child() {
                        State::Absent
                    } else {
                        State::Zero
                    },
                    ignores_bitmaps: reading.ignores_bitmaps,
                })
            }
            None => None,
        };
        Ok(Self {
            facts: info::of(&meta, source),
            parent,
            source: Arc::clone(source),
            reading,
            blocks,
        })
    }

    /// A fixed image: what the host does not store is zero.
    fn fixed_extent_at(&self, at: VirtOffset) -> Result<Extent> {
        let left = Bytes(self.facts.size.0.saturating_sub(at.0));
        let place = FileOffset(at.0);
        let stored = self.source.stored_at(place)?;
        let len = stored.end.since(place).min(left);
        let data = State::Data { file: 0, at: place };
        Ok(if len == Bytes::ZERO {
            Extent {
                at,
                len: left,
                state: data,
            }
        } else {
            Extent {
                at,
                len,
                state: if stored.is_data { data } else { State::Zero },
            }
        })
    }
}

impl Image for Vhd {
    fn metadata(&self) -> &ImageMetadata {
        &self.facts
    }

    fn parent(&self) -> Option<&ParentLink> {
        self.parent.as_ref()
    }

    fn extent_at(&self, at: VirtOffset) -> Result<Extent> {
        match &self.blocks {
            None => self.fixed_extent_at(at),
            Some(blocks) => blocks.extent_at(at),
        }
    }

    fn passed_over(&self) -> Result<Vec<String>> {
        check::passed_over(&self.source, self.reading)
    }
}

impl Blocks {
    /// Which block `at` lies in, and how far.
    fn split(&self, at: VirtOffset) -> (u64, u64) {
        let size = self.tables.block_size.0;
        let block = at.0.checked_div(size).unwrap_or_default();
        (block, at.0.saturating_sub(block.saturating_mul(size)))
    }

    fn extent_at(&self, at: VirtOffset) -> Result<Extent> {
        let left = Bytes(self.tables.size.0.saturating_sub(at.0));
        let (block, inside) = self.split(at);
        let (len, state) = match self.tables.sector(&self.bat, block)? {
            None => {
                let run = self.tables.unallocated_run(&self.bat, block)?;
                let len = self.tables.block_size.0.saturating_mul(run);
                (Bytes(len.saturating_sub(inside)), State::Absent)
            }
            Some(sector) if self.ignores_bitmaps => {
                let len = self.tables.block_size.0.saturating_sub(inside);
                let at = self.tables.data_at(sector).saturating_add(Bytes(inside));
                (Bytes(len), State::Data { file: 0, at })
            }
            Some(sector) => self.stored_run(sector, inside)?,
        };
        Ok(Extent {
            at,
            len: len.min(left),
            state,
        })
    }

    /// The run from byte `inside` of an allocated block on, as far as the page of its bitmap shows.
    fn stored_run(&self, sector: u32, inside: u64) -> Result<(Bytes, State)> {
        let first = inside / SECTOR;
        let sectors = self.tables.block_size.0 / SECTOR;
        let byte = map::bitmap_at(sector).saturating_add(Bytes(first / 8));
        let (page, skip) = self.bitmaps.page(byte)?;
        let bits = page.get(skip..).unwrap_or_default();
        // `first` is bit `first % 8` of `bits`.
        let (bit, limit) = (first % 8, sectors - first + first % 8);
        let (is_set, run) = bitmap::run(bits, Bytes(bit).in_memory(), Bytes(limit).in_memory());
        let end = (first + (run as u64).max(1)) * SECTOR;
        let at = self.tables.data_at(sector).saturating_add(Bytes(inside));
        let state = if is_set {
            State::Data { file: 0, at }
        } else {
            self.unset
        };
        Ok((Bytes(end - inside), state))
    }
}
