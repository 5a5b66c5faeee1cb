//! A log that is in use: what is replayed, what is passed over, and that the file reads as if it had been replayed in place.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a wrong test should stop"
)]

mod reading;

use std::path::Path;

use imgdelta_core::{FileOffset, Result, State, VirtOffset};
use imgdelta_fixtures::peers::{self, Peer};
use reading::{
    Tested,
    built::{BAT, Built, Entry, LOG, LOG_GUID, M, Write, child, dynamic, page},
    open, open_file, open_with, read_all, refusal,
};

/// The same image after its log was replayed in place by plain writes, and closed.
fn replayed(built: &Built, entries: &[Entry]) -> Vec<u8> {
    let file = entries
        .iter()
        .fold(built.0.clone(), |file, entry| entry.applied(file));
    Built(file).header("log_guid", &[0; 16]).0
}

/// Opens a dirty image and holds it against the replayed one: layer, map and file.
fn reads_as_replayed(dirty: Built, entries: &[Entry]) -> Result<()> {
    let clean = open(replayed(&dirty, entries))?;
    let dirty = open(dirty.0)?;
    assert!(
        dirty
            .metadata()
            .notes
            .iter()
            .any(|note| note.contains("replayed"))
    );
    assert!(clean.metadata().notes.is_empty());
    let (found, required) = (&dirty.metadata().files[0], &clean.metadata().files[0]);
    assert_eq!(found.len(), required.len());
    // The headers tell the two apart, nothing behind them does, wherever a read starts and ends.
    let end = required.len().0;
    for (number, len) in [1, 7, 511, 4096, 4097, 12345, 300_000]
        .into_iter()
        .enumerate()
    {
        let mut at = (192 << 10) + number as u64;
        while at + len as u64 <= end {
            let [mut one, mut two] = [vec![1; len], vec![2; len]];
            found.read_at(FileOffset(at), &mut one)?;
            required.read_at(FileOffset(at), &mut two)?;
            assert!(one == two, "{len} bytes at {at:#x}");
            at += 99_991 + len as u64;
        }
    }
    assert!(found.read_at(FileOffset(end - 1), &mut [0; 2]).is_err());
    let mut at = VirtOffset::ZERO;
    while at.0 < clean.metadata().size.0 {
        let (one, two) = (dirty.extent_at(at)?, clean.extent_at(at)?);
        assert_eq!(one, two);
        at = two.end();
    }
    assert!(read_all(&[dirty])? == read_all(&[clean])?);
    Ok(())
}

/// A page of the BAT with these entries at its start.
fn bat_page(entries: &[u64]) -> Write {
    let mut bytes = Box::new([0; 4096]);
    for (place, entry) in bytes.chunks_exact_mut(8).zip(entries) {
        place.copy_from_slice(&entry.to_le_bytes());
    }
    Write::Data(BAT as u64, bytes)
}

/// A sequence of entries one behind the other from `at` on, the last of which needs all from number `tail` on.
fn sequence(writes: Vec<Vec<Write>>, at: usize, tail: usize, len: usize) -> (Vec<u8>, Vec<Entry>) {
    let (mut bytes, mut entries, mut places) = (Vec::new(), Vec::new(), Vec::new());
    for (number, writes) in writes.into_iter().enumerate() {
        places.push((at + bytes.len()) % M);
        let entry = Entry {
            sequence: 0xffff_fffe + number as u64,
            tail: places[tail.min(number)],
            ..Entry::alone(len, writes)
        };
        bytes.extend(entry.bytes());
        entries.push(entry);
    }
    (bytes, entries)
}

#[test]
fn tables_and_payload_come_from_the_log() -> Result<()> {
    let writes = vec![
        bat_page(&[0x50_0006, 0x40_0006, 0, 2]),
        page(4 * M + 8192, 0xaa),
        Write::Zero(5 * M as u64 + 4096, 64 << 10),
    ];
    let entry = Entry::alone(6 * M, writes);
    reads_as_replayed(dynamic().log(0, &entry.bytes()), &[entry])
}

#[test]
fn bitmaps_come_from_the_log() -> Result<()> {
    let entry = Entry::alone(7 * M, vec![page(5 * M, 0x55), page(4 * M, 3)]);
    reads_as_replayed(child().log(0, &entry.bytes()), &[entry])
}

#[test]
fn later_entries_win_over_earlier_ones_wherever_the_ring_ends() -> Result<()> {
    let mut state = 5_u64;
    let mut next = |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) % below
    };
    for round in 0..40 {
        let writes: Vec<Vec<Write>> = (0..1 + next(8))
            .map(|_| {
                let one = |kind: u64, at: u64, byte: u8, len: u64| match kind {
                    0 => Write::Zero(4 * M as u64 + at * 4096, len * 4096),
                    _ => page(4 * M + at as usize * 4096, byte),
                };
                (0..next(20))
                    .map(|_| one(next(2), next(24), next(256) as u8, 1 + next(9)))
                    .collect()
            })
            .collect();
        let at = M - 4096 * (next(12) as usize + 1);
        let (bytes, entries) = sequence(writes, at, 0, 6 * M);
        reads_as_replayed(dynamic().log(at, &bytes), &entries)
            .map_err(|error| error.with_detail(format!("round {round}")))?;
    }
    Ok(())
}

