//! Files of a delivery that no entry lists, deleted.
//!
//! A medium that is pulled out after its list was written and before the files of a dropped image were deleted, or while an image was put onto it, holds
//! such files; nothing else would ever take them away. So do files that were half written, `NAME.part`.

use std::{collections::HashSet, fs, path::Path};

use imgdelta_core::fs::{part_of, remove_dead_part};
use imgdelta_repository::catalogue::Name;

use super::{entry::BundleEntry, file_names::is_file_name, index::Index};

/// Deletes the files in `folder` that are called as those of a delivery are and that `index` does not list, but for those that `stays`; a note of each.
/// The folder must be locked: another process may be about to list them.
pub(super) fn sweep(folder: &Path, index: &Index, stays: impl Fn(&str) -> bool) -> Vec<String> {
    let listed = index.items.iter().flat_map(BundleEntry::stored);
    let listed: HashSet<_> = listed.map(|file| file.name.folded()).collect();
    // A folder that cannot be listed says so when something is put into it.
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut notes = Vec::new();
    for entry in entries {
        let name = entry.file_name();
        let name = name.to_str();
        if name.and_then(part_of).is_some_and(is_file_name) {
            notes.extend(without_part(&entry.path()));
            continue;
        }
        let name = name.filter(|name| is_file_name(name) && !stays(name));
        let Some(name) = name.and_then(|name| name.parse::<Name>().ok()) else {
            continue;
        };
        let is_file = entry.file_type().is_ok_and(|found| found.is_file());
        if !is_file || listed.contains(&name.folded()) {
            continue;
        }
        let shown = entry.path().display().to_string();
        notes.push(match fs::remove_file(entry.path()) {
            Ok(()) => format!("{shown}: an interrupted run left it and nothing lists it; deleted"),
            Err(cause) => format!("{shown}: nothing lists it, but it cannot be deleted: {cause}"),
        });
    }
    notes.sort_unstable();
    notes
}

/// Takes away what a dead process left half written, and says so; what a living one writes stays, and so does what is not known to be no such.
fn without_part(place: &Path) -> Option<String> {
    let is_gone = remove_dead_part(place).unwrap_or(false);
    let shown = place.display();
    is_gone.then(|| format!("{shown}: an interrupted run left it half written; deleted"))
}
