//! Descriptors as people have them: by other hands, over other files, of very many extents.

#![allow(clippy::indexing_slicing, reason = "a wrong test should stop")]

mod reading;

use imgdelta_core::{Bytes, Format, Kind, MemSource, ParentSpec, ProbeResult, ProbeWindow, Result};
use imgdelta_fixtures::{
    Fill, Recipe,
    vmdk::{Layout, Stream, VmdkSpec},
};
use imgdelta_vmdk::DRIVER;
use reading::{Files, check, open, open_with, read_over};

const KIB: u64 = 1 << 10;

fn recipe() -> Recipe {
    Recipe::scatter(256 * KIB, 16 * KIB, 7)
}

/// A flat image with these lines instead of its own, of which it has `files`.
fn described(kind: &str, lines: &[&str], files: &[(&str, &[u8])]) -> Files {
    let text = format!(
        "# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\ncreateType=\"{kind}\"\n{}\n",
        lines.join("\n")
    );
    let files = files
        .iter()
        .map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec()));
    std::iter::once(("disk.vmdk".to_owned(), text.into_bytes()))
        .chain(files)
        .collect()
}

#[test]
fn a_text_is_a_descriptor_by_any_title_and_is_read_by_it() -> Result<()> {
    let files = VmdkSpec::new(recipe(), Layout::Flat).build();
    let text = String::from_utf8_lossy(&files[0].1).into_owned();
    let title = "# Disk DescriptorFile\n";
    for front in [
        "# Disk Descriptor File\n",
        "#Disk DescriptorFile\n",
        "",
        "\u{feff}# Disk DescriptorFile\n",
        "\u{feff}",
    ] {
        let mut files = files.clone();
        files[0].1 = text.replace(title, front).into_bytes();
        let peek = ProbeWindow::of(&MemSource(files[0].1.clone()))?;
        assert!(
            matches!((DRIVER.probe)(&peek), ProbeResult::Yes),
            "{front:?}"
        );
        assert!(
            read_over(&*open(&files)?, &[])? == recipe().expected(None),
            "{front:?}"
        );
    }
    Ok(())
}

#[test]
fn names_are_unicode_where_a_byte_order_mark_says_so() -> Result<()> {
    let text = "\u{feff}# Disk DescriptorFile\r\nversion=1\r\nencoding=\"windows-1252\"\r\nCID=1\r\nparentCID=ffffffff\r\n\
        createType=\"monolithicFlat\"\r\nRW 8 FLAT \"übung-テ.img\" 0\r\n";
    let disk = vec![9; 4096];
    let wide = |order: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(order).collect();
    for bytes in [
        text.as_bytes().to_vec(),
        wide(u16::to_le_bytes),
        wide(u16::to_be_bytes),
    ] {
        let files = vec![
            ("disk.vmdk".into(), bytes),
            ("übung-テ.img".into(), disk.clone()),
        ];
        assert!(read_over(&*open(&files)?, &[])? == disk);
    }
    Ok(())
}

#[test]
fn a_marked_child_that_is_relinked_stays_marked_and_whole() -> Result<()> {
    let spec = VmdkSpec::child(recipe(), Layout::SplitSparse(128 * KIB), 0xabc, "base.vmdk");
    let files = spec.build();
    let text = "\u{feff}".to_owned() + &String::from_utf8_lossy(&files[0].1);
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let parent = ParentSpec {
        format: Some(Format::Vmdk),
        size: Bytes(recipe().size),
        relative: Some("übung.vmdk".into()),
        identity: Some(imgdelta_core::Identity {
            kind: "CID",
            value: "00000def".into(),
        }),
        ..ParentSpec::default()
    };
    let relink = DRIVER.relink.expect("it has one");
    for bytes in [text.into_bytes(), wide] {
        let mut files = files.clone();
        files[0].1 = bytes;
        let source = std::sync::Arc::new(MemSource(files[0].1.clone()));
        for patch in relink(&(source as _), &parent)? {
            let at = patch.at.0 as usize;
            let end = at + patch.bytes.len();
            let len = files[0].1.len().max(end);
            files[0].1.resize(len, 0);
            files[0].1[at..end].copy_from_slice(&patch.bytes);
        }
        let image = open(&files)?;
        let link = image.parent().expect("it is a child");
        assert_eq!(link.identities[0].to_string(), "CID 00000def");
        assert_eq!(link.hints[0].text, "übung.vmdk");
    }
    Ok(())
}

