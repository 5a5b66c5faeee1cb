//! What we write is what was asked for, as other projects and our own reader see it.

#![allow(clippy::indexing_slicing, reason = "a wrong test should stop")]

mod reading;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use imgdelta_core::{
    Bytes, Create, Error, Format, Grain, Image, Kind, MemSink, NewParent, OneOutput, Options,
    Outputs, Packed, PipeSink, Result, Seal, Sink, Unit, VirtOffset,
};
use imgdelta_fixtures::{
    Recipe,
    peers::{self, Peer},
};
use imgdelta_vmdk::{DRIVER, layout::SparseHeader};
use proptest::prelude::*;
use reading::{Files, check, open, read_over};

type Outcome = std::result::Result<(), Box<dyn std::error::Error>>;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

const KINDS: [&str; 5] = [
    "monolithicSparse",
    "monolithicFlat",
    "twoGbMaxExtentSparse",
    "twoGbMaxExtentFlat",
    "streamOptimized",
];

/// The files of one image, in memory.
#[derive(Default)]
struct Memory {
    main: Arc<MemSink>,
    others: Mutex<BTreeMap<String, Arc<MemSink>>>,
    /// Names that are taken, where an image is replaced.
    taken: Vec<&'static str>,
    /// Whether it is a base, and called so.
    is_base: bool,
}

impl Outputs for Memory {
    fn main(&self) -> Result<Arc<dyn Sink>> {
        Ok(Arc::clone(&self.main) as Arc<dyn Sink>)
    }

    fn other(&self, name: &str) -> Result<Arc<dyn Sink>> {
        let sink = Arc::new(MemSink::default());
        let mut others = self.others.lock().expect("not poisoned");
        assert!(others.insert(name.into(), Arc::clone(&sink)).is_none());
        Ok(sink)
    }

    fn name(&self) -> Option<String> {
        let name = if self.is_base {
            "base.vmdk"
        } else {
            "disk.vmdk"
        };
        Some(name.into())
    }

    fn is_free(&self, name: &str) -> bool {
        !self.taken.contains(&name)
    }

    fn replaces(&self) -> bool {
        !self.taken.is_empty()
    }
}

impl Memory {
    fn files(&self) -> Files {
        let others = self.others.lock().expect("not poisoned");
        let others = others
            .iter()
            .map(|(name, sink)| (name.clone(), sink.bytes()));
        let main = (self.name().unwrap_or_default(), self.main.bytes());
        std::iter::once(main).chain(others).collect()
    }
}

/// What an image is to be.
#[derive(Default)]
struct Job<'a> {
    options: &'a [&'a str],
    parent: Option<(NewParent, &'a [u8])>,
    seed: Option<[u8; 32]>,
}

fn seed_of(disk: &[u8]) -> [u8; 32] {
    let mut seed = [1_u8; 32];
    for (at, byte) in disk.iter().enumerate() {
        let place = &mut seed[at % 32];
        *place = place.rotate_left(1) ^ byte;
    }
    seed
}

/// Writes `disk`; grains that are the parent's are absent, those that are zero are said to be where the format can.
fn write_to(outputs: &dyn Outputs, disk: &[u8], job: &Job<'_>) -> Result<()> {
    let below = job.parent.as_ref().map(|(_, below)| *below);
    let mut writer = (DRIVER.create)(Create {
        outputs,
        disk: Bytes::from(disk.len()).into(),
        options: Options::parse(job.options)?,
        parent: job.parent.as_ref().map(|(parent, _)| parent.clone()),
        seed: job.seed,
    })?;
    let shape = writer.shape();
    let mut whole = disk.to_vec();
    whole.resize(shape.size.in_memory(), 0);
    let mut packer = writer.packer();
    let unit_len = shape.unit.in_memory();
    for (number, piece) in whole.chunks(unit_len).enumerate() {
        let at = number * unit_len;
        let is_zero = piece.iter().all(|byte| *byte == 0);
        let grain = match below {
            Some(below) if &below[at..at + piece.len()] == piece => Grain::Absent,
            Some(_) if is_zero && shape.marks_zero => Grain::Zero,
            None if is_zero => Grain::Absent,
            _ => Grain::Data,
        };
        if grain == Grain::Absent {
            continue;
        }
        let unit = Unit {
            at: VirtOffset(at as u64),
            bytes: piece,
            grains: &[grain],
        };
        let mut small = Vec::new();
        let packed = packer.pack(&unit, &mut small)?;
        let stored = if packed == Packed::Small {
            small.as_slice()
        } else {
            piece
        };
        if let Some(placed) = writer.place(&unit, &packed, Bytes::from(stored.len()))? {
            placed.sink.write_at(placed.at, stored)?;
        }
    }
    let seed = seed_of(disk);
    writer.finish(&Seal { seed, time: None })
}

