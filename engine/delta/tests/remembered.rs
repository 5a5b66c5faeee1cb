//! Leaf digests kept between runs: they save work, never truth.

#![allow(clippy::indexing_slicing, reason = "the test knows its sizes")]

mod leaf_files;
mod memory;

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use imgdelta_core::{
    Bytes, Extent, FileOffset, FileSource, FileSystem, Format, Image, ImageMetadata, Kind, LayerId,
    Result, Source, State, VirtOffset, WriterLayout,
};
use imgdelta_delta::{
    Chain, DigestCache, ExecContext, Layer, Made, Make, RunProgress, digest, prove,
};
use memory::{MemImage, writer};

/// A file as a disk.
#[derive(Debug)]
struct FileImage {
    facts: ImageMetadata,
}

impl Image for FileImage {
    fn metadata(&self) -> &ImageMetadata {
        &self.facts
    }

    fn extent_at(&self, at: VirtOffset) -> Result<Extent> {
        let state = State::Data {
            file: 0,
            at: FileOffset(at.0),
        };
        Ok(Extent {
            at,
            len: Bytes(self.facts.size.0 - at.0),
            state,
        })
    }
}

fn disk(path: &Path) -> Result<Chain> {
    let file: Arc<dyn Source> = Arc::new(FileSource::open(path)?);
    let facts = ImageMetadata {
        format: Format::Raw,
        variant: String::new(),
        size: file.len(),
        block_size: None,
        grain: None,
        logical_sector: Bytes(512),
        identity: None,
        aliases: Vec::new(),
        files: vec![file],
        notes: Vec::new(),
        details: Vec::new(),
        snapshots: Vec::new(),
    };
    let image = FileImage { facts };
    let id = LayerId::of(&image);
    Chain::new(vec![Layer::new(Arc::new(image), id)])
}

const SIZE: usize = 3 << 20;

fn make(base: &Chain, target: &Chain, memory: &DigestCache) -> Result<(Made, MemImage)> {
    let progress = RunProgress::default();
    let size = Bytes(SIZE as u64);
    let shape = WriterLayout {
        size,
        unit: Bytes::kib(64),
        grain: Bytes(512),
        marks_zero: true,
        wants_zeros: false,
        has_ids: false,
    };
    let (out, child) = writer(shape);
    let work = ExecContext::new(2, &progress);
    let made = Make {
        base,
        target,
        proves: true,
        memory,
        work,
    }
    .run(out)?;
    let child = child
        .lock()
        .expect("not poisoned")
        .take()
        .expect("it was finished");
    Ok((made, child))
}

struct Story {
    folder: tempfile::TempDir,
    base: PathBuf,
    target: PathBuf,
    cache: PathBuf,
}

/// A base and a target in which a few sectors differ, old enough to be remembered.
fn story() -> Story {
    story_in(tempfile::tempdir().expect("a place"))
}

fn story_in(folder: tempfile::TempDir) -> Story {
    let at = |name: &str| folder.path().join(name);
    let base: Vec<u8> = (0..SIZE)
        .map(|n| {
            if n < SIZE / 2 {
                (n / 512 % 251) as u8
            } else {
                0
            }
        })
        .collect();
    let mut target = base.clone();
    target[70_000..70_100].fill(0xee);
    target[2_500_000] = 1;
    fs::write(at("base"), &base).expect("room");
    fs::write(at("target"), &target).expect("room");
    std::thread::sleep(Duration::from_millis(2200));
    Story {
        base: at("base"),
        target: at("target"),
        cache: at("cache"),
        folder,
    }
}

#[test]
fn a_remembered_base_gives_the_same_child_and_the_same_proofs() -> Result<()> {
    let story = story();
    if !imgdelta_fixtures::peers::remembers(story.folder.path()) {
        return Ok(());
    }
    let memory = DigestCache::in_folder(story.cache.clone());
    let (first, child) = make(&disk(&story.base)?, &disk(&story.target)?, &memory)?;
    let (second, again) = make(&disk(&story.base)?, &disk(&story.target)?, &memory)?;
    assert!(!first.remembered && second.remembered);
    assert_eq!(
        (&first.base, &first.target, &first.layer),
        (&second.base, &second.target, &second.layer)
    );
    assert_eq!(child.cells(), again.cells());
    let progress = RunProgress::default();
    let work = ExecContext::new(1, &progress);
    let (target, remembered) = digest::prove_or_recall(&disk(&story.target)?, &memory, work)?;
    assert!(remembered, "the target is the next child's base");
    assert_eq!(Some(target), first.target);
    Ok(())
}

