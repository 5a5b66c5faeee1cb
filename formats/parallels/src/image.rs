//! What is opened: one expanding file, or a disk of several files by its descriptor.

use std::sync::Arc;

use imgdelta_core::{Error, FileOffset, Image, Kind, Open, References, Result, Source, read_array};

use crate::{
    bundle, descriptor::Descriptor, expanding, open_options::is_alone, validate::ValidatedHeader,
};

/// Whether it is an expanding file, or a damaged one; else it is text, so a descriptor.
pub(crate) fn is_expanding(source: &dyn Source) -> Result<bool> {
    let magic: [u8; 16] = match read_array(source, FileOffset::ZERO) {
        Ok(magic) => magic,
        Err(error) if error.kind() == Kind::Corrupt => return Ok(true),
        Err(error) => return Err(error),
    };
    let is_text = magic.trim_ascii_start().starts_with(b"<") || magic.starts_with(b"\xef\xbb\xbf");
    Ok(!is_text)
}

/// Opens a disk.
pub(crate) fn open(open: Open<'_>) -> Result<Arc<dyn Image>> {
    let is_alone = is_alone(open.options)?;
    if !is_expanding(&*open.source)? {
        return bundle::open(&open.source, open.aux_files, open.snapshot.as_deref());
    }
    if let Some(name) = open.snapshot {
        let message = format!("an expanding file has no snapshots, '{name}' was asked for");
        return Err(Error::new(Kind::Unsupported, message)
            .with_hint("open the folder: its descriptor knows them"));
    }
    if !is_alone {
        expanding::refuse_part(&*open.source, open.aux_files)?;
    }
    expanding::open(open.source)
}

/// The names of a disk's files. None is opened.
pub(crate) fn references(source: &Arc<dyn Source>) -> Result<References> {
    let mut references = References::default();
    if is_expanding(&**source)? {
        ValidatedHeader::read(&**source)?;
    } else {
        references.aux_files = Descriptor::read(&**source)?.files();
    }
    Ok(references)
}
