//! A year of patches at headquarters and five sites, each of its own kind: what arrives, by which way, and what is left when months are removed,
//! files deleted, images started and lines cut. At the end each site's images are what qemu-img reads of them.

use std::{fs, io::Write};

use imgdelta_fixtures::peers::{self, Peer};

use crate::{
    deploy_ssh::{HERE, over},
    oracle::{self, fill, read_image, sha},
    place::{Place, Said},
    repo::{json, names},
};

/// Size of the disk in bytes.
const SIZE: usize = 8 << 20;

/// How a site gets its images.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Path,
    Stick,
    Ssh,
}

/// The sites: name, format of what is made there, how images come, every how many months.
const SITES: [(&str, &str, Way, usize); 5] = [
    ("berlin", "qcow2", Way::Path, 1),
    ("mine", "vhdx", Way::Stick, 1),
    ("oslo", "vdi", Way::Ssh, 1),
    ("paris", "vmdk", Way::Path, 1),
    ("island", "qcow2", Way::Stick, 5),
];

/// The disk as it is in a month; 0 is the golden image that all begin with.
fn disk(month: usize) -> Vec<u8> {
    let mut disk = vec![0; SIZE];
    fill(&mut disk[..SIZE / 2], 1);
    for patch in 1..=month {
        let kernel = (patch * 5 % 32) * (128 << 10);
        fill(&mut disk[kernel..kernel + (96 << 10)], 100 + patch as u64);
        // A log that grows, a file that goes.
        let log = SIZE / 2 + patch * (40 << 10);
        disk[log..log + (30 << 10)].fill(b'a' + patch as u8);
        let gone = (1 << 20) + patch * 4096;
        disk[gone..gone + 4096].fill(0);
    }
    disk
}

fn image(month: usize) -> String {
    format!("win-{month:02}")
}

/// Headquarters and five sites that all have the golden image.
fn world() -> Option<Place> {
    peers::find(Peer::QemuImg)?;
    let place = Place::empty();
    place.write("ssh", HERE.as_bytes());
    place.write("win-00.raw", &disk(0));
    place.ok("repo init hq");
    place.ok("repo add win-00.raw --repo hq --golden --tag 2026-00");
    for (site, format, ..) in SITES {
        place.ok(&format!("repo init {site} --format {format}"));
        place.ok(&format!(
            "repo add win-00.raw --repo {site} --format {format}"
        ));
    }
    Some(place)
}

/// A month's patch comes to headquarters, and is the golden image from now on.
fn patch(place: &Place, month: usize, flags: &str) {
    let (name, before) = (image(month), image(month - 1));
    place.write(&format!("{name}.raw"), &disk(month));
    place.ok(&format!(
        "repo add {name}.raw --repo hq --golden --tag 2026-{month:02} {flags}"
    ));
    place.ok(&format!("repo golden {before} --off --repo hq"));
    fs::remove_file(place.path(&format!("{name}.raw"))).expect("it is there");
}

/// A month's image goes to a site in its own way.
fn deliver(place: &Place, site: &str, way: Way, month: usize) {
    let name = image(month);
    match way {
        Way::Path => drop(place.ok(&format!("deploy {name} --repo hq --to {site}"))),
        Way::Ssh => {
            let said = over(
                place,
                &format!("deploy {name} --repo hq --to ssh://there/{site}"),
            );
            assert_eq!(said.exit, 0, "{}{}", said.out, said.err);
        }
        Way::Stick => {
            // A stick of its own: one that holds earlier months too brings back what the site has removed since.
            let stick = format!("stick-{site}-{month}");
            place.ok(&format!("inventory --repo {site} -o {site}.inv --force"));
            place.ok(&format!(
                "deploy {name} --repo hq --for {site}.inv -o {stick}"
            ));
            // Where the site has it, nothing is put on the stick.
            if place.path(&stick).join("delivery.json").exists() {
                place.ok(&format!("receive {stick} --repo {site}"));
            }
        }
    }
}

