//! How a child is to name its base: by a path from its own folder, by an absolute one, by identity.
//!
//! What a format can hold of that is its driver's business.

use std::{
    fs,
    path::{Component, Path, PathBuf},
};

use imgdelta_core::{Driver, Error, Kind, ParentSpec, Result};

use crate::{layer::Opened, policy::folder_of, recorded_path::UNLINKED};

/// What a child that will stand at `child_place` is to record of `base`. The relative path is recorded also where the reference policy
/// will not follow it without `--search`, see [`needs_search`].
///
/// # Errors
/// Host, if a folder is not there; Unsupported, if the base's path cannot be written as text, or would be refused when it is read.
pub fn new_parent(base: &Opened, child_place: &Path) -> Result<ParentSpec> {
    let facts = base.image.metadata();
    let real = real(&base.path)?;
    let folder = real_folder(child_place)?;
    Ok(ParentSpec {
        format: Some(base.driver.format),
        size: facts.size,
        relative: Some(text(&way(&folder, &real), &base.path)?),
        absolute: text(&real, &base.path)?,
        identity: facts.identity.clone(),
        details: facts.details.clone(),
    })
}

/// What a child is to record of a base that no link can name, as a snapshot inside of `base`: a name that nobody opens, so that the child is not
/// taken for one of another disk. `as_of` says in words which disk of that file it is.
///
/// # Errors
/// Unsupported (`base_not_linkable`), if a child of the format of `driver` names its parent by more than that; those of [`new_parent`].
pub fn unlinked_parent(
    driver: &Driver,
    base: &Opened,
    as_of: &str,
    child_place: &Path,
) -> Result<ParentSpec> {
    if !driver.child.is_some_and(|rule| rule.by_name) {
        return Err(Error::new(
            Kind::Unsupported,
            format!(
                "the base is {as_of}, and the link of a {} child would lead to another disk",
                driver.format
            ),
        )
        .with_code("base_not_linkable")
        .in_file(&base.path));
    }
    let parent = new_parent(base, child_place)?;
    let name = base.path.file_name().unwrap_or_default().to_string_lossy();
    Ok(ParentSpec {
        relative: None,
        absolute: format!("{UNLINKED}{name} ({})", as_of.escape_debug()),
        ..parent
    })
}

/// The folder to be given as `--search` when a child at `child` is opened whose base is `base`; `None` if it opens without.
#[must_use]
pub fn needs_search(child: &Path, base: &Path) -> Option<PathBuf> {
    let real = real(base).ok()?;
    let folder = real_folder(child).ok()?;
    if real.starts_with(&folder) {
        None
    } else {
        real.parent().map(Path::to_owned)
    }
}

/// The path with all links followed: what a link points to may change, and the base must not.
fn real(path: &Path) -> Result<PathBuf> {
    fs::canonicalize(path).map_err(|cause| Error::host("cannot find", cause).in_file(path))
}

fn real_folder(file: &Path) -> Result<PathBuf> {
    real(folder_of(file))
}

/// The way from a folder to a file, both absolute and without links.
fn way(from: &Path, to: &Path) -> PathBuf {
    let common = from
        .components()
        .zip(to.components())
        .take_while(|(one, other)| one == other)
        .count();
    let up = from.components().skip(common).map(|_| Component::ParentDir);
    let way: PathBuf = up.chain(to.components().skip(common)).collect();
    // What stands before a colon would be read as a protocol.
    let first = way.components().next();
    let looks_like_protocol =
        first.is_some_and(|first| first.as_os_str().as_encoded_bytes().contains(&b':'));
    if looks_like_protocol {
        Path::new(".").join(way)
    } else {
        way
    }
}

/// The path as it is recorded.
fn text(path: &Path, shown: &Path) -> Result<String> {
    let refused = |what: &str| {
        Error::new(
            Kind::Unsupported,
            format!("the path {what}, so a child cannot record it"),
        )
        .with_code("unrecordable_path")
        .in_file(shown)
        .with_hint("rename the base")
    };
    let text = path
        .to_str()
        .filter(|text| !text.contains(char::REPLACEMENT_CHARACTER))
        .ok_or_else(|| refused("is not UTF-8"))?;
    if text.chars().any(char::is_control) {
        return Err(refused("holds a control character"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_goes_up_as_far_as_it_must() {
        let way = |from: &str, to: &str| way(Path::new(from), Path::new(to)).display().to_string();
        assert_eq!(way("/a/b", "/a/b/base.vhd"), "base.vhd");
        assert_eq!(way("/a/b", "/a/b/c/base.vhd"), "c/base.vhd");
        assert_eq!(way("/a/b", "/a/base.vhd"), "../base.vhd");
        assert_eq!(way("/a/b/c", "/d/base.vhd"), "../../../d/base.vhd");
        assert_eq!(way("/", "/base.vhd"), "base.vhd");
        assert_eq!(way("/a", "/a/odd:name.vhd"), "./odd:name.vhd");
        assert_eq!(way("/a", "/odd:name.vhd"), "../odd:name.vhd");
    }

    #[test]
    fn only_a_base_outside_of_the_childs_folder_needs_to_be_searched() {
        let place = tempfile::tempdir().expect("a place");
        let at = |name: &str| place.path().join(name);
        fs::create_dir_all(at("children/deep")).expect("room");
        fs::create_dir(at("golden")).expect("room");
        for name in [
            "golden/base.vhd",
            "children/base.vhd",
            "children/deep/base.vhd",
        ] {
            fs::write(at(name), "").expect("room");
        }
        std::os::unix::fs::symlink(at("golden/base.vhd"), at("children/link.vhd")).expect("links");
        let child = at("children/new.vhd");
        let golden = fs::canonicalize(at("golden")).expect("it is there");
        assert_eq!(needs_search(&child, &at("children/base.vhd")), None);
        assert_eq!(needs_search(&child, &at("children/deep/base.vhd")), None);
        assert_eq!(
            needs_search(&child, &at("golden/base.vhd")),
            Some(golden.clone())
        );
        assert_eq!(needs_search(&child, &at("children/link.vhd")), Some(golden));
    }
}