fn write(disk: &[u8], job: &Job<'_>) -> Result<Files> {
    let outputs = Memory::default();
    write_to(&outputs, disk, job)?;
    Ok(outputs.files())
}

fn of_kind<'a>(options: &'a [&'a str]) -> Job<'a> {
    Job {
        options,
        ..Job::default()
    }
}

fn put(folder: &Path, files: &Files) -> std::io::Result<PathBuf> {
    for (name, bytes) in files {
        std::fs::write(folder.join(name), bytes)?;
    }
    Ok(folder.join(&files[0].0))
}

/// An image as the parent of a child that stands beside it.
fn parent_of(image: &dyn Image, name: &str) -> NewParent {
    NewParent {
        format: Some(image.facts().format),
        size: image.facts().size,
        relative: Some(name.into()),
        absolute: format!("/images/{name}"),
        identity: image.facts().identity.clone(),
        details: image.facts().details.clone(),
    }
}

#[test]
fn every_kind_reads_back_and_qemu_7zip_and_libvmdk_read_it() -> Outcome {
    let has = |peer| peers::find(peer).is_some();
    let (qemu, sevenzip, libyal) = (has(Peer::QemuImg), has(Peer::SevenZip), has(Peer::Libyal));
    for kind in KINDS {
        for size in [512, 64 * KIB, 64 * KIB + 512, MIB - 512, 40 * MIB + 1000] {
            let mut disk = Recipe::scatter(size, 100 * KIB, size).expected(None);
            let options = [format!("subformat={kind}")];
            let files = write(&disk, &of_kind(&[&options[0]]))?;
            disk.resize(disk.len().next_multiple_of(512), 0);
            assert!(read_over(&*open(&files)?, &[])? == disk, "{kind}, {size}");
            let report = check(&files)?;
            assert!(
                report.faults.is_empty() && report.notes.is_empty(),
                "{kind}: {report:?}"
            );
            let folder = tempfile::tempdir()?;
            let image = put(folder.path(), &files)?;
            let raw = folder.path().join("expected.raw");
            std::fs::write(&raw, &disk)?;
            if qemu {
                peers::qemu_compare(&image, "vmdk", &raw, "raw")
                    .map_err(|said| format!("{kind}, {size}: {said}"))?;
            }
            if sevenzip {
                assert!(
                    peers::sevenzip(&image, "vmdk")? == disk,
                    "7-Zip, {kind}, {size}"
                );
            }
            if libyal {
                assert!(
                    peers::libyal("vmdk", &image, &[])? == disk,
                    "libvmdk, {kind}, {size}"
                );
            }
        }
    }
    Ok(())
}

#[test]
fn virtualbox_reads_sparse_images_and_streams() -> Outcome {
    if peers::find(Peer::VirtualBox).is_none() {
        return Ok(());
    }
    let disk = Recipe::scatter(3 * MIB, 100 * KIB, 9).expected(None);
    for kind in ["monolithicSparse", "streamOptimized"] {
        let option = format!("subformat={kind}");
        let files = write(&disk, &of_kind(&[&option]))?;
        let folder = tempfile::tempdir()?;
        let image = put(folder.path(), &files)?;
        assert!(peers::virtualbox_raw(&image, &[])? == disk, "{kind}");
    }
    Ok(())
}

#[test]
fn children_are_read_over_their_parents_by_qemu_libvmdk_and_virtualbox() -> Outcome {
    let has = |peer| peers::find(peer).is_some();
    let (qemu, libyal, virtualbox) = (has(Peer::QemuImg), has(Peer::Libyal), has(Peer::VirtualBox));
    let below = Recipe::scatter(3 * MIB, 100 * KIB, 3).expected(None);
    let mut target = below.clone();
    target[MIB as usize..MIB as usize + 200_000].fill(0);
    target[2 * MIB as usize + 7] ^= 1;
    for (base_kind, options) in [
        ("monolithicSparse", &[][..]),
        ("monolithicFlat", &[]),
        ("monolithicSparse", &["subformat=twoGbMaxExtentSparse"]),
        ("monolithicSparse", &["zeroed_grain=on"]),
    ] {
        let option = format!("subformat={base_kind}");
        let outputs = Memory {
            is_base: true,
            ..Memory::default()
        };
        write_to(&outputs, &below, &of_kind(&[&option]))?;
        let base_files = outputs.files();
        let base = open(&base_files)?;
        let job = Job {
            options,
            parent: Some((parent_of(&*base, "base.vmdk"), &below)),
            seed: None,
        };
        let files = write(&target, &job)?;
        let image = open(&files)?;
        assert!(read_over(&*image, &below)? == target);
        assert!(check(&files)?.faults.is_empty());
        let link = image.parent().ok_or("it is a child")?;
        assert!(base.facts().is_called(&link.identities[0]));
        let folder = tempfile::tempdir()?;
        let base_file = put(folder.path(), &base_files)?;
        let child = put(folder.path(), &files)?;
        let raw = folder.path().join("expected.raw");
        std::fs::write(&raw, &target)?;
        if qemu {
            peers::qemu_compare(&child, "vmdk", &raw, "raw")
                .map_err(|said| format!("{options:?}: {said}"))?;
        }
        if libyal && options != ["zeroed_grain=on"] {
            assert!(
                peers::libyal("vmdk", &child, std::slice::from_ref(&base_file))? == target,
                "libvmdk, {options:?}"
            );
        }
        // It refuses version 2, which zeroed grains need.
        if virtualbox && base_kind == "monolithicSparse" && options.is_empty() {
            assert!(
                peers::virtualbox_raw(&child, &[base_file])? == target,
                "VirtualBox"
            );
        }
    }
    Ok(())
}

#[test]
fn a_pipe_gets_the_bytes_of_a_file() -> Outcome {
    let disk = Recipe::scatter(40 * MIB, 100 * KIB, 3).expected(None);
    let options = &["subformat=streamOptimized"];
    let file = write(&disk, &of_kind(options))?;
    let pipe = Shared::default();
    let sink: Arc<dyn Sink> = Arc::new(PipeSink::new(pipe.clone()));
    let job = Job {
        seed: Some(seed_of(&disk)),
        ..of_kind(options)
    };
    write_to(&OneOutput(Arc::clone(&sink)), &disk, &job)?;
    let piped = pipe.0.lock().expect("not poisoned").clone();
    assert!(piped == file[0].1);
    let refused = |job: &Job<'_>| write_to(&OneOutput(Arc::clone(&sink)), &disk, job).err();
    assert_eq!(
        refused(&of_kind(options)).map(|error| error.kind()),
        Some(Kind::Usage)
    );
    let error = refused(&of_kind(&[])).ok_or("tables are known last")?;
    assert_eq!(
        (error.kind(), error.code()),
        (Kind::Unsupported, "not_a_stream")
    );
    Ok(())
}

/// Bytes that two can hold.
#[derive(Clone, Debug, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0
            .lock()
            .expect("not poisoned")
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_stream_has_vmwares_layout() -> Outcome {
    let disk = Recipe::scatter(40 * MIB, 100 * KIB, 3).expected(None);
    let bytes = write(&disk, &of_kind(&["subformat=streamOptimized"]))?
        .swap_remove(0)
        .1;
    let header = SparseHeader::parse(bytes[..512].try_into()?);
    assert_eq!(
        (header.version, header.flags, header.compress_algorithm),
        (3, 0x3_0001, 1)
    );
    assert_eq!(
        (header.gd_offset, header.rgd_offset, header.overhead),
        (u64::MAX, 0, 128)
    );
    let end = bytes.len();
    let footer = SparseHeader::parse(bytes[end - 1024..end - 512].try_into()?);
    assert_eq!(
        footer,
        SparseHeader {
            gd_offset: footer.gd_offset,
            ..header
        }
    );
    assert_eq!(
        bytes[end - 1536..end - 1520],
        [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0]
    );
    assert_eq!(bytes[end - 512..], [0; 512]);
    let gd = footer.gd_offset as usize * 512;
    assert_eq!(
        bytes[gd - 512..gd - 496],
        [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0]
    );
    let gt = u32::from_le_bytes(bytes[gd..gd + 4].try_into()?) as usize * 512;
    assert_eq!(
        bytes[gt - 512..gt - 496],
        [4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]
    );
    let text = String::from_utf8_lossy(&bytes[512..21 * 512]).into_owned();
    assert!(text.contains("RDONLY 81920 SPARSE \"disk.vmdk\""), "{text}");
    Ok(())
}

#[test]
fn an_image_that_replaces_another_takes_fresh_names() -> Outcome {
    let disk = Recipe::scatter(MIB, 4096, 3).expected(None);
    let outputs = Memory {
        taken: vec!["disk-flat.vmdk", "disk-2-flat.vmdk"],
        ..Memory::default()
    };
    write_to(&outputs, &disk, &of_kind(&["subformat=monolithicFlat"]))?;
    let files = outputs.files();
    assert_eq!(files[1].0, "disk-3-flat.vmdk");
    assert!(read_over(&*open(&files)?, &[])? == disk);
    Ok(())
}

#[test]
fn a_relinked_child_names_the_other_base_in_both_ways() -> Outcome {
    let below = Recipe::scatter(MIB, 4096, 3).expected(None);
    let base = |byte: u8| -> Result<Arc<dyn Image>> {
        let mut disk = below.clone();
        disk[0] = byte;
        open(&write(&disk, &Job::default())?)
    };
    let (first, second) = (base(1)?, base(2)?);
    let relink = DRIVER.relink.ok_or("it has one")?;
    let mut target = below.clone();
    target[5] ^= 1;
    for options in [&[][..], &["subformat=twoGbMaxExtentSparse"]] {
        let job = Job {
            options,
            parent: Some((
                parent_of(&*first, "a/long/way/to/the/first/base.vmdk"),
                &below,
            )),
            seed: None,
        };
        let mut files = write(&target, &job)?;
        let parent = parent_of(&*second, "b.vmdk");
        let source = Arc::new(imgdelta_core::MemSource(files[0].1.clone()));
        for patch in relink(&(source as _), &parent)? {
            let at = patch.at.0 as usize;
            files[0].1[at..at + patch.bytes.len()].copy_from_slice(&patch.bytes);
        }
        let image = open(&files)?;
        let link = image.parent().ok_or("it is a child")?;
        assert_eq!(Some(&link.identities[0]), second.facts().identity.as_ref());
        assert_eq!(link.hints[0].text, "b.vmdk");
        let text = String::from_utf8_lossy(&files[0].1).into_owned();
        let detail = |name| {
            let found = second
                .facts()
                .details
                .iter()
                .find(|(known, _)| *known == name);
            found.map(|(_, value)| value.clone()).expect("it has one")
        };
        assert!(text.contains(&format!(
            "ddb.uuid.parent = \"{}\"",
            detail("ddb.uuid.image")
        )));
        assert!(read_over(&*image, &below)? == target);
        let far = NewParent {
            relative: Some("x/".repeat(6000)),
            ..parent
        };
        let source = Arc::new(imgdelta_core::MemSource(files[0].1.clone()));
        let refused = relink(&(source as _), &far).err().map(|error| error.kind());
        assert_eq!(refused, options.is_empty().then_some(Kind::Unsupported));
    }
    Ok(())
}

#[test]
fn a_name_that_the_childs_encoding_has_no_letters_for_is_refused() -> Outcome {
    let below = Recipe::scatter(MIB, 4096, 3).expected(None);
    let base = open(&write(&below, &Job::default())?)?;
    let job = Job {
        parent: Some((parent_of(&*base, "base.vmdk"), &below)),
        ..Job::default()
    };
    let mut files = write(&below, &job)?;
    let bytes = &mut files[0].1;
    let was = b"encoding=\"UTF-8\"";
    let at = bytes.windows(was.len()).position(|part| part == was);
    let at = at.ok_or("it is there")?;
    bytes[at..at + was.len()].copy_from_slice(b"encoding=\"cp866\"");
    let relink = DRIVER.relink.ok_or("it has one")?;
    let to = |name| {
        let source = Arc::new(imgdelta_core::MemSource(files[0].1.clone()));
        relink(&(source as _), &parent_of(&*base, name))
    };
    assert!(to("база.vmdk").is_ok());
    let refused = to("テ.vmdk").err().ok_or("it should be refused")?;
    assert_eq!(
        (refused.kind(), refused.code()),
        (Kind::Unsupported, "vmdk_unrecordable_name")
    );
    Ok(())
}

#[test]
fn what_a_parent_calls_itself_does_not_get_into_the_text_unless_it_is_a_uuid() -> Outcome {
    let below = Recipe::scatter(MIB, 4096, 3).expected(None);
    let base = open(&write(&below, &Job::default())?)?;
    let mut parent = parent_of(&*base, "base.vmdk");
    for (name, value) in &mut parent.details {
        if name.starts_with("ddb.uuid.") {
            *value = "x\"\nparentFileNameHint=\"/etc/passwd".into();
        }
    }
    let job = Job {
        parent: Some((parent, &below)),
        ..Job::default()
    };
    let mut target = below.clone();
    target[0] ^= 1;
    let files = write(&target, &job)?;
    let text = String::from_utf8_lossy(&files[0].1[512..21 * 512]).into_owned();
    assert!(!text.contains("passwd"), "{text}");
    assert!(read_over(&*open(&files)?, &below)? == target);
    Ok(())
}

#[test]
fn what_cannot_be_is_refused() -> Outcome {
    let disk = vec![1; 65536];
    let refused = |job: &Job<'_>| write(&disk, job).err().map(|error: Error| error.kind());
    for options in [
        &["subformat=thick"][..],
        &["adapter_type=sata"],
        &["hwversion=x"],
        &["zeroed_grain=maybe"],
        &["zeroed_grain=on", "subformat=streamOptimized"],
        &["block_size=1M"],
    ] {
        assert_eq!(refused(&of_kind(options)), Some(Kind::Usage), "{options:?}");
    }
    assert!(write(&[], &Job::default()).is_err());
    // More extents than are read again.
    let split = (DRIVER.create)(Create {
        outputs: &Memory::default(),
        disk: Bytes::gib(2048).into(),
        options: Options::parse(&["subformat=twoGbMaxExtentFlat"])?,
        parent: None,
        seed: None,
    });
    assert_eq!(
        split.err().map(|error| error.code()),
        Some("vmdk_too_many_pieces")
    );
    let base = open(&write(&disk, &Job::default())?)?;
    let parent = parent_of(&*base, "base.vmdk");
    let child = |options: &'static [&'static str], parent: NewParent| {
        refused(&Job {
            options,
            parent: Some((parent, &disk)),
            seed: None,
        })
    };
    for options in [
        &["subformat=monolithicFlat"][..],
        &["subformat=twoGbMaxExtentFlat"],
        &["subformat=streamOptimized"],
    ] {
        assert_eq!(
            child(options, parent.clone()),
            Some(Kind::Unsupported),
            "{options:?}"
        );
    }
    for parent in [
        NewParent {
            format: Some(Format::Raw),
            ..parent.clone()
        },
        NewParent {
            identity: None,
            ..parent.clone()
        },
        NewParent {
            size: Bytes::mib(1),
            ..parent.clone()
        },
        NewParent {
            relative: Some("a\"b.vmdk".into()),
            ..parent.clone()
        },
        NewParent {
            relative: Some("a\nb.vmdk".into()),
            ..parent
        },
    ] {
        assert_eq!(
            child(&[], parent.clone()),
            Some(Kind::Unsupported),
            "{parent:?}"
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn whatever_is_written_reads_back(
        seed: u64,
        sectors in 1_u64..3000,
        kind in 0_usize..5,
        zeroed: bool,
    ) {
        let size = sectors * 512;
        let below = Recipe::scatter(size, 64 * KIB, seed).expected(None);
        let target = Recipe::sectors(size, seed ^ 1).expected(Some(&below));
        let kind = format!("subformat={}", KINDS[kind]);
        let has_children = kind.ends_with("Sparse");
        let zeroed = format!("zeroed_grain={}", if zeroed && has_children { "on" } else { "off" });
        let options: [&str; 2] = [&kind, &zeroed];
        let read = || -> Result<Vec<u8>> {
            let parent = if has_children {
                let base = open(&write(&below, &of_kind(&options))?)?;
                Some((parent_of(&*base, "base.vmdk"), below.as_slice()))
            } else {
                None
            };
            let job = Job { options: &options, parent, seed: None };
            let files = write(&target, &job)?;
            assert_eq!(files, write(&target, &job)?, "the same disk gives the same bytes");
            let under = if has_children { below.as_slice() } else { &[] };
            read_over(&*open(&files)?, under)
        };
        prop_assert!(read().expect("it reads") == target);
    }
}
