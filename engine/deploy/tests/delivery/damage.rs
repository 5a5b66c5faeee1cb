//! Sticks that were damaged, by chance or on purpose: nothing on one is believed, and nothing of it is entered.

use std::{
    fs,
    path::{Path, PathBuf},
};

use imgdelta_core::{Format, Kind, Result};
use imgdelta_delta::Digest;
use imgdelta_deploy::bundle::Index;
use imgdelta_repository::catalogue::Repository;

use crate::place::{Place, Windows, files_below, stored};

/// In which form the difference lies on the stick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Transport,
    Child,
}

/// A stick for a site, the site, and the disk on its way.
fn world(place: &Place, form: Form) -> Result<(Repository, Windows)> {
    let hq = place.repository("hq", Format::Qcow2)?;
    let site = place.repository("site", Format::Raw)?;
    let old = Windows::new(24, 1);
    let new = old.with(4..9, 2);
    place.add(&hq, "old", &old, Format::Raw, None)?;
    place.add(&hq, "new", &new, Format::Raw, Some("old"))?;
    place.add(&site, "old", &old, Format::Raw, None)?;
    let deployed = match form {
        Form::Transport => place.carry(&hq, &["new"], &[&site], "stick"),
        Form::Child => place.carry_children(&hq, &["new"], &[&site], "stick"),
    }?;
    assert!(deployed.failure().is_none(), "{deployed:?}");
    Ok((site, new))
}

/// Receives, and says what kind of failure came of it; the site must be as it was.
fn refusal(place: &Place, site: &Repository) -> Kind {
    let before = files_below(site.folder());
    let kind = match place.receive("stick", site) {
        Ok(received) => received.failure().expect("it is refused").kind(),
        Err(error) => error.kind(),
    };
    assert_eq!(files_below(site.folder()), before, "nothing was entered");
    kind
}

fn edit(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).expect("it reads");
    change(&mut bytes);
    fs::write(path, bytes).expect("room");
}

#[test]
fn a_file_that_is_cut_changed_missing_or_a_link_is_refused() -> Result<()> {
    for (form, count) in [(Form::Transport, 1), (Form::Child, 2)] {
        let place = Place::new();
        let (site, new) = world(&place, form)?;
        let item = place.index("stick")?.items.remove(0);
        assert_eq!(item.files().count(), count, "{form:?}");
        for file in item.files() {
            let name = file.name.as_str();
            let path = place.at("stick").join(name);
            let whole = fs::read(&path).expect("it reads");
            edit(&path, |bytes| {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
            });
            assert_eq!(refusal(&place, &site), Kind::Digest, "{name}");
            edit(&path, |bytes| bytes.truncate(whole.len() / 2));
            assert_eq!(refusal(&place, &site), Kind::Corrupt, "{name}");
            fs::remove_file(&path).expect("it is there");
            assert_eq!(refusal(&place, &site), Kind::Corrupt, "{name}");
            std::os::unix::fs::symlink("/etc/hostname", &path).expect("links");
            assert_eq!(refusal(&place, &site), Kind::Reference, "{name}");
            fs::remove_file(&path).expect("it is there");
            fs::write(&path, whole).expect("room");
        }
        assert!(place.receive("stick", &site)?.failure().is_none());
        assert_eq!(stored(&site, "new")?, new.bytes());
    }
    Ok(())
}