/// All sites whose month it is get its image.
fn deliver_to_all(place: &Place, month: usize) {
    for (site, _, way, every) in SITES {
        if month.is_multiple_of(every) {
            deliver(place, site, way, month);
        }
    }
}

/// A repository has exactly these months, and qemu-img reads each of them as it was made.
fn must_have(place: &Place, repository: &str, months: &[usize]) {
    let wanted: Vec<String> = months.iter().map(|month| image(*month)).collect();
    assert_eq!(names(place, repository), wanted, "{repository}");
    for month in months {
        let found = read_image(place, repository, &image(*month));
        assert!(found == sha(&disk(*month)), "{repository}: {month}");
    }
    place.ok(&format!("repo verify --repo {repository}"));
    let swept = json(place, &format!("repo gc --repo {repository}"));
    assert_eq!(swept["removed"], serde_json::json!([]), "{repository}");
}

#[test]
fn twelve_patches_reach_five_sites_of_every_kind() {
    let Some(place) = world() else { return };
    for month in 1..=12 {
        patch(&place, month, &format!("--parent {}", image(month - 1)));
        deliver_to_all(&place, month);
    }
    let all: Vec<usize> = (0..=12).collect();
    must_have(&place, "hq", &all);
    for (site, _, _, every) in SITES {
        let months: Vec<usize> = all
            .iter()
            .copied()
            .filter(|month| month.is_multiple_of(every))
            .collect();
        must_have(&place, site, &months);
    }
    let shown = json(&place, "repo show win-12 --repo hq");
    assert_eq!(shown["golden"], true);
    assert_eq!(shown["tags"], serde_json::json!(["2026-12"]));
    // What travelled in a month is its patch, and not the disk.
    for entry in fs::read_dir(place.path("stick-mine-12")).expect("the stick is there") {
        let entry = entry.expect("readable");
        let long = entry.metadata().expect("readable").len();
        assert!(long < 1 << 20, "{:?}: {long}", entry.file_name());
    }
}

#[test]
fn a_year_with_retention_serves_even_the_site_that_skips_months() {
    let Some(place) = world() else { return };
    for month in 1..=12 {
        patch(&place, month, &format!("--parent {}", image(month - 1)));
        deliver_to_all(&place, month);
        // Headquarters and the mine keep three months.
        if month > 3 {
            let old = image(month - 3);
            place.ok(&format!("repo remove {old} --yes --repo hq"));
            place.ok(&format!("repo remove {old} --yes --repo mine"));
            place.ok("repo gc --repo hq");
        }
    }
    // The island has had 0, 5 and 10; of those only the first and the last stand at headquarters. It gets the twelfth all the same.
    deliver(&place, "island", Way::Stick, 12);
    must_have(&place, "island", &[0, 5, 10, 12]);
    must_have(&place, "hq", &[0, 10, 11, 12]);
    must_have(&place, "mine", &[0, 10, 11, 12]);
    let all: Vec<usize> = (0..=12).collect();
    must_have(&place, "berlin", &all);
    must_have(&place, "paris", &all);
    // A site without any of what headquarters has is sent a whole image, once.
    place.ok("repo init new --format vhdx");
    let plan = json(&place, "plan win-12 --repo hq --for new");
    assert!(plan["sites"][0]["legs"][0]["base"].is_null(), "{plan}");
    place.ok("deploy win-12 --repo hq --to new");
    must_have(&place, "new", &[12]);
}

#[test]
fn a_year_of_mishaps_ends_with_the_same_images_everywhere() {
    let Some(place) = world() else { return };
    for month in 1..=4 {
        patch(&place, month, &format!("--parent {}", image(month - 1)));
    }
    for (site, _, way, _) in SITES {
        deliver(&place, site, way, 2);
    }
    deleted_by_hand(&place);
    started(&place);
    interrupted(&place);
    for (site, _, way, _) in SITES {
        for month in [3, 4] {
            deliver(&place, site, way, month);
        }
    }
    // What was written to stays where it is, and is nobody's.
    let changed = place.path("paris/win-02.vmdk");
    assert!(oracle::read(&place, &changed, "vmdk") != sha(&disk(2)));
    for (site, ..) in SITES {
        must_have(&place, site, &[0, 2, 3, 4]);
    }
}

