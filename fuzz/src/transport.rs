//! Any bytes as a transport file over a known base: whatever it says, it is read in bounded memory, and what is called sound reads throughout. And any
//! two disks as such a file: what comes out is the target.

use std::sync::Arc;

use imgdelta_core::{Bytes, Format, Image, Kind, LayerId, MemSink, MemSource, Result, VirtOffset};
use imgdelta_delta::{
    Chain, Digest, DigestCache, ExecContext, Layer, Manifest, RunProgress, manifest::ImageName,
};
use imgdelta_transport::{
    IndexBudget, LEVEL, Pack, TransportFile, TransportImage, check,
    layout::{Header, SegmentEntry, WindowEntry, layer_size},
};

use crate::pair::{Feed, chain_of, first_disk, or_fail, raw};

/// What is read of a disk that is as large as its header says.
const MOST_READ: usize = 4 << 20;

/// Most runs that are asked for.
const MOST_RUNS: usize = 1000;

/// The base of all files that are fed: bytes that do not repeat within 256 KiB.
fn base() -> Vec<u8> {
    let numbers = 0..1_u32 << 16;
    numbers
        .flat_map(|number| (number.wrapping_mul(2_654_435_761) ^ number >> 3).to_le_bytes())
        .collect()
}

/// Reads the file behind the first byte, which says whether its sums are put right before.
pub(crate) fn unpack(bytes: &[u8]) {
    let Some((seals, file)) = bytes.split_first() else {
        return;
    };
    let mut file = file.to_vec();
    if seals & 1 == 1 {
        seal(&mut file);
    }
    let Ok(opened) = TransportFile::open(Arc::new(MemSource(file))) else {
        return;
    };
    let progress = RunProgress::default();
    let work = ExecContext::new(1, &progress);
    let base = chain_of(raw(&base()));
    let alone = or_fail(check(&opened, None, work), "a file that opens is checked");
    let whole = or_fail(check(&opened, Some(&base), work), "over its base too");
    let is_sound = whole.faults.is_empty();
    assert!(
        alone.faults.len() <= whole.faults.len(),
        "what is wrong without the base is wrong with it"
    );
    let image: Arc<dyn Image> = Arc::new(TransportImage::new(opened, Some(&base)));
    read_runs(&*image, is_sound);
}

/// Goes over the layer: its runs cover the disk in order, and what is sound reads.
fn read_runs(image: &dyn Image, is_sound: bool) {
    let size = image.metadata().size;
    let (mut at, mut left) = (VirtOffset::ZERO, MOST_READ);
    for _ in 0..MOST_RUNS {
        if at.0 >= size.0 {
            return;
        }
        let extent = match image.extent_at(at) {
            Ok(extent) => extent,
            Err(error) => {
                assert!(!is_sound, "a sound file has a map: {error}");
                return;
            }
        };
        assert!(extent.at == at && extent.len > Bytes::ZERO && extent.end().0 <= size.0);
        if extent.state.holds_data() && left > 0 {
            let part = extent.part(at, Bytes::from(left.min(1 << 20)));
            let mut buf = vec![0; part.len.in_memory()];
            left = left.saturating_sub(buf.len());
            if let Err(error) = image.read_extent(&part, &mut buf) {
                assert!(!is_sound, "a sound file reads: {error}");
                assert!(
                    matches!(error.kind(), Kind::Corrupt | Kind::Digest),
                    "{error}"
                );
            }
        }
        at = extent.end();
    }
}

/// Puts the right sums into header, indexes and records, as far as they are there: they then keep nobody from what lies behind them.
fn seal(file: &mut [u8]) {
    let Some(header) = file.first_chunk::<{ Header::SIZE }>() else {
        return;
    };
    let mut header = Header::parse(header);
    let windows = (header.window_index_at, header.windows, WindowEntry::SIZE);
    seal_records(file, windows, |file, entry| {
        let mut window = WindowEntry::parse(entry.first_chunk()?);
        window.crc = crc32c::crc32c(part(file, window.at, window.packed.into())?);
        Some(window.emit().to_vec())
    });
    let segments = (header.segment_index_at, header.segments, SegmentEntry::SIZE);
    seal_records(file, segments, |file, entry| {
        let mut segment = SegmentEntry::parse(entry.first_chunk()?);
        segment.crc = crc32c::crc32c(part(file, segment.at, segment.packed.into())?);
        Some(segment.emit().to_vec())
    });
    let sum = |(at, count, each): (u64, u64, usize)| {
        let len = count.checked_mul(each as u64)?;
        Some(Digest::plain(part(file, at, len)?).0)
    };
    header.window_index_digest = sum(windows).unwrap_or_default();
    header.segment_index_digest = sum(segments).unwrap_or_default();
    header.digest = Digest::plain(header.emit().get(..320).unwrap_or_default()).0;
    if let Some(place) = file.get_mut(..Header::SIZE) {
        place.copy_from_slice(&header.emit());
    }
}

