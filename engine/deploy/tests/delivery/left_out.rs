//! What nobody needs is left out of what sites are sent, month after month, on every way. What is free partclone says; e2fsck and debugfs say what they
//! think of the file system that a site has then.

mod refilled;
mod swaps;

use std::{
    fs,
    path::{Path, PathBuf},
};

use imgdelta_core::{Format, Result};
use imgdelta_delta::Manifest;
use imgdelta_deploy::{
    bundle::StoreOptions,
    deployment::{Deploy, Destination, SiteOutcome, deploy_many, deploy_over},
    wire::{ClientSession, Patience, ServeOptions, serve},
};
use imgdelta_guest::Run;
use imgdelta_operations::Unneeded;
use imgdelta_repository::catalogue::{Repository, remove::Removed};

use crate::{
    host::{are_there, blank, name, partclone, poke, run},
    pipe,
    place::{Place, assert_sound, bytes_of, deploy, file_of, names, stored},
};

const SIZE: u64 = 48 << 20;

/// In which way a delivery gets to a site.
#[derive(Clone, Copy, Debug)]
enum Way {
    Folder,
    Line,
    Medium,
}

/// Headquarters with three months of a system's disk: each deletes a file and writes another one, and what is free is not what it was.
struct Months {
    place: Place,
    hq: Repository,
}

impl Months {
    fn new() -> Result<Self> {
        let place = Place::new();
        let hq = place.repository("hq", Format::Qcow2)?;
        let disk = place.at("disk.raw");
        blank(&disk, SIZE);
        run(&["mke2fs", "-q", "-F", "-t", "ext4", name(&disk)], "");
        for month in 0..3_u8 {
            let news = place.at("news");
            fs::write(&news, noise(month.into(), 1 << 20)).expect("room");
            let file = name(&news);
            let typed = format!("rm gone\nwrite {file} month{month}\nwrite {file} gone\n");
            run(&["debugfs", "-w", "-f", "-", name(&disk)], &typed);
            run(&["e2fsck", "-fp", name(&disk)], "");
            for free in partclone("extfs", &disk).as_slice() {
                soil(&disk, *free, month);
            }
            let bytes = fs::read(&disk).expect("it is there");
            let parent = (month > 0).then(|| format!("month{}", month - 1));
            let name = format!("month{month}");
            place.add_bytes(&hq, &name, &bytes, Format::Raw, parent.as_deref())?;
        }
        Ok(Self { place, hq })
    }

    /// A site that has the first month.
    fn site(&self, name: &str, format: Format) -> Result<Repository> {
        let site = self.place.repository(name, format)?;
        let first = stored(&self.hq, "month0")?;
        self.place
            .add_bytes(&site, "month0", &first, format, None)?;
        Ok(site)
    }

    /// Brings a month to a site: how much went there, and the outcome.
    fn send(
        &self,
        month: &str,
        site: &Repository,
        way: Way,
        all: Deploy<'_>,
    ) -> Result<SiteOutcome> {
        let all = Deploy {
            images: vec![month.to_owned()],
            ..all
        };
        let context = self.place.context();
        let outcome = match way {
            Way::Line => self.over_a_line(&all, site)?,
            Way::Folder => {
                let sites = vec![Destination::Folder(site.folder().to_owned())];
                let mut deployed = deploy_many(&Deploy { sites, ..all }, &context)?;
                deployed.sites.remove(0)
            }
            Way::Medium => {
                let stick = format!("stick-{month}-{}", site.about().id);
                let all = Deploy {
                    sites: vec![Destination::Carried(site.inventory()?)],
                    bundle: Some(self.place.at(&stick)),
                    ..all
                };
                let mut deployed = deploy_many(&all, &context)?;
                if !deployed.sites[0].sent.is_empty() {
                    let received = self.place.receive(&stick, site)?;
                    assert!(received.failure().is_none(), "{received:?}");
                }
                deployed.sites.remove(0)
            }
        };
        assert!(outcome.failure().is_none(), "{way:?}: {outcome:?}");
        let images = outcome.images.iter().flatten();
        assert!(images.flat_map(|image| &image.rejected).next().is_none());
        Ok(outcome)
    }

    fn over_a_line(&self, all: &Deploy<'_>, site: &Repository) -> Result<SiteOutcome> {
        let packing = self.place.at("packing");
        fs::create_dir_all(&packing).expect("room");
        let (here, there) = pipe::line();
        let path = site.folder().to_str().expect("text");
        let far = Place::new();
        let options = ServeOptions {
            ownership: imgdelta_core::Ownership::default(),
            root: None,
            run: far.run(),
            patience: &Patience::default(),
        };
        std::thread::scope(|scope| {
            let served = scope.spawn(|| serve(there.0, there.1, &options).map(drop));
            let sent = ClientSession::open(here.0, here.1, path, &self.place.progress)
                .and_then(|client| deploy_over(all, client, &packing, &self.place.context()));
            served.join().expect("no panic")?;
            sent
        })
    }