/// Berlin deletes the files of an image by hand, and one of them was to be the base.
fn deleted_by_hand(place: &Place) {
    fs::remove_file(place.path("berlin/win-02.qcow2")).expect("it is there");
    let told = place.ok("repo list --repo berlin");
    assert!(told.contains("missing"), "{told}");
    let said = place.run("repo verify --repo berlin");
    assert_eq!(said.exit, 1, "{}{}", said.out, said.err);
    deliver(place, "berlin", Way::Path, 3);
    assert!(read_image(place, "berlin", "win-03") == sha(&disk(3)));
    // The same line brings it back.
    deliver(place, "berlin", Way::Path, 2);
}

/// In Paris somebody starts a machine from an image, which writes to it.
fn started(place: &Place) {
    let file = place.path("paris/win-02.vmdk");
    peers::qemu_io(&file, "vmdk", &["write -P 7 64k 4k"]).expect("it is written");
    // As a machine does, some time later.
    let now = std::time::SystemTime::now() + std::time::Duration::from_secs(5);
    let opened = fs::File::options()
        .append(true)
        .open(&file)
        .expect("it is there");
    opened.set_modified(now).expect("it can be");
    let told = place.ok("repo list --repo paris");
    assert!(told.contains("changed"), "{told}");
    let said = place.run("repo verify win-02 --repo paris");
    assert_eq!(said.exit, 1, "{}{}", said.out, said.err);
    let said = place.run("deploy win-02 --repo hq --to paris");
    assert_eq!(said.exit, 0, "{}{}", said.out, said.err);
    // It is named once.
    let told = "note: paris: win-02: its file 'win-02.vmdk' was changed and stays as it is";
    assert!(said.err.contains(told), "{}", said.err);
    place.ok("repo verify win-02 --repo paris");
}

/// The line to Oslo breaks off, the stick to the mine is pulled out, and both go on.
fn interrupted(place: &Place) {
    let cut = HERE.replace(
        "exec /bin/sh -c \"$2\"",
        "stdbuf -o0 head -c 60000 | /bin/sh -c \"$2\"",
    );
    place.write("ssh", cut.as_bytes());
    let line = "deploy win-03 --repo hq --to ssh://there/oslo";
    let Said { exit, out, err } = over(place, line);
    assert_eq!(exit, 10, "{out}{err}");
    assert!(err.contains("the same command"), "{err}");
    place.ok("repo verify --repo oslo");
    place.write("ssh", HERE.as_bytes());
    place.ok("inventory --repo mine -o mine.inv --force");
    place.ok("deploy win-03 --repo hq --for mine.inv -o pulled");
    // Half of the difference is on the stick.
    let child = fs::read_dir(place.path("pulled")).expect("readable");
    let child = child.map(|entry| entry.expect("readable").path());
    let child = child.filter(|path| path.extension().is_some_and(|end| end == "imgdelta"));
    let child = child.last().expect("a transport file");
    let bytes = fs::read(&child).expect("readable");
    let mut half = fs::File::create(&child).expect("room");
    half.write_all(&bytes[..bytes.len() / 2]).expect("room");
    let said = place.refused("receive pulled --repo mine", 3);
    assert!(said.contains("hint"), "{said}");
    place.ok("deploy win-03 --repo hq --for mine.inv -o pulled");
    place.ok("receive pulled --repo mine");
    // Of what is there already nothing is put on a stick, and who takes that there is told why.
    place.ok("deploy win-03 --repo hq --for mine -o nothing");
    fs::create_dir_all(place.path("nothing")).expect("room");
    let said = place.refused("receive nothing --repo mine", 2);
    assert!(said.contains("has all of it already"), "{said}");
}