fn part(file: &[u8], at: u64, len: u64) -> Option<&[u8]> {
    let start = usize::try_from(at).ok()?;
    file.get(start..start.checked_add(usize::try_from(len).ok()?)?)
}

/// Has each entry of an index written anew.
fn seal_records(
    file: &mut [u8],
    (at, count, each): (u64, u64, usize),
    anew: impl Fn(&[u8], &[u8]) -> Option<Vec<u8>>,
) {
    let most = file.len() / each;
    let Ok(start) = usize::try_from(at) else {
        return;
    };
    for number in 0..usize::try_from(count).unwrap_or(most).min(most) {
        let Some(from) = start.checked_add(number * each) else {
            return;
        };
        let entry = file.get(from..from.saturating_add(each));
        let Some(sealed) = entry.and_then(|entry| anew(file, entry)) else {
            continue;
        };
        if let Some(place) = file.get_mut(from..from + each) {
            place.copy_from_slice(&sealed);
        }
    }
}

/// Any two disks: the file is the same on one thread and on three, small lists or large, and over the base it is the target.
pub(crate) fn pack(bytes: &[u8]) {
    let mut feed = Feed(bytes);
    let base = first_disk(&mut feed);
    let mut target = base.clone();
    feed.splice(&mut target);
    let file = or_fail(packed(&base, &target, 1), "two disks are packed");
    assert!(
        file == or_fail(packed(&base, &target, 3), "two disks are packed"),
        "the file is the same on three threads"
    );
    let base = chain_of(raw(&base));
    let opened = or_fail(TransportFile::open(Arc::new(MemSource(file))), "it opens");
    let image: Arc<dyn Image> = Arc::new(TransportImage::new(opened, Some(&base)));
    let id = LayerId::of(&*image);
    let disk = or_fail(Chain::over(Layer::new(image, id), &base), "it is a layer");
    let mut found = vec![0; disk.size().in_memory()];
    or_fail(disk.read_at(VirtOffset::ZERO, &mut found), "it is read");
    assert!(
        found.get(..target.len()) == Some(&target),
        "the target comes out"
    );
}

/// The file of two disks.
fn packed(base: &[u8], target: &[u8], threads: usize) -> Result<Vec<u8>> {
    static NONE: DigestCache = DigestCache::none();
    let progress = RunProgress::default();
    let (base, target) = (chain_of(raw(base)), chain_of(raw(target)));
    let packing = Pack {
        base: &base,
        target: &target,
        level: LEVEL,
        budget: IndexBudget {
            blocks: 64,
            anchors: 256,
        },
        memory: &NONE,
        work: ExecContext::new(threads, &progress),
    }
    .prepare()?;
    let name = |format| ImageName {
        name: "disk".to_owned(),
        format,
        identity: None,
    };
    let manifest = Manifest::describe(
        packing.made(),
        &name(Format::Raw),
        &name(Format::Raw),
        &name(Format::Transport),
        layer_size(target.size()),
    )?;
    let sink = MemSink::default();
    packing.write(&sink, &manifest)?;
    Ok(sink.bytes())
}

/// What fuzzing starts from: files over the known base, sealed.
#[must_use]
pub fn transport_files() -> Vec<Vec<u8>> {
    let base = base();
    let shifted = [&[7; 1001][..], &base].concat();
    let mut zeroed = base.clone();
    zeroed.truncate(200_001);
    if let Some(part) = zeroed.get_mut(40_000..90_000) {
        part.fill(0);
    }
    let mut repeated = base.get(8192..60_000).unwrap_or_default().to_vec();
    repeated.extend(b"new words".iter().cycle().take(9000));
    repeated.resize(81_920, 0);
    repeated.extend(b"new words".iter().cycle().take(9000));
    let targets = [shifted, zeroed, repeated, base.clone()];
    let files = targets.map(|target| or_fail(packed(&base, &target, 1), "two disks are packed"));
    let files = files.into_iter();
    files.map(|file| [&[1][..], &file].concat()).collect()
}
