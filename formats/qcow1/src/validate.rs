//! What the header says, judged. Tables are looked at in `map`.

use imgdelta_core::{
    Bytes, Error, FileOffset, Hint, HintKind, ParentLink, References, Result, Source, read_array,
    read_vec,
};

use crate::{
    fault::Fault,
    layout::{
        BACKING_NAME_LIMIT, CLUSTER_BITS, CRYPT_AES, CRYPT_NONE, Header, L2_BITS, MAGIC, VERSION,
    },
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
        let header = Header::parse(&read_array(source, FileOffset::ZERO)?);
        validate_kind(&header)?;
        validate_sizes(&header)?;
        let mut meta = Self {
            header,
            backing: None,
        };
        meta.validate_l1(end)?;
        meta.backing = backing(&meta.header, source)?;
        Ok(meta)
    }

    /// The size of the disk.
    pub(crate) const fn size(&self) -> Bytes {
        Bytes(self.header.size)
    }

    /// The bytes of a cluster.
    pub(crate) const fn cluster(&self) -> Bytes {
        Bytes(1 << self.header.cluster_bits)
    }

    /// The bytes of the disk that an L2 table maps.
    pub(crate) const fn mapped_by_l2(&self) -> Bytes {
        Bytes(1 << (self.header.cluster_bits + self.header.l2_bits))
    }

    /// How many entries the L1 table has.
    pub(crate) const fn l1_entries(&self) -> u64 {
        self.size().pieces(self.mapped_by_l2())
    }

    /// Where the L1 table ends.
    pub(crate) const fn l1_end(&self) -> u64 {
        (self.header.l1_table_offset).saturating_add(self.l1_entries().saturating_mul(8))
    }

    /// How it names its parent. The parent's format is not recorded.
    pub(crate) fn link(&self) -> Option<ParentLink> {
        let name = self.backing.clone()?;
        Some(ParentLink {
            format: None,
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

    fn validate_l1(&self, end: u64) -> Result<()> {
        let found = self.header.l1_table_offset;
        if found < Header::SIZE as u64 {
            return Err(in_header(Fault::L1Offset { found }, "l1_table_offset"));
        }
        let table_end = self.l1_end();
        if table_end > end {
            let entries = self.l1_entries();
            let fault = Fault::L1PastEnd {
                entries,
                table_end,
                end,
            };
            return Err(in_header(fault, "l1_table_offset"));
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

fn validate_kind(header: &Header) -> Result<()> {
    let (found, version) = (header.magic, header.version);
    if found != MAGIC {
        return Err(in_header(Fault::Magic { found }, "magic"));
    }
    if version != VERSION {
        return Err(in_header(Fault::Version { found: version }, "version"));
    }
    Ok(())
}

fn validate_sizes(header: &Header) -> Result<()> {
    // What it should be is told before how it is encrypted: damage may look like encryption.
    if !CLUSTER_BITS.contains(&header.cluster_bits) {
        let found = header.cluster_bits;
        return Err(in_header(Fault::ClusterBits { found }, "cluster_bits"));
    }
    if !L2_BITS.contains(&header.l2_bits) {
        let found = header.l2_bits;
        return Err(in_header(Fault::L2Bits { found }, "l2_bits"));
    }
    let found = header.size;
    if found < 2 {
        return Err(in_header(Fault::Size { found }, "size"));
    }
    match header.crypt_method {
        CRYPT_NONE => Ok(()),
        CRYPT_AES => Err(in_header(Fault::Aes, "crypt_method")),
        found => Err(in_header(Fault::CryptMethod { found }, "crypt_method")),
    }
}

/// The name of the backing file.
fn backing(header: &Header, source: &dyn Source) -> Result<Option<String>> {
    let at = FileOffset(header.backing_file_offset);
    let found = header.backing_file_size;
    if at == FileOffset::ZERO || found == 0 {
        return Ok(None);
    }
    let there = source.len().0.saturating_sub(at.0);
    let most = there.min(u64::from(BACKING_NAME_LIMIT));
    if u64::from(found) > most {
        let fault = Fault::BackingSize { found, most };
        return Err(in_header(fault, "backing_file_size"));
    }
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