#[test]
fn kinds_of_devices_are_read_where_their_files_are_ordinary() -> Result<()> {
    let disk = recipe().expected(None);
    let sectors = disk.len() / 512;
    let (front, back) = disk.split_at(63 * 512);
    let first = "RW 63 FLAT \"pt.img\" 0".to_owned();
    let second = format!("RW {} FLAT \"pc.img\" 63", sectors - 63);
    let line = |kind: &str| format!("RW {sectors} {kind} \"pc.img\"");
    let part: &[(&str, &[u8])] = &[("pt.img", front), ("pc.img", &disk)];
    let whole: &[(&str, &[u8])] = &[("pc.img", &disk)];
    for (kind, lines, files) in [
        (
            "partitionedDevice",
            vec![first.clone(), second.clone()],
            part,
        ),
        ("fullDevice", vec![format!("{} 0", line("FLAT"))], whole),
        ("vmfsRawDeviceMap", vec![line("VMFSRDM")], whole),
        ("vmfsPassthroughRawDeviceMap", vec![line("VMFSRDM")], whole),
        ("vmfsRaw", vec![line("VMFSRAW")], whole),
    ] {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let files = described(kind, &lines, files);
        assert!(read_over(&*open(&files)?, &[])? == disk, "{kind}");
        assert!(check(&files)?.faults.is_empty(), "{kind}");
    }
    // What only points to a device holds nothing of it.
    let pointer = described(
        "vmfsRDM",
        &[&line("VMFSRDM")],
        &[("pc.img", back.get(..512).unwrap_or_default())],
    );
    let error = open(&pointer).expect_err("its data are elsewhere");
    assert_eq!(
        (error.kind(), error.code()),
        (Kind::Unsupported, "vmdk_device_extent")
    );
    assert!(error.message().contains("VMFSRDM"), "{error}");
    // A device is for others to refuse; that one is meant is said.
    let device = described("fullDevice", &["RW 8 FLAT \"/dev/sda\" 0"], &[]);
    let error = open(&device).expect_err("it is not there");
    assert!(
        error
            .details()
            .iter()
            .any(|line| line.contains("fullDevice")),
        "{error:?}"
    );
    Ok(())
}

#[test]
fn an_extent_of_no_sectors_is_nothing_and_its_file_is_not_looked_for() -> Result<()> {
    let disk = vec![5; 2048];
    let lines = [
        "RW 0 FLAT \"a\" 0",
        "RW 4 FLAT \"b\" 0",
        "NOACCESS 0 ZERO",
        "RW 0 SPARSE \"c\"",
    ];
    let image = open(&described("custom", &lines, &[("b", &disk)]))?;
    assert!(read_over(&*image, &[])? == disk);
    assert_eq!(
        image.metadata().notes,
        ["3 extents of 0 sectors are left out"]
    );
    let empty = open(&described("monolithicFlat", &["RW 0 FLAT \"a\" 0"], &[]))?;
    assert_eq!(empty.metadata().size, Bytes::ZERO);
    assert_eq!(empty.metadata().notes, ["the disk is empty"]);
    // Inside of the extent that it describes it is damage: there is a disk.
    let mut files = VmdkSpec::new(recipe(), Layout::Sparse).build();
    let bytes = &mut files[0].1;
    let line = b"RW 512 SPARSE";
    let at = bytes
        .windows(line.len())
        .position(|part| part == line)
        .expect("it is there");
    bytes[at..at + 6].copy_from_slice(b"RW 000");
    assert_eq!(
        open(&files).expect_err("they disagree").code(),
        "vmdk_sectors"
    );
    Ok(())
}

#[test]
fn thousands_of_extents_are_one_disk() -> Result<()> {
    let count = 20_000_usize;
    let names: Vec<String> = (0..count)
        .map(|number| format!("piece-{number:05}.img"))
        .collect();
    let lines: Vec<String> = names
        .iter()
        .map(|name| format!("RW 1 FLAT \"{name}\" 0"))
        .collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let disk: Vec<u8> = (0..count)
        .flat_map(|number| [(number % 251) as u8 + 1; 512])
        .collect();
    let files: Vec<(&str, &[u8])> = names
        .iter()
        .map(String::as_str)
        .zip(disk.chunks(512))
        .collect();
    let files = described("custom", &lines, &files);
    let image = open(&files)?;
    assert_eq!(image.metadata().files.len(), count + 1);
    assert!(read_over(&*image, &[])? == disk);
    assert!(check(&files)?.faults.is_empty());
    Ok(())
}

