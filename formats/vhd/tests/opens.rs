//! Images of every variant, built without this crate, read as their recipes say.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a wrong test should stop"
)]

mod driving;

use std::sync::Arc;

use driving::{Tested, check, how, memory, open, read_all, uuid_text};
use imgdelta_core::{Bytes, NoAuxFiles, ProbeResult, ProbeWindow, Source, State, VirtOffset};
use imgdelta_fixtures::{
    Fill, Recipe, conform,
    vhd::{Batmap, Bitmaps, FooterCopy, Geometry, Order, Placement, Tail, VhdSpec},
};
use imgdelta_vhd::DRIVER;

const BASE_ID: [u8; 16] = *b"imgdelta base 01";

/// Opens the image of `spec`, holds it against its recipe; gives the notes and what a check found.
fn conforms(name: &str, spec: &VhdSpec, under: Option<&[u8]>) -> (Vec<String>, Vec<String>) {
    let bytes = spec.build();
    let report = check(bytes.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(report.faults.is_empty(), "{name}: {:?}", report.faults);
    let peek = ProbeWindow::of(&*memory(bytes.clone())).expect("memory can be read");
    assert!(
        matches!((DRIVER.probe)(&peek), ProbeResult::Yes),
        "{name} is claimed"
    );
    let image = open(bytes, &[]).unwrap_or_else(|error| panic!("{name}: {error}"));
    conform(&image, &spec.recipe, under);
    (image.metadata().notes.clone(), report.notes)
}

fn silently(name: &str, spec: &VhdSpec, under: Option<&[u8]>) {
    let (notes, found) = conforms(name, spec, under);
    assert_eq!((notes, found), (vec![], vec![]), "{name}");
}

fn notes(name: &str, spec: &VhdSpec, wanted: &str) {
    let (notes, _) = conforms(name, spec, None);
    assert!(
        notes.iter().any(|note| note.contains(wanted)),
        "{name}: {notes:?}"
    );
}

fn recipes() -> [Recipe; 4] {
    [
        Recipe::small(1 << 20),
        Recipe::scatter(5 << 20, 96 << 10, 5),
        Recipe::sectors((9 << 20) + 512, 6),
        Recipe::empty(3 << 20),
    ]
}

#[test]
fn fixed_images_read() {
    for recipe in recipes() {
        silently("fixed", &VhdSpec::fixed(recipe.clone()), None);
        let short_footer = VhdSpec {
            short_footer: true,
            ..VhdSpec::fixed(recipe)
        };
        silently("fixed, 511", &short_footer, None);
    }
}

#[test]
fn dynamic_images_of_every_block_size_read() {
    for recipe in recipes() {
        for block_size in [512, 4096, 64 << 10, 512 << 10, 2 << 20, 4 << 20, 16 << 20] {
            let plain = VhdSpec::dynamic(recipe.clone(), block_size);
            let name = format!("{} in blocks of {block_size}", recipe.size);
            silently(&name, &plain, None);
            let aligned = VhdSpec {
                placement: Placement::DataAligned,
                gap: 4096,
                bat_padding: 0,
                ..plain.clone()
            };
            silently(&name, &aligned, None);
            let exact = VhdSpec {
                bitmaps: Bitmaps::Exact,
                order: Order::Descending,
                short_footer: true,
                ..plain.clone()
            };
            silently(&name, &exact, None);
            let moved = VhdSpec {
                order: Order::Shuffled(7),
                header_offset: 1024,
                bat_offset: Some(8192),
                ..plain
            };
            silently(&name, &moved, None);
        }
    }
}

#[test]
fn children_of_every_block_size_read_over_their_parent() {
    let size = (6 << 20) + 1024;
    let under = Recipe::scatter(size, 4096, 9).expected(None);
    for block_size in [512, 4096, 512 << 10, 2 << 20, 8 << 20] {
        for recipe in [
            Recipe::sectors(size, 3),
            Recipe::scatter(size, 1536, 4),
            Recipe::empty(size),
        ] {
            let child = VhdSpec::differencing(recipe, block_size, BASE_ID, "base.vhd");
            silently("child", &child, Some(&under));
            let shuffled = VhdSpec {
                order: Order::Shuffled(1),
                placement: Placement::DataAligned,
                ..child
            };
            silently("shuffled child", &shuffled, Some(&under));
        }
    }
}

#[test]
fn a_lost_or_damaged_footer_is_replaced_by_its_copy() {
    let spec = VhdSpec::dynamic(Recipe::small(1 << 20), 64 << 10);
    let wanted = "footer at end missing or damaged; using the copy at the start";
    for tail in [Tail::Missing, Tail::Damaged] {
        notes(
            "lost",
            &VhdSpec {
                tail,
                ..spec.clone()
            },
            wanted,
        );
    }
    let copy = FooterCopy::Missing;
    notes(
        "no copy",
        &VhdSpec { copy, ..spec },
        "footer copy at the start missing or damaged",
    );
}

#[test]
fn footers_that_disagree_are_settled_by_the_one_at_the_end() -> Tested {
    let spec = VhdSpec {
        copy: FooterCopy::OtherId([3; 16]),
        ..VhdSpec::dynamic(Recipe::small(1 << 20), 64 << 10)
    };
    let image = open(spec.build(), &[])?;
    assert_eq!(
        image.metadata().notes,
        ["the two footers disagree; using the one at the end"]
    );
    let own = uuid_text(spec.unique_id);
    assert_eq!(
        image
            .metadata()
            .identity
            .as_ref()
            .map(|id| id.value.clone()),
        Some(own)
    );
    conform(&image, &spec.recipe, None);
    Ok(())
}

#[test]
fn images_of_tapdisk_read() {
    let tap = VhdSpec {
        creator: *b"tap\0",
        creator_version: 0x0001_0003,
        batmap: Some(Batmap {
            key_hash: false,
            version: 0x0001_0002,
        }),
        placement: Placement::DataAligned,
        ..VhdSpec::dynamic(Recipe::scatter(4 << 20, 64 << 10, 2), 512 << 10)
    };
    silently("batmap", &tap, None);
    let exact = VhdSpec {
        bitmaps: Bitmaps::Exact,
        ..tap
    };
    silently("batmap with exact bitmaps", &exact, None);
}

#[test]
fn the_size_is_the_current_one_unless_the_geometry_is_asked_for() -> Tested {
    for creator in [
        b"vpc ", b"qemu", b"qem2", b"win ", b"d2v\0", b"tap\0", b"CTXS", b"wa\0\0", b"vbox",
    ] {
        let spec = VhdSpec {
            creator: *creator,
            creator_version: 0x0001_0003,
            ..VhdSpec::fixed(Recipe::small(4 << 20))
        };
        let by_current = open(spec.build(), &[])?;
        assert_eq!(by_current.metadata().size, Bytes::mib(4));
        let by_chs = open(spec.build(), &["size=chs"])?;
        assert_eq!(by_chs.metadata().size, Bytes(120 * 4 * 17 * 512));
        let told = by_current
            .metadata()
            .notes
            .iter()
            .any(|note| note.contains("geometry 120/4/17"));
        assert_eq!(
            told,
            matches!(creator, b"vpc " | b"qemu"),
            "{}",
            creator.escape_ascii()
        );
    }
    let huge = VhdSpec {
        geometry: Some(Geometry::new(65535, 16, 255)),
        ..VhdSpec::fixed(Recipe::small(1 << 20))
    };
    assert_eq!(
        open(huge.build(), &["size=chs"])?.metadata().size,
        Bytes::mib(1)
    );
    Ok(())
}

#[test]
fn wrong_checksums_are_read_past_on_request() -> Tested {
    let mut bytes = VhdSpec::dynamic(Recipe::small(1 << 20), 64 << 10).build();
    let end = bytes.len() - 512;
    for at in [0, end] {
        bytes[at + 64] ^= 1;
    }
    bytes[512 + 36] ^= 1;
    assert!(open(bytes.clone(), &[]).is_err());
    let image = open(bytes.clone(), &["checksum=ignore"])?;
    assert_eq!(image.metadata().notes.len(), 2);
    conform(&image, &Recipe::small(1 << 20), None);
    let codes: Vec<_> = check(bytes)?
        .faults
        .iter()
        .map(|fault| fault.code())
        .collect();
    assert_eq!(codes, ["vhd_footer_checksum", "vhd_header_checksum"]);
    Ok(())
}

#[test]
fn unknown_options_and_snapshots_are_refused() -> Tested {
    let bytes = VhdSpec::fixed(Recipe::small(1 << 20)).build();
    assert!(open(bytes.clone(), &["size=odd"]).is_err());
    assert!(open(bytes.clone(), &["snapshot=x"]).is_err());
    let mut asked = how(memory(bytes), &[], &NoAuxFiles)?;
    asked.snapshot = Some("x".into());
    assert!((DRIVER.open)(asked).is_err());
    Ok(())
}

#[test]
fn a_full_block_is_one_extent_and_silence_is_long() -> Tested {
    let size = 64 << 20;
    let recipe = Recipe::of(size, [(8 << 20, 2 << 20, Fill::Pattern(1))]);
    let image = open(VhdSpec::dynamic(recipe, 2 << 20).build(), &[])?;
    let head = image.extent_at(VirtOffset(0))?;
    assert_eq!((head.len, head.state), (Bytes::mib(8), State::Absent));
    let data = image.extent_at(VirtOffset(8 << 20))?;
    assert_eq!(data.len, Bytes::mib(2));
    assert!(data.state.holds_data());
    assert_eq!(image.extent_at(data.end())?.end(), VirtOffset(size));
    Ok(())
}

#[test]
fn a_fixed_image_that_holds_an_image_is_itself() -> Tested {
    let inner = VhdSpec::dynamic(Recipe::small(256 << 10), 64 << 10).build();
    let footer = VhdSpec::fixed(Recipe::empty(inner.len() as u64)).build()[inner.len()..].to_vec();
    let image = open([inner.clone(), footer].concat(), &[])?;
    assert_eq!(image.metadata().variant, "fixed");
    assert!(image.metadata().notes.is_empty());
    assert_eq!(read_all(&*image)?, inner);
    Ok(())
}

#[test]
fn holes_of_a_fixed_image_on_disk_are_zero() -> Tested {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("sparse.vhd");
    let recipe = Recipe::of(16 << 20, [(4 << 20, 1 << 20, Fill::Pattern(5))]);
    let bytes = VhdSpec::fixed(recipe.clone()).build();
    let file = std::fs::File::create(&path)?;
    file.set_len(bytes.len() as u64)?;
    for at in [4 << 20, (16 << 20) - 4096] {
        let len = (1 << 20).min(bytes.len() - at);
        std::os::unix::fs::FileExt::write_all_at(&file, &bytes[at..at + len], at as u64)?;
    }
    let source: Arc<dyn Source> = Arc::new(imgdelta_core::FileSource::open(&path)?);
    let image = (DRIVER.open)(how(source, &[], &NoAuxFiles)?)?;
    conform(&image, &recipe, None);
    let head = image.extent_at(VirtOffset(0))?;
    let data = image.extent_at(VirtOffset(4 << 20))?;
    assert!(data.state.holds_data());
    // Where the host has no holes all is data.
    assert!(head.state == State::Zero || head.len == Bytes::mib(16));
    Ok(())
}

#[test]
fn dynamic_disks_larger_than_writers_make_them_are_read() -> Tested {
    let block = 2 << 20;
    // What XenServer made once, VirtualBox's 2 TiB, and what no sector number of the BAT would reach if all of it were stored.
    for size in [2_093_050 << 20, 2 << 40, 3 << 40] {
        let last = size - block;
        let recipe = Recipe::of(size, [(last, 4096, Fill::Pattern(7))]);
        let spec = VhdSpec {
            creator: *b"tap\0",
            creator_version: 0x0001_0003,
            ..VhdSpec::dynamic(recipe, block as u32)
        };
        let bytes = spec.build();
        let image = open(bytes.clone(), &[])?;
        assert_eq!(image.metadata().size, Bytes(size));
        let silence = image.extent_at(VirtOffset(0))?;
        assert_eq!(silence.state, State::Absent);
        let mut data = vec![0; 8192];
        image.read_data(VirtOffset(last), &mut data)?;
        assert!(data == spec.recipe.bytes_at(last, 8192));
        let report = check(bytes)?;
        assert!(report.faults.is_empty(), "{:?}", report.faults);
    }
    Ok(())
}

#[test]
fn bitmaps_can_be_ignored_where_no_parent_is_behind_them() -> Tested {
    let recipe = Recipe::small(1 << 20);
    let mut bytes = VhdSpec::dynamic(recipe.clone(), 64 << 10).build();
    let entry = u32::from_be_bytes(bytes[1536..1540].try_into()?);
    let bitmap = entry as usize * 512;
    bytes[bitmap..bitmap + 16].fill(0);
    let followed = open(bytes.clone(), &[])?;
    assert_eq!(followed.extent_at(VirtOffset(512))?.state, State::Zero);
    let lines = followed.passed_over()?;
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        lines[0].contains("unused hold data: 1, in 1 blocks"),
        "{lines:?}"
    );
    let ignored = open(bytes, &["bitmap=ignore"])?;
    assert!(read_all(&*ignored)? == recipe.content(None));
    assert!(ignored.passed_over()?.is_empty());
    let child = VhdSpec::differencing(recipe, 64 << 10, BASE_ID, "base.vhd").build();
    let error = open(child, &["bitmap=ignore"]).expect_err("it has a parent");
    assert_eq!(error.code(), "vhd_bitmaps_of_child");
    Ok(())
}
