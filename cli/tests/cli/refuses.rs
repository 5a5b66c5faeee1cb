//! Every refusal that a user is likely to meet: its own message, its exit status, and nothing left behind.

use std::{fs, os::unix::fs::symlink};

use imgdelta_fixtures::{
    Recipe,
    golden::{self, BASE_ID},
    qcow2::Qcow2Spec,
    vhd::VhdSpec,
};

use crate::place::Place;

/// The golden images and a VHD child with its manifest.
fn with_child() -> Place {
    let place = Place::golden();
    place.ok("make -b golden.vhd -t patched.vhd -o november.vhd");
    place
}

#[test]
fn a_wrong_base() {
    let place = with_child();
    let other = VhdSpec::dynamic(Recipe::small(golden::SIZE), 2 << 20);
    place.write("other.vhd", &other.build());
    place.write("short.vhd", &VhdSpec::fixed(Recipe::small(1 << 20)).build());
    let before = place.read("november.vhd");
    place.transcript(
        "wrong-base",
        &[
            "imgdelta apply november.vhd -b other.vhd -o full.raw",
            "imgdelta apply november.vhd -b short.vhd -o full.raw",
            "imgdelta attach november.vhd -b other.vhd",
        ],
    );
    assert_eq!(place.read("november.vhd"), before);
    place.refused("apply november.vhd -b other.vhd -o full.raw", 5);
}

#[test]
fn a_base_that_changed_by_a_byte() {
    let place = with_child();
    // In the kernel, which the patch leaves alone: the child itself would never notice.
    place.change("golden.vhd", |bytes| bytes[0x40_1000] ^= 1);
    place.transcript(
        "changed-base",
        &[
            "imgdelta apply november.vhd -b golden.vhd -o full.raw",
            "imgdelta attach november.vhd -b golden.vhd",
        ],
    );
    place.refused("apply november.vhd -b golden.vhd -o full.raw", 5);
}

#[test]
fn base_and_target_swapped() {
    let place = with_child();
    place.transcript(
        "swapped",
        &[
            "imgdelta apply november.vhd -b patched.vhd -o full.raw",
            "imgdelta attach november.vhd -b patched.vhd",
        ],
    );
    // Also where target and base differ in size.
    place.write("longer.raw", &Recipe::small(13 << 20).content(None));
    place.ok("make -b golden.raw -t longer.raw -o longer.qcow2");
    let said = place.refused("apply longer.qcow2 -b longer.raw -o full.raw", 5);
    assert!(said.contains("this is the target of this child"), "{said}");
}

#[test]
fn a_child_of_a_child_applied_to_the_grandparent() {
    let place = with_child();
    let mut december = golden::patched_bytes();
    december[4 << 20] ^= 0xff;
    place.write("december.raw", &december);
    place.ok("make -b november.vhd -t december.raw -o december.vhd");
    place.transcript(
        "grandparent",
        &["imgdelta apply december.vhd -b golden.vhd -o full.raw"],
    );
    place.refused("apply december.vhd -b golden.vhd -o full.raw", 5);
}

#[test]
fn a_missing_parent() {
    let place = with_child();
    fs::remove_file(place.path("golden.vhd")).expect("it is there");
    place.transcript(
        "missing-parent",
        &[
            "imgdelta convert november.vhd -o full.raw",
            "imgdelta digest november.vhd",
            "imgdelta map november.vhd --chain",
        ],
    );
    // What needs no parent goes on without.
    place.ok("info november.vhd");
    place.ok("check november.vhd");
    place.ok("map november.vhd --layer");
    let said = place.run("map november.vhd");
    assert_eq!(said.exit, 0);
    assert!(
        said.err.contains("only the image's own layer is shown"),
        "{}",
        said.err
    );
}

#[test]
fn a_loop_of_parents() {
    let place = Place::empty();
    let child = |own: [u8; 16], parent: [u8; 16], name| {
        VhdSpec {
            unique_id: own,
            ..VhdSpec::differencing(Recipe::empty(4 << 20), 2 << 20, parent, name)
        }
        .build()
    };
    place.write("a.vhd", &child([1; 16], [2; 16], "b.vhd"));
    place.write("b.vhd", &child([2; 16], [1; 16], "a.vhd"));
    let backed = |name| Qcow2Spec::child(Recipe::empty(4 << 20), 16, name, "qcow2", &[]).build();
    place.write("self.qcow2", &backed("self.qcow2"));
    place.transcript(
        "loop",
        &[
            "imgdelta convert a.vhd -o full.raw",
            "imgdelta info a.vhd --chain",
            "imgdelta convert self.qcow2 -o full.raw",
        ],
    );
}

