//! What nobody needs of a target is left out of a child: file systems as the systems' own programs make them, the child applied, and those
//! programs asked what they think of the result. What is free, partclone says.

#[path = "../../guest/tests/host/mod.rs"]
mod host;
mod scene;
#[path = "../../guest/tests/tree/mod.rs"]
mod tree;

use std::fs;

use host::{are_there, blank, name, poke, run};
use imgdelta_core::Kind;
use imgdelta_operations::{
    Attach, Compare, Context, Convert, Expand, Make, MakeTransport, Unneeded,
};
use imgdelta_registry::OutputSpec;
use scene::{MIB, Scene, is_clean, is_left_out};

#[test]
fn ext4_is_clean_and_all_its_files_are_there() {
    let tools = [
        ("mke2fs", "e2fsprogs"),
        ("debugfs", "e2fsprogs"),
        ("e2fsck", "e2fsprogs"),
        ("partclone.extfs", "partclone"),
    ];
    if !are_there(&tools) {
        return;
    }
    let scene = Scene::new();
    let tree = tree::make(&scene.at("tree"));
    let typed = format!(
        "rm large\nrm small\nwrite NEW new\nwrite {} one/newer\nmkdir more\n",
        name(&tree.join("large"))
    );
    let target = scene.ext4(96 * MIB, &tree, &typed);
    run(&["e2fsck", "-fp", name(&target)], "");
    let free = is_left_out(&scene, "extfs");
    is_clean(&scene, &["e2fsck", "-fn"]);
    let trees = ["target.raw", "result.raw"].map(|image| {
        let out = scene.at(&format!("{image}.files"));
        fs::create_dir(&out).expect("a folder");
        let typed = format!("rdump / {}", name(&out));
        run(&["debugfs", "-R", &typed, name(&scene.at(image))], "");
        out
    });
    run(
        &[
            "diff",
            "-r",
            "--no-dereference",
            name(&trees[0]),
            name(&trees[1]),
        ],
        "",
    );
    assert!(trees[1].join("new").exists() && !trees[1].join("large").exists());

    // Every child format, and attached instead of applied.
    for (base, child) in [("base.vhdx", "child.vhdx"), ("base.vdi", "child.vdi")] {
        let context = Context::new();
        let output = OutputSpec::of(scene.at(base));
        Convert::new(scene.open("base.raw"), output)
            .run(&context)
            .expect("it is converted");
        let output = OutputSpec::of(scene.at(child));
        Make::new(scene.open(base), scene.open("target.raw"), output)
            .leave_out(Unneeded::ALL)
            .run(&context)
            .expect("it is made");
        Attach::new(scene.open(child), scene.open(base))
            .run(&context)
            .expect("it is attached");
        let same = Compare::new(scene.open(child), scene.open("result.raw"));
        assert!(same.run(&context).expect("both are read").same, "{child}");
    }

    // A transport file, and the child that the site makes of it.
    let context = Context::new();
    let file = OutputSpec::of(scene.at("child.imgdelta"));
    let report = MakeTransport::new(scene.open("base.raw"), scene.open("target.raw"), file)
        .leave_out([Unneeded::Free])
        .run(&context)
        .expect("it is made");
    assert_eq!(report.left_out.map(|bytes| bytes.free), Some(free));
    let applied = scene.apply("child.imgdelta", "travelled.raw");
    assert_eq!(applied.content_id, report.target.content_id);
    let same = Compare::new(scene.open("travelled.raw"), scene.open("result.raw"));
    assert!(same.run(&context).expect("both are read").same);
    let output = OutputSpec::of(scene.at("travelled.qcow2"));
    Expand::new(scene.open("child.imgdelta"), scene.open("base.raw"), output)
        .run(&context)
        .expect("it is expanded");
    let [made, travelled] = ["part.qcow2", "travelled.qcow2"].map(|name| scene.manifest(name));
    assert_eq!(made.left_out, travelled.left_out);

    // A volume that needs recovery is never touched.
    poke(&target, 1024 + 0x60, &[0x46]);
    let report = scene.make("dirty.qcow2", &Unneeded::ALL);
    assert_eq!(report.left_out.map(|bytes| bytes.total()), Some(0));
    assert!(
        report
            .notes
            .iter()
            .any(|note| note.contains("nothing of the disk is left out"))
    );
    scene.apply("dirty.qcow2", "dirty.raw");
    assert!(fs::read(scene.at("dirty.raw")).expect("read") == fs::read(target).expect("read"));
}

