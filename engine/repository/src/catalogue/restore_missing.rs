//! An image whose file was missing, changed or cut off from its parent is here again, with another file.

use super::{
    journal::Transaction,
    presence::Presence,
    record::{Parent, ParentEvidence, Record},
};

/// What to say of an image that is here again.
pub(super) fn returned(there: &Record, presence: Presence, record: &Record) -> String {
    let name = &there.name;
    let path = |record: &Record| {
        let file = record.files.first();
        file.map_or_else(String::new, |file| file.path.to_string())
    };
    match presence {
        Presence::Changed => format!(
            "{name}: its file '{}' was changed and stays as it is; the image is in '{}' now",
            path(there),
            path(record)
        ),
        Presence::Broken => format!(
            "{name}: what it was read with is missing or changed; the image is in '{}' now",
            path(record)
        ),
        _ => format!("{name}: its file was missing and is here again"),
    }
}

/// An image whose file was missing is what it was, with another file.
pub(super) fn restore_missing(record: &mut Record, there: Record) {
    record.name = there.name;
    record.tags.extend(there.tags);
    record.golden |= there.golden;
    record.immutable |= there.immutable;
    record.parent = record.parent.take().or(there.parent.map(unlinked));
}

/// What to say where children are linked to a file that does not stand in its place again.
pub(super) fn broken_children(
    change: &Transaction<'_>,
    there: &Record,
    record: &Record,
) -> Option<String> {
    let path = |record: &Record| record.files.first().map(|file| file.path.clone());
    let children = change.listing.children(&there.id);
    let linked = children
        .iter()
        .filter(|child| child.linked_parent().is_some());
    let linked: Vec<&str> = linked.map(|child| child.name.as_str()).collect();
    let is_moved = path(there) != path(record) || there.format != record.format;
    (is_moved && !linked.is_empty()).then(|| {
        format!(
            "its children may not find it, for its file is another one: {}; 'imgdelta repo scan' mends that",
            linked.join(", ")
        )
    })
}

/// What is left of a lineage when a file was replaced by one that needs no parent.
fn unlinked(parent: Parent) -> Parent {
    let known = match parent.known {
        ParentEvidence::Linked => ParentEvidence::Measured,
        known => known,
    };
    Parent { known, ..parent }
}
