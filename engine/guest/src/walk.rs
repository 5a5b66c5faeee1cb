//! The walk over a tree of directories, for file systems whose directories are read whole.

use std::{
    collections::{HashSet, VecDeque},
    vec,
};

use crate::{
    entry::{Entry, EntryKind},
    fault::Found,
    runs::Run,
};

/// The largest directory that is read, in bytes.
pub(crate) const MOST_FOLDER: u64 = 16 << 20;

/// A tree of directories.
pub(crate) trait Tree {
    /// What a name leads to.
    type Place;

    /// What stands at a place; `None` if it is nothing that is told.
    fn look(&mut self, place: &Self::Place) -> Found<Option<Seen>>;

    /// The names in the directory at a place.
    fn names(&mut self, place: &Self::Place) -> Found<Vec<(String, Self::Place)>>;
}

/// What stands at a place.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) kind: EntryKind,
    pub(crate) extents: Vec<Run>,
    /// Who it is, where it can be met twice: it is told once.
    pub(crate) id: Option<u64>,
}

/// All that a tree holds, as it is met.
pub(crate) struct Walk<T: Tree> {
    tree: T,
    /// What is told first.
    ready: VecDeque<Entry>,
    /// Directories that are yet to be read.
    folders: Vec<(String, T::Place)>,
    /// The path of the directory that is read, and what is left of it.
    path: String,
    names: vec::IntoIter<(String, T::Place)>,
    seen: HashSet<u64>,
}

impl<T: Tree> Walk<T> {
    /// The walk from `root` on, behind what the file system keeps for itself.
    pub(crate) fn new(tree: T, root: T::Place, metadata: Vec<Entry>) -> Self {
        Self {
            tree,
            ready: metadata.into(),
            folders: Vec::new(),
            path: String::new(),
            names: vec![(String::new(), root)].into_iter(),
            seen: HashSet::new(),
        }
    }

    /// The next entry; `None` at the end.
    fn advance(&mut self) -> Found<Option<Entry>> {
        if let Some(entry) = self.ready.pop_front() {
            return Ok(Some(entry));
        }
        loop {
            while let Some((name, place)) = self.names.next() {
                let Some(seen) = self.tree.look(&place)? else {
                    continue;
                };
                if seen.id.is_some_and(|id| !self.seen.insert(id)) {
                    continue;
                }
                let (kind, extents) = (seen.kind, seen.extents);
                let path = if name.is_empty() {
                    "/".into()
                } else {
                    format!("{}/{name}", self.path)
                };
                if kind == EntryKind::Directory {
                    let path = if name.is_empty() {
                        String::new()
                    } else {
                        path.clone()
                    };
                    self.folders.push((path, place));
                }
                return Ok(Some(Entry {
                    path,
                    kind,
                    extents,
                }));
            }
            let Some((path, place)) = self.folders.pop() else {
                return Ok(None);
            };
            self.names = self.tree.names(&place)?.into_iter();
            self.path = path;
        }
    }
}

impl<T: Tree> Iterator for Walk<T> {
    type Item = Found<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.advance();
        if next.is_err() {
            // What is not sound is told once.
            self.folders.clear();
            self.names = Vec::new().into_iter();
        }
        next.transpose()
    }
}
