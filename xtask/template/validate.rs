//! What the header says, judged: what leaves here is true. Blocks are looked at in `map`.

use imgdelta_core::{Bytes, Error, FileOffset, Result, SECTOR, Source, read_array};

use crate::{
    fault::Fault,
    layout::{BLOCK_SIZE, Header, MAGIC, MOST_BLOCKS},
};

/// The header of an image.
#[derive(Clone, Debug)]
pub(crate) struct ValidatedHeader(pub(crate) Header);

impl ValidatedHeader {
    /// Reads and judges the header.
    pub(crate) fn read(source: &dyn Source) -> Result<Self> {
        let end = source.len().0;
        if end < Header::SIZE as u64 {
            return Err(Fault::HeaderCut { end }.into());
        }
        let header = Header::parse(&read_array(source, FileOffset::ZERO)?);
        let validated = Self(header);
        validated.require_kind()?;
        validated.require_size()?;
        validated.require_table(end)?;
        Ok(validated)
    }

    /// The size of the disk.
    pub(crate) const fn size(&self) -> Bytes {
        Bytes(self.0.disk_size)
    }

    /// The bytes of a block.
    pub(crate) fn block(&self) -> Bytes {
        Bytes(u64::from(self.0.block_size))
    }

    /// How many blocks the disk has.
    pub(crate) fn blocks(&self) -> u64 {
        self.size().pieces(self.block())
    }

    /// Where the table begins and ends.
    pub(crate) fn table(&self) -> (u64, u64) {
        let start = self.0.table_offset;
        let len = self.blocks().saturating_mul(8);
        (start, start.saturating_add(len))
    }

    fn require_kind(&self) -> Result<()> {
        let found = self.0.magic;
        if found != MAGIC {
            let required = MAGIC;
            return Err(in_header(Fault::Magic { found, required }, "magic"));
        }
        let found = self.0.block_size;
        if !BLOCK_SIZE.contains(&found) || !found.is_power_of_two() {
            let (least, most) = (*BLOCK_SIZE.start(), *BLOCK_SIZE.end());
            let fault = Fault::BlockSize { found, least, most };
            return Err(in_header(fault, "block_size"));
        }
        Ok(())
    }

    fn require_size(&self) -> Result<()> {
        let found = self.0.disk_size;
        let most = MOST_BLOCKS.saturating_mul(self.block().0);
        if !found.is_multiple_of(SECTOR) || found > most {
            return Err(in_header(Fault::DiskSize { found, most }, "disk_size"));
        }
        Ok(())
    }

    fn require_table(&self, end: u64) -> Result<()> {
        let (start, table_end) = self.table();
        if start < Header::SIZE as u64 || table_end > end {
            let fault = Fault::TablePlace {
                start,
                table_end,
                end,
            };
            return Err(in_header(fault, "table_offset"));
        }
        Ok(())
    }
}

/// A fault in a field of the header.
fn in_header(fault: Fault, field: &'static str) -> Error {
    Error::from(fault)
        .in_field("header", field)
        .at(FileOffset(Header::at(field)))
}
