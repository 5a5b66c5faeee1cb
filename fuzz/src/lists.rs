//! Any bytes as what repositories and deliveries say of themselves, and as what the other side of a line says: whatever they are, an error or
//! something that is written and read again as the same.

use std::{
    fmt::Debug,
    io::{Cursor, Write as _},
    sync::OnceLock,
    time::Duration,
};

use imgdelta_core::{Format, Result};
use imgdelta_delta::{
    ExecContext, RunProgress, WINDOW,
    digest_cache::{LeafReader, LeafRun},
};
use imgdelta_deploy::{
    bundle::Index,
    wire::{Patience, ServeOptions, serve},
};
use imgdelta_repository::catalogue::{Inventory, Record, Repository, Run};
use tempfile::{NamedTempFile, TempDir};

/// A record of a repository.
pub(crate) fn record(bytes: &[u8]) {
    same(bytes, Record::from_json, Record::to_json);
}

/// An inventory.
pub(crate) fn inventory(bytes: &[u8]) {
    same(bytes, Inventory::from_json, Inventory::to_json);
}

/// The index of a delivery.
pub(crate) fn delivery(bytes: &[u8]) {
    same(bytes, Index::from_json, Index::to_json);
}

/// A file of leaf digests: an error, or as many leaves as the disk has windows, however they are asked for.
pub(crate) fn leaves(bytes: &[u8]) {
    let mut file = NamedTempFile::new().expect("room");
    file.write_all(bytes).expect("room");
    let told = |most: u64| -> Result<Vec<(u64, u64)>> {
        let mut leaves = LeafReader::open(file.path())?;
        let (mut at, mut told) = (0, Vec::new());
        while let Some(run) = leaves.next_run(most)? {
            let (count, digests) = match &run {
                LeafRun::Zero(count) => (*count, 0),
                LeafRun::Leaves(leaves) => (leaves.len() as u64, leaves.len() as u64),
            };
            assert!(0 < count && count <= most, "{count} of at most {most}");
            at += count;
            told.push((count, digests));
        }
        assert_eq!(at, leaves.size().pieces(WINDOW), "each window is told");
        Ok(told)
    };
    // Runs are at least as long as the file's; a disk of nothing but zeros may be as large as it says.
    let sum = |told: Vec<(u64, u64)>| told.iter().map(|(_, digests)| digests).sum::<u64>();
    let once = told(u64::MAX).map(sum);
    assert_eq!(
        once.as_ref().ok(),
        told(1 << 40).map(sum).as_ref().ok(),
        "the same, in whatever portions"
    );
}

/// What was read comes back the same.
fn same<T: PartialEq + Debug>(
    bytes: &[u8],
    read: fn(&[u8]) -> Result<T>,
    write: fn(&T) -> Result<Vec<u8>>,
) {
    let Ok(first) = read(bytes) else {
        return;
    };
    let Ok(json) = write(&first) else {
        panic!("what was read can be written: {first:?}")
    };
    assert_eq!(read(&json).ok(), Some(first), "it comes back the same");
}

/// A repository without images, for all inputs.
fn empty() -> Option<&'static TempDir> {
    static FOLDER: OnceLock<Option<TempDir>> = OnceLock::new();
    FOLDER
        .get_or_init(|| {
            let folder = tempfile::tempdir().ok()?;
            Repository::init(folder.path(), Format::Qcow2).ok()?;
            Some(folder)
        })
        .as_ref()
}

/// What a site hears from headquarters: it answers, and enters nothing.
pub(crate) fn talk(bytes: &[u8]) {
    let Some(folder) = empty() else {
        panic!("there is room for a repository")
    };
    let progress = RunProgress::default();
    let work = ExecContext::new(1, &progress);
    let options = ServeOptions {
        root: Some(folder.path()),
        run: Run {
            work,
            wait: Duration::ZERO,
        },
        patience: &Patience::default(),
        ownership: imgdelta_core::Ownership::default(),
    };
    let mut answer = Vec::new();
    if let Ok(served) = serve(Cursor::new(bytes), &mut answer, &options) {
        assert!(served.entered.is_empty(), "nothing was entered");
    }
    let images = Repository::open(folder.path()).and_then(|one| Ok(one.list()?.len()));
    assert!(matches!(images, Ok(0)), "nothing was entered: {images:?}");
}
