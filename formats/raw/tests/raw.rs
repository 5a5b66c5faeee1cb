//! Raw images are read and written as what they are: the disk, byte for byte.

#![allow(
    clippy::indexing_slicing,
    reason = "what a test has just made has the length that it made"
)]

use std::{
    fs::{self, File},
    io,
    os::unix::fs::{FileExt, MetadataExt},
    path::Path,
    sync::Arc,
};

use imgdelta_core::{
    BlockState, Bytes, CheckReport, Create, Error, FileOffset, FileSink, FileSource, FinishParams,
    Image, Kind, MemSink, MemSource, NoAuxFiles, OneOutput, Open, Options, ParentSpec, Payload,
    PipeSink, Result, Sink, Source, State, Unit, VirtOffset,
};
use imgdelta_raw::DRIVER;

const MIB: u64 = 1 << 20;

fn asked(source: Arc<dyn Source>) -> Open<'static> {
    Open {
        source,
        aux_files: &NoAuxFiles,
        options: Options::default(),
        snapshot: None,
    }
}

fn open(path: &Path) -> Result<Arc<dyn Image>> {
    (DRIVER.open)(asked(Arc::new(FileSource::open(path)?)))
}

fn check(path: &Path) -> Result<CheckReport> {
    (DRIVER.check)(asked(Arc::new(FileSource::open(path)?)))
}

