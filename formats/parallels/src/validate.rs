//! What the header of an expanding file says, judged. The BAT is looked at in `map`.

use imgdelta_core::{Bytes, Error, FileOffset, Result, SECTOR, Source, read_array};

use crate::{
    fault::Fault,
    layout::{Header, IN_USE_CLOSED, IN_USE_OPEN, MAGIC_EXT, MAGIC_OLD, VERSION},
};

/// The header of an expanding file.
#[derive(Clone, Debug)]
pub(crate) struct ValidatedHeader {
    /// As it stands there.
    pub(crate) header: Header,
    /// The size of the disk.
    pub(crate) size: Bytes,
    /// Where blocks begin.
    pub(crate) data_at: FileOffset,
    /// What is wrong with `data_off`: blocks are then taken to begin behind the BAT.
    pub(crate) data_fault: Option<Fault>,
}

impl ValidatedHeader {
    /// Reads and judges the header.
    pub(crate) fn read(source: &dyn Source) -> Result<Self> {
        let end = source.len().0;
        if end < Header::SIZE as u64 {
            return Err(Fault::HeaderCut { end }.into());
        }
        let header = Header::parse(&read_array(source, FileOffset::ZERO)?);
        validate_kind(&header)?;
        let is_old = header.magic == MAGIC_OLD;
        let sectors = if is_old {
            header.nb_sectors & u64::from(u32::MAX)
        } else {
            header.nb_sectors
        };
        let mut meta = Self {
            size: Bytes(sectors.saturating_mul(SECTOR)),
            data_at: FileOffset::ZERO,
            data_fault: None,
            header,
        };
        meta.validate_bat(sectors, end)?;
        meta.place_data(end);
        Ok(meta)
    }

    /// Whether the BAT counts sectors.
    pub(crate) fn is_old(&self) -> bool {
        self.header.magic == MAGIC_OLD
    }

    /// The bytes of a block.
    pub(crate) fn block(&self) -> Bytes {
        Bytes(u64::from(self.header.tracks).saturating_mul(SECTOR))
    }

    /// What one of a BAT entry stands for.
    pub(crate) fn unit(&self) -> Bytes {
        if self.is_old() {
            Bytes(SECTOR)
        } else {
            self.block()
        }
    }

    /// Where the BAT ends.
    pub(crate) fn bat_end(&self) -> u64 {
        let entries = u64::from(self.header.nb_bat_entries);
        (Header::SIZE as u64).saturating_add(entries.saturating_mul(4))
    }

    /// What the user should know though it reads.
    pub(crate) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        match self.header.in_use {
            IN_USE_OPEN => notes.push(
                "in_use says that it was not closed: its last writes may be missing".to_owned(),
            ),
            0 | IN_USE_CLOSED => {}
            other => notes.push(format!("in_use is {other:#010x}, which nobody has defined")),
        }
        if let Some(fault) = &self.data_fault {
            notes.push(format!("{fault}: blocks are taken to begin behind the BAT"));
        }
        if self.size == Bytes::ZERO {
            notes.push("the disk is empty".to_owned());
        }
        notes
    }

    /// A fault in a field of the header.
    pub(crate) fn in_header(fault: Fault, field: &'static str) -> Error {
        Error::from(fault)
            .in_field("header", field)
            .at(FileOffset(Header::at(field)))
    }

    fn validate_bat(&self, sectors: u64, end: u64) -> Result<()> {
        let entries = self.header.nb_bat_entries;
        let bat_end = self.bat_end();
        if bat_end > end {
            let fault = Fault::BatPastEnd {
                entries,
                bat_end,
                end,
            };
            return Err(Self::in_header(fault, "nb_bat_entries"));
        }
        let held = u64::from(entries).saturating_mul(u64::from(self.header.tracks));
        if sectors > held {
            let fault = Fault::DiskPastBat {
                found: sectors,
                entries,
                held,
            };
            return Err(Self::in_header(fault, "nb_sectors"));
        }
        Ok(())
    }

    /// Where blocks begin. Nothing that is read depends on it, so what cannot be is no reason to refuse: qemu works it out again too.
    fn place_data(&mut self, end: u64) {
        let found = self.header.data_off;
        let least = self.bat_end().div_ceil(SECTOR);
        let most = end.div_ceil(SECTOR).max(least);
        let is_behind = self.is_old() && found == 0;
        if is_behind || (least..=most).contains(&u64::from(found)) {
            let at = u64::from(found).max(least);
            self.data_at = FileOffset(at.saturating_mul(SECTOR));
        } else {
            self.data_at = FileOffset(least.saturating_mul(SECTOR));
            self.data_fault = Some(Fault::DataOffset { found, least, most });
        }
    }
}

fn validate_kind(header: &Header) -> Result<()> {
    if header.magic != MAGIC_OLD && header.magic != MAGIC_EXT {
        let found = header.magic.escape_ascii().to_string();
        return Err(ValidatedHeader::in_header(Fault::Magic { found }, "magic"));
    }
    let found = header.version;
    if found != VERSION {
        return Err(ValidatedHeader::in_header(
            Fault::Version { found },
            "version",
        ));
    }
    if header.tracks == 0 {
        return Err(ValidatedHeader::in_header(Fault::NoTracks, "tracks"));
    }
    Ok(())
}
