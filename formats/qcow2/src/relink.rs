//! Makes a child name another parent: what is to be written over a copy of it. Its clusters stay as they are.

use std::sync::Arc;

use imgdelta_core::{Bytes, Error, FileOffset, Format, Kind, ParentSpec, Patch, Result, Source};

use crate::{
    backing::path_text,
    extension::{self, Extension},
    layout::{HEADER_V2, Header, HeaderV3, autoclear, extension as kind},
    validate::ValidatedHeader,
};

/// What to write over a copy of `source` so that it names `parent`. Unknown extensions stay, in their order.
pub(crate) fn relink(source: &Arc<dyn Source>, parent: &ParentSpec) -> Result<Vec<Patch>> {
    let meta = ValidatedHeader::read(&**source)?;
    if meta.backing.is_none() {
        let message = "it has no backing file, so it is not the child of anything";
        return Err(Error::new(Kind::Usage, message).with_code("qcow2_not_a_child"));
    }
    let (start, cluster) = (
        u64::from(meta.features.header_length),
        meta.geometry.cluster(),
    );
    let mut area = extension::emit(&with_format(&meta.extensions, parent.format));
    let name = path_text(parent)?;
    let at = start.saturating_add(area.len() as u64);
    area.extend_from_slice(name.as_bytes());
    let end = start.saturating_add(area.len() as u64);
    if end > cluster.0 {
        let message = format!(
            "header and backing file's name take {end} bytes, a cluster has {}",
            cluster.0
        );
        return Err(Error::new(Kind::Unsupported, message).with_code("qcow2_backing_name"));
    }
    let old = (meta.header.backing_file_offset)
        .saturating_add(u64::from(meta.header.backing_file_size))
        .min(cluster.0);
    area.resize(Bytes(old.max(end).saturating_sub(start)).in_memory(), 0);
    let size = u32::try_from(name.len()).unwrap_or(u32::MAX);
    let fields = [&at.to_be_bytes()[..], &size.to_be_bytes()].concat();
    let mut patches = vec![
        Patch {
            at: FileOffset(Header::at("backing_file_offset")),
            bytes: fields,
        },
        Patch {
            at: FileOffset(start),
            bytes: area,
        },
    ];
    patches.extend(cleared(&meta));
    Ok(patches)
}

/// The extensions with the recorded format of a new parent.
fn with_format(all: &[Extension], format: Option<Format>) -> Vec<Extension> {
    let mut all = all.to_vec();
    let place = all.iter().position(|one| one.kind == kind::BACKING_FORMAT);
    all.retain(|one| one.kind != kind::BACKING_FORMAT);
    if let Some(format) = format {
        let one = Extension {
            kind: kind::BACKING_FORMAT,
            data: format.qemu_name().as_bytes().to_vec(),
        };
        all.insert(place.unwrap_or(0).min(all.len()), one);
    }
    all
}

/// A writer must clear the autoclear bits that it does not know.
fn cleared(meta: &ValidatedHeader) -> Option<Patch> {
    let found = meta.features.autoclear_features;
    let kept = found & (autoclear::BITMAPS | autoclear::RAW_DATA_FILE);
    (kept != found).then(|| Patch {
        at: FileOffset(HEADER_V2 + HeaderV3::at("autoclear_features")),
        bytes: kept.to_be_bytes().to_vec(),
    })
}