    /// The site's month is the month where blocks are in use, and what the site had in `base` where they are free; nothing is wrong with it.
    fn assert_right(&self, site: &Repository, month: &str, base: &[u8]) -> Result<Vec<u8>> {
        let (target, found) = (stored(&self.hq, month)?, stored(site, month)?);
        let [target_file, found_file] = ["target.raw", "found.raw"].map(|name| self.place.at(name));
        fs::write(&target_file, &target).expect("room");
        fs::write(&found_file, &found).expect("room");
        let mut right = target.clone();
        for free in partclone("extfs", &target_file).as_slice() {
            let range = free.start.0 as usize..free.end() as usize;
            right[range.clone()].copy_from_slice(&base[range]);
        }
        assert!(found == right && found != target, "{month}: another disk");
        run(&["e2fsck", "-fn", name(&found_file)], "");
        let [one, two] = [target_file, found_file].map(|image| self.files(&image));
        run(&["diff", "-r", name(&one), name(&two)], "");
        assert!(two.join(month).is_file() && two.join("gone").is_file());
        assert_sound(site, &self.place)?;
        Ok(found)
    }

    /// The files of an image.
    fn files(&self, image: &Path) -> PathBuf {
        let out = image.with_extension("files");
        let _ = fs::remove_dir_all(&out);
        fs::create_dir(&out).expect("room");
        let typed = format!("rdump / {}", name(&out));
        run(&["debugfs", "-R", &typed, name(image)], "");
        out
    }

    fn leaving_out(&self) -> Deploy<'_> {
        Deploy {
            leave_out: vec![Unneeded::Free],
            ..deploy(&self.hq, &[])
        }
    }
}

/// Bytes that no compressor makes smaller.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// Writes over some of what is free: in the first month over all of it.
fn soil(disk: &Path, free: Run, month: u8) {
    const PIECE: u64 = 256 << 10;
    let mut at = free.start.0;
    while at < free.end() {
        let end = ((at / PIECE + 1) * PIECE).min(free.end());
        if month == 0 || at / PIECE % 4 == u64::from(month) {
            let seed = u64::from(month) << 32 | at;
            poke(disk, at, &noise(seed, (end - at) as usize));
        }
        at = end;
    }
}

fn is_ready() -> bool {
    are_there(&[
        ("mke2fs", "e2fsprogs"),
        ("debugfs", "e2fsprogs"),
        ("e2fsck", "e2fsprogs"),
        ("partclone.extfs", "partclone"),
    ])
}

#[test]
fn month_after_month_each_site_has_all_files_and_is_sent_only_those() -> Result<()> {
    if !is_ready() {
        return Ok(());
    }
    let months = Months::new()?;
    let ways = [
        ("a", Format::Raw, Way::Folder, false),
        ("b", Format::Qcow2, Way::Line, false),
        ("c", Format::Raw, Way::Medium, false),
        ("d", Format::Vhdx, Way::Folder, true),
        ("e", Format::Vdi, Way::Medium, true),
        ("f", Format::Qcow2, Way::Line, true),
    ];
    for (name, format, way, native) in ways {
        let site = months.site(name, format)?;
        let all = Deploy {
            native,
            ..months.leaving_out()
        };
        let mut base = stored(&site, "month0")?;
        for (month, before) in [("month1", "month0"), ("month2", "month1")] {
            let outcome = months.send(month, &site, way, all.clone())?;
            let [sent] = &outcome.sent[..] else {
                panic!("{outcome:?}");
            };
            // A file is new, and one is another one: two MiB, and more than ten differ.
            assert!(
                sent.entry.bytes() < 3 << 20,
                "{way:?}: {}",
                sent.entry.bytes()
            );
            let left_out = sent.left_out.expect("something is").free;
            assert!(left_out > SIZE / 8, "{left_out}");
            let from = sent.entry.base.as_ref().expect("it has one");
            assert_eq!(from.name.as_str(), before, "{way:?}");
            assert_eq!(from.content_id, site.show(before)?.content_id);
            let (here, there) = (months.hq.show(month)?, site.show(month)?);
            assert_ne!(here.content_id, there.content_id);
            assert_eq!(there.id.to_string(), there.content_id.to_string());
            assert_eq!(sent.entry.content_id, there.content_id);
            let parent = there.parent.expect("it descends from the month before").id;
            assert_eq!(parent, site.show(before)?.id);
            base = months.assert_right(&site, month, &base)?;
            // What is there is not sent again.
            let again = months.send(month, &site, way, all.clone())?;
            assert!(again.sent.is_empty(), "{again:?}");
            assert!(
                again
                    .notes
                    .iter()
                    .any(|note| note.contains("there already"))
            );
        }
    }
    // The repository itself is as it was, and nothing of it is in the way.
    assert_eq!(names(&months.hq)?, ["month0", "month1", "month2"]);
    assert_sound(&months.hq, &months.place)
}

