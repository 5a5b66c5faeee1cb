//! What an image says twice or hides: results name it, with a count, and the option that reads it the other way.

use imgdelta_fixtures::{
    Fill, Recipe, qcow2::Qcow2Spec, vdi::VdiSpec, vhd::VhdSpec, vhdx::VhdxSpec,
};

use crate::place::Place;

const BLOCK: usize = 64 << 10;

fn recipe() -> Recipe {
    let size = 16 * BLOCK as u64;
    Recipe::of(size, [(0, size, Fill::Pattern(3))])
}

/// What a run says that must succeed.
fn said(place: &Place, line: &str) -> String {
    let run = place.run(line);
    assert_eq!(run.exit, 0, "{line}: {run:?}");
    run.err
}

/// A dynamic VHD of which 3 sectors of block 1 and one of block 5 are marked unused and hold data.
fn cleared() -> Vec<u8> {
    let mut bytes = VhdSpec::dynamic(recipe(), BLOCK as u32).build();
    for (block, byte, mask) in [(1, 2, 0xe0), (5, 15, 0x01)] {
        let entry = 1536 + 4 * block;
        let sector = bytes[entry..entry + 4]
            .iter()
            .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        bytes[sector * 512 + byte] &= !mask;
    }
    bytes
}

#[test]
fn data_under_clear_bits_of_a_vhd_are_told_and_read_if_that_is_asked_for() {
    let place = Place::empty();
    place.write("hides.vhd", &cleared());
    let whole = recipe().content(None);
    let mut shown = whole.clone();
    shown[BLOCK + 16 * 512..BLOCK + 19 * 512].fill(0);
    shown[5 * BLOCK + 127 * 512..5 * BLOCK + 128 * 512].fill(0);
    place.write("whole.raw", &whole);
    place.write("shown.raw", &shown);
    let told = "unused hold data: 4, in 2 blocks";
    let text = said(&place, "convert hides.vhd -o plain.raw");
    assert!(
        text.contains(told) && text.contains("bitmap=ignore"),
        "{text}"
    );
    assert!(place.read("plain.raw") == shown);
    for line in [
        "compare hides.vhd shown.raw",
        "make -b shown.raw -t hides.vhd -o a.qcow2",
        "make -b hides.vhd -t whole.raw -o b.qcow2",
        "convert hides.vhd -o again.raw -n",
    ] {
        let run = place.run(line);
        assert!(run.err.contains(told), "{line}: {run:?}");
    }
    // As qemu reads it.
    let text = said(
        &place,
        "convert hides.vhd -o other.raw --input-option bitmap=ignore",
    );
    assert!(!text.contains(told), "{text}");
    assert!(text.contains("bitmaps were ignored"), "{text}");
    assert!(place.read("other.raw") == whole);
    place.ok("check hides.vhd -q --input-option bitmap=ignore");
    assert_eq!(place.run("check hides.vhd").exit, 1);
    // A sound one has nothing to tell.
    place.write(
        "sound.vhd",
        &VhdSpec::dynamic(recipe(), BLOCK as u32).build(),
    );
    let text = said(&place, "convert sound.vhd -o sound.raw");
    assert!(!text.contains("unused"), "{text}");
}

#[test]
fn the_bitmaps_of_a_child_cannot_be_ignored() {
    let place = Place::golden();
    place.ok("make -b golden.vhd -t patched.vhd -o c.vhd");
    let run = place.run("convert c.vhd -o x.raw --input-option bitmap=ignore");
    assert_eq!(run.exit, 2, "{run:?}");
    assert!(run.err.contains("what is its parent's"), "{run:?}");
}

#[test]
fn clusters_and_blocks_that_share_a_place_are_told_with_their_count() {
    let place = Place::empty();
    // Two more entries of an L2 table name the first one's cluster.
    let built = Qcow2Spec::new(recipe(), 16).build_files();
    let mut image = built.image;
    let table = built.layout.l2[0] as usize;
    let entry = image[table..table + 8].to_vec();
    for number in [3, 9] {
        image[table + 8 * number..table + 8 * number + 8].copy_from_slice(&entry);
    }
    place.write("crossed.qcow2", &image);
    // Three blocks have the place of the first one.
    let mut vdi = VdiSpec::dynamic(recipe(), BLOCK as u32).build();
    for block in [2, 7, 9] {
        vdi[512 + 4 * block..512 + 4 * block + 4].fill(0);
    }
    place.write("crossed.vdi", &vdi);
    for (name, kind, more) in [
        ("crossed.qcow2", "refcount", ""),
        (
            "crossed.vdi",
            "blocks 0 and 2 share index 0",
            "and 2 more like it",
        ),
    ] {
        for line in [
            format!("convert {name} -o {name}.raw"),
            format!("make -b {name}.raw -t {name} -o {name}.child.qcow2"),
            format!("compare {name} {name}.raw"),
        ] {
            let text = said(&place, &line);
            assert!(text.contains(kind) && text.contains(more), "{line}: {text}");
        }
        assert_eq!(place.run(&format!("check {name}")).exit, 1);
    }
}

#[test]
fn bits_that_mean_nothing_are_told() {
    let place = Place::empty();
    let recipe = Recipe::of(4 << 20, [(0, 2 << 20, Fill::Text)]);
    let spec = VhdxSpec::dynamic(recipe, 1 << 20);
    let mut file = spec.draw();
    for block in 0..2 {
        let mut entry = [0; 8];
        let at = spec.block_entry_at(block);
        entry.copy_from_slice(&file.bytes()[at as usize..at as usize + 8]);
        let odd = u64::from_le_bytes(entry) | 0x88;
        file.put(at, &odd.to_le_bytes());
    }
    place.write("odd.vhdx", &file.bytes());
    let text = said(&place, "convert odd.vhdx -o odd.raw");
    assert!(text.contains("reserved bits of BAT entry 0"), "{text}");
    assert!(text.contains("and 1 more like it"), "{text}");
}

#[test]
fn what_both_sides_share_is_not_looked_at() {
    let place = Place::empty();
    place.write("base.vhd", &cleared());
    place.ok("convert base.vhd -o other.raw -q");
    let mut bytes = place.read("other.raw");
    for name in ["one", "two"] {
        bytes[100] ^= 1;
        place.write("target.raw", &bytes);
        place.ok(&format!("make -b base.vhd -t target.raw -o {name}.vhd -q"));
    }
    let run = place.run("compare one.vhd two.vhd");
    assert_eq!(run.exit, 1);
    assert!(!run.err.contains("unused"), "{run:?}");
}
