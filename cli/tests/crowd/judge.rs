//! What must be true when all have ended.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    fs::File,
    path::Path,
    time::{Duration, SystemTime},
};

use imgdelta::core::fs::{DraftKind, draft_kind};
use serde_json::Value;

use crate::{
    disks::{self, Sha},
    ledger::{Entry, Stand},
    turn::must_be_sound,
    worker::WAIT,
    world::{Tagged, World},
};

/// Holds both repositories against what was noted; what was seen.
pub(crate) fn judge(world: &World) -> String {
    let mut entries = std::mem::take(&mut *world.ledger.lock().unwrap());
    for entry in &mut entries {
        settle(world, entry);
    }
    let mut common = world.common.clone();
    let tags = world.tags.lock().unwrap();
    for entry in &mut common {
        let of = |tags: &Tagged| {
            let own = tags.iter().filter(|(id, _)| Some(id) == entry.id.as_ref());
            own.map(|(_, tag)| tag.clone()).collect()
        };
        (entry.tags, entry.maybe_tags) = (of(&tags.sure), of(&tags.maybe));
    }
    entries.extend(common);
    let of = |repository: &'static str| judge_one(world, repository, &entries);
    let counts = ["hq", "second"].map(of);
    format!(
        "{} disks, {} stand at headquarters and {} at the second repository",
        entries.len(),
        counts[0],
        counts[1]
    )
}

/// What was cut short is done by the same line, as users are told.
fn settle(world: &World, entry: &mut Entry) {
    if entry.hq != Stand::MayGo {
        return;
    }
    let id = entry.id.as_deref().unwrap();
    let ended = world.run(&format!("repo remove {id} --yes --repo hq {WAIT}"), None);
    entry.hq = match ended.is_done(&[(2, "has_children"), (2, "image_unknown")]) {
        Some(false) if ended.code() == "has_children" => Stand::Here,
        _ => Stand::Gone,
    };
}

/// Holds one repository against it; how many images it has.
fn judge_one(world: &World, repository: &str, entries: &[Entry]) -> usize {
    world.must(&format!("repo gc --repo {repository}"));
    must_be_sound(
        &world.must(&format!("repo verify --repo {repository}")),
        &BTreeSet::new(),
    );
    let told = world.must(&format!("repo list --repo {repository}")).json();
    assert_eq!(told["notes"].as_array().map(Vec::len), Some(0), "{told}");
    let by_sha: BTreeMap<Sha, &Entry> = entries.iter().map(|entry| (entry.sha, entry)).collect();
    let mut seen = BTreeSet::new();
    let mut known = BTreeSet::from([
        ".imgdelta/repository.json".to_owned(),
        ".imgdelta/lock".to_owned(),
    ]);
    for image in told["images"].as_array().unwrap() {
        assert_eq!(image["presence"], Value::Null, "{image}");
        let id = image["id"].as_str().unwrap();
        let shown = world
            .must(&format!("repo show {id} --repo {repository}"))
            .json();
        let sha = read(world, repository, &shown);
        let entry = by_sha
            .get(&sha)
            .unwrap_or_else(|| panic!("{image} is a disk that nobody made"));
        let stand = if repository == "hq" {
            entry.hq
        } else {
            entry.second
        };
        assert_ne!(stand, Stand::Gone, "{image} is listed: {entry:?}");
        assert!(seen.insert(sha), "{image} is listed twice");
        if repository == "hq" {
            must_be_named(image, entry);
        }
        let digits = id.trim_start_matches("imgdelta1:");
        known.insert(format!(".imgdelta/images/imgdelta1~{digits}.json"));
        known.insert(format!(".imgdelta/leaves/{digits}.leaves"));
        let files = shown["files"].as_array().unwrap().iter();
        known.extend(files.map(|file| file["path"].as_str().unwrap().to_owned()));
    }
    for entry in entries {
        let stand = if repository == "hq" {
            entry.hq
        } else {
            entry.second
        };
        assert!(
            stand != Stand::Here || seen.contains(&entry.sha),
            "{repository}: lost: {entry:?}"
        );
        if entry.by_hand {
            known.extend(entry.names.iter().map(|name| format!("{name}.raw")));
        }
    }
    must_be_clean(world, repository, &known);
    seen.len()
}

/// What qemu-img reads of an image.
fn read(world: &World, repository: &str, shown: &Value) -> Sha {
    let path = shown["files"][0]["path"].as_str().unwrap();
    let place = world.path(repository).join(path);
    disks::read(
        &place,
        shown["format"].as_str().unwrap(),
        &world.path("read.raw"),
    )
}

/// It has a name that it was given, all its tags and no others.
fn must_be_named(image: &Value, entry: &Entry) {
    // What was scanned has the name of its file until it is renamed.
    assert!(
        entry.names.iter().any(|name| image["name"] == **name),
        "{image}: {entry:?}"
    );
    let tags = image["tags"].as_array().unwrap().iter();
    let tags: BTreeSet<String> = tags.map(|tag| tag.as_str().unwrap().to_owned()).collect();
    let may: BTreeSet<String> = entry.tags.union(&entry.maybe_tags).cloned().collect();
    assert!(
        entry.tags.is_subset(&tags) && tags.is_subset(&may),
        "{image}: {entry:?}"
    );
}

/// After 'repo gc' there is nothing else but what goes when it is a week old, and then nothing.
fn must_be_clean(world: &World, repository: &str, known: &BTreeSet<String>) {
    let folder = world.path(repository);
    let long_ago = SystemTime::now() - Duration::from_secs(8 * 24 * 60 * 60);
    for (name, place) in left(&folder, known) {
        let kind = place.file_name().and_then(draft_kind);
        let is_kept = name.starts_with(".imgdelta/incoming/") || kind == Some(DraftKind::Kept);
        assert!(is_kept, "{repository}: {name} is left over");
        File::open(&place).unwrap().set_modified(long_ago).unwrap();
        let above = place.parent().unwrap();
        File::open(above).unwrap().set_modified(long_ago).unwrap();
    }
    world.must(&format!("repo gc --repo {repository}"));
    let left = left(&folder, known);
    assert!(left.is_empty(), "{repository}: left after a week: {left:?}");
}

/// Files below a folder that are not known: their names there, and where they are.
fn left(folder: &Path, known: &BTreeSet<String>) -> Vec<(String, std::path::PathBuf)> {
    let mut left = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(above) = folders.pop() {
        for entry in fs::read_dir(&above).unwrap() {
            let place = entry.unwrap().path();
            let name = place.strip_prefix(folder).unwrap().display().to_string();
            if place.is_dir() {
                folders.push(place);
            } else if !known.contains(&name) {
                left.push((name, place));
            }
        }
    }
    left
}