#[test]
fn a_changed_file_is_not_the_one_that_was_remembered() -> Result<()> {
    let story = story();
    if !imgdelta_fixtures::peers::remembers(story.folder.path()) {
        return Ok(());
    }
    let memory = DigestCache::in_folder(story.cache.clone());
    let progress = RunProgress::default();
    let work = ExecContext::new(1, &progress);
    prove(&disk(&story.base)?, &memory, work)?;
    assert!(memory.recall(&disk(&story.base)?).is_some());
    let mut file = fs::File::options()
        .append(false)
        .write(true)
        .open(&story.base)
        .expect("there");
    file.write_all(b"x").expect("room");
    drop(file);
    assert!(
        memory.recall(&disk(&story.base)?).is_none(),
        "it changed within the last two seconds"
    );
    std::thread::sleep(Duration::from_millis(2200));
    assert!(
        memory.recall(&disk(&story.base)?).is_none(),
        "its times are others"
    );
    Ok(())
}

#[test]
fn where_no_time_of_a_file_need_move_nothing_is_remembered_of_it() -> Result<()> {
    let Ok(folder) = tempfile::tempdir_in("/dev/shm") else {
        return Ok(());
    };
    if FileSystem::at(folder.path()).tells_changes() {
        return Ok(());
    }
    let mut story = story_in(folder);
    let cache = tempfile::tempdir().expect("a place");
    story.cache = cache.path().to_owned();
    let memory = DigestCache::in_folder(story.cache.clone());
    let progress = RunProgress::default();
    let work = ExecContext::new(1, &progress);
    prove(&disk(&story.base)?, &memory, work)?;
    assert!(memory.recall(&disk(&story.base)?).is_none());
    let (made, _) = make(&disk(&story.base)?, &disk(&story.target)?, &memory)?;
    assert!(!made.remembered);
    assert_eq!(fs::read_dir(&story.cache).expect("a folder").count(), 0);
    Ok(())
}

#[test]
fn a_damaged_memory_is_refused_and_never_believed() -> Result<()> {
    let story = story();
    if !imgdelta_fixtures::peers::remembers(story.folder.path()) {
        return Ok(());
    }
    let memory = DigestCache::in_folder(story.cache.clone());
    let progress = RunProgress::default();
    let work = ExecContext::new(1, &progress);
    let proof = prove(&disk(&story.base)?, &memory, work)?;
    let entry = fs::read_dir(&story.cache)
        .expect("made")
        .flatten()
        .next()
        .expect("one entry")
        .path();
    let whole = fs::read(&entry).expect("readable");

    let flip = |at: usize| {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        fs::write(&entry, &flipped).expect("room");
    };
    // Each byte has a checksum: the entry is as if it were not there, all is read, and it is whole again.
    for at in (0..whole.len()).step_by(7) {
        flip(at);
        assert!(memory.recall(&disk(&story.base)?).is_none(), "byte {at}");
    }
    flip(40);
    let (made, _) = make(&disk(&story.base)?, &disk(&story.target)?, &memory)?;
    assert!(!made.remembered);
    assert_eq!(made.base.as_ref(), Some(&proof));
    assert_eq!(fs::read(&entry).expect("readable"), whole);

    // A file that has no checksums, of which a leaf is another one.
    let old = leaf_files::as_version_1(&whole);
    let flip = |at: usize| {
        let mut flipped = old.clone();
        flipped[at] ^= 1;
        fs::write(&entry, &flipped).expect("room");
    };
    // Behind magic, size and the run's head: the leaf of window 0, in which both disks are equal. Both are read, and it heals.
    flip(40);
    let (made, _) = make(&disk(&story.base)?, &disk(&story.target)?, &memory)?;
    assert_eq!(made.base.as_ref(), Some(&proof));
    // The leaf of window 1, in which they differ, is used: it does not make the id that was remembered.
    flip(40 + 32);
    let error =
        make(&disk(&story.base)?, &disk(&story.target)?, &memory).expect_err("one leaf is another");
    assert_eq!((error.kind(), error.code()), (Kind::Host, "cache_damaged"));
    let (again, remembered) = digest::prove_or_recall(
        &disk(&story.base)?,
        &DigestCache::in_folder(story.cache.clone()),
        work,
    )?;
    assert!(!remembered, "what does not make its own id is read again");
    assert_eq!(again, proof);

    for len in [0, 10, 24, 33, whole.len() - 1] {
        fs::write(&entry, &whole[..len]).expect("room");
        assert!(
            memory.recall(&disk(&story.base)?).is_none(),
            "{len} bytes are not whole"
        );
    }
    Ok(())
}
