//! What the header says, judged. Tables are looked at in `map`.

use imgdelta_core::{
    Bytes, Error, FileOffset, Format, Hint, HintKind, ParentLink, References, Result, SECTOR,
    Source, read_array, read_vec,
};

use crate::{
    fault::Fault,
    layout::{BACKING_NAME_LIMIT, CLUSTER_SIZE, Header, MAGIC, TABLE_SIZE, feature},
};

/// The header of an image.
#[derive(Clone, Debug)]
pub(crate) struct ValidatedHeader {
    /// As it stands there.
    pub(crate) header: Header,
    /// The name of the backing file.
    pub(crate) backing: Option<String>,
}

impl ValidatedHeader {
    /// Reads and judges the header.
    pub(crate) fn read(source: &dyn Source) -> Result<Self> {
        let end = source.len().0;
        if end < Header::SIZE as u64 {
            return Err(Fault::HeaderCut { end }.into());
        }
        let mut meta = Self {
            header: Header::parse(&read_array(source, FileOffset::ZERO)?),
            backing: None,
        };
        meta.validate_kind()?;
        meta.validate_l1(end)?;
        meta.validate_size()?;
        meta.backing = meta.read_backing(source)?;
        Ok(meta)
    }

    /// The size of the disk.
    pub(crate) const fn size(&self) -> Bytes {
        Bytes(self.header.image_size)
    }

    /// The bytes of a cluster.
    pub(crate) fn cluster(&self) -> Bytes {
        Bytes(u64::from(self.header.cluster_size))
    }

    /// The bytes of a table.
    pub(crate) fn table_len(&self) -> Bytes {
        Bytes(u64::from(self.header.table_size).saturating_mul(self.cluster().0))
    }

    /// Where the header's clusters end.
    pub(crate) fn header_end(&self) -> u64 {
        u64::from(self.header.header_size).saturating_mul(self.cluster().0)
    }

    /// Whether it has that feature.
    pub(crate) const fn has(&self, bit: u64) -> bool {
        self.header.features & bit != 0
    }

    /// How it names its parent: the parent's format is recorded only if it is raw.
    pub(crate) fn link(&self) -> Option<ParentLink> {
        let name = self.backing.clone()?;
        Some(ParentLink {
            format: self.has(feature::BACKING_RAW).then_some(Format::Raw),
            hints: vec![Hint {
                field: "backing file",
                kind: HintKind::Path,
                text: name,
            }],
            identities: Vec::new(),
            or_raw: false,
        })
    }

    /// What the image names outside itself.
    pub(crate) fn references(&self) -> References {
        References {
            parent: self.link(),
            aux_files: Vec::new(),
        }
    }

    fn validate_kind(&self) -> Result<()> {
        let header = &self.header;
        let found = header.magic;
        if found != MAGIC {
            return Err(in_header(Fault::Magic { found }, "magic"));
        }
        let is_one = |sizes: &std::ops::RangeInclusive<u32>, found: u32| {
            sizes.contains(&found) && found.is_power_of_two()
        };
        let found = header.cluster_size;
        if !is_one(&CLUSTER_SIZE, found) {
            return Err(in_header(Fault::ClusterSize { found }, "cluster_size"));
        }
        let found = header.table_size;
        if !is_one(&TABLE_SIZE, found) {
            return Err(in_header(Fault::TableSize { found }, "table_size"));
        }
        if header.header_size == 0 {
            return Err(in_header(Fault::HeaderSize, "header_size"));
        }
        let found = header.features & !feature::ALL;
        if found != 0 {
            return Err(in_header(Fault::Feature { found }, "features"));
        }
        Ok(())
    }

    fn validate_l1(&self, end: u64) -> Result<()> {
        let found = self.header.l1_table_offset;
        let least = self.header_end();
        let table_end = found.saturating_add(self.table_len().0);
        let fault = if !FileOffset(found).is_aligned(self.cluster()) {
            let cluster = self.header.cluster_size;
            Fault::L1Unaligned { found, cluster }
        } else if found < least {
            Fault::L1InHeader { found, least }
        } else if table_end > end {
            Fault::L1PastEnd { table_end, end }
        } else {
            return Ok(());
        };
        Err(in_header(fault, "l1_table_offset"))
    }

    fn validate_size(&self) -> Result<()> {
        let found = self.header.image_size;
        let entries = self.table_len().0 / 8;
        let most = (entries.saturating_mul(entries)).saturating_mul(self.cluster().0);
        let fault = if !found.is_multiple_of(SECTOR) {
            Fault::SizeUnaligned { found }
        } else if found > most {
            Fault::SizeTooLarge { found, most }
        } else {
            return Ok(());
        };
        Err(in_header(fault, "image_size"))
    }

    /// The name of the backing file.
    fn read_backing(&self, source: &dyn Source) -> Result<Option<String>> {
        let (start, found) = (
            self.header.backing_filename_offset,
            self.header.backing_filename_size,
        );
        if !self.has(feature::BACKING_FILE) || found == 0 {
            return Ok(None);
        }
        if found > BACKING_NAME_LIMIT {
            let fault = Fault::BackingSize { found };
            return Err(in_header(fault, "backing_filename_size"));
        }
        let name_end = u64::from(start).saturating_add(u64::from(found));
        let header_end = self.header_end();
        if u64::from(start) < Header::SIZE as u64 || name_end > header_end {
            let fault = Fault::BackingPlace {
                start,
                name_end,
                header_end,
            };
            return Err(in_header(fault, "backing_filename_offset"));
        }
        let at = FileOffset(u64::from(start));
        let in_name = |fault: Fault| Error::from(fault).in_structure("backing file name").at(at);
        let name = read_vec(source, at, Bytes(u64::from(found)))?;
        if let Some(nul) = name.iter().position(|byte| *byte == 0) {
            return Err(in_name(Fault::BackingNul { at: nul }));
        }
        let name = String::from_utf8(name).map_err(|cause| {
            let at = cause.utf8_error().valid_up_to();
            in_name(Fault::BackingText { at })
        })?;
        Ok(Some(name))
    }
}

/// A fault in a field of the header.
fn in_header(fault: Fault, field: &'static str) -> Error {
    Error::from(fault)
        .in_field("header", field)
        .at(FileOffset(Header::at(field)))
}