#[test]
fn thousands_of_sparse_extents_are_read_in_the_memory_of_a_few() -> Result<()> {
    let (count, each) = (1500, 64 * KIB);
    let recipe = Recipe::scatter(count * each, 16 * KIB, 5);
    let spec = VmdkSpec {
        grain: 8,
        ..VmdkSpec::new(recipe.clone(), Layout::SplitSparse(each))
    };
    let image = open(&spec.build())?;
    assert!(read_over(&*image, &[])? == recipe.expected(None));
    Ok(())
}

#[test]
fn notes_of_many_extents_are_told_once() -> Result<()> {
    let spec = VmdkSpec {
        unclean: true,
        ..VmdkSpec::new(recipe(), Layout::SplitSparse(64 * KIB))
    };
    let image = open(&spec.build())?;
    assert_eq!(
        image.metadata().notes,
        ["the extent was not closed cleanly: check it (so in 4 extents)"]
    );
    Ok(())
}

#[test]
fn a_flat_file_that_is_longer_than_its_lines_is_told() -> Result<()> {
    for layout in [
        Layout::Flat,
        Layout::SplitFlat(128 * KIB),
        Layout::Vmfs("vmfs"),
    ] {
        let mut files = VmdkSpec::new(recipe(), layout).build();
        assert!(check(&files)?.faults.is_empty());
        files[1].1.extend([7; 100]);
        let image = open(&files)?;
        assert!(read_over(&*image, &[])? == recipe().expected(None));
        assert_eq!(
            image.metadata().notes.len(),
            1,
            "{:?}",
            image.metadata().notes
        );
        let codes: Vec<&str> = check(&files)?
            .faults
            .iter()
            .map(imgdelta_core::Error::code)
            .collect();
        assert_eq!(codes, ["vmdk_flat_too_long"]);
        files[1].1.truncate(100 * KIB as usize);
        let error = open(&files).expect_err("it is too short");
        assert_eq!(
            (error.kind(), error.code()),
            (Kind::Corrupt, "vmdk_flat_too_short")
        );
    }
    Ok(())
}

#[test]
fn what_is_not_the_disk_is_refused_whatever_holds_the_descriptor() -> Result<()> {
    for layout in [
        Layout::Flat,
        Layout::Sparse,
        Layout::SplitSparse(128 * KIB),
        Layout::Stream(Stream::VMware),
    ] {
        let mut spec = VmdkSpec::new(recipe(), layout.clone());
        spec.text.more = vec![b"EncryptionKeys = \"vmware:key/list/(pair/(x))\"".to_vec()];
        let error = open(&spec.build()).expect_err("it is encrypted");
        assert_eq!(
            (error.kind(), error.code()),
            (Kind::Unsupported, "vmdk_encrypted")
        );
        assert!(
            error.message().contains("EncryptionKeys"),
            "{layout:?}: {error}"
        );
        spec.text.more = vec![b"ddb.iofilters = \"acmecache\"".to_vec()];
        let error = open(&spec.build()).expect_err("nobody knows what it did");
        assert_eq!(
            (error.kind(), error.code()),
            (Kind::Unsupported, "vmdk_filter")
        );
        let image = open_with(&spec.build(), &["filters=ignore"])?;
        assert!(read_over(&*image, &[])? == recipe().expected(None));
        assert_eq!(image.metadata().notes.len(), 1);
    }
    Ok(())
}

#[test]
fn what_is_behind_a_stream_is_left_alone_however_long_it_is() -> Result<()> {
    let recipe = Recipe::of(512 * KIB, [(0, 512 * KIB, Fill::Pattern(3))]);
    let whole = VmdkSpec::new(recipe.clone(), Layout::Stream(Stream::VMware)).build();
    for (more, byte) in [
        (1, 0),
        (511, 7),
        (512, 0),
        (10_240, 0),
        (5 << 20, 7),
        (5 << 20, 0),
    ] {
        let mut files = whole.clone();
        let len = files[0].1.len() + more;
        files[0].1.resize(len, byte);
        let image = open(&files)?;
        assert!(read_over(&*image, &[])? == recipe.expected(None), "{more}");
        let note = format!("{more} bytes behind the end of the stream are not read");
        assert_eq!(image.metadata().notes, [note]);
        assert!(check(&files)?.faults.is_empty(), "{more}");
    }
    Ok(())
}
