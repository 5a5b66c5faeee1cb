//! Images of every variant read as they were drawn.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a wrong test should stop"
)]

mod reading;

use std::{sync::Arc, time::Instant};

use imgdelta_core::{
    Bytes, FileOffset, Format, HintKind, ProbeResult, ProbeWindow, Result, Source, State,
    VirtOffset,
};
use imgdelta_vhdx::DRIVER;
use reading::{
    Tested,
    built::{Built, M, PARENT_TEXT, RATIO, child, child_of, dynamic, pattern},
    memory, open, open_file, read_all,
};

#[test]
fn a_dynamic_image_reads_as_it_was_drawn() -> Result<()> {
    let image = open(dynamic().0)?;
    let facts = image.metadata();
    assert_eq!(
        (facts.format, facts.variant.as_str()),
        (Format::Vhdx, "dynamic")
    );
    assert_eq!(facts.block_size, Some(Bytes::mib(1)));
    assert_eq!((facts.grain, facts.logical_sector), (None, Bytes(512)));
    assert_eq!(facts.notes, [""; 0]);
    let detail = |name| facts.details.iter().find(|(key, _)| *key == name);
    let page_83 = detail("Page83").map(|(_, value)| value.as_str());
    assert_eq!(page_83, Some("03030303-0303-0303-0303-030303030303"));
    let states: Vec<_> = [0, 1, 2, 3]
        .map(|block| image.extent_at(VirtOffset(block << 20)))
        .into_iter()
        .collect::<Result<_>>()?;
    assert_eq!(states[1].state, State::Zero);
    assert_eq!(
        (states[3].state, states[3].len),
        (State::Absent, Bytes::mib(5))
    );
    let mut disk = vec![0; 8 * M];
    disk[..M].copy_from_slice(&pattern(0));
    disk[2 * M..3 * M].copy_from_slice(&pattern(2));
    assert!(read_all(&[image])? == disk);
    Ok(())
}

#[test]
fn a_child_shows_its_parent_where_no_bit_is_set() -> Result<()> {
    let (layer, base) = (open(child().0)?, open(dynamic().0)?);
    assert_eq!(layer.metadata().variant, "differencing");
    assert_eq!(layer.metadata().grain, Some(Bytes(512)));
    let mut disk = read_all(&[Arc::clone(&base)])?;
    let own = pattern(0);
    for sector in [0].into_iter().chain(8..16) {
        let range = sector * 512..(sector + 1) * 512;
        // Both draw block 0 alike: what is the child's shows on the map, below.
        disk[range.clone()].copy_from_slice(&own[range]);
    }
    disk[M..2 * M].fill(0);
    disk[3 * M..4 * M].copy_from_slice(&pattern(3));
    let states: Vec<_> = [0, 512, 4096, 8192, 1 << 20, 2 << 20, 3 << 20]
        .map(|at| {
            layer
                .extent_at(VirtOffset(at))
                .map(|extent| (extent.len.0, extent.state))
        })
        .into_iter()
        .collect::<Result<_>>()?;
    let data = |at| State::Data {
        file: 0,
        at: FileOffset(at),
    };
    let mib = M as u64;
    assert_eq!(
        states,
        [
            (512, data(4 * mib)),
            (3584, State::Absent),
            (4096, data(4 * mib + 4096)),
            (16384 * 512 / 8 - 8192, State::Absent),
            (mib, State::Zero),
            (mib, State::Absent),
            (mib, data(6 * mib)),
        ]
    );
    assert!(read_all(&[layer, base])? == disk);
    Ok(())
}

#[test]
fn a_child_names_its_parent() -> Result<()> {
    let source = memory(child().0);
    let image = open(child().0)?;
    let link = image.parent().expect("it has a parent");
    assert_eq!((DRIVER.references)(&source)?.parent.as_ref(), Some(link));
    assert_eq!(link.format, None);
    let names: Vec<_> = link.identities.iter().map(ToString::to_string).collect();
    assert_eq!(names, [format!("data write GUID {PARENT_TEXT}")]);
    let hint = &link.hints[0];
    assert_eq!(
        (hint.field, hint.kind),
        ("relative_path", HintKind::WindowsPath)
    );
    assert_eq!(hint.text, r".\base.vhdx");
    assert_eq!(
        (DRIVER.references)(&memory(dynamic().0))?,
        Default::default()
    );
    Ok(())
}

#[test]
fn a_merging_child_has_two_parents_and_a_finished_one_has_one() -> Result<()> {
    let of = |second: &str| {
        let built = child_of(&[
            ("parent_linkage", "{07070707-0707-0707-0707-070707070707}"),
            ("parent_linkage2", second),
            ("absolute_win32_path", r"C:\a.vhdx"),
        ]);
        open(built.0).map(|image| image.parent().map_or(0, |link| link.identities.len()))
    };
    assert_eq!(of("{00000000-0000-0000-0000-000000000000}")?, 1);
    assert_eq!(of("{0A070707-0707-0707-0707-070707070707}")?, 2);
    Ok(())
}

#[test]
fn every_state_hides_or_shows_the_parent_as_the_sheet_says() -> Result<()> {
    for (state, says) in [
        (0, State::Absent),
        (1, State::Zero),
        (0x50_0001, State::Zero),
        (2, State::Zero),
        (3, State::Zero),
        (0x50_0003, State::Zero),
    ] {
        let layer = open(child().bat(2, state).0)?;
        assert_eq!(
            layer.extent_at(VirtOffset(2 << 20))?.state,
            says,
            "{state:#x}"
        );
    }
    Ok(())
}

