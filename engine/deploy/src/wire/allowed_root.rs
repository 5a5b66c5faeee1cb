//! The folder that the other side asks for, if it lies in the folder that may be served. The path is never part of a command and never believed.

use std::{
    env, fs,
    path::{Component, Path, PathBuf},
};

use imgdelta_core::{Error, Kind, Result};

use super::{failure::sanitize, ssh_url::check_path};

/// The real folder that `asked` names: from the root of the file system, or from the home folder of who serves if it begins with `/~`.
/// Where `allowed_root` is given, it is that folder or lies below it.
///
/// All links are followed first and the result compared, rather than the path walked by openat2 as parents of images are: what comes out is
/// a name that a repository is opened by, not a file. Between the two nobody but a user of this host could change a link, and such a user
/// needs no `serve`; the other side cannot make links.
///
/// # Errors
/// Usage, if there is none; Reference, if it may not be had. With a root the two are told alike, for whoever may not look beyond it may
/// not learn what stands there either.
pub(super) fn folder(asked: &str, root: Option<&Path>) -> Result<PathBuf> {
    check_path(asked)
        .map_err(|why| Error::new(Kind::Usage, format!("'{}' {why}", sanitize(asked))))?;
    let real = fs::canonicalize(place(asked)?);
    let Some(root) = root else {
        return real.map_err(|cause| Error::host("cannot find", cause).in_file(Path::new(asked)));
    };
    let root =
        fs::canonicalize(root).map_err(|cause| Error::host("cannot find", cause).in_file(root))?;
    real.ok()
        .filter(|real| real.starts_with(&root))
        .ok_or_else(|| outside(asked))
}

/// The real folder that `asked` names, which need not be there yet, under the same rules.
///
/// # Errors
/// As [`folder`].
pub(super) fn new_folder(asked: &str, root: Option<&Path>) -> Result<PathBuf> {
    check_path(asked)
        .map_err(|why| Error::new(Kind::Usage, format!("'{}' {why}", sanitize(asked))))?;
    let real = real(&place(asked)?);
    let Some(root) = root else {
        return real.ok_or_else(|| {
            Error::new(Kind::Usage, "is no place for a folder").in_file(Path::new(asked))
        });
    };
    let root =
        fs::canonicalize(root).map_err(|cause| Error::host("cannot find", cause).in_file(root))?;
    real.filter(|real| real.starts_with(&root))
        .ok_or_else(|| outside(asked))
}

/// It may not be had.
fn outside(asked: &str) -> Error {
    Error::new(Kind::Reference, "is no folder that may be had here")
        .with_code("outside")
        .in_file(Path::new(asked))
        .with_hint("the other side serves only what lies below the folder of --root")
}

/// The place that `asked` names, links and all.
fn place(asked: &str) -> Result<PathBuf> {
    let Some(inside) = asked.strip_prefix("/~") else {
        return Ok(PathBuf::from(asked));
    };
    let home = env::home_dir()
        .filter(|home| home.is_absolute())
        .ok_or_else(|| Error::new(Kind::Usage, "there is no home folder here"))?;
    // Without its slashes: to join a path from the root is to replace what stands before it.
    Ok(home.join(inside.trim_start_matches('/')))
}

/// The real path of what may not be there yet: of the nearest folder above it that is there, links followed, and the rest as it is written.
fn real(path: &Path) -> Option<PathBuf> {
    let above = path
        .ancestors()
        .find(|one| one.symlink_metadata().is_ok())?;
    let rest = path.strip_prefix(above).ok()?;
    let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_));
    let real = fs::canonicalize(above).ok()?;
    if rest.as_os_str().is_empty() {
        return Some(real);
    }
    rest.components().all(is_plain).then(|| real.join(rest))
}

#[cfg(test)]
mod tests {
    use std::{io, os::unix::fs::symlink};

    use super::*;

    fn text(path: &Path) -> &str {
        path.to_str().expect("text")
    }

    #[test]
    fn what_lies_below_the_root_is_had_by_whatever_way() -> Result<(), Box<dyn std::error::Error>> {
        let place = tempfile::tempdir()?;
        let real = fs::canonicalize(place.path())?;
        let root = real.join("root");
        fs::create_dir_all(root.join("a/b"))?;
        symlink("a", root.join("link"))?;
        symlink(&root, real.join("door"))?;
        for asked in ["root", "root/a/b", "root/a/../a/b", "root/link/b", "door/a"] {
            let asked = real.join(asked);
            let found = folder(text(&asked), Some(&real.join("door")))?;
            assert_eq!(found, fs::canonicalize(&asked)?);
        }
        Ok(())
    }

    #[test]
    fn what_lies_elsewhere_is_not_and_nobody_learns_whether_it_is_there() -> io::Result<()> {
        let place = tempfile::tempdir()?;
        let root = place.path().join("root");
        fs::create_dir_all(&root)?;
        fs::create_dir_all(place.path().join("rooted"))?;
        symlink("..", root.join("up"))?;
        symlink("/etc", root.join("etc"))?;
        let mut told = Vec::new();
        for asked in [
            "",
            "rooted",
            "root/up",
            "root/up/rooted",
            "root/etc",
            "root/../rooted",
            "none",
            "root/none",
        ] {
            let asked = place.path().join(asked);
            let error = folder(text(&asked), Some(&root)).expect_err("not to be had");
            told.push((error.kind(), error.message().to_owned()));
        }
        told.dedup();
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].0, Kind::Reference);
        Ok(())
    }

    #[test]
    fn the_home_folder_is_that_of_who_serves() -> Result<()> {
        let Some(home) = env::home_dir().and_then(|home| fs::canonicalize(home).ok()) else {
            return Ok(());
        };
        assert_eq!(folder("/~", None)?, home);
        assert_eq!(folder("/~//", None)?, home);
        for wrong in ["", "relative", "/~root", "/a\nb", "/"] {
            assert!(folder(wrong, None).is_err(), "{wrong}");
        }
        Ok(())
    }
}
