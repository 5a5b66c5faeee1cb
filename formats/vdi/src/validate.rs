//! What a VDI's header says, judged: versions 0.2 and 1.1 in the same terms. The map is looked at in `map`.

use imgdelta_core::{
    Bytes, Error, FileOffset, ParentLink, References, Result, SECTOR, Source, read_array,
};

use crate::{
    fault::Fault,
    identity::{self, NULL},
    layout::{
        DIFFERENCING, FIXED, HEADER_AT, Header, HeaderV0, Lchs, NORMAL, PreHeader, SIGNATURE, UNDO,
        VERSION_0, VERSION_1_1,
    },
};

/// The flag of a fixed image that was filled with zeros.
const ZERO_EXPAND: u32 = 1;

/// The header of an image.
#[derive(Clone, Debug)]
pub(crate) struct ValidatedHeader {
    /// The header, that of version 0.2 in the terms of 1.1.
    pub(crate) header: Header,
    /// Whether it is of version 0.2.
    pub(crate) is_old: bool,
    /// The geometry for the BIOS, where the header has it.
    pub(crate) lchs: Option<Lchs>,
    /// The size of the disk: whole sectors.
    pub(crate) size: Bytes,
    /// Where the map stands.
    pub(crate) map_at: FileOffset,
    /// Where the first block stands.
    pub(crate) data_at: FileOffset,
    /// What the user should know.
    pub(crate) notes: Vec<String>,
}

impl ValidatedHeader {
    /// Reads and judges the header.
    pub(crate) fn read(source: &dyn Source) -> Result<Self> {
        let pre = read_pre_header(source)?;
        let meta = if pre.version == VERSION_0 {
            read_old(source)
        } else {
            read_current(source)
        }?;
        meta.validate(source.len().0)
    }

