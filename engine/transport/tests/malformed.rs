//! Broken files, each with the error that it must give: nothing panics, and no number of a file is believed.

#![allow(
    clippy::indexing_slicing,
    reason = "a test indexes what it has just made"
)]

mod common;

use common::{disk, file_of, noise, open, over};
use imgdelta_core::{Kind, Result, VirtOffset};
use imgdelta_delta::{Digest, ExecContext, RunProgress};
use imgdelta_transport::{
    check,
    layout::{Header, SegmentEntry, WindowEntry},
};

fn base() -> Vec<u8> {
    noise(1, 1 << 20)
}

fn sound() -> Vec<u8> {
    let mut target = base();
    target[100_000..700_000].copy_from_slice(&noise(2, 600_000));
    file_of(&base(), &target)
}

fn header_of(file: &[u8]) -> Header {
    Header::parse(file[..Header::SIZE].try_into().expect("it is there"))
}

/// The file with another header, whose digest is right.
fn with_header(mut file: Vec<u8>, change: impl FnOnce(&mut Header)) -> Vec<u8> {
    let mut header = header_of(&file);
    change(&mut header);
    header.digest = Digest::plain(&header.emit()[..320]).0;
    file[..Header::SIZE].copy_from_slice(&header.emit());
    file
}

/// The file with other entries in its indexes, whose digests are right.
fn with_entries(
    mut file: Vec<u8>,
    change: impl FnOnce(&mut WindowEntry, &mut SegmentEntry),
) -> Vec<u8> {
    let header = header_of(&file);
    let windows = header.window_index_at as usize;
    let segments = header.segment_index_at as usize;
    let first = windows..windows + WindowEntry::SIZE;
    let only = segments..segments + SegmentEntry::SIZE;
    let mut window = WindowEntry::parse(file[first.clone()].try_into().expect("it is there"));
    let mut segment = SegmentEntry::parse(file[only.clone()].try_into().expect("it is there"));
    change(&mut window, &mut segment);
    file[first].copy_from_slice(&window.emit());
    file[only].copy_from_slice(&segment.emit());
    with_header(file.clone(), |header| {
        header.window_index_digest = Digest::plain(&file[windows..segments]).0;
        header.segment_index_digest = Digest::plain(&file[segments..]).0;
    })
}

/// What opening it, checking it and reading all of it say: the code of the first error.
fn said(file: &[u8]) -> &'static str {
    let read = || -> Result<()> {
        let opened = open(file)?;
        let progress = RunProgress::default();
        let report = check(&opened, None, ExecContext::new(1, &progress))?;
        if let Some(fault) = report.faults.into_iter().next() {
            return Err(fault);
        }
        let disk = over(file, &disk(&base()))?;
        disk.read_at(VirtOffset::ZERO, &mut vec![0; disk.size().in_memory()])
    };
    read().map_or_else(|error| error.code(), |()| "sound")
}

#[test]
fn a_sound_file_is_called_so() {
    assert_eq!(said(&sound()), "sound");
    assert_eq!(said(&with_header(sound(), |_| ())), "sound");
    assert_eq!(said(&with_entries(sound(), |_, _| ())), "sound");
}

#[test]
fn every_broken_header_has_its_error() {
    type Change = fn(&mut Header);
    let cases: [(&str, Change); 21] = [
        ("transport_magic", |header| header.magic[1] = b'X'),
        ("transport_version", |header| header.version = 2),
        ("transport_constant", |header| header.header_len = 353),
        ("transport_constant", |header| header.block_size = 512),
        ("transport_constant", |header| header.page_size = 0),
        ("transport_constant", |header| {
            header.window_blocks = u32::MAX
        }),
        ("transport_constant", |header| header.segment_blocks = 1),
        ("transport_constant", |header| header.reserved[31] = 1),
        ("transport_constant", |header| header.windows_at = 0),
        ("transport_too_large", |header| header.base_size = u64::MAX),
        ("transport_too_large", |header| {
            header.target_size = (1 << 46) + 1
        }),
        ("transport_too_large", |header| {
            header.fresh_blocks = u64::MAX
        }),
        ("transport_contradiction", |header| {
            header.windows = u64::MAX
        }),
        ("transport_too_large", |header| header.segments = u64::MAX),
        ("transport_too_large", |header| {
            header.manifest_len = u32::MAX
        }),
        ("transport_too_large", |header| {
            header.manifest_packed = u32::MAX
        }),
        ("transport_contradiction", |header| header.map_at = u64::MAX),
        ("transport_contradiction", |header| {
            header.manifest_at = u64::MAX
        }),
        ("transport_contradiction", |header| header.file_len += 1),
        ("transport_part_digest", |header| {
            header.manifest_digest[0] ^= 1
        }),
        ("transport_manifest_differs", |header| {
            header.base_id[0] ^= 1
        }),
    ];
    for (number, (code, change)) in cases.into_iter().enumerate() {
        assert_eq!(said(&with_header(sound(), change)), code, "case {number}");
    }
}