#[test]
fn an_output_that_is_an_input() {
    let place = with_child();
    fs::hard_link(place.path("golden.vhd"), place.path("hard.vhd")).expect("room");
    symlink("golden.vhd", place.path("soft.vhd")).expect("room");
    let before = place.read("golden.vhd");
    place.transcript(
        "output-is-input",
        &[
            "imgdelta convert golden.vhd -o golden.vhd --force",
            "imgdelta convert golden.vhd -o hard.vhd --force",
            "imgdelta convert golden.vhd -o soft.vhd --force",
            "imgdelta make -b golden.vhd -t patched.vhd -o patched.vhd --force",
            "imgdelta apply november.vhd -b golden.vhd -o november.vhd --force",
            // A parent is an input too.
            "imgdelta convert november.vhd -o golden.vhd --force",
            "imgdelta attach november.vhd -b november.vhd",
        ],
    );
    assert_eq!(place.read("golden.vhd"), before);
}

#[test]
fn an_output_that_is_there_already() {
    let place = with_child();
    let before = (place.read("patched.raw"), place.read("november.vhd"));
    place.transcript(
        "output-exists",
        &[
            "imgdelta convert golden.vhd -o patched.raw",
            "imgdelta make -b golden.vhd -t patched.vhd -o november.vhd",
            "imgdelta apply november.vhd -b golden.vhd -o patched.raw",
        ],
    );
    assert_eq!(
        (place.read("patched.raw"), place.read("november.vhd")),
        before
    );
    // Nor is a manifest replaced that belongs to something else.
    fs::remove_file(place.path("november.vhd")).expect("it is there");
    let said = place.refused("make -b golden.vhd -t patched.vhd -o november.vhd", 2);
    assert!(said.contains("november.vhd.manifest.json"), "{said}");
    place.ok("make -b golden.vhd -t patched.vhd -o november.vhd --force");
    assert_eq!(place.read("november.vhd"), before.1);
}

#[test]
fn inputs_that_were_cut() {
    let place = with_child();
    place.change("golden.qcow2", |bytes| bytes.truncate(3 << 20));
    place.change("patched.vhd", |bytes| bytes.truncate(5 << 20));
    place.transcript(
        "truncated",
        &[
            "imgdelta convert golden.qcow2 -o full.raw",
            "imgdelta convert patched.vhd -o full.raw",
            "imgdelta make -b golden.vhd -t golden.qcow2 -o c.vhd",
        ],
    );
    place.refused("convert golden.qcow2 -o full.raw", 3);
    place.refused("convert patched.vhd -o full.raw", 3);
    // A raw image that was cut is another disk; its manifest knows.
    place.ok("make -b golden.raw -t patched.raw -o c.qcow2");
    place.change("golden.raw", |bytes| bytes.truncate(3 << 20));
    place.refused("apply c.qcow2 -b golden.raw -o full.raw", 5);
}

#[test]
fn a_child_that_its_base_cannot_have() {
    let place = Place::golden();
    place.write(
        "longer.vhd",
        &VhdSpec::fixed(Recipe::small(13 << 20)).build(),
    );
    place.transcript(
        "child-rules",
        &[
            "imgdelta make -b golden.raw -t patched.raw -o c.vhd",
            "imgdelta make -b golden.qcow2 -t patched.vhd -o c.vhd",
            "imgdelta make -b golden.vhd -t longer.vhd -o c.vhd",
            "imgdelta make -b golden.vhd -t patched.vhd -o c.raw",
            "imgdelta make -b golden.vhd -t patched.vhd -o c.xyz",
            "imgdelta make -b golden.vhd -t patched.vhd -o -",
        ],
    );
    // The remedy is one.
    place.ok("convert golden.raw -o remedy.vhd");
    place.ok("make -b remedy.vhd -t patched.raw -o c.vhd");
    let said = place.refused("attach c.vhd -b golden.raw", 4);
    assert!(said.contains("imgdelta convert"), "{said}");
}

