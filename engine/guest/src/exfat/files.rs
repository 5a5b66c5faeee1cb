//! The files of an exFAT volume.

use super::{
    boot::Boot,
    directory::{self, Item, Stream},
};
use crate::{
    entry::{Entry, EntryKind},
    fat::table::Table,
    fault::{Fault, Found},
    runs::Run,
    walk::{MOST_FOLDER, Seen, Tree, Walk},
    window::Window,
};

/// All files of an exFAT volume.
pub(crate) fn files(volume: Window<'_>) -> Found<Walk<ExFat<'_>>> {
    let boot = Boot::read(&volume)?;
    let metadata = Entry {
        path: "boot sectors and table".into(),
        kind: EntryKind::Metadata,
        extents: vec![Run::new(volume.start().0, boot.place.data)],
    };
    let table = boot.table(volume);
    let walk = ExFat {
        volume,
        boot,
        table,
    };
    Ok(Walk::new(walk, Place::Root, vec![metadata]))
}

/// An exFAT volume.
pub(crate) struct ExFat<'d> {
    pub(super) volume: Window<'d>,
    boot: Boot,
    table: Table<'d>,
}

/// What a name leads to.
#[derive(Debug)]
pub(crate) enum Place {
    /// The root directory, which is always a chain.
    Root,
    /// What an entry names, and what that is.
    At(Stream, EntryKind),
}

impl<'d> ExFat<'d> {
    /// The volume, for its root directory.
    pub(super) fn new(volume: Window<'d>, boot: Boot) -> Self {
        Self {
            volume,
            boot,
            table: boot.table(volume),
        }
    }

    /// What the root directory holds, and where it stands.
    pub(super) fn root(&mut self) -> Found<Vec<Item>> {
        directory::items(&self.bytes(&Place::Root)?)
    }

    /// The clusters of a stream, taken from those that files may still have.
    pub(super) fn runs(&mut self, stream: &Stream) -> Found<Vec<Run>> {
        let count = stream.len.div_ceil(self.boot.place.cluster);
        if stream.first == 0 || count == 0 {
            return Ok(Vec::new());
        }
        if stream.is_contiguous {
            self.table.take(count)?;
            return Ok(vec![self.table.run(stream.first, count)?]);
        }
        self.table.chain(stream.first)
    }

    /// The bytes of a directory; its clusters were taken when it was met.
    fn bytes(&mut self, place: &Place) -> Found<Vec<u8>> {
        let left = std::mem::replace(&mut self.table, self.boot.table(self.volume));
        let runs = self.place(place);
        self.table = left;
        let mut bytes = Vec::new();
        for run in runs? {
            let at = run.start.0.saturating_sub(self.volume.start().0);
            let left = MOST_FOLDER.saturating_sub(bytes.len() as u64);
            bytes.extend(self.volume.bytes(at, run.len.0, left)?);
        }
        Ok(bytes)
    }

    /// The clusters of what stands at a place.
    fn place(&mut self, place: &Place) -> Found<Vec<Run>> {
        match place {
            Place::Root => self.table.chain(self.boot.root),
            Place::At(stream, _) => self.runs(stream),
        }
    }
}

impl Tree for ExFat<'_> {
    type Place = Place;

    fn look(&mut self, place: &Place) -> Found<Option<Seen>> {
        let kind = match place {
            Place::Root => EntryKind::Directory,
            Place::At(_, kind) => *kind,
        };
        let extents = self.place(place)?;
        Ok(Some(Seen {
            kind,
            extents,
            id: None,
        }))
    }

    fn names(&mut self, place: &Place) -> Found<Vec<(String, Place)>> {
        let items = directory::items(&self.bytes(place)?)?;
        let mut names = Vec::with_capacity(items.len());
        for item in items {
            names.push(match item {
                Item::Bitmap(stream) => ("$bitmap".into(), Place::At(stream, EntryKind::Metadata)),
                Item::Upcase(stream) => ("$upcase".into(), Place::At(stream, EntryKind::Metadata)),
                Item::File { name, .. } if name.is_empty() => {
                    return Err(Fault::unsound("a file has no name"));
                }
                Item::File {
                    name,
                    is_folder: true,
                    stream,
                } => (name, Place::At(stream, EntryKind::Directory)),
                Item::File { name, stream, .. } => (name, Place::At(stream, EntryKind::File)),
            });
        }
        Ok(names)
    }
}