#[test]
fn the_manifest_says_what_is_left_out_and_without_the_option_all_of_it_comes_later() -> Result<()> {
    if !is_ready() {
        return Ok(());
    }
    let months = Months::new()?;
    let site = months.site("site", Format::Raw)?;
    let all = Deploy {
        native: true,
        ..months.leaving_out()
    };
    let outcome = months.send("month1", &site, Way::Medium, all)?;
    let sent = &outcome.sent[0];
    let stick = format!("stick-month1-{}", site.about().id);
    let file = sent.entry.manifest.as_ref().expect("a child has one");
    let manifest = Manifest::read(&months.place.at(&stick).join(file.name.as_str()))?;
    let told: u64 = manifest.left_out.iter().map(|part| part.bytes).sum();
    assert_eq!(Some(told), sent.left_out.map(|bytes| bytes.free));
    assert!(manifest.left_out.iter().all(|part| part.why == "free"));
    assert_eq!(manifest.result_id()?, site.show("month1")?.content_id);

    // The exact image, from the one that the site has: under another name, for that one bears its own.
    let whole = months.send("month1", &site, Way::Folder, deploy(&months.hq, &[]))?;
    let base = whole.sent[0].entry.base.as_ref().expect("it has one");
    assert_eq!(base.content_id, site.show("month1")?.content_id);
    assert!(whole.sent[0].left_out.is_none());
    let exact = months.hq.show("month1")?.content_id;
    let listing = site.list()?;
    let there = listing.by_content(&exact).expect("it came");
    assert!(bytes_of(&file_of(&site, there))? == stored(&months.hq, "month1")?);
    assert_ne!(there.name.as_str(), "month1");
    Ok(())
}

#[test]
fn where_headquarters_has_lost_the_image_an_older_base_serves() -> Result<()> {
    if !is_ready() {
        return Ok(());
    }
    let months = Months::new()?;
    let site = months.site("site", Format::Raw)?;
    months.send("month1", &site, Way::Folder, months.leaving_out())?;
    let reduced = months.hq.folder().join(".imgdelta/reduced");
    let count = || fs::read_dir(&reduced).expect("it is there").count();
    let swept = months.hq.gc(&months.place.run())?;
    assert_eq!((count(), swept.removed.len()), (1, 0), "{swept:?}");
    let removed: Removed = months.hq.remove("month1", &months.place.run())?;
    drop(removed);
    let base = stored(&site, "month0")?;
    let outcome = months.send("month2", &site, Way::Folder, months.leaving_out())?;
    let from = outcome.sent[0].entry.base.as_ref().expect("it has one");
    assert_eq!(from.name.as_str(), "month0");
    months.assert_right(&site, "month2", &base)?;
    // What was known of the month that is gone goes; that of the last one is needed.
    months.hq.gc(&months.place.run())?;
    assert_eq!(count(), 1);
    let known = fs::read_dir(&reduced).expect("it is there").next();
    let known = known.expect("one").expect("it reads").file_name();
    let id = site.show("month2")?.content_id.0.to_string();
    assert_eq!(known.to_string_lossy(), format!("{id}.json"));
    Ok(())
}

#[test]
fn a_damaged_medium_is_mended_and_one_that_serves_two_sites_holds_the_file_once() -> Result<()> {
    if !is_ready() {
        return Ok(());
    }
    let months = Months::new()?;
    let sites = [
        months.site("one", Format::Raw)?,
        months.site("two", Format::Raw)?,
    ];
    let all = Deploy {
        images: vec!["month1".to_owned()],
        sites: sites
            .iter()
            .map(|site| Ok(Destination::Carried(site.inventory()?)))
            .collect::<Result<_>>()?,
        bundle: Some(months.place.at("stick")),
        spare: 1,
        ..months.leaving_out()
    };
    let deployed = deploy_many(&all, &months.place.context())?;
    assert!(deployed.failure().is_none(), "{deployed:?}");
    let index = months.place.index("stick")?;
    // The difference, and the same disk as a whole.
    assert_eq!(index.items.len(), 2);
    assert_eq!(index.items[0].content_id, index.items[1].content_id);
    assert!(index.items.iter().all(|item| item.sites.len() == 2));
    let base = stored(&sites[0], "month0")?;
    // The difference is spoilt: the whole image brings the same disk.
    let spoilt = index.items.iter().find(|item| item.base.is_some());
    let spoilt = months
        .place
        .at("stick")
        .join(spoilt.expect("one is").file.name.as_str());
    poke(&spoilt, 5000, b"spoilt");
    for site in &sites {
        let received = imgdelta_deploy::bundle::receive(
            &months.place.at("stick"),
            site,
            &StoreOptions::default(),
            &months.place.context(),
        )?;
        assert!(received.failure().is_none(), "{received:?}");
        months.assert_right(site, "month1", &base)?;
    }
    Ok(())
}