fn request(sink: &Arc<dyn Sink>, size: u64, act: impl FnOnce(Create<'_>)) {
    let outputs = OneOutput(Arc::clone(sink));
    act(Create {
        outputs: &outputs,
        disk: Bytes(size).into(),
        options: Options::default(),
        parent: None,
        seed: None,
    });
}

/// What the engine does, one unit after another, without its threads.
fn write(sink: &Arc<dyn Sink>, disk: &[u8]) -> Result<()> {
    let mut result = Ok(());
    request(sink, disk.len() as u64, |create| {
        result = write_as(create, disk)
    });
    result
}

fn write_as(create: Create<'_>, disk: &[u8]) -> Result<()> {
    let mut writer = DRIVER.start(create)?;
    let shape = writer.shape();
    assert_eq!(shape.size, Bytes::from(disk.len()));
    let mut encoder = writer.encoder();
    for (number, bytes) in disk.chunks(shape.unit.in_memory()).enumerate() {
        let is_zero = bytes.iter().all(|byte| *byte == 0);
        let grain = if is_zero && !shape.wants_zeros {
            BlockState::Zero
        } else {
            BlockState::Data
        };
        let unit = Unit {
            at: VirtOffset(number as u64 * shape.unit.0),
            bytes,
            grains: &[grain],
        };
        let mut out = Vec::new();
        let payload = encoder.encode(&unit, &mut out)?.payload;
        assert!(out.is_empty());
        if let Some(placed) = writer.place(&unit, payload, Bytes::from(bytes.len()))? {
            placed.sink.write_at(placed.at, bytes)?;
        }
    }
    writer.finish(&FinishParams::default())
}

/// 5 MiB and 7 bytes, of which the second and fourth MiB are zero.
fn disk() -> Vec<u8> {
    let mut disk: Vec<u8> = (0..5 * MIB + 7).map(|at| (at % 251) as u8 + 1).collect();
    disk[MIB as usize..2 * MIB as usize].fill(0);
    disk[3 * MIB as usize..4 * MIB as usize].fill(0);
    disk
}

/// Where extents start, and what they say.
type States = Vec<(u64, State)>;

/// The whole disk, and the states of its extents; each extent must start where the one before it ends.
fn read(image: &dyn Image) -> Result<(Vec<u8>, States)> {
    let size = image.metadata().size;
    let (mut disk, mut states) = (vec![0; size.in_memory()], Vec::new());
    let mut at = VirtOffset::ZERO;
    while at.0 < size.0 {
        let extent = image.extent_at(at)?;
        assert_eq!(extent.at, at);
        assert!(extent.len > Bytes::ZERO && extent.end().0 <= size.0);
        if extent.state.holds_data() {
            image.read_data(at, &mut disk[at.0 as usize..extent.end().0 as usize])?;
        }
        states.push((at.0, extent.state));
        at = extent.end();
    }
    Ok((disk, states))
}

fn data(at: u64) -> State {
    State::Data {
        file: 0,
        at: FileOffset(at),
    }
}

#[test]
fn what_is_written_reads_back_with_its_holes() -> Result<()> {
    let folder = tempfile::tempdir().expect("a place");
    let path = folder.path().join("disk.raw");
    let file = File::create(&path).expect("room");
    let sink: Arc<dyn Sink> = Arc::new(FileSink::new(file, &path, false));
    write(&sink, &disk())?;
    sink.sync()?;
    assert_eq!(fs::read(&path).expect("it is there"), disk());
    let image = open(&path)?;
    let (read, states) = read(&*image)?;
    assert_eq!(read, disk());
    assert_eq!(image.metadata().size, Bytes(5 * MIB + 7));
    assert_eq!(image.metadata().notes.len(), 1, "it is no multiple of 512");
    // A file system without holes reads as data all over; then there is nothing to see.
    let metadata = fs::metadata(&path).expect("it is there");
    if metadata.blocks() * 512 < 4 * MIB {
        let expected = [
            (0, data(0)),
            (MIB, State::Zero),
            (2 * MIB, data(2 * MIB)),
            (3 * MIB, State::Zero),
            (4 * MIB, data(4 * MIB)),
        ];
        assert_eq!(states, expected);
        let counts = check(&path)?.counts;
        assert_eq!(
            counts,
            [("stored_bytes", 3 * MIB + 7), ("hole_bytes", 2 * MIB)]
        );
    }
    Ok(())
}

#[test]
fn zeros_at_the_end_still_make_the_file_as_long_as_the_disk() -> Result<()> {
    for size in [0, 1, 512, MIB - 1, 3 * MIB] {
        let sink = Arc::new(MemSink::default());
        write(
            &(Arc::clone(&sink) as Arc<dyn Sink>),
            &vec![0; size as usize],
        )?;
        assert_eq!(sink.bytes().len() as u64, size);
    }
    Ok(())
}

#[test]
fn stale_bytes_of_a_device_do_not_shine_through() -> Result<()> {
    let folder = tempfile::tempdir().expect("a place");
    let path = folder.path().join("device");
    fs::write(&path, vec![0xee; 6 * MIB as usize]).expect("room");
    let file = File::options()
        .write(true)
        .open(&path)
        .expect("it is there");
    let sink: Arc<dyn Sink> = Arc::new(FileSink::new(file, &path, true));
    write(&sink, &disk())?;
    let (there, beyond) = (fs::read(&path).expect("it is there"), disk().len());
    assert_eq!(there[..beyond], disk());
    assert!(there[beyond..].iter().all(|byte| *byte == 0xee));
    Ok(())
}

#[test]
fn a_disk_larger_than_its_device_is_refused_before_a_byte_is_written() {
    let folder = tempfile::tempdir().expect("a place");
    let path = folder.path().join("device");
    fs::write(&path, vec![0xee; MIB as usize]).expect("room");
    let file = File::options()
        .write(true)
        .open(&path)
        .expect("it is there");
    let sink: Arc<dyn Sink> = Arc::new(FileSink::new(file, &path, true));
    let error = write(&sink, &disk()).expect_err("5 MiB do not fit");
    assert_eq!(
        (error.kind(), error.code()),
        (Kind::Host, "device_too_small")
    );
    let there = fs::read(&path).expect("it is there");
    assert!(there.iter().all(|byte| *byte == 0xee));
}

/// Gathers what goes through a pipe.
#[derive(Clone, Debug, Default)]
struct Gathered(Arc<std::sync::Mutex<Vec<u8>>>);

impl io::Write for Gathered {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("not poisoned").extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_pipe_gets_the_whole_disk_in_order() -> Result<()> {
    let gathered = Gathered::default();
    let mut disk = disk();
    disk.resize(8 * MIB as usize, 0);
    write(&(Arc::new(PipeSink::new(gathered.clone())) as _), &disk)?;
    assert!(DRIVER.streams);
    assert_eq!(*gathered.0.lock().expect("not poisoned"), disk);
    Ok(())
}

#[test]
fn odd_and_empty_files_are_disks_of_their_own_size() -> Result<()> {
    let folder = tempfile::tempdir().expect("a place");
    for (size, notes) in [(0_usize, 0), (1, 1), (512, 0), (513, 1)] {
        let path = folder.path().join(format!("{size}.raw"));
        fs::write(&path, vec![3; size]).expect("room");
        let image = open(&path)?;
        assert_eq!(image.metadata().size.0, size as u64);
        assert_eq!(read(&*image)?.0, vec![3; size]);
        assert_eq!(image.metadata().notes.len(), notes, "size {size}");
        assert_eq!(check(&path)?.notes.len(), notes, "size {size}");
    }
    Ok(())
}

#[test]
fn holes_of_a_huge_disk_cost_nothing() -> Result<()> {
    let folder = tempfile::tempdir().expect("a place");
    let path = folder.path().join("huge.raw");
    let file = File::create(&path).expect("room");
    let size = 8 << 40;
    if file.set_len(size).is_err() {
        eprintln!("skipped: this file system has no files of 8 TiB");
        return Ok(());
    }
    file.write_all_at(b"x", size / 2).expect("room");
    let image = open(&path)?;
    let (mut at, mut extents) = (VirtOffset::ZERO, 0);
    while at.0 < size {
        at = image.extent_at(at)?.end();
        extents += 1;
    }
    assert!(extents <= 3, "{extents} extents");
    Ok(())
}

#[test]
fn what_raw_has_not_is_refused() {
    let refused = |change: &dyn Fn(&mut Open<'_>)| {
        let mut open = asked(Arc::new(MemSource(vec![0; 512])));
        change(&mut open);
        (DRIVER.open)(open)
            .expect_err("raw has no such thing")
            .kind()
    };
    let option = Options::parse(&["size=chs"]).expect("well formed");
    assert_eq!(refused(&|open| open.options = option.clone()), Kind::Usage);
    assert_eq!(
        refused(&|open| open.snapshot = Some("before".to_owned())),
        Kind::Usage
    );
    let sink: Arc<dyn Sink> = Arc::new(MemSink::default());
    let create = |change: &dyn Fn(&mut Create<'_>)| {
        let mut found: Option<Error> = None;
        request(&sink, 512, |mut create| {
            change(&mut create);
            found = DRIVER.start(create).err();
        });
        found.expect("raw has no such thing").kind()
    };
    assert_eq!(
        create(&|create| create.options = option.clone()),
        Kind::Usage
    );
    assert_eq!(
        create(&|create| create.parent = Some(ParentSpec::default())),
        Kind::Unsupported
    );
}

#[test]
fn an_empty_unit_has_no_place() -> Result<()> {
    let sink: Arc<dyn Sink> = Arc::new(MemSink::default());
    let mut place = Ok(None);
    request(&sink, MIB, |create| {
        place = DRIVER.start(create).and_then(|mut writer| {
            let bytes = vec![0; MIB as usize];
            let unit = Unit {
                at: VirtOffset(0),
                bytes: &bytes,
                grains: &[BlockState::Zero],
            };
            writer.place(&unit, Payload::None, Bytes(MIB))
        });
    });
    assert!(place?.is_none());
    Ok(())
}
