//! Images of every variant, built by another hand, read as their recipes say.

#![allow(clippy::indexing_slicing, reason = "a wrong test should stop")]

mod reading;

use imgdelta_core::{Bytes, HintKind, MemSource, ProbeResult, ProbeWindow, Result, VirtOffset};
use imgdelta_fixtures::{
    Fill, Recipe, conform,
    vmdk::{Layout, Part, Stream, Text, VmdkSpec},
};
use imgdelta_vmdk::DRIVER;
use reading::{check, open};

const KIB: u64 = 1 << 10;

fn recipe() -> Recipe {
    Recipe::scatter(1800 * KIB + 512 * 3, 32 * KIB, 7)
}

fn variants() -> Vec<VmdkSpec> {
    let spec = |layout| VmdkSpec::new(recipe(), layout);
    let sparse = || spec(Layout::Sparse);
    let mut variants = vec![
        sparse(),
        VmdkSpec {
            grain: 1,
            ..sparse()
        },
        VmdkSpec {
            grain: 8,
            ..sparse()
        },
        VmdkSpec {
            grain: 2048,
            ..sparse()
        },
        VmdkSpec {
            grain: 1 << 17,
            ..sparse()
        },
        // No writer is known that does so; the header says it, and qemu reads it.
        VmdkSpec {
            entries: 3,
            ..sparse()
        },
        VmdkSpec {
            entries: 256,
            grain: 1,
            all_tables: false,
            ..sparse()
        },
        VmdkSpec {
            shuffled: true,
            redundant: false,
            ..sparse()
        },
        VmdkSpec {
            zeroed: true,
            grain: 64,
            ..sparse()
        },
        VmdkSpec {
            version: Some(3),
            ..sparse()
        },
        VmdkSpec {
            all_tables: false,
            grain: 8,
            ..sparse()
        },
        VmdkSpec {
            unclean: true,
            ..sparse()
        },
        spec(Layout::SplitSparse(512 * KIB)),
        spec(Layout::Flat),
        spec(Layout::SplitFlat(600 * KIB)),
        spec(Layout::Cowd),
        VmdkSpec {
            all_tables: false,
            shuffled: true,
            ..spec(Layout::Cowd)
        },
        spec(Layout::SeSparse),
        spec(Layout::LoneSparse),
        spec(Layout::LoneCowd),
        spec(Layout::LoneSeSparse),
        spec(Layout::Custom(vec![
            Part::Flat(300 * KIB, 5),
            Part::Sparse(500 * KIB),
            Part::Flat(200 * KIB, 0),
            Part::Sparse(800 * KIB + 512 * 3),
        ])),
    ];
    for kind in [Stream::VMware, Stream::OpenVmdk, Stream::Qemu] {
        variants.push(spec(Layout::Stream(kind)));
        variants.push(VmdkSpec {
            grain: 16,
            ..spec(Layout::Stream(kind))
        });
    }
    for kind in [
        "vmfs",
        "vmfsThin",
        "VMFSPreallocated",
        "vmfsEagerZeroedThick",
        "vmfsThick",
    ] {
        variants.push(spec(Layout::Vmfs(kind)));
    }
    variants
}

#[test]
fn every_variant_conforms_and_is_sound() -> Result<()> {
    for spec in variants() {
        let files = spec.build();
        conform(&open(&files)?, &rounded(&spec.recipe), None);
        let report = check(&files)?;
        assert!(
            report.faults.is_empty(),
            "{:?}: {:?}",
            spec.layout,
            report.faults
        );
    }
    Ok(())
}

/// The recipe on a disk of whole sectors.
fn rounded(recipe: &Recipe) -> Recipe {
    let runs = recipe.runs.iter().map(|run| (run.at, run.len, run.fill));
    Recipe::of(recipe.size.next_multiple_of(512), runs)
}

#[test]
fn descriptors_are_read_in_every_spelling() -> Result<()> {
    let layouts = [Layout::Sparse, Layout::Flat, Layout::Stream(Stream::VMware)];
    for layout in layouts {
        for text in [
            Text {
                crlf: true,
                ..Text::default()
            },
            Text {
                sloppy: true,
                ..Text::default()
            },
            Text {
                encoding: None,
                cid: "fd37a37".into(),
                ..Text::default()
            },
            Text {
                access: "RDONLY",
                ..Text::default()
            },
            Text {
                more: vec![
                    b"what=ever".to_vec(),
                    b"# comment".to_vec(),
                    b"\xff\xfe".to_vec(),
                ],
                ..Text::default()
            },
        ] {
            let spec = VmdkSpec {
                text: text.clone(),
                ..VmdkSpec::new(recipe(), layout.clone())
            };
            let image = open(&spec.build())?;
            conform(&image, &rounded(&spec.recipe), None);
            let cid = format!("{:0>8}", text.cid);
            assert_eq!(
                image
                    .metadata()
                    .identity
                    .as_ref()
                    .map(|one| one.value.as_str()),
                Some(cid.as_str())
            );
        }
    }
    Ok(())
}

#[test]
fn names_are_read_in_their_encoding() -> Result<()> {
    let mut files = VmdkSpec::new(recipe(), Layout::Flat).build();
    let text = String::from_utf8_lossy(&files[0].1).into_owned();
    let text = text.replace("UTF-8", "windows-1252").into_bytes();
    let at = text
        .windows(9)
        .position(|part| part == b"disk-flat")
        .expect("it is there");
    files[0].1 = [&text[..at], b"\xfcbung", &text[at + 9..]].concat();
    files[1].0 = "übung.vmdk".into();
    conform(&open(&files)?, &rounded(&recipe()), None);
    Ok(())
}