#[test]
fn a_damaged_stick_is_mended_by_the_same_deployment() -> Result<()> {
    let place = Place::new();
    let (site, new) = world(&place, Form::Transport)?;
    let item = place.index("stick")?.items.remove(0);
    let path = place.at("stick").join(item.file.name.as_str());
    let whole = fs::read(&path).expect("it reads");
    edit(&path, |bytes| bytes[1000] ^= 1);
    let hq = Repository::open(&place.at("hq"))?;
    // It is another site's turn, and the first one is not forgotten.
    let second = place.repository("second", Format::Raw)?;
    place.add(&second, "old", &Windows::new(24, 1), Format::Raw, None)?;
    let deployed = place.carry(&hq, &["new"], &[&second], "stick")?;
    assert!(deployed.sites[0].sent[0].is_new, "it was written again");
    assert_eq!(place.index("stick")?.items[0].sites.len(), 2);
    assert_eq!(fs::read(&path).expect("it reads"), whole, "the same bytes");
    assert!(place.receive("stick", &site)?.failure().is_none());
    assert_eq!(stored(&site, "new")?, new.bytes());
    Ok(())
}

/// Changes a file of the stick and lets the index say that it belongs so.
fn forge(place: &Place, name: &str, change: impl FnOnce(&mut Vec<u8>)) -> Result<()> {
    let path: PathBuf = place.at("stick").join(name);
    edit(&path, change);
    let bytes = fs::read(&path).expect("it reads");
    let mut index = place.index("stick")?;
    for item in &mut index.items {
        for file in [Some(&mut item.file), item.manifest.as_mut()]
            .into_iter()
            .flatten()
        {
            if file.name.as_str() == name {
                file.length = bytes.len() as u64;
                file.sha256 = Digest::plain(&bytes);
            }
        }
    }
    fs::write(place.at("stick/delivery.json"), index.to_json()?).expect("room");
    Ok(())
}

#[test]
fn a_child_that_was_forged_with_its_digest_makes_another_disk_and_is_refused() -> Result<()> {
    let place = Place::new();
    let (site, _) = world(&place, Form::Child)?;
    let item = place.index("stick")?.items.remove(0);
    let name = item.file.name.as_str();
    let len = item.file.length as usize;
    // In the middle of the data, and in the header: the cluster bits, the compression type.
    for at in [len / 2, 20, 104] {
        forge(&place, name, |bytes| bytes[at] ^= 0x55)?;
        let kind = refusal(&place, &site);
        let is_clear = matches!(kind, Kind::Digest | Kind::Corrupt | Kind::Unsupported);
        assert!(is_clear, "{kind:?} at {at}");
        forge(&place, name, |bytes| bytes[at] ^= 0x55)?;
    }
    let manifest = item.manifest.expect("it is a child");
    let manifest = manifest.name.as_str();
    forge(&place, manifest, |bytes| {
        let text = String::from_utf8(std::mem::take(bytes)).expect("it is text");
        let other = "imgdelta1:".to_owned() + &"0".repeat(64);
        *bytes = text
            .replace(&item.content_id.to_string(), &other)
            .into_bytes();
    })?;
    assert_eq!(
        refusal(&place, &site),
        Kind::Corrupt,
        "it is of another image"
    );
    forge(&place, manifest, |bytes| bytes.truncate(10))?;
    assert_eq!(refusal(&place, &site), Kind::Corrupt);
    Ok(())
}

#[test]
fn a_transport_file_that_was_forged_with_its_digest_is_refused_wherever_the_change_is() -> Result<()>
{
    let place = Place::new();
    let (site, _) = world(&place, Form::Transport)?;
    let item = place.index("stick")?.items.remove(0);
    let name = item.file.name.as_str();
    let len = item.file.length as usize;
    // In the header, in windows, in the map, the manifest and the indices behind them.
    let step = len / 37;
    for at in [0, 8, 20, 100, 351]
        .into_iter()
        .chain((352..len).step_by(step))
    {
        forge(&place, name, |bytes| bytes[at] ^= 0x55)?;
        let kind = refusal(&place, &site);
        let is_clear = matches!(kind, Kind::Digest | Kind::Corrupt | Kind::Unsupported);
        assert!(is_clear, "{kind:?} at {at}");
        forge(&place, name, |bytes| bytes[at] ^= 0x55)?;
    }
    for cut in [0, 8, 352, len / 2, len - 1] {
        let whole = fs::read(place.at("stick").join(name)).expect("it reads");
        forge(&place, name, |bytes| bytes.truncate(cut))?;
        assert_eq!(refusal(&place, &site), Kind::Corrupt, "cut at {cut}");
        forge(&place, name, |bytes| *bytes = whole)?;
    }
    // One that is sound, and of another image.
    let hq = Repository::open(&place.at("hq"))?;
    let other = Windows::new(24, 1).with(2..3, 7);
    place.add(&hq, "other", &other, Format::Raw, Some("old"))?;
    place.carry(&hq, &["other"], &[&site], "second")?;
    let of_other = place.index("second")?.items.remove(0).file;
    let of_other = place.at("second").join(of_other.name.as_str());
    forge(&place, name, |bytes| {
        *bytes = fs::read(of_other).expect("it reads")
    })?;
    assert_eq!(
        refusal(&place, &site),
        Kind::Corrupt,
        "it is of another image"
    );
    Ok(())
}

