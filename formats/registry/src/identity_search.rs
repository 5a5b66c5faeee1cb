//! Looks for a parent among all images of a folder, by identity alone: for children that record no path, or one that leads nowhere.
//!
//! Images of all formats are looked at: VirtualBox makes children over other formats than their own. Which image then is the parent is decided in
//! `parent`.

use std::{
    fmt,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use imgdelta_core::{Driver, FileSource, ProbeResult, ProbeWindow, Source, fs::draft_kind};

use crate::{
    listing::NotListed,
    policy::{Policy, folder_of},
    probe::Registry,
    sandbox,
};

/// The most names in one folder: a file of each is opened.
const MOST_ENTRIES: usize = 100_000;

/// A folder that was looked through.
#[derive(Debug)]
pub(crate) struct SearchedFolder {
    /// As the user calls it.
    pub(crate) folder: PathBuf,
    /// Why it was not looked through, or how many images stand there.
    pub(crate) images: Result<usize, NotListed>,
}

impl fmt::Display for SearchedFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let folder = self.folder.display();
        match &self.images {
            Err(NotListed::Host { cause, .. }) => write!(f, "looked through {folder}: {cause}"),
            Err(limit) => write!(f, "{limit}"),
            Ok(0) => write!(f, "looked through {folder}: no image is there"),
            Ok(1) => write!(f, "looked through {folder}: the one image there is another"),
            Ok(count) => write!(
                f,
                "looked through {folder}: the {count} images there are others"
            ),
        }
    }
}

/// An image that may be the parent.
#[derive(Debug)]
pub(crate) struct IdentityMatch {
    /// Its path, for messages.
    pub(crate) path: PathBuf,
    /// The image's file, open.
    pub(crate) source: Arc<dyn Source>,
    /// Its format.
    pub(crate) driver: &'static Driver,
}

/// The images in the folder of `image` and in those that the user adds, each folder in order of name. `look`
/// takes each of them; folders below are not entered.
pub(crate) fn images(
    image: &Path,
    policy: &Policy,
    formats: Registry,
    mut look: impl FnMut(IdentityMatch),
) -> Vec<SearchedFolder> {
    let folders =
        std::iter::once(folder_of(image)).chain(policy.search.iter().map(PathBuf::as_path));
    let mut searched: Vec<SearchedFolder> = Vec::new();
    for folder in folders {
        if searched.iter().any(|known| known.folder == folder) {
            continue;
        }
        let images = names(folder).map(|names| {
            let images = names
                .iter()
                .filter_map(|name| image_at(folder, name, formats));
            images.map(&mut look).count()
        });
        searched.push(SearchedFolder {
            folder: folder.to_owned(),
            images,
        });
    }
    searched
}

/// The names in `folder`, sorted: the order in which a host lists them is no order.
fn names(folder: &Path) -> Result<Vec<PathBuf>, NotListed> {
    let read = || {
        fs::read_dir(folder)?
            .take(MOST_ENTRIES.saturating_add(1))
            .map(|entry| Ok(PathBuf::from(entry?.file_name())))
            .collect::<io::Result<Vec<_>>>()
    };
    let mut names = read().map_err(|cause| NotListed::Host {
        folder: folder.to_owned(),
        cause,
    })?;
    if names.len() > MOST_ENTRIES {
        return Err(NotListed::TooMany {
            folder: folder.to_owned(),
            most: MOST_ENTRIES,
        });
    }
    // What is not finished is nobody's parent.
    names.retain(|name| draft_kind(name.as_os_str()).is_none());
    names.sort();
    Ok(names)
}

/// The file called `name`, if its bytes are an image of one format. What cannot be opened or read is no candidate, nor is a raw disk.
fn image_at(folder: &Path, name: &Path, formats: Registry) -> Option<IdentityMatch> {
    let file: File = sandbox::open(folder, name).ok()?;
    let path = match folder {
        here if here == Path::new(".") => name.to_owned(),
        folder => folder.join(name),
    };
    let source = FileSource::of(file, &path).ok()?;
    let peek = ProbeWindow::of(&source).ok()?;
    let mut drivers = formats.0.iter();
    let driver = drivers.find(|driver| matches!((driver.probe)(&peek), ProbeResult::Yes))?;
    Some(IdentityMatch {
        path,
        source: Arc::new(source),
        driver,
    })
}
