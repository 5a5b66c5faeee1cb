//! A file that gets another link: it is copied while what the link rests on is proven, and only the proof lets the copy take its place.

use std::{
    fs::{self, File, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use imgdelta_core::{
    AllocatedRange, Attributes, Bytes, Error, FileOffset, FileSource, FileVersion, Kind, Patch,
    Result, Source,
};
use imgdelta_delta::{Replaced, relink};
use tempfile::TempDir;

/// How long the file is in bytes: 32 reads.
const LEN: u64 = 32 << 20;

/// A file on a slow disk, which says how much of it was read.
#[derive(Debug)]
struct Slow {
    file: FileSource,
    read: AtomicU64,
}

impl Source for Slow {
    fn len(&self) -> Bytes {
        self.file.len()
    }

    fn read_at(&self, at: FileOffset, buf: &mut [u8]) -> Result<()> {
        thread::sleep(Duration::from_millis(20));
        self.read.fetch_add(buf.len() as u64, Ordering::Relaxed);
        self.file.read_at(at, buf)
    }

    fn stored_at(&self, at: FileOffset) -> Result<AllocatedRange> {
        self.file.stored_at(at)
    }

    fn stamp(&self) -> Result<Option<FileVersion>> {
        self.file.stamp()
    }

    fn file(&self) -> Option<&File> {
        self.file.file()
    }
}

/// A file of sevens in a folder of its own, open.
struct Scene {
    folder: TempDir,
    slow: Arc<Slow>,
    file: Arc<dyn Source>,
    opened: FileVersion,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("child");
        fs::write(&path, vec![7; LEN as usize]).expect("room");
        let file = FileSource::open(&path).expect("it is there");
        let opened = file.stamp().expect("it is told").expect("it is a file");
        let read = AtomicU64::new(0);
        let slow = Arc::new(Slow { file, read });
        let file = Arc::clone(&slow) as Arc<dyn Source>;
        Self {
            folder,
            slow,
            file,
            opened,
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("child")
    }

    /// Gives the file a new first word, if `prove` agrees.
    fn relink<T>(&self, prove: impl FnOnce() -> Result<T>) -> Result<T> {
        let child = Replaced {
            place: &self.path(),
            file: &self.file,
            opened: &self.opened,
            attributes: Attributes::AsFarAsAllowed,
        };
        let patch = Patch {
            at: FileOffset::ZERO,
            bytes: b"link".to_vec(),
        };
        relink(child, &[patch], prove).map(|(proven, _)| proven)
    }
}

fn names(folder: &Path) -> usize {
    fs::read_dir(folder).expect("it is there").count()
}

/// Waits until a draft stands beside the file.
fn wait_for_draft(folder: &Path) {
    let until = Instant::now() + Duration::from_secs(30);
    while names(folder) < 2 {
        assert!(Instant::now() < until, "nothing is copied meanwhile");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn it_is_copied_while_the_proof_runs_and_linked_when_that_is_there() {
    let scene = Scene::new();
    let proven = scene.relink(|| {
        wait_for_draft(scene.folder.path());
        let start = &fs::read(scene.path()).expect("it is there")[..4];
        assert_eq!(start, [7; 4], "it is not linked yet");
        Ok("proven")
    });
    assert_eq!(proven.expect("it is linked"), "proven");
    let bytes = fs::read(scene.path()).expect("it is there");
    let (link, rest) = bytes.split_at(4);
    assert_eq!(link, b"link");
    assert!(rest.len() as u64 == LEN - 4 && rest.iter().all(|byte| *byte == 7));
    assert_eq!(names(scene.folder.path()), 1);
}

#[test]
fn a_proof_that_fails_ends_the_copying_and_leaves_the_file_alone() {
    let scene = Scene::new();
    let refused = scene.relink::<()>(|| {
        wait_for_draft(scene.folder.path());
        Err(Error::new(Kind::Chain, "this is another base"))
    });
    assert_eq!(refused.map_err(|error| error.kind()), Err(Kind::Chain));
    assert!(scene.slow.read.load(Ordering::Relaxed) < LEN);
    assert_eq!(
        fs::read(scene.path()).expect("it is there"),
        vec![7; LEN as usize]
    );
    assert_eq!(names(scene.folder.path()), 1);
}

#[test]
fn a_file_that_changes_while_the_proof_runs_is_not_replaced() {
    let scene = Scene::new();
    let refused = scene.relink(|| {
        wait_for_draft(scene.folder.path());
        // Where blocks are shared, nothing is read.
        let until = Instant::now() + Duration::from_secs(5);
        while scene.slow.read.load(Ordering::Relaxed) < LEN && Instant::now() < until {
            thread::sleep(Duration::from_millis(1));
        }
        // And looked at once more.
        thread::sleep(Duration::from_millis(500));
        let mut file = OpenOptions::new().append(true).open(scene.path());
        file.as_mut()
            .map(|file| file.write_all(b"more").expect("room"))
            .expect("it is there");
        Ok(())
    });
    assert_eq!(refused.map_err(|error| error.code()), Err("input_changed"));
    let len = fs::metadata(scene.path()).expect("it is there").len();
    assert_eq!(len, LEN + 4);
    assert_eq!(names(scene.folder.path()), 1);
}