#[test]
fn only_what_the_tail_still_needs_is_replayed() -> Result<()> {
    let writes = vec![
        vec![page(4 * M, 1)],
        vec![page(4 * M + 4096, 2)],
        vec![page(4 * M + 8192, 3)],
    ];
    let (bytes, entries) = sequence(writes, 40960, 1, 6 * M);
    reads_as_replayed(dynamic().log(40960, &bytes), &entries[1..])
}

#[test]
fn a_torn_entry_ends_the_sequence_before_it() -> Result<()> {
    let writes = vec![vec![page(4 * M, 1)], vec![page(4 * M, 2), page(5 * M, 2)]];
    let (bytes, entries) = sequence(writes, 0, 0, 6 * M);
    // Of the second entry: its checksum, the low and the high half of a page's sequence, a page's signature.
    let second = entries[0].bytes().len();
    for at in [
        second + 4,
        second + 8191,
        second + 4100,
        second + 4096,
        second + 8192,
    ] {
        let mut torn = bytes.clone();
        torn[at] ^= 1;
        reads_as_replayed(dynamic().log(0, &torn), &entries[..1])?;
    }
    Ok(())
}

#[test]
fn entries_of_another_log_are_passed_over() -> Result<()> {
    let old = Entry {
        sequence: 1 << 60,
        tail: 65536,
        guid: [8; 16],
        ..Entry::alone(6 * M, vec![page(4 * M, 9)])
    };
    let entry = Entry::alone(6 * M, vec![page(4 * M, 1)]);
    let dirty = dynamic().log(65536, &old.bytes()).log(0, &entry.bytes());
    reads_as_replayed(dirty, &[entry])
}

#[test]
fn of_two_sequences_the_newer_is_replayed() -> Result<()> {
    let newer = Entry {
        sequence: 100,
        tail: 65536,
        ..Entry::alone(6 * M, vec![page(4 * M, 9)])
    };
    let older = Entry::alone(6 * M, vec![page(4 * M, 1)]);
    let dirty = dynamic().log(65536, &newer.bytes()).log(0, &older.bytes());
    reads_as_replayed(dirty.clone(), std::slice::from_ref(&newer))?;
    // A sequence whose tail leads out of it is none, however new.
    let lost = Entry {
        sequence: 200,
        tail: 4096,
        ..newer.clone()
    };
    reads_as_replayed(dirty.log(131_072, &lost.bytes()), &[newer])
}

#[test]
fn a_sequence_that_writes_nothing_is_one() -> Result<()> {
    let entry = Entry::alone(6 * M, Vec::new());
    reads_as_replayed(dynamic().log(0, &entry.bytes()), &[entry])
}

#[test]
fn the_file_grows_as_the_log_says() -> Result<()> {
    let entry = Entry {
        last: 6 * M as u64 + 4096,
        ..Entry::alone(6 * M, vec![bat_page(&[0x60_0006]), page(6 * M, 4)])
    };
    let dirty = dynamic().log(0, &entry.bytes());
    reads_as_replayed(dirty.clone(), std::slice::from_ref(&entry))?;
    let image = open(dirty.0)?;
    let stored = image.metadata().files[0].stored_at(FileOffset(6 * M as u64 + 4096))?;
    assert!(!stored.is_data, "what was not there before is a hole");
    Ok(())
}

#[test]
fn many_descriptors_take_more_pages() -> Result<()> {
    for count in [126, 127, 254, 255] {
        let writes = (0..count)
            .map(|number| match number % 3 {
                0 => page(4 * M + number * 4096, number as u8),
                _ => Write::Zero((4 * M + number * 4096) as u64, 4096),
            })
            .collect();
        let entry = Entry::alone(6 * M, writes);
        reads_as_replayed(
            dynamic().log(8192, &with_tail(&entry, 8192).bytes()),
            &[entry],
        )?;
    }
    Ok(())
}

fn with_tail(entry: &Entry, tail: usize) -> Entry {
    Entry {
        tail,
        ..entry.clone()
    }
}

#[test]
fn a_log_that_cannot_be_replayed_can_be_ignored() -> Result<()> {
    let dirty = dynamic().header("log_guid", &LOG_GUID).0;
    let error = refusal(dirty.clone());
    assert_eq!(error.code(), "vhdx_log_empty");
    assert!(error.hint().is_some_and(|hint| hint.contains("log=ignore")));
    let image = open_with(dirty, &["log=ignore"])?;
    assert!(
        image
            .metadata()
            .notes
            .iter()
            .any(|note| note.contains("ignored"))
    );
    let clean = open(dynamic().0)?;
    assert!(read_all(&[image])? == read_all(&[clean])?);
    Ok(())
}