#[test]
fn zeros_of_a_disk_need_no_file() -> Result<()> {
    let size = 300 * KIB;
    let recipe = Recipe::of(
        size,
        [
            (0, 100 * KIB, Fill::Text),
            (100 * KIB, 100 * KIB, Fill::Zero),
            (200 * KIB, 100 * KIB, Fill::Pattern(1)),
        ],
    );
    let parts = vec![
        Part::Flat(100 * KIB, 0),
        Part::Zero(100 * KIB),
        Part::Flat(100 * KIB, 3),
    ];
    let spec = VmdkSpec::new(recipe, Layout::Custom(parts));
    conform(&open(&spec.build())?, &spec.recipe, None);
    Ok(())
}

#[test]
fn children_show_their_parent_and_zeros_hide_it() -> Result<()> {
    let grain = 64 * KIB;
    let under = Recipe::scatter(12 * grain, 7000, 4).expected(None);
    let change = Recipe::of(
        12 * grain,
        [
            (0, grain, Fill::Zero),
            (2 * grain, 3 * grain, Fill::Pattern(4)),
            (9 * grain, grain, Fill::Zero),
        ],
    );
    for layout in [
        Layout::Sparse,
        Layout::SplitSparse(4 * grain),
        Layout::Cowd,
        Layout::SeSparse,
    ] {
        for zeroed in [false, true] {
            let child = VmdkSpec {
                zeroed,
                ..VmdkSpec::child(change.clone(), layout.clone(), 0xabc, "base.vmdk")
            };
            let image = open(&child.build())?;
            conform(&image, &change, Some(&under));
            let link = image.parent().expect("it is a child");
            assert_eq!(link.format, None);
            assert_eq!(link.identities[0].to_string(), "CID 00000abc");
            assert_eq!(
                (link.hints[0].kind, link.hints[0].text.as_str()),
                (HintKind::AnyPath, "base.vmdk")
            );
        }
    }
    Ok(())
}

#[test]
fn a_child_of_virtualbox_names_its_parent_by_uuids() -> Result<()> {
    let uuids = (
        "11111111-2222-3333-4444-555555555555".to_owned(),
        "66666666-7777-8888-9999-aaaaaaaaaaaa".to_owned(),
    );
    let mut parent = VmdkSpec::new(recipe(), Layout::Sparse);
    parent.text.uuids = Some(uuids.clone());
    let mut child = VmdkSpec::new(Recipe::empty(recipe().size), Layout::Sparse);
    child.text.uuid_parent = Some(uuids);
    let (parent, child) = (open(&parent.build())?, open(&child.build())?);
    let link = child.parent().expect("it is a child");
    assert!(link.hints.is_empty());
    assert!(parent.metadata().is_called(&link.identities[0]), "{link:?}");
    Ok(())
}

#[test]
fn a_lone_extent_is_a_disk_of_its_own_and_says_so() -> Result<()> {
    for layout in [Layout::LoneSparse, Layout::LoneCowd, Layout::LoneSeSparse] {
        let image = open(&VmdkSpec::new(recipe(), layout).build())?;
        assert!(
            image.metadata().notes[0].starts_with("a lone"),
            "{:?}",
            image.metadata().notes
        );
        assert_eq!(image.metadata().identity, None);
    }
    // One of several.
    let mut files = VmdkSpec::new(recipe(), Layout::SplitSparse(512 * KIB)).build();
    let image = open(&vec![files.remove(1)])?;
    assert_eq!(image.metadata().size, Bytes::kib(512));
    Ok(())
}

#[test]
fn a_large_empty_disk_is_mapped_in_few_steps() -> Result<()> {
    let mut spec = VmdkSpec::new(Recipe::empty(1 << 30), Layout::LoneSparse);
    // The tables of 1 GiB stand for 64 TiB if there are none.
    spec.capacity = Some(1 << 37);
    spec.all_tables = false;
    let mut files = spec.build();
    // A directory of 64 TiB: 2^21 entries.
    files[0].1.resize(9 << 20, 0);
    let image = open(&files)?;
    let (mut at, mut runs) = (VirtOffset::ZERO, 0);
    while at < VirtOffset(image.metadata().size.0) {
        let extent = image.extent_at(at)?;
        at = extent.end();
        runs += 1;
    }
    assert!(runs <= 4200, "{runs} runs");
    Ok(())
}

#[test]
fn a_file_is_known_by_its_magic_or_its_title() -> Result<()> {
    let claim = |bytes: &[u8]| -> Result<ProbeResult> {
        Ok((DRIVER.probe)(&ProbeWindow::of(&MemSource(
            bytes.to_vec(),
        ))?))
    };
    for spec in variants() {
        let files = spec.build();
        assert!(
            matches!(claim(&files[0].1)?, ProbeResult::Yes),
            "{:?}",
            spec.layout
        );
    }
    assert!(matches!(
        claim(b"\n# a comment\n# DISK DescriptorFile \nversion=1\n")?,
        ProbeResult::Yes
    ));
    assert!(matches!(
        claim(b"# some shell script\nversion=1\n")?,
        ProbeResult::No
    ));
    assert!(matches!(claim(b"KDM")?, ProbeResult::No));
    Ok(())
}