    /// The kind of image, in a word.
    pub(crate) const fn variant(&self) -> &'static str {
        match self.header.image_type {
            FIXED => "fixed",
            UNDO => "undo",
            DIFFERENCING => "differencing",
            _ => "dynamic",
        }
    }

    /// Whether blocks that are not there are the parent's.
    pub(crate) const fn is_child(&self) -> bool {
        matches!(self.header.image_type, UNDO | DIFFERENCING)
    }

    /// The bytes of a block's data.
    pub(crate) fn block_size(&self) -> Bytes {
        Bytes(u64::from(self.header.block_size))
    }

    /// How a child names its parent: no path is stored, VirtualBox keeps a registry of its disks.
    pub(crate) fn link(&self) -> Option<ParentLink> {
        if !self.is_child() {
            return None;
        }
        let Header {
            uuid_linkage,
            uuid_parent_modify,
            ..
        } = self.header;
        let identity = if uuid_parent_modify == NULL {
            identity::one(uuid_linkage)
        } else {
            identity::both(uuid_linkage, uuid_parent_modify)
        };
        Some(ParentLink {
            format: None,
            hints: Vec::new(),
            identities: vec![identity],
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

    /// Where `field` of the header stands.
    pub(crate) fn field_at(&self, field: &str) -> FileOffset {
        let inside = if self.is_old {
            HeaderV0::at(field)
        } else {
            Header::at(field)
        };
        FileOffset(HEADER_AT.saturating_add(inside))
    }

    /// A fault in a field of the header.
    pub(crate) fn in_header(&self, fault: Fault, name: &'static str, field: &str) -> Error {
        Error::from(fault)
            .in_field("header", name)
            .at(self.field_at(field))
    }

    fn validate(mut self, end: u64) -> Result<Self> {
        self.validate_kind()?;
        self.validate_sizes()?;
        self.validate_places(end)?;
        self.note();
        Ok(self)
    }

    fn validate_kind(&self) -> Result<()> {
        let header = &self.header;
        if !matches!(header.image_type, NORMAL | FIXED | UNDO | DIFFERENCING) {
            let found = header.image_type;
            return Err(self.in_header(Fault::ImageType { found }, "imageType", "image_type"));
        }
        let variant = self.variant();
        if self.is_child() && header.uuid_linkage == NULL {
            return Err(self.in_header(Fault::NoParent { variant }, "uuidLinkage", "uuid_linkage"));
        }
        for (id, name, field) in [
            (header.uuid_linkage, "uuidLinkage", "uuid_linkage"),
            (
                header.uuid_parent_modify,
                "uuidParentModify",
                "uuid_parent_modify",
            ),
        ] {
            // Absent blocks of such a file are zero to one reader and the parent's to another.
            if !self.is_child() && id != NULL {
                let linkage = identity::text(id);
                return Err(self.in_header(Fault::Parent { variant, linkage }, name, field));
            }
        }
        Ok(())
    }

    fn validate_sizes(&self) -> Result<()> {
        let header = &self.header;
        if u64::from(header.sector_size) != SECTOR {
            let found = header.sector_size;
            return Err(self.in_header(Fault::SectorSize { found }, "sectorSize", "sector_size"));
        }
        if !header.block_size.is_power_of_two() || self.block_size().0 < SECTOR {
            let found = header.block_size;
            return Err(self.in_header(Fault::BlockSize { found }, "cbBlock", "block_size"));
        }
        if header.block_extra != 0 && !header.block_extra.is_power_of_two() {
            let found = header.block_extra;
            return Err(self.in_header(Fault::BlockExtra { found }, "cbBlockExtra", "block_extra"));
        }
        // qemu makes empty disks.
        if header.disk_size == 0 && header.blocks > 0 {
            let blocks = header.blocks;
            return Err(self.in_header(Fault::NoDisk { blocks }, "cbDisk", "disk_size"));
        }
        let (found, blocks) = (header.disk_size, header.blocks);
        let held = u64::from(blocks).saturating_mul(self.block_size().0);
        if self.size.0 > held {
            let fault = Fault::DiskPastMap {
                found,
                blocks,
                held,
            };
            return Err(self.in_header(fault, "cbDisk", "disk_size"));
        }
        if header.blocks_allocated > blocks {
            let found = header.blocks_allocated;
            let fault = Fault::AllocatedTooMany { found, blocks };
            return Err(self.in_header(fault, "cBlocksAllocated", "blocks_allocated"));
        }
        Ok(())
    }

    fn validate_places(&self, end: u64) -> Result<()> {
        let header = &self.header;
        let entries = header.blocks;
        let map_end = self.map_at.0.saturating_add(u64::from(entries) * 4);
        if !self.is_old {
            let least = HEADER_AT.saturating_add(u64::from(header.header_size));
            let found = header.map_offset;
            if self.map_at.0 < least || !self.map_at.is_aligned(Bytes(SECTOR)) {
                let fault = Fault::MapOffset { found, least };
                return Err(self.in_header(fault, "offBlocks", "map_offset"));
            }
        }
        if map_end > end {
            let fault = Fault::MapPastEnd {
                entries,
                map_end,
                end,
            };
            return Err(Error::from(fault).in_structure("block map").at(self.map_at));
        }
        if !self.is_old {
            let found = header.data_offset;
            if !self.data_at.is_aligned(Bytes(SECTOR)) {
                let fault = Fault::DataUnaligned { found };
                return Err(self.in_header(fault, "offData", "data_offset"));
            }
            if self.data_at.0 < map_end {
                let fault = Fault::DataInMap { found, map_end };
                return Err(self.in_header(fault, "offData", "data_offset"));
            }
        }
        Ok(())
    }

    fn note(&mut self) {
        let header = &self.header;
        if header.disk_size == 0 {
            self.notes.push("the disk is empty".into());
        }
        if self.size.0 != header.disk_size {
            self.notes.push(format!(
                "cbDisk is {}, no whole number of sectors: read as {}, as qemu does (VirtualBox rounds down)",
                header.disk_size, self.size.0
            ));
        }
        if header.flags & !ZERO_EXPAND != 0 {
            self.notes.push(format!(
                "flags are {:#x}, of which only bit 0 is known",
                header.flags
            ));
        }
        for (id, name) in [
            (header.uuid_create, "uuidCreate"),
            (header.uuid_modify, "uuidModify"),
        ] {
            if id == NULL {
                self.notes
                    .push(format!("{name} is null, which VirtualBox refuses to open"));
            }
        }
    }
}

/// The first 72 bytes, which say that it is a VDI and of which version.
fn read_pre_header(source: &dyn Source) -> Result<PreHeader> {
    require_len(source, HEADER_AT)?;
    let pre = PreHeader::parse(&read_array(source, FileOffset::ZERO)?);
    let at = |field| FileOffset(PreHeader::at(field));
    if pre.signature != SIGNATURE {
        let found = pre.signature;
        return Err(Error::from(Fault::Signature { found })
            .in_field("pre-header", "signature")
            .at(at("signature")));
    }
    if !matches!(pre.version, VERSION_0 | VERSION_1_1) {
        let (major, minor) = (pre.version >> 16, pre.version & 0xffff);
        return Err(Error::from(Fault::Version { major, minor })
            .in_field("pre-header", "version")
            .at(at("version")));
    }
    Ok(pre)
}

fn require_len(source: &dyn Source, needed: u64) -> Result<()> {
    let end = source.len().0;
    if end < needed {
        return Err(Fault::HeaderCut { end, needed }.into());
    }
    Ok(())
}

fn read_current(source: &dyn Source) -> Result<ValidatedHeader> {
    let shortest = HEADER_AT + Header::SIZE as u64;
    require_len(source, shortest)?;
    let header = Header::parse(&read_array(source, FileOffset(HEADER_AT))?);
    let most = source.len().0.saturating_sub(HEADER_AT);
    let found = header.header_size;
    if u64::from(found) < Header::SIZE as u64 || u64::from(found) > most {
        return Err(Error::from(Fault::HeaderSize { found, most })
            .in_field("header", "cbHeader")
            .at(FileOffset(HEADER_AT)));
    }
    let has_lchs = u64::from(found) >= (Header::SIZE + Lchs::SIZE) as u64;
    let lchs = if has_lchs {
        Some(Lchs::parse(&read_array(source, FileOffset(shortest))?))
    } else {
        None
    };
    Ok(ValidatedHeader {
        is_old: false,
        lchs,
        size: Bytes(header.disk_size).round_up(Bytes(SECTOR)),
        map_at: FileOffset(u64::from(header.map_offset)),
        data_at: FileOffset(u64::from(header.data_offset)),
        notes: Vec::new(),
        header,
    })
}

/// The older header, in the newer one's terms.
fn read_old(source: &dyn Source) -> Result<ValidatedHeader> {
    let map_at = HEADER_AT + HeaderV0::SIZE as u64;
    require_len(source, map_at)?;
    let old = HeaderV0::parse(&read_array(source, FileOffset(HEADER_AT))?);
    let data_at = map_at.saturating_add(u64::from(old.blocks) * 4);
    Ok(ValidatedHeader {
        is_old: true,
        lchs: None,
        size: Bytes(old.disk_size).round_up(Bytes(SECTOR)),
        map_at: FileOffset(map_at),
        data_at: FileOffset(data_at),
        notes: vec!["version 0.2, from before VirtualBox was published".into()],
        header: Header {
            header_size: HeaderV0::SIZE as u32,
            image_type: old.image_type,
            flags: old.flags,
            comment: old.comment,
            map_offset: map_at as u32,
            data_offset: u32::try_from(data_at).unwrap_or(u32::MAX),
            cylinders: old.cylinders,
            heads: old.heads,
            sectors: old.sectors,
            sector_size: old.sector_size,
            unused: 0,
            disk_size: old.disk_size,
            block_size: old.block_size,
            block_extra: 0,
            blocks: old.blocks,
            blocks_allocated: old.blocks_allocated,
            uuid_create: old.uuid_create,
            uuid_modify: old.uuid_modify,
            uuid_linkage: old.uuid_linkage,
            uuid_parent_modify: NULL,
        },
    })
}