#[test]
fn an_index_that_contradicts_itself_of_a_transport_file_is_refused() -> Result<()> {
    let place = Place::new();
    let (site, _) = world(&place, Form::Transport)?;
    let index = place.at("stick/delivery.json");
    let good = fs::read_to_string(&index).expect("it reads");
    let item = place.index("stick")?.items.remove(0);
    let with = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut value: serde_json::Value = serde_json::from_str(&good).expect("JSON");
        change(&mut value["items"][0]);
        value.to_string()
    };
    let file = serde_json::json!({"name": "x.manifest.json", "length": 1, "sha256": item.file.sha256.to_string()});
    for wrong in [
        with(&|item| item["form"] = "pieces".into()),
        with(&|item| item["form"] = "image".into()),
        with(&|item| item["requires"] = serde_json::json!([])),
        with(&|item| item["manifest"] = file.clone()),
        with(&|item| drop(item.as_object_mut().expect("keys").remove("base"))),
        with(&|item| item["size"] = (item["size"].as_u64().expect("a number") + 65536).into()),
    ] {
        assert_ne!(wrong, good);
        fs::write(&index, &wrong).expect("room");
        assert_eq!(refusal(&place, &site), Kind::Corrupt, "{wrong}");
    }
    // A program that does not know the word leaves all of it alone.
    let all = good.replacen("\"transport\"", "\"portation\"", 1);
    fs::write(&index, all).expect("room");
    assert_eq!(refusal(&place, &site), Kind::Unsupported);
    fs::write(&index, good).expect("room");
    assert!(place.receive("stick", &site)?.failure().is_none());
    Ok(())
}

#[test]
fn an_index_that_contradicts_itself_or_names_paths_is_refused() -> Result<()> {
    let place = Place::new();
    let (site, _) = world(&place, Form::Child)?;
    let index = place.at("stick/delivery.json");
    let good = fs::read_to_string(&index).expect("it reads");
    let item = place.index("stick")?.items.remove(0);
    let file = item.file.name.as_str();
    let twice = {
        let mut index = Index::from_json(good.as_bytes())?;
        index.items.push(index.items[0].clone());
        String::from_utf8(index.to_json()?).expect("it is text")
    };
    for (wrong, kind) in [
        (good.replace(file, "../../hq/new.raw"), Kind::Corrupt),
        (good.replace(file, "/etc/hostname"), Kind::Corrupt),
        (
            good.replace("imgdelta/delivery/2", "imgdelta/delivery/3"),
            Kind::Unsupported,
        ),
        (good.replace("\"size\"", "\"siz\""), Kind::Corrupt),
        (
            good.replace("\"manifest\"", "\"no manifest\""),
            Kind::Corrupt,
        ),
        (
            good.replace(&item.size.to_string(), &(item.size + 65536).to_string()),
            Kind::Corrupt,
        ),
        (good.replace("\"qcow2\"", "\"cow\""), Kind::Corrupt),
        (good[..good.len() / 2].to_owned(), Kind::Corrupt),
        (twice, Kind::Corrupt),
        (String::new(), Kind::Corrupt),
        ("[".repeat(100_000), Kind::Corrupt),
    ] {
        assert_ne!(wrong, good);
        fs::write(&index, &wrong).expect("room");
        assert_eq!(
            refusal(&place, &site),
            kind,
            "{}",
            &wrong[..wrong.len().min(400)]
        );
    }
    fs::remove_file(&index).expect("it is there");
    fs::create_dir(&index).expect("room");
    assert_eq!(refusal(&place, &site), Kind::Corrupt);
    Ok(())
}

