//! The files of an NTFS volume: record by record, directories first for the paths.

use std::collections::{HashMap, VecDeque};

use super::{
    attribute::{Attribute, Piece, Value, kind},
    record::Record,
    volume::{File, Ntfs, contents},
};
use crate::{
    entry::{Entry, EntryKind},
    fault::{Fault, Found},
    window::{Window, le},
};

/// The root directory.
const ROOT: u64 = 5;
/// Records below are the volume's own.
const FIRST_FILE: u64 = 24;
/// How many directories are remembered.
const MOST_FOLDERS: usize = 4 << 20;
/// How deep a path is at most; deeper ones go in a circle.
const DEEPEST: usize = 512;
/// Reparse points that are links: symbolic ones, mount points, those of Linux under Windows.
const LINKS: [u32; 3] = [0xa000_000c, 0xa000_0003, 0xa000_001d];

/// All files of an NTFS volume.
pub(crate) fn files(volume: Window<'_>) -> Found<impl Iterator<Item = Found<Entry>>> {
    let list = list(Ntfs::open(volume)?)?;
    Ok(list.map(|listed| Ok(listed?.entry)))
}

/// A file, and the clusters of its contents alone.
pub(super) struct Listed {
    pub(super) entry: Entry,
    pub(super) data: Vec<Piece>,
}

/// All files of a volume, with what is needed of some of them.
pub(super) fn list(ntfs: Ntfs<'_>) -> Found<List<'_>> {
    let mut folders = HashMap::new();
    let mut next = 0;
    while next < ntfs.records {
        for (number, record) in records(&ntfs, next, &ntfs.chunk(next)?) {
            if record.is_folder() && number != ROOT {
                if folders.len() >= MOST_FOLDERS {
                    return Err(Fault::unsound("it has more directories than are read"));
                }
                let file = ntfs.gather(number, &record)?;
                folders.extend(name(&file).map(|name| (number, name)));
            }
        }
        next = next.saturating_add((65536 / ntfs.boot.record).max(1));
    }
    let left = ntfs.boot.clusters;
    Ok(List {
        ntfs,
        folders,
        next: 0,
        ready: VecDeque::new(),
        left,
    })
}

/// The base records in use of a chunk of the MFT whose first record is `first`.
fn records(ntfs: &Ntfs<'_>, first: u64, chunk: &[u8]) -> Vec<(u64, Record)> {
    let size = usize::try_from(ntfs.boot.record).unwrap_or(usize::MAX);
    let records = (first..).zip(chunk.chunks_exact(size));
    let records = records.filter_map(|(number, bytes)| Some((number, Record::of(bytes)?)));
    records
        .filter(|(_, record)| record.is_used() && record.base() == 0)
        .collect()
}

/// The directory that a file is in, and its name there: the first one that is not for DOS alone.
fn name(file: &File) -> Option<(u64, String)> {
    let names = file.attributes.iter().filter(|one| one.kind == kind::NAME);
    let mut names = names.filter_map(|one| match &one.value {
        Value::Here(value) => Some(value),
        Value::There { .. } => None,
    });
    let value = names.find(|value| value.get(65) != Some(&2))?;
    let len = usize::from(*value.get(64)?);
    let units = value.get(66..66 + len * 2)?.as_chunks().0.iter();
    let units: Vec<u16> = units.map(|unit| u16::from_le_bytes(*unit)).collect();
    Some((
        le::<u64>(value, 0) & 0xffff_ffff_ffff,
        String::from_utf16_lossy(&units),
    ))
}

/// The files, as their records come.
pub(super) struct List<'d> {
    ntfs: Ntfs<'d>,
    /// Directories: the one that they are in, and their name.
    folders: HashMap<u64, (u64, String)>,
    /// The record that is read next.
    next: u64,
    ready: VecDeque<(u64, Record)>,
    /// How many clusters files may still have: none is in two.
    left: u64,
}

impl List<'_> {
    /// The path of a file; who is in no directory that there is stands under `/?`.
    fn path(&self, folder: u64, name: &str) -> String {
        let mut names = vec![name];
        let mut at = folder;
        while at != ROOT {
            match self.folders.get(&at) {
                Some((parent, name)) if names.len() < DEEPEST => {
                    names.push(name);
                    at = *parent;
                }
                _ => {
                    names.push("?");
                    break;
                }
            }
        }
        names
            .iter()
            .rev()
            .fold(String::new(), |path, name| path + "/" + name)
    }

    /// What a record says.
    fn listed(&mut self, number: u64, record: &Record) -> Found<Listed> {
        let file = self.ntfs.gather(number, record)?;
        let mut extents = Vec::new();
        for one in &file.attributes {
            let Value::There { pieces, .. } = &one.value else {
                continue;
            };
            for Piece { first, count } in pieces {
                let Some(first) = first else {
                    continue;
                };
                let left = self.left.checked_sub(*count);
                self.left =
                    left.ok_or_else(|| Fault::unsound("files claim more clusters than there are"))?;
                extents.push(self.ntfs.run(*first, *count));
            }
        }
        let path = match name(&file) {
            _ if number == ROOT => "/".into(),
            Some((folder, name)) => self.path(folder, &name),
            None => format!("/?/record {number}"),
        };
        let kind = kind_of(number, &file);
        let data = contents(&file.attributes)?.0;
        Ok(Listed {
            entry: Entry {
                path,
                kind,
                extents,
            },
            data,
        })
    }

    /// The next file; `None` at the end.
    fn advance(&mut self) -> Found<Option<Listed>> {
        while self.ready.is_empty() {
            if self.next >= self.ntfs.records {
                return Ok(None);
            }
            let chunk = self.ntfs.chunk(self.next)?;
            self.ready = records(&self.ntfs, self.next, &chunk).into();
            self.next = self
                .next
                .saturating_add((65536 / self.ntfs.boot.record).max(1));
        }
        let next = self.ready.pop_front();
        next.map(|(number, record)| self.listed(number, &record))
            .transpose()
    }
}

/// What a file is.
fn kind_of(number: u64, file: &File) -> EntryKind {
    let is_link = |one: &Attribute| match &one.value {
        Value::Here(value) if one.kind == kind::REPARSE => LINKS.contains(&le::<u32>(value, 0)),
        _ => false,
    };
    if number == ROOT {
        EntryKind::Directory
    } else if number < FIRST_FILE {
        EntryKind::Metadata
    } else if file.attributes.iter().any(is_link) {
        EntryKind::Symlink
    } else if file.is_folder {
        EntryKind::Directory
    } else {
        EntryKind::File
    }
}

impl Iterator for List<'_> {
    type Item = Found<Listed>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.advance();
        if next.is_err() {
            // What is not sound is told once.
            (self.next, self.ready) = (u64::MAX, VecDeque::new());
        }
        next.transpose()
    }
}
