//! The files of a FAT volume.

use super::{
    boot::Boot,
    directory::{self, Named},
    table::Table,
};
use crate::{
    entry::{Entry, EntryKind},
    fault::{Fault, Found},
    runs::Run,
    walk::{MOST_FOLDER, Seen, Tree, Walk},
    window::Window,
};

/// All files of a FAT volume.
pub(crate) fn files(volume: Window<'_>) -> Found<Walk<Fat<'_>>> {
    let boot = Boot::read(&volume)?;
    let metadata = Entry {
        path: "boot sectors and tables".into(),
        kind: EntryKind::Metadata,
        extents: vec![boot.kept(&volume)],
    };
    let root = Named {
        name: String::new(),
        is_folder: true,
        first: boot.root_cluster.unwrap_or_default(),
    };
    let fat = Fat {
        volume,
        boot,
        table: boot.table(volume),
    };
    Ok(Walk::new(fat, root, vec![metadata]))
}

/// A FAT volume.
pub(crate) struct Fat<'d> {
    volume: Window<'d>,
    boot: Boot,
    table: Table<'d>,
}

impl Fat<'_> {
    /// The runs that a directory's bytes stand in.
    fn folder(&mut self, first: u32) -> Found<Vec<Run>> {
        if first == 0 {
            // The root directory of FAT12 and FAT16, which is metadata.
            let at = self.volume.start().0.saturating_add(self.boot.root);
            return Ok(vec![Run::new(
                at,
                self.boot.data.saturating_sub(self.boot.root),
            )]);
        }
        // It was taken when it was met.
        self.boot.table(self.volume).chain(first)
    }
}

impl Tree for Fat<'_> {
    type Place = Named;

    fn look(&mut self, place: &Named) -> Found<Option<Seen>> {
        let kind = if place.is_folder {
            EntryKind::Directory
        } else {
            EntryKind::File
        };
        let extents = match place.first {
            0 => Vec::new(),
            first => self.table.chain(first)?,
        };
        Ok(Some(Seen {
            kind,
            extents,
            id: None,
        }))
    }

    fn names(&mut self, place: &Named) -> Found<Vec<(String, Named)>> {
        let is_root = place.name.is_empty();
        if place.first == 0 && (!is_root || self.boot.root_cluster.is_some()) {
            return Err(Fault::unsound("a directory has no clusters"));
        }
        let mut bytes = Vec::new();
        for run in self.folder(place.first)? {
            let at = run.start.0.saturating_sub(self.volume.start().0);
            let left = MOST_FOLDER.saturating_sub(bytes.len() as u64);
            bytes.extend(self.volume.bytes(at, run.len.0, left)?);
        }
        let names = directory::names(&bytes, self.boot.root_cluster.is_some());
        Ok(names
            .into_iter()
            .map(|named| (named.name.clone(), named))
            .collect())
    }
}
