//! Sites that skipped months, sites with names of their own, and images that serve as steps.

use crate::{
    deploy_ssh::{HERE, over},
    place::Place,
    repo::json,
};

const MIB: usize = 1 << 20;

/// Bytes that no compression makes shorter.
fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}

/// Headquarters with a month's image made from that of the month before, and a site that has the first under another name.
fn months() -> Place {
    let place = Place::empty();
    let mut disk = noise(8 * MIB, 1);
    place.ok("repo init hq");
    let mut before: Option<&str> = None;
    for (number, month) in (0_u8..).zip(["jan", "feb", "mar", "apr", "may", "jun", "jul"]) {
        if number > 0 {
            let at = usize::from(number) * MIB;
            disk[at..at + MIB / 2].copy_from_slice(&noise(MIB / 2, u64::from(number) + 1));
        }
        place.write(&format!("{month}.raw"), &disk);
        let parent = before.map_or_else(String::new, |before| format!("--parent {before}"));
        place.ok(&format!("repo add {month}.raw --repo hq {parent}"));
        before = Some(month);
    }
    for site in ["site", "carried", "far"] {
        place.ok(&format!("repo init {site}"));
        place.ok(&format!("repo add jan.raw --name Januar --repo {site}"));
    }
    place
}

/// What an image of a repository was made from, by name.
fn parent(place: &Place, repository: &str, image: &str) -> String {
    let shown = json(place, &format!("repo show {image} --repo {repository}"));
    let parent = shown["image"]["parent"]["name"].as_str();
    let parent = parent.or_else(|| shown["parent"]["name"].as_str());
    parent.unwrap_or_default().to_owned()
}

#[test]
fn a_site_that_skipped_months_knows_what_it_got_it_from() {
    let place = months();
    place.write("ssh", HERE.as_bytes());
    place.ok("inventory --repo carried -o carried.inv");
    place.ok("deploy jun --repo hq --for carried.inv -o stick");
    let told = place.ok("receive stick --repo carried");
    assert!(
        told.contains("made from Januar [jan at headquarters]"),
        "{told}"
    );
    let told = place.ok("deploy jun --repo hq --to site");
    assert!(
        told.contains("made from Januar [jan at headquarters]"),
        "{told}"
    );
    let said = over(&place, "deploy jun --repo hq --to ssh://there/far --json");
    assert_eq!(said.exit, 0, "{}{}", said.out, said.err);
    let told: serde_json::Value = serde_json::from_str(&said.out).expect("JSON");
    let image = &told["sites"][0]["images"][0];
    assert_eq!(
        (&image["base"], &image["base_at_site"]),
        (&"jan".into(), &"Januar".into())
    );
    for site in ["carried", "site", "far"] {
        assert_eq!(parent(&place, site, "jun"), "Januar", "{site}");
    }
    // What comes in between later, and after it.
    place.ok("deploy mar jul --repo hq --to site");
    assert_eq!(parent(&place, "site", "mar"), "Januar");
    assert_eq!(parent(&place, "site", "jul"), "jun");
    // The site as a headquarters of its own: of a month it sends what differs from the one before.
    place.ok("repo init branch");
    place.ok("repo add jan.raw --repo branch");
    let plan = json(&place, "plan jun --repo site --for branch");
    let leg = &plan["sites"][0]["legs"][0];
    assert_eq!(leg["base"]["kin"], "parent", "{plan}");
    place.ok("deploy jun --repo site --to branch");
    assert_eq!(parent(&place, "branch", "jun"), "jan");
    place.ok("deploy jul --repo site --to branch");
    assert_eq!(parent(&place, "branch", "jul"), "jun");
}

#[test]
fn an_image_that_was_not_asked_for_is_a_step_without_kinship_too() {
    let place = Place::empty();
    place.ok("repo init hq");
    place.ok("repo init site");
    let golden = noise(4 * MIB, 1);
    place.write("golden.raw", &golden);
    place.ok("repo add golden.raw --repo hq");
    for number in 0..4_u8 {
        let mut disk = golden.clone();
        let at = usize::from(number) * MIB;
        disk[at..at + MIB / 2].copy_from_slice(&noise(MIB / 2, u64::from(number) + 2));
        place.write(&format!("m{number}.raw"), &disk);
        place.ok(&format!("repo add m{number}.raw --repo hq"));
    }
    let line = "m0 m1 m2 m3 --repo hq";
    let plan = json(&place, &format!("plan {line} --for site"));
    // The step as a whole and half a MiB each; without it the first as a whole, and what two changed for each other.
    assert_eq!(plan["bytes"], 6 * MIB);
    let note = plan["notes"][0].as_str().expect("a note");
    assert!(note.contains("'golden' (for m"), "{note}");
    assert!(note.contains("1 MiB less"), "{note}");
    place.ok(&format!("deploy {line} --to site"));
    let listed = json(&place, "repo list --repo site");
    assert_eq!(listed["count"], 4, "the step is not kept: {listed}");
    place.ok("repo verify --repo site");
}
