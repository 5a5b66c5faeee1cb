//! What the trailer says, judged, and the tables that it leads to, as bytes.

use imgdelta_core::{Bytes, Error, FileOffset, Result, Source, read_array, read_vec};

use crate::{
    fault::Fault,
    layout::{ENCRYPTED, ENCRYPTED_OLD, KOLY, Trailer, VERSION},
    property_list,
    raw_table::RawTable,
    resource_fork,
};

/// The longest property list or resource fork that is read.
const LONGEST: u64 = 32 << 20;

/// The trailer of an image.
#[derive(Clone, Debug)]
pub(crate) struct ValidatedTrailer {
    /// As it stands there.
    pub(crate) trailer: Trailer,
    /// Where it stands: all else lies in front of it.
    pub(crate) end: u64,
}

impl ValidatedTrailer {
    /// Reads and judges the trailer.
    pub(crate) fn read(source: &dyn Source) -> Result<Self> {
        let len = source.len().0;
        refuse_encrypted(source, len)?;
        let Some(end) = len.checked_sub(Trailer::SIZE as u64) else {
            return Err(Fault::TrailerCut { end: len }.into());
        };
        let trailer = Trailer::parse(&read_array(source, FileOffset(end))?);
        let meta = Self { trailer, end };
        let trailer = &meta.trailer;
        if trailer.signature != KOLY {
            let found = trailer.signature.escape_ascii().to_string();
            return Err(meta.placed(Fault::Signature { found }, "signature"));
        }
        let found = trailer.version;
        if found != VERSION {
            return Err(meta.placed(Fault::Version { found }, "version"));
        }
        let found = trailer.header_size;
        if u64::from(found) != Trailer::SIZE as u64 {
            return Err(meta.placed(Fault::TrailerSize { found }, "header_size"));
        }
        let found = trailer.segment_count;
        if found > 1 {
            return Err(meta.placed(Fault::Segments { found }, "segment_count"));
        }
        Ok(meta)
    }

    /// The tables, in their order. qemu prefers the resource fork where there are both.
    pub(crate) fn tables(&self, source: &dyn Source) -> Result<Vec<RawTable>> {
        let Trailer {
            resource_fork_offset,
            resource_fork_size,
            xml_offset,
            xml_size,
            ..
        } = self.trailer;
        if resource_fork_size > 0 {
            let at = (resource_fork_offset, "resource_fork_offset");
            let bytes = self.read_part(source, "resource fork", at, resource_fork_size)?;
            let at = FileOffset(resource_fork_offset);
            return resource_fork::tables(&bytes)
                .map_err(|fault| Error::from(fault).in_structure("resource fork").at(at));
        }
        if xml_size > 0 {
            let at = (xml_offset, "xml_offset");
            let bytes = self.read_part(source, "property list", at, xml_size)?;
            let at = FileOffset(xml_offset);
            return property_list::tables(&bytes)
                .map_err(|fault| Error::from(fault).in_structure("property list").at(at));
        }
        Err(self.placed(Fault::NoTables, "xml_size"))
    }

    fn read_part(
        &self,
        source: &dyn Source,
        what: &'static str,
        (at, field): (u64, &'static str),
        len: u64,
    ) -> Result<Vec<u8>> {
        if len > LONGEST {
            let (found, most) = (len, LONGEST);
            return Err(self.placed(Fault::TablesTooLong { what, found, most }, field));
        }
        let (tables_end, end) = (at.saturating_add(len), self.end);
        if tables_end > end {
            let fault = Fault::TablesPastEnd {
                what,
                tables_end,
                end,
            };
            return Err(self.placed(fault, field));
        }
        read_vec(source, FileOffset(at), Bytes(len))
    }

    /// A fault in a field of the trailer.
    pub(crate) fn placed(&self, fault: Fault, field: &'static str) -> Error {
        let at = self.end.saturating_add(Trailer::at(field));
        Error::from(fault)
            .in_field("trailer", field)
            .at(FileOffset(at))
    }
}

fn refuse_encrypted(source: &dyn Source, len: u64) -> Result<()> {
    let Some(last) = len.checked_sub(ENCRYPTED.len() as u64) else {
        return Ok(());
    };
    let is_new = read_array(source, FileOffset::ZERO)? == ENCRYPTED;
    let is_old = read_array(source, FileOffset(last))? == ENCRYPTED_OLD;
    if is_new || is_old {
        return Err(Fault::Encrypted.into());
    }
    Ok(())
}
