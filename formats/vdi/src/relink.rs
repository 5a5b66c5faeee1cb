//! Makes a child name another parent: what is to be written over a copy of it. Its map and its blocks stay as they are.

use std::sync::Arc;

use imgdelta_core::{Error, Kind, ParentSpec, Patch, Result, Source};

use crate::{create_options::parent_uuids, fault::Fault, validate::ValidatedHeader};

/// The patches that make the child in `source` one of `parent`: both UUIDs of the parent.
pub(crate) fn relink(source: &Arc<dyn Source>, parent: &ParentSpec) -> Result<Vec<Patch>> {
    let meta = ValidatedHeader::read(&**source)?;
    if !meta.is_child() {
        let variant = meta.variant();
        let fault = Error::from(Fault::NoParent { variant });
        return Err(Error::new(Kind::Unsupported, fault.message().to_owned()));
    }
    let (linkage, modify) = parent_uuids(parent)?;
    let mut patches = vec![Patch {
        at: meta.field_at("uuid_linkage"),
        bytes: linkage.into(),
    }];
    // Version 0.2 has no field for the parent's state.
    if !meta.is_old {
        patches.push(Patch {
            at: meta.field_at("uuid_parent_modify"),
            bytes: modify.into(),
        });
    }
    Ok(patches)
}