#[test]
fn fat_is_clean_and_all_its_files_are_there() {
    let tools = [
        ("mkfs.fat", "dosfstools"),
        ("fsck.fat", "dosfstools"),
        ("mcopy", "mtools"),
        ("partclone.fat", "partclone"),
    ];
    if !are_there(&tools) {
        return;
    }
    for (size, bits) in [(32, "16"), (80, "32")] {
        let scene = Scene::new();
        let tree = tree::plain(&scene.at("tree"));
        let target = scene.at("target.raw");
        blank(&target, size * MIB);
        run(&["mkfs.fat", "-F", bits, name(&target)], "");
        for file in ["many", "small", "large"] {
            run(
                &[
                    "mcopy",
                    "-i",
                    name(&target),
                    "-s",
                    "-Q",
                    name(&tree.join(file)),
                    "::/",
                ],
                "",
            );
        }
        scene.keep_base();
        run(&["mdel", "-i", name(&target), "::/large"], "");
        run(
            &[
                "mcopy",
                "-i",
                name(&target),
                "-s",
                "-Q",
                name(&tree.join("one")),
                "::/",
            ],
            "",
        );
        is_left_out(&scene, "fat");
        is_clean(&scene, &["fsck.fat", "-n"]);
        let trees = ["target.raw", "result.raw"].map(|image| {
            let out = scene.at(&format!("{image}.files"));
            fs::create_dir(&out).expect("a folder");
            run(
                &[
                    "mcopy",
                    "-i",
                    name(&scene.at(image)),
                    "-s",
                    "-Q",
                    "::/",
                    name(&out),
                ],
                "",
            );
            out
        });
        run(&["diff", "-r", name(&trees[0]), name(&trees[1])], "");
    }
}

#[test]
fn ntfs_is_clean_and_all_its_files_are_there() {
    let tools = [
        ("mkntfs", "ntfs-3g"),
        ("ntfscp", "ntfs-3g"),
        ("ntfsfix", "ntfs-3g"),
        ("7zz", "7zip"),
        ("partclone.ntfs", "partclone"),
    ];
    if !are_there(&tools) {
        return;
    }
    let scene = Scene::new();
    let tree = tree::plain(&scene.at("tree"));
    let target = scene.at("target.raw");
    blank(&target, 64 * MIB);
    run(&["mkntfs", "-q", "-F", "-f", name(&target)], "");
    let add = |from: &str, to: &str| {
        run(
            &["ntfscp", "-q", name(&target), name(&tree.join(from)), to],
            "",
        );
    };
    add("large", "/large");
    add("small", "/small");
    scene.keep_base();
    add("one/two/three/deep", "/deep");
    add("small", "/large");
    add("large", "/larger");
    is_left_out(&scene, "ntfs");
    is_clean(&scene, &["ntfsfix", "-n"]);
    let trees = ["target.raw", "result.raw"].map(|image| {
        let out = scene.at(&format!("{image}.files"));
        let to = format!("-o{}", name(&out));
        run(
            &["7zz", "x", "-y", "-tNTFS", &to, name(&scene.at(image))],
            "",
        );
        out
    });
    run(&["diff", "-r", name(&trees[0]), name(&trees[1])], "");
    assert!(trees[1].join("deep").exists());
}

#[test]
fn exfat_is_clean() {
    let tools = [
        ("mkfs.exfat", "exfatprogs"),
        ("fsck.exfat", "exfatprogs"),
        ("partclone.exfat", "partclone"),
    ];
    if !are_there(&tools) {
        return;
    }
    let scene = Scene::new();
    let target = scene.at("target.raw");
    blank(&target, 64 * MIB);
    run(&["mkfs.exfat", "-c", "4K", name(&target)], "");
    scene.keep_base();
    run(
        &["mkfs.exfat", "-c", "4K", "-L", "target", name(&target)],
        "",
    );
    is_left_out(&scene, "exfat");
    is_clean(&scene, &["fsck.exfat", "-n"]);
}

