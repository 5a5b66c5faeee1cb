//! The volumes of a disk: a GUID partition table, a master boot record with its logical partitions, or one file system over all of it.

mod gpt;
mod kinds;
mod mbr;

use imgdelta_core::{Bytes, Result, VirtOffset};

use crate::{
    contents::{self, Contents},
    disk::Disk,
    fault::{Fault, Found},
    runs::Run,
    window::Window,
};

/// How a disk is divided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Which table there is.
    pub table: Table,
    /// The volumes in order of address.
    pub volumes: Vec<Volume>,
    /// Why it is not certain where the volumes are: nothing of the disk may be taken for unused.
    pub doubt: Option<String>,
    /// What else is to be said of the table: a backup that is missing.
    pub notes: Vec<String>,
}

/// Which partition table a disk has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Table {
    /// None: all of the disk is one volume.
    None,
    /// A master boot record.
    Mbr,
    /// A GUID partition table.
    Gpt,
}

/// A partition, or all of a disk that has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// Its number as Linux counts: from 1, logical partitions of an MBR from 5, 0 where it is the whole disk.
    pub number: u32,
    /// Where it starts on the disk.
    pub start: VirtOffset,
    /// Its length in bytes, cut at the disk's end.
    pub len: Bytes,
    /// What the table says that it is for; empty for a whole disk.
    pub kind: String,
    /// Its name in a GPT.
    pub name: Option<String>,
    /// What it holds.
    pub contents: Contents,
}

/// A partition as its table has it.
#[derive(Debug)]
struct Entry {
    number: u32,
    /// The first byte.
    start: u64,
    /// Its bytes.
    len: u64,
    kind: String,
    name: Option<String>,
    /// Whether its kind says that its blocks are not those of one file system.
    is_opaque: bool,
}

/// A table that was found.
#[derive(Debug, Default)]
struct Entries {
    entries: Vec<Entry>,
    doubt: Option<String>,
    notes: Vec<String>,
}

/// Reads the partition table of `disk`, and what each volume holds.
///
/// # Errors
/// Those of the disk. A table that is not sound is no error: it is told in [`Layout::doubt`].
pub fn volumes(disk: &dyn Disk) -> Result<Layout> {
    match read(disk) {
        Ok(layout) => Ok(layout),
        Err(Fault::Disk(error)) => Err(error),
        Err(Fault::Unsound(why) | Fault::Suspended(why)) => Ok(Layout {
            table: Table::None,
            volumes: Vec::new(),
            doubt: Some(why),
            notes: Vec::new(),
        }),
    }
}

fn read(disk: &dyn Disk) -> Found<Layout> {
    let whole = Window::new(disk, VirtOffset::ZERO, disk.size());
    let contents = contents::recognise(&whole)?;
    let (table, found) = match gpt::read(disk, &whole)? {
        Some(found) => (Table::Gpt, found),
        None => match mbr::read(disk, &whole)? {
            Some(found) => (Table::Mbr, found),
            None => return Ok(without_table(disk, contents)),
        },
    };
    let mut layout = Layout {
        table,
        volumes: Vec::new(),
        doubt: found.doubt,
        notes: found.notes,
    };
    if contents != Contents::Unknown && contents != Contents::Empty {
        let why = format!("the disk has a partition table, and {contents} over all of it");
        layout.doubt.get_or_insert(why);
    }
    for entry in found.entries {
        layout.add(disk, entry)?;
    }
    layout.volumes.sort_by_key(|volume| volume.start);
    layout.judge();
    Ok(layout)
}

/// A disk that is one volume.
fn without_table(disk: &dyn Disk, contents: Contents) -> Layout {
    Layout {
        table: Table::None,
        volumes: vec![Volume {
            number: 0,
            start: VirtOffset::ZERO,
            len: disk.size(),
            kind: String::new(),
            name: None,
            contents,
        }],
        doubt: None,
        notes: Vec::new(),
    }
}

impl Layout {
    /// Adds the partition of an entry.
    fn add(&mut self, disk: &dyn Disk, entry: Entry) -> Found<()> {
        let window = Window::new(disk, VirtOffset(entry.start), Bytes(entry.len));
        if window.len() < entry.len {
            let (number, len) = (entry.number, Bytes(entry.len));
            let why = format!("partition {number} of {len} ends behind the disk");
            self.doubt.get_or_insert(why);
        }
        let contents = if entry.is_opaque {
            Contents::Other("a dynamic disk")
        } else {
            contents::recognise(&window)?
        };
        self.volumes.push(Volume {
            number: entry.number,
            start: window.start(),
            len: Bytes(window.len()),
            kind: entry.kind,
            name: entry.name,
            contents,
        });
        Ok(())
    }

    /// Looks whether two volumes share a place.
    fn judge(&mut self) {
        let mut ends = Run::new(0, 0);
        let mut before = 0;
        for volume in &self.volumes {
            if volume.start.0 < ends.end() {
                let number = volume.number;
                let why = format!("partitions {before} and {number} share blocks");
                self.doubt.get_or_insert(why);
            }
            let run = Run {
                start: volume.start,
                len: volume.len,
            };
            if run.end() > ends.end() {
                (ends, before) = (run, volume.number);
            }
        }
    }
}