#[test]
fn every_broken_index_has_its_error() {
    type Change = fn(&mut WindowEntry, &mut SegmentEntry);
    let cases: [(&str, Change); 15] = [
        ("transport_constant", |_, segment| segment.reserved = 1),
        ("transport_packed", |window, _| window.packed = 0),
        ("transport_packed", |window, _| window.packed = u32::MAX),
        ("transport_place", |window, _| window.at = 0),
        ("transport_place", |window, _| window.at = u64::MAX),
        ("transport_crc", |window, _| window.crc ^= 1),
        ("transport_digest", |window, _| window.digest[0] ^= 1),
        ("transport_segment_order", |_, segment| segment.number = 1),
        ("transport_packed", |_, segment| segment.packed = u32::MAX),
        ("transport_place", |_, segment| segment.at += 1),
        ("transport_fresh_count", |_, segment| {
            segment.fresh_before = 1
        }),
        ("transport_crc", |_, segment| segment.crc ^= 1),
        ("transport_too_large", |_, segment| segment.len = u32::MAX),
        ("transport_digest", |_, segment| segment.len += 1),
        ("transport_digest", |_, segment| segment.digest[0] ^= 1),
    ];
    for (number, (code, change)) in cases.into_iter().enumerate() {
        assert_eq!(said(&with_entries(sound(), change)), code, "case {number}");
    }
}

#[test]
fn a_window_whose_record_breaks_a_rule_has_its_error() {
    // The record of the first window begins with how many pages it has: none here, since nothing is alike.
    let change = |bytes: &[u8]| {
        let mut file = sound();
        let at = Header::SIZE;
        file[at..at + bytes.len()].copy_from_slice(bytes);
        let header = header_of(&file);
        let index = header.window_index_at as usize;
        let entry = WindowEntry::parse(
            file[index..index + WindowEntry::SIZE]
                .try_into()
                .expect("it is there"),
        );
        let crc = crc32c::crc32c(&file[at..at + entry.packed as usize]);
        said(&with_entries(file, |window, _| window.crc = crc))
    };
    assert_eq!(change(&[33]), "transport_page_count");
    assert_eq!(
        change(&[0xff, 0xff, 0xff, 0xff, 0x0f]),
        "transport_page_count"
    );
    assert_eq!(change(&[1, 32]), "transport_page");
    assert_eq!(
        change(&[1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1]),
        "transport_page"
    );
    assert_eq!(change(&[0, 1]), "transport_frame");
    assert_eq!(change(&[0x80; 12]), "transport_frame");
}

#[test]
fn every_byte_that_flips_and_every_cut_is_noticed() {
    let file = sound();
    let step = if cfg!(debug_assertions) { 997 } else { 13 };
    let head = (0..Header::SIZE).chain((Header::SIZE..file.len()).step_by(step));
    for at in head {
        let mut damaged = file.clone();
        damaged[at] ^= 1 << (at % 8);
        assert_ne!(said(&damaged), "sound", "byte {at}");
    }
    for len in (0..file.len()).step_by(9973).chain([file.len() - 1]) {
        let error = open(&file[..len]).expect_err("it is cut");
        assert_eq!(error.kind(), Kind::Corrupt, "cut at {len}: {error}");
    }
    let error = open(&[&file[..], b"more"].concat()).expect_err("it is too long");
    assert_eq!(error.code(), "transport_length");
}

#[test]
fn over_another_base_no_window_that_used_it_unpacks() {
    let base = noise(5, 1 << 20);
    let target = [&[1; 1001][..], &base].concat();
    let file = file_of(&base, &target);
    let other = disk(&noise(6, 1 << 20));
    let read = over(&file, &other)
        .expect("it opens")
        .read_at(VirtOffset(0), &mut [0; 4096]);
    let error = read.expect_err("it is another base");
    assert!(
        ["transport_digest", "transport_frame"].contains(&error.code()),
        "{error}"
    );
}
