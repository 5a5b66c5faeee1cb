//! Makes a child name another parent: what is to be written over a copy of it. Only lines of its descriptor change.

use std::sync::Arc;

use imgdelta_core::{Bytes, Error, Kind, ParentSpec, Patch, Result, Source};

use crate::{
    create_options::Parent,
    descriptor::Descriptor,
    fault::Fault,
    image_kind::ImageFile,
    link::{self, HINT, NULL},
};

/// The patches that make the child in `source` one of `parent`: its descriptor, rewritten where it stands.
pub(crate) fn relink(source: &Arc<dyn Source>, parent: &ParentSpec) -> Result<Vec<Patch>> {
    let front = ImageFile::read(source)?;
    let in_descriptor = |fault: Fault| Error::from(fault).in_structure("descriptor");
    let not_a_child = || {
        Error::new(
            Kind::Unsupported,
            "is no VMDK child: its descriptor names no parent",
        )
    };
    let mut descriptor = front.descriptor.ok_or_else(not_a_child)?;
    link::parent(&descriptor)
        .map_err(in_descriptor)?
        .ok_or_else(not_a_child)?;
    name(&mut descriptor, &Parent::of(parent)?)?;
    let mut bytes = descriptor.to_bytes();
    let (at, room) = front.room;
    match room {
        Some(room) if Bytes::from(bytes.len()) > room => {
            return Err(Error::new(
                Kind::Unsupported,
                format!(
                    "the new descriptor takes {} bytes, the image has room for {}",
                    bytes.len(),
                    room.0
                ),
            )
            .with_code("vmdk_descriptor_room")
            .with_hint("put the base where a shorter path leads to it"));
        }
        Some(room) => bytes.resize(room.in_memory(), 0),
        // A patch cannot cut a file: blank lines mean nothing.
        None => bytes.resize(bytes.len().max(source.len().in_memory()), b'\n'),
    }
    Ok(vec![Patch { at, bytes }])
}

/// Has a descriptor name its parent, in VMware's way and in VirtualBox's where the parent has UUIDs.
pub(crate) fn name(descriptor: &mut Descriptor, parent: &Parent) -> Result<()> {
    descriptor.set_header("parentCID", &parent.cid, "CID")?;
    descriptor.set_header(HINT, &parent.path, "createType")?;
    let (image, state) = match &parent.uuids {
        Some((image, state)) => (image.as_str(), state.as_str()),
        None if descriptor.ddb("uuid.parent").is_some() => (NULL, NULL),
        None => return Ok(()),
    };
    descriptor.set_ddb("uuid.parent", image);
    descriptor.set_ddb("uuid.parentmodification", state);
    Ok(())
}