#[test]
fn xfs_is_clean() {
    let tools = [
        ("mkfs.xfs", "xfsprogs"),
        ("xfs_repair", "xfsprogs"),
        ("partclone.xfs", "partclone"),
    ];
    if !are_there(&tools) {
        return;
    }
    let scene = Scene::new();
    let tree = tree::plain(&scene.at("tree"));
    let target = scene.at("target.raw");
    let id = "uuid=0f0e0d0c-0b0a-4908-8706-050403020100";
    for (proto, files) in [
        ("one", &["large", "small"][..]),
        ("two", &["small", "holes"]),
    ] {
        let mut text = "boot\n0 0\nd--755 0 0\n".to_owned();
        for file in files {
            text += &format!("{file} ---644 0 0 {}\n", name(&tree.join(file)));
        }
        text += "$\n";
        fs::write(scene.at(proto), text).expect("room");
        if proto == "two" {
            scene.keep_base();
        }
        let _ = fs::remove_file(&target);
        blank(&target, 320 * MIB);
        run(
            &[
                "mkfs.xfs",
                "-q",
                "-f",
                "-m",
                id,
                "-p",
                name(&scene.at(proto)),
                name(&target),
            ],
            "",
        );
    }
    is_left_out(&scene, "xfs");
    is_clean(&scene, &["xfs_repair", "-n", "-f"]);
}

#[test]
fn swap_in_a_table_is_left_out_and_what_is_not_known_travels() {
    let tools = [
        ("fallocate", "util-linux"),
        ("sfdisk", "fdisk"),
        ("mkswap", "util-linux"),
        ("mke2fs", "e2fsprogs"),
    ];
    if !are_there(&tools) {
        return;
    }
    let scene = Scene::new();
    let target = scene.at("target.raw");
    blank(&target, 64 * MIB);
    let table =
        "label: gpt\nstart=2048,size=32768\nstart=34816,size=32768\nstart=67584,size=32768\n";
    run(&["sfdisk", "-q", name(&target)], table);
    let part = scene.at("part");
    for (number, command) in [(0, "mkswap"), (1, "mke2fs")] {
        blank(&part, 16 * MIB);
        run(&[command, "-q", name(&part)], "");
        poke(
            &target,
            (1 + 16 * number) * MIB,
            &fs::read(&part).expect("read"),
        );
    }
    // The third has something that nobody knows.
    poke(&target, 33 * MIB, &[5; 4096]);
    scene.keep_base();
    // What is zero is a hole: nothing has to be read to know it.
    for image in [&target, &scene.at("base.raw")] {
        run(&["fallocate", "-d", name(image)], "");
    }
    poke(&target, MIB + 8192, &[7; 1 << 20]);
    poke(&target, 34 * MIB, &[8; 1 << 20]);
    let report = scene.make("child.qcow2", &[Unneeded::Swap]);
    let left = report.left_out.expect("it was asked for");
    // What is zero on both sides is nothing that would have travelled.
    assert_eq!(
        (left.swap, left.free, left.pagefile),
        (MIB, 0, 0),
        "{:?}",
        report.notes
    );
    assert_eq!(
        scene.manifest("child.qcow2").left_out[0].runs,
        [format!("{}+{MIB}", MIB + 8192)]
    );
    assert!(
        report
            .notes
            .iter()
            .any(|note| note.contains("nothing of volume 3 is left out"))
    );
    scene.apply("child.qcow2", "result.raw");
    let mut right = fs::read(&target).expect("read");
    let swap = (MIB + 8192) as usize;
    right[swap..swap + (1 << 20)].fill(0);
    assert!(fs::read(scene.at("result.raw")).expect("read") == right);

    // A system that sleeps in the swap: nothing of the whole disk.
    poke(&target, MIB + 4086, b"S1SUSPEND\0");
    let report = scene.make("asleep.qcow2", &Unneeded::ALL);
    assert_eq!(
        report.left_out.map(|bytes| bytes.total()),
        Some(0),
        "{:?}",
        report.notes
    );
    assert!(report.notes.iter().any(|note| note.contains("hibernated")));
}

#[test]
fn only_what_has_a_name_can_be_left_out() {
    for one in Unneeded::ALL {
        assert_eq!(one.name().parse::<Unneeded>().expect("a name"), one);
    }
    let error = "all".parse::<Unneeded>().expect_err("no such thing");
    assert_eq!(error.kind(), Kind::Usage);
    assert!(error.hint().is_some_and(|hint| hint.contains("pagefile")));
}
