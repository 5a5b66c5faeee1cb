//! Long files in pieces and on several media, as they are typed and told.

use std::{fs, process::Command};

use crate::{
    far::{add_site, headquarters, must_have},
    host::{are_there, done, tool},
    medium::{Access, Medium},
    place::Place,
    repo::json,
};

const DEPLOY: &str = "deploy patched --repo hq --for site.inv";

fn world() -> Place {
    let place = headquarters();
    add_site(&place, "site");
    place.ok("inventory --repo site -o site.inv");
    place
}

/// The names of a folder's files, in order.
fn names(place: &Place, folder: &str) -> Vec<String> {
    let entries = fs::read_dir(place.path(folder)).expect("readable");
    let names = entries.map(|entry| entry.expect("readable").file_name());
    let mut names: Vec<String> = names
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn a_stick_with_exfat_takes_pieces_and_they_are_received_from_it() {
    let Some(mut medium) = Medium::exfat(64 << 20) else {
        return;
    };
    let place = world();
    let stick = medium.root().join("stick").display().to_string();
    let deploy = format!("{DEPLOY} -o {stick} --piece 1MiB");
    place.ok(&deploy);
    place.ok(&deploy);
    medium.unmount();
    medium.mount(Access::ReadOnly);
    let sums = Command::new("sha256sum")
        .args(["--strict", "-c", "SHA256SUMS"])
        .current_dir(&stick)
        .output();
    assert!(sums.expect("coreutils").status.success());
    place.ok(&format!("verify {stick}"));
    place.ok(&format!("receive {stick} --repo site"));
    must_have(&place, "site", "from pieces");
}

#[test]
fn fat_takes_the_names_and_lengths_of_all_files() {
    let programs = [("mkfs.vfat", "dosfstools"), ("mcopy", "mtools")];
    if !are_there(&programs) {
        return;
    }
    let place = world();
    place.ok(&format!("{DEPLOY} -o stick --piece 1MiB"));
    let image = place.path("fat.img");
    fs::File::create(&image)
        .and_then(|file| file.set_len(64 << 20))
        .expect("room");
    done(tool("mkfs.vfat").args(["-F", "32"]).arg(&image)).expect("FAT32");
    for name in names(&place, "stick") {
        let from = place.path("stick").join(&name);
        done(
            tool("mcopy")
                .arg("-i")
                .arg(&image)
                .arg(from)
                .arg(format!("::{name}")),
        )
        .expect("FAT takes it");
    }
    fs::create_dir(place.path("read")).expect("room");
    done(
        tool("mcopy")
            .arg("-i")
            .arg(&image)
            .args(["::*"])
            .arg(place.path("read")),
    )
    .expect("readable");
    assert_eq!(names(&place, "read"), names(&place, "stick"));
    place.ok("verify read");
    place.ok("receive read --repo site");
    must_have(&place, "site", "from FAT");
}

#[test]
fn damaged_pieces_end_with_their_own_status_and_are_named() {
    let place = world();
    place.ok(&format!("{DEPLOY} -o stick --piece 1MiB"));
    let piece = names(&place, "stick")
        .into_iter()
        .find(|name| name.ends_with(".003"));
    let piece = piece.expect("a third piece");
    let file = format!("stick/{piece}");
    let whole = place.read(&file);
    let block = "block 1 of 1 (bytes 0 to 1048576) is not what was put there";
    for (exit, word) in [
        (6, block),
        (3, "has 1000 bytes, 1048576 were put there"),
        (3, "is listed, but not there"),
    ] {
        match word {
            _ if word == block => place.change(&file, |bytes| bytes[500_000] ^= 1),
            _ if word.starts_with("has") => place.change(&file, |bytes| bytes.truncate(1000)),
            _ => fs::remove_file(place.path(&file)).expect("there"),
        }
        for line in [
            "verify stick",
            "receive stick --repo site",
            "receive stick --repo site --json",
        ] {
            let said = place.run(line);
            assert_eq!(said.exit, exit, "{line}: {}", said.err);
            assert!(
                said.err.contains(&piece) && said.err.contains(word),
                "{line}: {}",
                said.err
            );
        }
        place.write(&file, &whole);
    }
    place.ok("receive stick --repo site");
    must_have(&place, "site", "mended");
}

#[test]
fn several_media_have_a_folder_each_and_are_received_in_any_order() {
    let place = world();
    let deploy = format!("{DEPLOY} -o one -o two -o three -o four --media 4MB");
    let told = json(&place, &deploy);
    assert_eq!(told["media"].as_array().map(Vec::len), Some(3), "{told}");
    assert_eq!(told["delivery"], "one");
    let told = place.ok(&deploy);
    assert!(told.contains("medium 3 of 3"), "{told}");
    for folder in ["one", "two", "three"] {
        place.ok(&format!("verify {folder}"));
    }
    let told = json(&place, "receive two --repo site");
    assert_eq!(
        told["media"]["missing"],
        serde_json::json!([1, 3]),
        "{told}"
    );
    let told = place.ok("receive three --repo site");
    assert!(
        told.contains("medium 3 of 3 taken; still missing: 1"),
        "{told}"
    );
    place.ok("receive one --repo site");
    must_have(&place, "site", "with the last one");
    for (line, word) in [
        (
            format!("{DEPLOY} -o one --media 4MB --media 4MB"),
            "-o FOLDER1 -o FOLDER2",
        ),
        (
            format!("{DEPLOY} -o a -o b -o c --media 4MB --media 4MB"),
            "once for each",
        ),
        (format!("{DEPLOY} -o a --piece 4GiB"), "too much for FAT"),
        (format!("{DEPLOY} -o a --piece 1023KiB"), "is the least"),
        ("deploy --drop patched -o one -o two".to_owned(), "one -o"),
        (
            "deploy patched --repo hq --to site --piece 1MiB".to_owned(),
            "cannot be used with",
        ),
    ] {
        let said = place.refused(&line, 2);
        assert!(said.contains(word), "{line}: {said}");
    }
    let said = place.refused(&format!("{DEPLOY} -o a -o b --media 4MB"), 8);
    assert!(said.contains("does not fit on 2 media"), "{said}");
    assert!(
        !place.path("a").exists(),
        "nothing is begun that does not fit"
    );
}
