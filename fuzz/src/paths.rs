//! Any bytes as a path that an image records: places below the folders that the policy allows, or a reason why it is not followed.

use std::path::{Component, Path, PathBuf};

use imgdelta_core::{Hint, HintKind, Identity, ParentLink};
use imgdelta_registry::{Candidate, Policy, candidates};

/// How a path may be meant.
const KINDS: [HintKind; 5] = [
    HintKind::Path,
    HintKind::AnyPath,
    HintKind::WindowsPath,
    HintKind::FileUrl,
    HintKind::Name,
];
/// Where the image lies, and where else files may: no file is opened, and these need not be there.
const IMAGE: &str = "/vms/home/child.img";
const SEARCH: [&str; 2] = ["/vms/golden", "/vms"];

/// Reads a path; the first byte says how it is meant, and whether an identity proves what it leads to.
pub(crate) fn recorded(bytes: &[u8]) {
    let Some((first, text)) = bytes.split_first() else {
        return;
    };
    let kind = KINDS.into_iter().cycle().nth(usize::from(first & 0x7f));
    let Some(kind) = kind else { return };
    let identity = Identity {
        kind: Identity::UUID,
        value: "01234567-89ab-cdef-0123-456789abcdef".to_owned(),
    };
    let link = ParentLink {
        format: None,
        hints: vec![Hint {
            field: "path",
            kind,
            text: String::from_utf8_lossy(text).into_owned(),
        }],
        identities: (first & 0x80 != 0)
            .then_some(identity)
            .into_iter()
            .collect(),
        or_raw: false,
    };
    let policy = Policy {
        search: SEARCH.map(PathBuf::from).to_vec(),
        ..Policy::default()
    };
    let (places, refused) = candidates(&link, Path::new(IMAGE), &policy);
    assert!(
        !places.is_empty() || !refused.is_empty(),
        "it is followed or refused: {link:?}"
    );
    places.iter().for_each(stays_below);
    for one in refused {
        let told = one.to_string();
        assert!(!told.chars().any(char::is_control), "{told:?}");
    }
}

/// It lies below a folder that may be looked at, whatever links stand on the way is the opener's to see.
fn stays_below(place: &Candidate) {
    let folders = [Path::new("/vms/home")]
        .into_iter()
        .chain(SEARCH.map(Path::new));
    assert!(
        folders.into_iter().any(|folder| folder == place.root),
        "{place:?}"
    );
    let mut parts = place.inside.components().peekable();
    assert!(parts.peek().is_some(), "it names a file: {place:?}");
    assert!(
        parts.all(|part| matches!(part, Component::Normal(_))),
        "it goes down only: {place:?}"
    );
    assert_eq!(place.path, place.root.join(&place.inside));
    let text = place.inside.to_string_lossy();
    assert!(!text.chars().any(char::is_control), "{place:?}");
}
