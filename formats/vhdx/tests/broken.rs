//! No byte of any structure makes trouble: what comes of it is an answer, and never a crash.

#![allow(clippy::indexing_slicing, reason = "a wrong test should stop")]

mod reading;

use imgdelta_core::{Result, VirtOffset};
use imgdelta_vhdx::DRIVER;
use reading::{
    built::{BAT, Built, Entry, ITEMS, LOCATOR, LOG, LOG_GUID, M, META, RATIO, Write, child, page},
    check, memory, open,
};

/// Does with an image all that can be done with it.
fn ask(bytes: &[u8]) -> Result<()> {
    drop((DRIVER.references)(&memory(bytes.to_vec())));
    drop(check(bytes.to_vec()));
    let image = open(bytes.to_vec())?;
    let (mut at, mut asked) = (VirtOffset::ZERO, 0);
    while at.0 < image.metadata().size.0 && asked < 64 {
        let extent = image.extent_at(at)?;
        assert!(extent.at == at && extent.len.0 > 0 && extent.end().0 <= image.metadata().size.0);
        if extent.state.holds_data() {
            let len = extent.len.in_memory().min(4096);
            image.read_data(at, &mut vec![0; len])?;
        }
        at = extent.end();
        asked += 1;
    }
    Ok(())
}

/// Puts every byte of `range` to each of `values`, and asks.
fn each_byte(bytes: &mut [u8], range: std::ops::Range<usize>, seal: impl Fn(&mut [u8])) {
    for at in range {
        for value in [0, 0x01, 0x7f, 0xff] {
            let before = bytes[at];
            bytes[at] = value;
            seal(bytes);
            drop(ask(bytes));
            bytes[at] = before;
        }
    }
    seal(bytes);
}

#[test]
fn no_byte_of_the_metadata_makes_trouble() {
    let mut bytes = child().0;
    ask(&bytes).expect("it is sound");
    for range in [
        META..META + 32 + 6 * 32,
        ITEMS..ITEMS + 40,
        LOCATOR..LOCATOR + 60,
    ] {
        each_byte(&mut bytes, range, |_| ());
    }
    ask(&bytes).expect("it is as it was");
}

#[test]
fn no_byte_of_the_bat_makes_trouble() {
    let mut bytes = child().0;
    for range in [BAT..BAT + 32, BAT + 8 * RATIO..BAT + 8 * RATIO + 8] {
        each_byte(&mut bytes, range, |_| ());
    }
}

#[test]
fn no_byte_of_headers_and_regions_makes_trouble() {
    let mut bytes = child().0;
    let resealed = |at: usize, len: usize| {
        move |bytes: &mut [u8]| {
            let sum = imgdelta_vhdx::layout::checksum(&bytes[at..at + len]);
            bytes[at + 4..at + 8].copy_from_slice(&sum.to_le_bytes());
        }
    };
    let second = 128 << 10;
    each_byte(&mut bytes, second + 8..second + 80, resealed(second, 4096));
    let table = 192 << 10;
    each_byte(&mut bytes, table + 8..table + 80, resealed(table, 65536));
}

#[test]
fn no_byte_of_a_log_makes_trouble_though_it_is_sealed() {
    let writes = vec![
        page(5 * M, 0x0f),
        Write::Zero(4 << 20, 8192),
        page(3 * M, 0),
    ];
    let entry = Entry::alone(7 * M, writes);
    let len = entry.bytes().len();
    let Built(mut bytes) = child().log(0, &entry.bytes());
    ask(&bytes).expect("it is sound");
    assert_eq!(bytes[(128 << 10) + 48..][..16], LOG_GUID);
    each_byte(&mut bytes, LOG + 8..LOG + 160, |bytes| {
        let sum = imgdelta_vhdx::layout::checksum(&bytes[LOG..LOG + len]);
        bytes[LOG + 4..LOG + 8].copy_from_slice(&sum.to_le_bytes());
    });
}

#[test]
fn no_length_of_the_file_makes_trouble() {
    let bytes = child().0;
    for len in [
        0, 1, 7, 8, 519, 520, 65536, 65537, 69632, 200_000, 262_144, 327_680,
    ]
    .into_iter()
    .chain((1..28).map(|quarter| quarter * M / 4))
    .chain((1..7).map(|mib| mib * M - 1))
    {
        assert!(
            ask(&bytes[..len]).is_err(),
            "{len} bytes of it are no image"
        );
    }
}