#[test]
fn a_child_whose_manifest_is_missing_or_damaged() {
    let place = with_child();
    let manifest = "november.vhd.manifest.json";
    let text = String::from_utf8(place.read(manifest)).expect("JSON");
    place.write(
        "other.json",
        text.replace("manifest/1", "manifest/9").as_bytes(),
    );
    place.write("torn.json", &text.as_bytes()[..text.len() / 2]);
    fs::remove_file(place.path(manifest)).expect("it is there");
    place.transcript(
        "manifest",
        &[
            "imgdelta apply november.vhd -b golden.vhd -o full.raw",
            "imgdelta attach november.vhd -b golden.vhd",
            "imgdelta apply november.vhd -b golden.vhd -o full.raw --manifest other.json",
            "imgdelta apply november.vhd -b golden.vhd -o full.raw --manifest torn.json",
            "imgdelta apply november.vhd -b golden.vhd -o full.raw --manifest none.json",
        ],
    );
}

#[test]
fn a_child_that_was_damaged_on_its_way() {
    let place = with_child();
    // In the message of the day.
    let (text, mut at) = (b"version 2", None);
    place.change("november.vhd", |bytes| {
        at = bytes.windows(text.len()).position(|part| part == text);
        bytes[at.expect("it is there")] ^= 1;
    });
    let before = place.read("november.vhd");
    place.transcript(
        "damaged-child",
        &[
            "imgdelta apply november.vhd -b golden.vhd -o full.raw",
            "imgdelta attach november.vhd -b golden.vhd",
        ],
    );
    place.refused("apply november.vhd -b golden.vhd -o full.raw", 6);
    place.refused("attach november.vhd -b golden.vhd", 6);
    assert_eq!(place.read("november.vhd"), before);
}

#[test]
fn a_reference_that_is_unsafe() {
    let place = Place::golden();
    place.write("secret/secret.raw", &golden::base_bytes());
    let backed = |name| {
        Qcow2Spec::child(
            Recipe::empty(golden::SIZE),
            16,
            name,
            "raw",
            &golden::base_bytes(),
        )
        .build()
    };
    place.write("images/out.qcow2", &backed("../secret/secret.raw"));
    place.write("images/absolute.qcow2", &backed("/etc/passwd"));
    place.write("images/protocol.qcow2", &backed("nbd://host/disk"));
    place.transcript(
        "references",
        &[
            "imgdelta convert images/out.qcow2 -o full.raw",
            "imgdelta convert images/absolute.qcow2 -o full.raw",
            "imgdelta digest images/protocol.qcow2",
            "imgdelta info images/absolute.qcow2 --refs",
        ],
    );
    place.ok("convert images/out.qcow2 -o full.raw --search secret");
    place.ok("convert images/absolute.qcow2 -o other.raw --parent golden.raw");
}

#[test]
fn a_line_that_makes_no_sense() {
    let place = Place::golden();
    place.transcript(
        "usage",
        &[
            "imgdelta convert golden.raw -o c.vhd --option colour=blue",
            "imgdelta convert golden.raw -o c.vhd --option subformat=round",
            "imgdelta convert golden.raw -o c.vhd --option nonsense",
            "imgdelta info golden.vhd --input-option colour=blue",
            "imgdelta info golden.vhd --input-format tar",
            "imgdelta info golden.vhd -j 0",
            "imgdelta compair golden.vhd golden.raw",
            "imgdelta compare golden.vhd golden.raw --lst",
            "imgdelta convert golden.vhd",
        ],
    );
    let said = place
        .command("info golden.vhd")
        .env("IMGDELTA_THREADS", "many")
        .output();
    assert_eq!(said.expect("it starts").status.code(), Some(2));
}

#[test]
fn a_name_that_its_bytes_do_not_keep() {
    let place = Place::golden();
    fs::copy(place.path("golden.raw"), place.path("false.vhd")).expect("room");
    fs::copy(place.path("golden.qcow2"), place.path("guest.raw")).expect("room");
    place.transcript(
        "names",
        &[
            "imgdelta info false.vhd",
            "imgdelta info guest.raw",
            "imgdelta info guest.raw --input-format raw -q",
        ],
    );
}

#[test]
fn a_vhd_of_another_id_beside_the_child_is_no_parent() {
    let place = with_child();
    place.change("golden.vhd", |bytes| {
        let other = VhdSpec {
            unique_id: *b"another golden 1",
            ..VhdSpec::dynamic(golden::base(), 2 << 20)
        };
        *bytes = other.build();
    });
    let said = place.refused("convert november.vhd -o full.raw", 5);
    assert!(said.contains("unique id"), "{said}");
    // The content is what counts: after attach it is its parent.
    place.ok("attach november.vhd -b golden.vhd");
    place.ok("compare november.vhd patched.raw -q");
    assert_ne!(BASE_ID, *b"another golden 1");
}
