//! How a VMDK is called and how it calls its parent: VMware's CID and path, VirtualBox's UUIDs beside them.

use imgdelta_core::{Hint, HintKind, Identity, ParentLink, Result};
use uuid::Uuid;

use crate::{descriptor::Descriptor, fault::Fault};

/// No UUID, as VirtualBox writes it.
pub(crate) const NULL: &str = "00000000-0000-0000-0000-000000000000";
/// VMware's content id.
pub(crate) const CID: &str = "CID";
/// VirtualBox's UUIDs: which image, and which state of it.
const BOTH: &str = Identity::UUIDS;
/// The first alone.
const ONE: &str = Identity::UUID;
/// `parentCID` of an image without parent.
pub(crate) const NO_PARENT: u32 = u32::MAX;

/// The key of the path to the parent.
pub(crate) const HINT: &str = "parentFileNameHint";

/// A content id as text.
pub(crate) fn cid_text(cid: u32) -> String {
    format!("{cid:08x}")
}

/// What a child of VMware's kind would call the image of this descriptor.
pub(crate) fn identity(descriptor: &Descriptor) -> Result<Option<Identity>, Fault> {
    let cid = cid(descriptor, "CID")?;
    Ok(cid.map(|cid| Identity {
        kind: CID,
        value: cid_text(cid),
    }))
}

/// What a child of VirtualBox's kind would call it.
pub(crate) fn aliases(descriptor: &Descriptor) -> Vec<Identity> {
    let Some(image) = uuid(descriptor, "uuid.image") else {
        return Vec::new();
    };
    let both = uuid(descriptor, "uuid.modification").map(|state| both(image, state));
    both.into_iter().chain([one(image)]).collect()
}

/// How it names its parent; `None` if it has none.
pub(crate) fn parent(descriptor: &Descriptor) -> Result<Option<ParentLink>, Fault> {
    let hint = match descriptor.header(HINT) {
        Some(name) if !name.is_empty() => Some(descriptor.decode(name)?),
        _ => None,
    };
    let cid = cid(descriptor, "parentCID")?.filter(|cid| *cid != NO_PARENT);
    let identity = match (cid, uuid(descriptor, "uuid.parent")) {
        (Some(cid), _) => Identity {
            kind: CID,
            value: cid_text(cid),
        },
        // VirtualBox's own children have no parentCID.
        (None, Some(image)) => match uuid(descriptor, "uuid.parentmodification") {
            Some(state) => both(image, state),
            None => one(image),
        },
        (None, None) => {
            return match hint {
                None => Ok(None),
                Some(hint) => Err(Fault::HintWithoutParent {
                    hint: hint.escape_debug().to_string(),
                }),
            };
        }
    };
    Ok(Some(ParentLink {
        format: None,
        hints: hint.map(hint_of).into_iter().collect(),
        identities: vec![identity],
        or_raw: false,
    }))
}

fn hint_of(text: String) -> Hint {
    let has_drive = matches!(text.as_bytes(), [drive, b':', ..] if drive.is_ascii_alphabetic());
    let kind = if text.contains('\\') || has_drive {
        HintKind::WindowsPath
    } else {
        HintKind::AnyPath
    };
    Hint {
        field: HINT,
        kind,
        text,
    }
}

/// A content id: 1 to 8 hexadecimal digits, since qemu writes no zeros in front.
fn cid(descriptor: &Descriptor, key: &'static str) -> Result<Option<u32>, Fault> {
    let Some(value) = descriptor.header(key) else {
        return Ok(None);
    };
    let digits = std::str::from_utf8(value).ok().filter(|digits| {
        (1..=8).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    });
    let cid = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
    match cid {
        Some(cid) => Ok(Some(cid)),
        None => Err(Fault::Cid {
            key,
            found: value.escape_ascii().to_string(),
        }),
    }
}

/// A UUID of the data base that is one and not null.
fn uuid(descriptor: &Descriptor, key: &str) -> Option<Uuid> {
    let text = descriptor.ddb_text(key)?;
    Uuid::try_parse(text).ok().filter(|uuid| !uuid.is_nil())
}

fn one(image: Uuid) -> Identity {
    Identity {
        kind: ONE,
        value: image.hyphenated().to_string(),
    }
}

fn both(image: Uuid, state: Uuid) -> Identity {
    Identity {
        kind: BOTH,
        value: format!("{} / {}", image.hyphenated(), state.hyphenated()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &str) -> Descriptor {
        Descriptor::parse(format!("# Disk DescriptorFile\n{lines}").as_bytes()).expect("it reads")
    }

    #[test]
    fn a_content_id_may_lack_its_zeros() {
        let identity = identity(&of("CID=fd37a37\n")).expect("it is one");
        assert_eq!(identity.map(|one| one.value).as_deref(), Some("0fd37a37"));
        for wrong in ["", "123456789", "xyz", "-1"] {
            assert!(
                super::identity(&of(&format!("CID={wrong}\n"))).is_err(),
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_child_names_its_parent_by_cid_or_by_uuids() -> Result<(), Fault> {
        let link = parent(&of(
            "parentCID=0000000a\nparentFileNameHint=\"C:\\a\\b.vmdk\"\n",
        ))?;
        let link = link.expect("it has one");
        assert_eq!(link.identities[0].to_string(), "CID 0000000a");
        assert_eq!(link.hints[0].kind, HintKind::WindowsPath);
        let image = "11111111-2222-3333-4444-555555555555";
        let link = parent(&of(&format!(
            "parentCID=ffffffff\nddb.uuid.parent=\"{image}\"\n"
        )))?;
        assert_eq!(
            link.map(|link| link.identities[0].to_string()),
            Some(format!("UUID {image}"))
        );
        assert_eq!(parent(&of("parentCID=ffffffff\n"))?, None);
        let refused = parent(&of("parentFileNameHint=\"a.vmdk\"\n"));
        assert!(matches!(refused, Err(Fault::HintWithoutParent { .. })));
        Ok(())
    }
}
