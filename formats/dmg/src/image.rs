//! The layer that an image holds: opened, mapped, read. It has no parent.

use std::sync::Arc;

use imgdelta_core::{
    Bytes, Error, Extent, Image, ImageMetadata, Kind, Open, References, Result, SECTOR, Source,
    State, VirtOffset,
};

use crate::{chunk::Codec, codec::Decoder, info, map::ChunkTable, trailer::ValidatedTrailer};

/// The names of the options that reading knows: none.
pub(crate) const OPTIONS: &[&str] = &[];

/// An open image.
#[derive(Debug)]
struct Dmg {
    facts: ImageMetadata,
    table: ChunkTable,
    decoder: Decoder,
}

/// Opens an image.
pub(crate) fn open(open: Open<'_>) -> Result<Arc<dyn Image>> {
    open.options.finish("dmg input", OPTIONS)?;
    if let Some(name) = open.snapshot {
        let message = format!("DMG has no internal snapshots, '{name}' was asked for");
        return Err(Error::new(Kind::Unsupported, message));
    }
    let source = open.source;
    let meta = ValidatedTrailer::read(&*source)?;
    let table = ChunkTable::read(&meta, &*source)?;
    let largest = table.largest_compressed().unwrap_or_default();
    Ok(Arc::new(Dmg {
        facts: info::of(&meta, &table, &source),
        table,
        decoder: Decoder::new(source, largest),
    }))
}

/// It names nothing outside itself.
pub(crate) fn references(source: &Arc<dyn Source>) -> Result<References> {
    ValidatedTrailer::read(&**source)?;
    Ok(References::default())
}

impl Image for Dmg {
    fn metadata(&self) -> &ImageMetadata {
        &self.facts
    }

    fn extent_at(&self, at: VirtOffset) -> Result<Extent> {
        let (end, state) = match self.table.find(at) {
            // What no chunk covers is zero.
            Err(next) => (next.unwrap_or(u64::MAX), State::Zero),
            Ok(chunk) => {
                let unit = VirtOffset(chunk.sector.saturating_mul(SECTOR));
                let inside = at.since(unit);
                let state = match chunk.codec {
                    Codec::Zero => State::Zero,
                    Codec::Raw => State::Data {
                        file: 0,
                        at: chunk.at.saturating_add(inside),
                    },
                    _ => State::Compressed {
                        unit,
                        at: chunk.at,
                        len: chunk.size,
                    },
                };
                (unit.saturating_add(chunk.len()).0, state)
            }
        };
        let len = Bytes(end.min(self.table.size.0).saturating_sub(at.0));
        Ok(Extent { at, len, state })
    }

    fn read_compressed(&self, extents: &[Extent], buf: &mut [u8]) -> Result<()> {
        let mut rest = buf;
        for extent in extents {
            let chunk = match (extent.state, self.table.find(extent.at)) {
                (State::Compressed { .. }, Ok(chunk)) if chunk.codec.is_compressed() => chunk,
                _ => return Err(Error::new(Kind::Usage, "the extent is not compressed")),
            };
            let inside = extent
                .at
                .since(VirtOffset(chunk.sector.saturating_mul(SECTOR)));
            let (now, later) = rest.split_at_mut(extent.len.in_memory().min(rest.len()));
            self.decoder.read(chunk, inside, now)?;
            rest = later;
        }
        Ok(())
    }

    fn compressed_unit(&self) -> Option<Bytes> {
        self.table.largest_compressed()
    }
}