#[test]
fn the_newer_header_counts_and_a_damaged_one_is_told() -> Result<()> {
    let name = |built: Built| {
        open(built.0).map(|image| {
            let name = image
                .metadata()
                .identity
                .as_ref()
                .map(|one| one.value[..2].to_owned());
            (name.unwrap_or_default(), image.metadata().notes.len())
        })
    };
    assert_eq!(name(dynamic())?, ("03".into(), 0));
    assert_eq!(
        name(dynamic().one_header(0, "sequence_number", &[9]))?,
        ("02".into(), 0)
    );
    assert_eq!(
        name(dynamic().put((128 << 10) + 9, &[1]))?,
        ("02".into(), 1)
    );
    assert_eq!(name(dynamic().put(64 << 10, b"H"))?, ("03".into(), 1));
    let twin = dynamic().0;
    let twin = Built(twin.clone()).put(64 << 10, &twin[128 << 10..132 << 10]);
    assert_eq!(name(twin)?, ("03".into(), 0));
    Ok(())
}

#[test]
fn a_log_without_length_stands_nowhere() -> Result<()> {
    let built = dynamic()
        .header("log_length", &[0; 4])
        .header("log_offset", &(5_u64 << 19).to_le_bytes());
    assert_eq!(open(built.0)?.metadata().notes, [""; 0]);
    Ok(())
}

#[test]
fn one_region_table_is_enough() -> Result<()> {
    for table in [192 << 10, 256 << 10] {
        let image = open(dynamic().put(table + 20, &[1]).0)?;
        assert_eq!(
            image.metadata().notes.len(),
            1,
            "{:?}",
            image.metadata().notes
        );
    }
    Ok(())
}

#[test]
fn sectors_of_4096_bytes_are_carried() -> Result<()> {
    // Eight times the blocks share a bitmap, whose bits mean eight times the bytes.
    let built = child()
        .put(reading::built::ITEMS + 32, &4096_u32.to_le_bytes())
        .bat(RATIO, 0)
        .bat(8 * RATIO, 0x50_0006);
    let image = open(built.0)?;
    assert_eq!(image.metadata().logical_sector, Bytes(4096));
    assert_eq!(image.metadata().grain, Some(Bytes(4096)));
    let lens: Vec<_> = [0, 4096, 32768, 65536]
        .map(|at| image.extent_at(VirtOffset(at)).map(|extent| extent.len.0))
        .into_iter()
        .collect::<Result<_>>()?;
    assert_eq!(lens, [4096, 28672, 32768, M as u64 - 65536]);
    Ok(())
}

/// Bytes with silence behind them: a huge file without its size in memory.
#[derive(Debug)]
struct Sparse(Vec<u8>, u64);

impl Source for Sparse {
    fn len(&self) -> Bytes {
        Bytes(self.1)
    }

    fn read_at(&self, at: FileOffset, buf: &mut [u8]) -> Result<()> {
        buf.fill(0);
        let start = usize::try_from(at.0).unwrap_or(usize::MAX);
        let bytes = self.0.get(start..).unwrap_or_default();
        buf.iter_mut()
            .zip(bytes)
            .for_each(|(place, byte)| *place = *byte);
        Ok(())
    }
}

#[test]
fn a_disk_of_64_tib_opens_and_maps_at_once() -> Tested {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("huge.vhdx");
    let built = dynamic()
        .put(reading::built::ITEMS, &(32_u32 << 20).to_le_bytes())
        .put(reading::built::ITEMS + 8, &(64_u64 << 40).to_le_bytes())
        .region_entry(1, "length", &(17_u32 << 20).to_le_bytes())
        .bat(0, 0)
        .bat(1, 0)
        .bat(2, 0)
        .long(4 * M);
    std::fs::write(&path, &built.0)?;
    std::fs::File::options()
        .write(true)
        .open(&path)?
        .set_len(20 << 20)?;
    let start = Instant::now();
    let image = open_file(&path)?;
    let opened = start.elapsed();
    assert!(opened.as_millis() < 100, "opened in {opened:?}");
    let (mut at, mut extents) = (VirtOffset::ZERO, 0);
    while at.0 < image.metadata().size.0 {
        at = image.extent_at(at)?.end();
        extents += 1;
    }
    assert!(extents <= 1 + (17 << 20) / 4096, "{extents} extents");
    let mapped = start.elapsed();
    assert!(mapped.as_millis() < 1000, "mapped in {mapped:?}");
    Ok(())
}

#[test]
fn blocks_past_4_gib_are_found() -> Result<()> {
    let far = 5_u64 << 40;
    let mut bytes = dynamic().bat(7, far | 6).0;
    bytes.truncate(6 * M);
    let source: Arc<dyn Source> = Arc::new(Sparse(bytes, far + M as u64));
    let image = (DRIVER.open)(reading::how(source, &[])?)?;
    let state = image.extent_at(VirtOffset(7 << 20))?.state;
    assert_eq!(
        state,
        State::Data {
            file: 0,
            at: FileOffset(far)
        }
    );
    Ok(())
}

#[test]
fn a_probe_knows_a_vhdx_and_a_stump_of_one() -> Result<()> {
    let claim = |bytes: Vec<u8>| ProbeWindow::of(&*memory(bytes)).map(|peek| (DRIVER.probe)(&peek));
    assert!(matches!(claim(dynamic().0)?, ProbeResult::Yes));
    assert!(matches!(
        claim(dynamic().0[..4096].to_vec())?,
        ProbeResult::Damaged
    ));
    assert!(matches!(claim(vec![0; 2 * M])?, ProbeResult::No));
    Ok(())
}

#[test]
fn a_snapshot_is_refused() -> Result<()> {
    let mut how = reading::how(memory(dynamic().0), &[])?;
    how.snapshot = Some("one".into());
    assert_eq!((DRIVER.open)(how).expect_err("none").kind().exit(), 4);
    Ok(())
}
