//! What a site's own folders are swapped for while a delivery comes: links to folders that are somebody else's.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{MetadataExt, symlink},
    path::{Path, PathBuf},
};

/// What is swapped: the repository's own folder, that for what comes in, and the delivery's in that.
pub(crate) const SWAPPED: [&str; 3] = [
    ".imgdelta",
    ".imgdelta/incoming",
    ".imgdelta/incoming/DELIVERY",
];

/// A folder beside the site that looks like its own one, with files of a delivery of that name which are not the site's.
pub(crate) struct Outside {
    folder: PathBuf,
    delivery: String,
    before: Seen,
}

/// All that stands below a folder: inode, length, change time in seconds and nanoseconds, content.
type Seen = BTreeMap<PathBuf, (u64, u64, i64, i64, Vec<u8>)>;

impl Outside {
    /// One at `folder`, in which these files of the delivery lie.
    pub(crate) fn new(folder: PathBuf, delivery: String, files: &[&str]) -> Self {
        let coming = folder.join("incoming").join(&delivery);
        fs::create_dir_all(&coming).expect("room");
        for file in files.iter().chain(&["precious"]) {
            fs::write(coming.join(file), "precious").expect("room");
        }
        let before = seen(&folder);
        Self {
            folder,
            delivery,
            before,
        }
    }

    /// Puts a link here in the place of one of the site's own folders; that is found in `moved` then, if it was there.
    pub(crate) fn swap(&self, site: &Path, swapped: &str, moved: &Path) {
        let swapped = swapped.replace("DELIVERY", &self.delivery);
        let own = site.join(&swapped);
        let _ = fs::rename(&own, moved);
        let inside = Path::new(&swapped).strip_prefix(".imgdelta").expect("so");
        symlink(self.folder.join(inside), own).expect("links");
    }

    /// Nothing here was written, made or deleted.
    pub(crate) fn assert_untouched(&self, when: &str) {
        assert_eq!(seen(&self.folder), self.before, "{when}");
    }
}

fn seen(folder: &Path) -> Seen {
    let mut all = BTreeMap::new();
    let mut left = vec![folder.to_owned()];
    while let Some(path) = left.pop() {
        let found = fs::symlink_metadata(&path).expect("there");
        let content = match found.is_dir() {
            true => {
                let entries = fs::read_dir(&path).expect("readable").flatten();
                left.extend(entries.map(|entry| entry.path()));
                Vec::new()
            }
            false => fs::read(&path).expect("readable"),
        };
        let (changed, part) = (found.ctime(), found.ctime_nsec());
        all.insert(path, (found.ino(), found.len(), changed, part, content));
    }
    all
}