#[test]
fn an_ignored_log_leaves_the_tables_as_they_are() -> Result<()> {
    let entry = Entry::alone(6 * M, vec![bat_page(&[2])]);
    let dirty = dynamic().log(0, &entry.bytes()).0;
    let image = open_with(dirty.clone(), &["log=ignore"])?;
    assert!(image.extent_at(VirtOffset::ZERO)?.state.holds_data());
    assert_eq!(open(dirty)?.extent_at(VirtOffset::ZERO)?.state, State::Zero);
    assert!(open_with(dynamic().0, &["log=later"]).is_err());
    Ok(())
}

#[test]
fn no_byte_of_a_log_makes_trouble() {
    let writes = vec![
        vec![page(4 * M, 1)],
        vec![page(4 * M, 2), Write::Zero(5 * M as u64, 8192)],
    ];
    let (bytes, _) = sequence(writes, 0, 0, 6 * M);
    let dirty = dynamic().log(0, &bytes).0;
    // Head and descriptors of both entries, every byte wrong in two ways; whatever comes of it, it ends.
    for at in (0..160).chain(8192..8400) {
        for value in [0, 0xff] {
            let mut bytes = dirty.clone();
            bytes[LOG + at] = value;
            drop(open(bytes));
        }
    }
}

/// Reads the image at `path`, lets qemu-img replay its log in place, and reads it again.
fn reads_as_qemu_replays(path: &Path) -> Tested {
    let name = path.to_str().ok_or("a name")?;
    let dirty = open_file(path)?;
    assert!(
        dirty
            .metadata()
            .notes
            .iter()
            .any(|note| note.contains("replayed"))
    );
    let before = read_all(&[dirty])?;
    peers::qemu_img(&["check", "-q", "-r", "all", name])?;
    let clean = open_file(path)?;
    assert!(
        clean.metadata().notes.is_empty(),
        "{:?}",
        clean.metadata().notes
    );
    assert!(before == read_all(&[clean])?, "{name}");
    Ok(())
}

#[test]
fn qemu_replays_a_drawn_log_alike() -> Tested {
    if peers::find(Peer::QemuImg).is_none() {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    for (round, at) in [0, 4096, M - 4096, M - 8192, M - 65536]
        .into_iter()
        .enumerate()
    {
        let writes: Vec<Vec<Write>> = (0..5)
            .map(|entry| {
                (0..1 + entry * 25)
                    .map(|number| match (number + entry + round) % 4 {
                        0 => Write::Zero((4 * M + number * 8192) as u64, 12288),
                        _ => page(4 * M + number * 4096, (number + entry * 50 + round) as u8),
                    })
                    .collect()
            })
            .collect();
        let (bytes, _) = sequence(writes, at, round % 3, 6 * M);
        let path = folder.path().join(format!("{round}.vhdx"));
        std::fs::write(&path, dynamic().log(at, &bytes).0)?;
        reads_as_qemu_replays(&path)?;
    }
    Ok(())
}

#[test]
fn the_log_that_qemu_wrote_is_replayed_as_qemu_replays_it() -> Tested {
    if peers::find(Peer::QemuImg).is_none() {
        return Ok(());
    }
    for (options, writes) in [
        (
            "block_size=1M",
            &["write -P 1 0 1M", "write -P 2 7M 3M"][..],
        ),
        (
            "block_size=2M,log_size=2M",
            &["write -P 3 12M 512", "write -P 4 1M 4K"],
        ),
        ("subformat=fixed,block_size=1M", &["write -P 5 19M 64K"]),
    ] {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("a.vhdx");
        let name = path.to_str().ok_or("a name")?;
        peers::qemu_img(&["create", "-q", "-f", "vhdx", "-o", options, name, "20M"])?;
        peers::qemu_io(&path, "vhdx", writes)?;
        let bytes = std::fs::read(&path)?;
        // The last entry that it wrote is still there: say that it counts, and take back what it wrote into the BAT.
        let entry = (LOG..3 * M)
            .step_by(4096)
            .filter(|at| bytes[*at..].starts_with(b"loge"))
            .max_by_key(|at| {
                bytes[at + 16..at + 24]
                    .iter()
                    .rev()
                    .copied()
                    .collect::<Vec<_>>()
            })
            .ok_or("qemu wrote no log")?;
        let bat = bytes[entry + 64..]
            .first_chunk::<32>()
            .ok_or("no descriptor")?;
        let place = u64::from_le_bytes(*bat[16..].first_chunk().ok_or("no place")?) as usize;
        let guid = bytes[entry + 32..entry + 48].to_vec();
        let dirty = Built(bytes)
            .header("log_guid", &guid)
            .put(place, &[0; 4096]);
        std::fs::write(&path, dirty.0)?;
        reads_as_qemu_replays(&path)?;
    }
    Ok(())
}
