//! What stands at the start of an image's own file: a text, or an extent with or without a descriptor in it.

use std::sync::Arc;

use imgdelta_core::{
    Bytes, Error, FileOffset, ProbeResult, ProbeWindow, Result, SECTOR, Source, read_vec,
};

use crate::{
    descriptor::{Descriptor, LONGEST, is_descriptor},
    fault::Fault,
    layout::{COWD_MAGIC, SE_MAGIC, SPARSE_MAGIC, SparseHeader, TRACKING_MAGIC},
    sparse::header,
};

/// What the file is.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// A descriptor.
    Text,
    /// A hosted sparse extent.
    Sparse(Box<SparseHeader>),
    /// A COWD extent.
    Cowd,
    /// An seSparse extent.
    SeSparse,
}

/// The start of an image.
#[derive(Clone, Debug)]
pub(crate) struct ImageFile {
    /// What the file is.
    pub(crate) kind: Kind,
    /// Its descriptor, if there is one.
    pub(crate) descriptor: Option<Descriptor>,
    /// Where that stands, and how much room it has; a text has all that it needs.
    pub(crate) room: (FileOffset, Option<Bytes>),
}

/// Whether a file is a VMDK, by its first bytes.
pub(crate) fn probe(peek: &ProbeWindow) -> ProbeResult {
    let head: Option<[u8; 8]> = peek.head(0);
    if let Some(head) = head {
        let number = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
        if matches!(number, SPARSE_MAGIC | COWD_MAGIC | TRACKING_MAGIC)
            || u64::from_le_bytes(head) == SE_MAGIC
        {
            return ProbeResult::Yes;
        }
    }
    if is_descriptor(peek.start()) {
        ProbeResult::Yes
    } else {
        ProbeResult::No
    }
}

impl ImageFile {
    /// Reads the start of a file.
    pub(crate) fn read(source: &Arc<dyn Source>) -> Result<Self> {
        let mut magic = [0; 8];
        source.read_padded_at(FileOffset::ZERO, &mut magic)?;
        let [a, b, c, d, ..] = magic;
        let without = |kind| Self {
            kind,
            descriptor: None,
            room: (FileOffset::ZERO, None),
        };
        match u32::from_le_bytes([a, b, c, d]) {
            SPARSE_MAGIC => Self::read_sparse(&**source),
            COWD_MAGIC => Ok(without(Kind::Cowd)),
            TRACKING_MAGIC => Err(Fault::Tracking.into()),
            _ if u64::from_le_bytes(magic) == SE_MAGIC => Ok(without(Kind::SeSparse)),
            _ => Self::read_text(&**source),
        }
    }

    fn read_text(source: &dyn Source) -> Result<Self> {
        let (found, most) = (source.len().0, LONGEST.0);
        let bytes = read_vec(source, FileOffset::ZERO, source.len().min(LONGEST))?;
        // First: a flat extent that was taken for its image is long, and no text at all.
        if !is_descriptor(&bytes) {
            return Err(Fault::NoTitle.into());
        }
        if found > most {
            return Err(Fault::DescriptorTooLong { found, most }.into());
        }
        let descriptor = Descriptor::parse_file(&bytes)
            .map_err(|fault| Error::from(fault).in_structure("descriptor"))?;
        Ok(Self {
            kind: Kind::Text,
            descriptor: Some(descriptor),
            room: (FileOffset::ZERO, None),
        })
    }

    fn read_sparse(source: &dyn Source) -> Result<Self> {
        let header = header::read(source)?;
        let (at, sectors) = (header.descriptor_offset, header.descriptor_size);
        let mut front = Self {
            kind: Kind::Sparse(Box::new(header)),
            descriptor: None,
            room: (FileOffset::ZERO, None),
        };
        if at == 0 {
            return Ok(front);
        }
        let refuse = |fault: Fault, name: &'static str, field: &str| {
            let at = FileOffset(SparseHeader::at(field));
            Err(Error::from(fault).in_field("header", name).at(at))
        };
        let len = sectors.saturating_mul(SECTOR);
        if len > LONGEST.0 {
            let (found, most) = (len, LONGEST.0);
            let fault = Fault::DescriptorTooLong { found, most };
            return refuse(fault, "descriptorSize", "descriptor_size");
        }
        let (end, file) = (at.saturating_add(sectors), source.len().0 / SECTOR);
        if end > file {
            let fault = Fault::DescriptorPlace { at, end, file };
            return refuse(fault, "descriptorOffset", "descriptor_offset");
        }
        let place = FileOffset(at.saturating_mul(SECTOR));
        let bytes = read_vec(source, place, Bytes(len))?;
        // Split extents of some writers keep the room and leave it empty.
        if bytes.iter().all(|byte| *byte == 0) {
            return Ok(front);
        }
        let descriptor = Descriptor::parse(&bytes)
            .map_err(|fault| Error::from(fault).in_structure("descriptor").at(place))?;
        front.descriptor = Some(descriptor);
        front.room = (place, Some(Bytes(len)));
        Ok(front)
    }
}
