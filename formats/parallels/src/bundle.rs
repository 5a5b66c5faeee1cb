//! A disk of several files as a layer: each of its storages by the files of the snapshots of which it is made.
//!
//! What no file of a chain of snapshots holds is zero. Nothing outside of the folder is a parent.

use std::sync::Arc;

use imgdelta_core::{
    AuxFiles, Bytes, CheckReport, Error, Extent, Image, ImageMetadata, Kind, Result, SECTOR,
    Source, State, VirtOffset,
};

use crate::{
    descriptor::{Descriptor, DiskFile, FileKind, Storage},
    fault::Fault,
    file_check, info,
    part::Part,
};

/// An open disk.
#[derive(Debug)]
struct Bundle {
    facts: ImageMetadata,
    /// In order, without a gap.
    pieces: Vec<DiskPiece>,
}

/// A storage.
#[derive(Debug)]
struct DiskPiece {
    /// Its first byte on the disk.
    start: u64,
    /// Its bytes.
    len: u64,
    /// The files of which it is made, that of the snapshot first.
    parts: Vec<Part>,
}

/// Opens the disk that a descriptor describes, as of a snapshot if one is asked for.
pub(crate) fn open(
    source: &Arc<dyn Source>,
    aux_files: &dyn AuxFiles,
    snapshot: Option<&str>,
) -> Result<Arc<dyn Image>> {
    let descriptor = Descriptor::read(&**source)?;
    let shot = match snapshot {
        None => descriptor.top.as_str(),
        Some(wanted) => {
            (descriptor.find(wanted)).ok_or_else(|| no_snapshot(&descriptor, wanted))?
        }
    };
    let in_descriptor = |fault: Fault| Error::from(fault).in_structure("descriptor");
    let chain = descriptor.chain(shot).map_err(in_descriptor)?;
    let mut opener = Opener {
        aux_files,
        files: vec![Arc::clone(source)],
    };
    let mut notes = Vec::new();
    let mut pieces = Vec::new();
    for storage in &descriptor.storages {
        let files = files_of(storage, &chain).map_err(in_descriptor)?;
        let parts = files.into_iter().map(|file| opener.open(storage, file));
        let parts = parts.collect::<Result<Vec<_>>>()?;
        for part in &parts {
            notes.extend(part.notes());
            notes.extend(block_note(storage, part));
        }
        pieces.push(DiskPiece {
            start: storage.start.saturating_mul(SECTOR),
            len: len_of(storage).0,
            parts,
        });
    }
    if descriptor.size() == Bytes::ZERO {
        notes.push("the disk is empty".to_owned());
    }
    let blocks = pieces.iter().flat_map(|piece| &piece.parts);
    let block = blocks.filter_map(Part::block).max();
    Ok(Arc::new(Bundle {
        facts: info::of_bundle(&descriptor, shot, block, opener.files, notes),
        pieces,
    }))
}

/// Looks for faults in all files, also in those of other snapshots.
pub(crate) fn check(
    source: &Arc<dyn Source>,
    aux_files: &dyn AuxFiles,
    report: &mut CheckReport,
) -> Result<()> {
    let image = open(source, aux_files, None)?;
    report.notes.extend(image.metadata().notes.iter().cloned());
    let descriptor = Descriptor::read(&**source)?;
    for shot in descriptor.snapshots() {
        if let Err(fault) = descriptor.chain(shot) {
            report.fault(Error::from(fault).in_structure("descriptor"));
        }
    }
    for storage in &descriptor.storages {
        for file in &storage.files {
            // Each by itself: a disk of many snapshots need not stay open as a whole.
            let mut opener = Opener {
                aux_files,
                files: Vec::new(),
            };
            opener.open(storage, file)?.check(report)?;
        }
    }
    Ok(())
}

/// Opens the files of a disk through the policy that it was given.
struct Opener<'a> {
    aux_files: &'a dyn AuxFiles,
    files: Vec<Arc<dyn Source>>,
}

impl Opener<'_> {
    fn open(&mut self, storage: &Storage, file: &DiskFile) -> Result<Part> {
        let source = self.aux_files.open(&file.name)?;
        // There are fewer than the descriptor may name.
        let number = u16::try_from(self.files.len()).unwrap_or(u16::MAX);
        self.files.push(Arc::clone(&source));
        match file.kind {
            FileKind::Expanding => Part::expanding(source, number),
            FileKind::Plain => Part::plain(source, number, len_of(storage)),
        }
    }
}

/// The files of a storage for the snapshots of a chain, in its order.
fn files_of<'a>(storage: &'a Storage, chain: &[&str]) -> Result<Vec<&'a DiskFile>, Fault> {
    let mut files = Vec::new();
    for (number, guid) in chain.iter().enumerate() {
        let file = storage.files.iter().find(|file| file.guid == *guid);
        let file = file.ok_or_else(|| Fault::NoImage {
            start: storage.start,
            guid: (*guid).to_owned(),
        })?;
        if file.kind == FileKind::Plain && number + 1 < chain.len() {
            let file = file.name.escape_debug().to_string();
            return Err(Fault::PlainOverlay { file });
        }
        files.push(file);
    }
    Ok(files)
}

/// The bytes of a storage.
const fn len_of(storage: &Storage) -> Bytes {
    Bytes(
        storage
            .end
            .saturating_sub(storage.start)
            .saturating_mul(SECTOR),
    )
}

/// What to say where descriptor and file disagree: the file is what is read.
fn block_note(storage: &Storage, part: &Part) -> Option<String> {
    let said = storage.block?.saturating_mul(SECTOR);
    let found = part.block()?.0;
    (said != found).then(|| {
        format!(
            "Blocksize of the storage from sector {} is {said} bytes, a file of it has blocks of {found}",
            storage.start
        )
    })
}

fn no_snapshot(descriptor: &Descriptor, wanted: &str) -> Error {
    let message = format!(
        "there is no snapshot '{}' in this disk",
        wanted.escape_debug()
    );
    let known: Vec<&str> = descriptor.snapshots().take(20).collect();
    let hint = if known.is_empty() {
        "it has no snapshots".to_owned()
    } else {
        format!("its snapshots are: {}", known.join(", "))
    };
    Error::new(Kind::Usage, message)
        .with_code("parallels_snapshot")
        .with_hint(hint)
}

impl Image for Bundle {
    fn metadata(&self) -> &ImageMetadata {
        &self.facts
    }

    fn extent_at(&self, at: VirtOffset) -> Result<Extent> {
        let after = self.pieces.partition_point(|piece| piece.start <= at.0);
        let piece = after.checked_sub(1).and_then(|at| self.pieces.get(at));
        let piece = piece.ok_or_else(|| {
            Error::new(Kind::Usage, format!("{at} lies behind the end of the disk"))
        })?;
        let inside = at.0.saturating_sub(piece.start);
        let mut len = Bytes(piece.len.saturating_sub(inside));
        let mut state = State::Absent;
        for part in &piece.parts {
            let (run, place) = part.run(inside)?;
            len = len.min(run);
            if let Some(at) = place {
                let file = part.number();
                state = State::Data { file, at };
                break;
            }
        }
        Ok(Extent { at, len, state })
    }

    fn passed_over(&self) -> Result<Vec<String>> {
        let mut report = CheckReport::default();
        for part in self.pieces.iter().flat_map(|piece| &piece.parts) {
            part.check(&mut report)?;
        }
        Ok(report.summary(file_check::NOTED))
    }
}