#[test]
fn what_fails_does_not_stop_what_is_not_made_from_it() -> Result<()> {
    let place = Place::new();
    let hq = place.repository("hq", Format::Qcow2)?;
    let site = place.repository("site", Format::Raw)?;
    let old = Windows::new(40, 1);
    let one = old.with(0..12, 2);
    let two = one.with(14..15, 3);
    let other = old.with(20..22, 4);
    place.add(&hq, "old", &old, Format::Raw, None)?;
    place.add(&hq, "one", &one, Format::Raw, Some("old"))?;
    place.add(&hq, "two", &two, Format::Raw, Some("one"))?;
    place.add(&hq, "other", &other, Format::Raw, Some("old"))?;
    place.add(&site, "old", &old, Format::Raw, None)?;
    place.carry(&hq, &["one", "two", "other"], &[&site], "stick")?;
    let index = place.index("stick")?;
    let broken = index.items.iter().find(|item| item.name.as_str() == "one");
    let broken = &broken.expect("it is there").file;
    edit(&place.at("stick").join(broken.name.as_str()), |bytes| {
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
    });
    let received = place.receive("stick", &site)?;
    let failure = |name: &str| {
        let taken = received
            .images
            .iter()
            .find(|taken| taken.name.as_str() == name);
        match &taken.expect("it is listed").outcome {
            imgdelta_deploy::bundle::Outcome::Failed(error) => Some(error.code()),
            _ => None,
        }
    };
    assert_eq!(failure("one"), Some("delivery_damaged"));
    assert_eq!(failure("two"), Some("base_failed"));
    assert_eq!(failure("other"), None);
    assert_eq!(
        received.failure().map(|error| error.kind()),
        Some(Kind::Digest)
    );
    assert_eq!(stored(&site, "other")?, other.bytes());
    assert!(site.show("one").is_err() && site.show("two").is_err());
    Ok(())
}

#[test]
fn damaged_leaves_of_headquarters_cost_time_and_nothing_else() -> Result<()> {
    let place = Place::new();
    let hq = place.repository("hq", Format::Qcow2)?;
    let old = Windows::new(24, 1);
    let new = old.with(4..9, 2);
    place.add(&hq, "old", &old, Format::Raw, None)?;
    let record = place.add(&hq, "new", &new, Format::Raw, Some("old"))?;
    let leaves = hq
        .folder()
        .join(format!(".imgdelta/leaves/{}.leaves", record.content_id.0));
    let whole = fs::read(&leaves).expect("it is there");
    // In the head of a run, in the leaf of a window that travels, in that of one that does not.
    for (number, at) in [24, 24 + 9 + 5 * 32, 24 + 9 + 20 * 32]
        .into_iter()
        .enumerate()
    {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x40;
        fs::write(&leaves, damaged).expect("room");
        let site = place.repository(&format!("site{number}"), Format::Raw)?;
        place.add(&site, "old", &old, Format::Raw, None)?;
        let stick = format!("stick{number}");
        place.carry(&hq, &["new"], &[&site], &stick)?;
        place.receive(&stick, &site)?;
        assert_eq!(stored(&site, "new")?, new.bytes(), "byte {at}");
    }
    Ok(())
}
