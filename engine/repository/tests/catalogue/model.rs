//! A repository against a plain map of what was put into it: images are added, removed, renamed, and people write to the files, delete, move and
//! put them back as they like. Nothing is lost that nobody asked for, and nothing is listed as there that is not.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use imgdelta_core::{Kind, Result, VirtOffset};
use imgdelta_registry::OpenSpec;
use imgdelta_repository::catalogue::{Add, Record, Repository};
use proptest::prelude::*;

use crate::place::{Place, file_of, files_below};

/// What happens next. Images are meant by a number, counted round.
#[derive(Clone, Debug)]
enum Deed {
    /// A disk comes in.
    Add { seed: u8, dedup: bool },
    /// A disk is put into the folder by hand.
    Put(u8),
    /// A byte of an image's file is changed, as a guest would.
    Write(usize),
    /// An image's file is deleted.
    Delete(usize),
    /// An image's file goes to another folder.
    Move(usize),
    /// An image's file is written anew with the bytes that it has.
    Touch(usize),
    /// An image gets another name.
    Rename(usize),
    /// An image goes.
    Remove(usize),
    /// What stands there is taken in.
    Scan,
    /// What is dead is swept away.
    Sweep,
}

fn deed() -> impl Strategy<Value = Deed> {
    let which = 0..6_usize;
    prop_oneof![
        4 => (0..6_u8, any::<bool>()).prop_map(|(seed, dedup)| Deed::Add { seed, dedup }),
        1 => (0..6_u8).prop_map(Deed::Put),
        2 => which.clone().prop_map(Deed::Write),
        1 => which.clone().prop_map(Deed::Delete),
        1 => which.clone().prop_map(Deed::Move),
        1 => which.clone().prop_map(Deed::Touch),
        1 => which.clone().prop_map(Deed::Rename),
        2 => which.prop_map(Deed::Remove),
        3 => Just(Deed::Scan),
        1 => Just(Deed::Sweep),
    ]
}

/// A disk of four windows: each seed shares three with the one before.
fn disk(seed: u8) -> Vec<u8> {
    let window = |number: u8| {
        let noise = move |at: u32| (at.wrapping_mul(2_654_435_761) >> 11) as u8;
        (0..65_536_u32).map(move |at| noise(at ^ (u32::from(number) << 17)))
    };
    (seed..seed + 4).flat_map(window).collect()
}

/// A repository, and what must be true of it.
struct World {
    place: Place,
    repository: Repository,
    /// What each image is, by its content id: what was put in and not taken out.
    images: BTreeMap<String, Vec<u8>>,
    /// What people wrote, by the path in the folder: nobody else may touch it.
    theirs: BTreeMap<PathBuf, Vec<u8>>,
    /// Grows, so that no two files have one time.
    clock: u64,
}

impl World {
    fn new() -> Result<Self> {
        let place = Place::new();
        Ok(Self {
            repository: place.repository("hq")?,
            place,
            images: BTreeMap::new(),
            theirs: BTreeMap::new(),
            clock: 0,
        })
    }

    fn nth(&self, number: usize) -> Result<Option<Record>> {
        let listing = self.repository.list()?;
        let records = listing.records();
        let record = records.get(number % records.len().max(1));
        Ok(record.map(|record| (*record).clone()))
    }

    /// Writes a file as people do: it is theirs from then on.
    fn write(&mut self, file: &Path, bytes: Vec<u8>) {
        self.clock += 1;
        fs::create_dir_all(file.parent().expect("a folder")).expect("room");
        fs::write(file, &bytes).expect("room");
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000 + self.clock * 10);
        let written = File::options().write(true).open(file).expect("it is there");
        written.set_modified(time).expect("it can be set");
        self.theirs.insert(file.to_owned(), bytes);
    }

    fn read(&self, record: &Record) -> Result<Vec<u8>> {
        let disk = self.repository.open_disk(record)?;
        let mut bytes = vec![0; disk.size().in_memory()];
        disk.read_at(VirtOffset::ZERO, &mut bytes)?;
        Ok(bytes)
    }

    fn learn(&mut self, record: &Record, bytes: Vec<u8>) {
        self.images.insert(record.content_id.to_string(), bytes);
    }

    fn add(&mut self, seed: u8, dedup: bool) -> Result<()> {
        let image = self.place.write(&format!("disk{seed}.raw"), &disk(seed));
        let add = Add {
            image: OpenSpec::of(image),
            dedup,
            ..Add::default()
        };
        match self.repository.add(&add, &self.place.run()) {
            Ok(added) => self.learn(&added.record, disk(seed)),
            // Another disk bears its name, or a file that is nobody's stands in its place; a base has rotted.
            Err(error) => assert!(
                ["exists", "name_taken", "image_changed"].contains(&error.code()),
                "{error:?}"
            ),
        }
        Ok(())
    }

    fn edit(&mut self, number: usize, change: impl FnOnce(&mut Vec<u8>)) -> Result<()> {
        if let Some(record) = self.nth(number)? {
            let file = file_of(&self.repository, &record);
            if let Ok(mut bytes) = fs::read(&file) {
                change(&mut bytes);
                self.write(&file, bytes);
            }
        }
        Ok(())
    }

    fn displace(&mut self, number: usize, to: Option<&str>) -> Result<()> {
        let Some(record) = self.nth(number)? else {
            return Ok(());
        };
        let file = file_of(&self.repository, &record);
        let Ok(bytes) = fs::read(&file) else {
            return Ok(());
        };
        self.theirs.remove(&file);
        match to {
            None => fs::remove_file(&file).expect("it is there"),
            Some(folder) => {
                self.clock += 1;
                let name = format!(
                    "moved-{}-{}",
                    self.clock,
                    record.files[0].path.as_str().replace('/', "-")
                );
                let there = self.repository.folder().join(folder).join(name);
                fs::create_dir_all(there.parent().expect("a folder")).expect("room");
                fs::rename(&file, &there).expect("room");
                self.theirs.insert(there, bytes);
            }
        }
        Ok(())
    }

    fn scan(&mut self) -> Result<()> {
        let scanned = self.repository.scan(&self.place.run())?;
        for record in scanned.added {
            let bytes = self.read(&record)?;
            self.learn(&record, bytes);
        }
        // A link of a child that the repository made may have been written anew.
        for record in self.repository.list()?.records() {
            let file = file_of(&self.repository, record);
            if record.owned {
                self.theirs.remove(&file);
            }
        }
        Ok(())
    }

    fn remove(&mut self, number: usize) -> Result<()> {
        let Some(record) = self.nth(number)? else {
            return Ok(());
        };
        match self
            .repository
            .remove(record.id.as_str(), &self.place.run())
        {
            Ok(removed) => {
                self.images.remove(&record.content_id.to_string());
                for file in removed.deleted {
                    assert!(!file.exists() && !self.theirs.contains_key(&file));
                }
            }
            Err(error) => assert_eq!(error.code(), "has_children", "{error:?}"),
        }
        Ok(())
    }

    fn does(&mut self, deed: &Deed) -> Result<()> {
        match deed {
            Deed::Add { seed, dedup } => self.add(*seed, *dedup),
            Deed::Put(seed) => {
                let file = self.repository.folder().join(format!("put/disk{seed}.raw"));
                self.write(&file, disk(*seed));
                Ok(())
            }
            Deed::Write(number) => self.edit(*number, |bytes| {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
            }),
            Deed::Touch(number) => self.edit(*number, |_| ()),
            Deed::Delete(number) => self.displace(*number, None),
            Deed::Move(number) => self.displace(*number, Some("elsewhere")),
            Deed::Rename(number) => {
                self.clock += 1;
                let name = format!("name-{}", self.clock).parse()?;
                if let Some(record) = self.nth(*number)? {
                    self.repository
                        .rename(record.id.as_str(), &name, &self.place.run())?;
                }
                Ok(())
            }
            Deed::Remove(number) => self.remove(*number),
            Deed::Scan => self.scan(),
            Deed::Sweep => self.repository.gc(&self.place.run()).map(drop),
        }
    }

    /// What must be true whatever was done.
    fn holds(&self) -> Result<()> {
        let listing = self.repository.list()?;
        assert!(listing.faults().is_empty());
        let listed: Vec<String> = listing
            .records()
            .iter()
            .map(|record| record.content_id.to_string())
            .collect();
        let mut known: Vec<String> = listed.clone();
        known.sort();
        let images: Vec<String> = self.images.keys().cloned().collect();
        assert_eq!(known, images, "all that was put in, and nothing else");
        let look = self.repository.look(&listing);
        for record in look.present() {
            let bytes = self.read(record)?;
            assert!(
                self.images[&record.content_id.to_string()] == bytes,
                "'{}' is said to be there and is another disk",
                record.name
            );
        }
        let there = look.present().count();
        assert_eq!(self.repository.inventory()?.images.len(), there);
        for (file, bytes) in &self.theirs {
            let found = fs::read(file).unwrap_or_default();
            assert!(found == *bytes, "{} was somebody's", file.display());
        }
        let left = files_below(self.repository.folder());
        assert!(
            left.iter().all(|name| !name.contains("imgdelta-tmp")),
            "{left:?}"
        );
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_and_nothing_is_listed_that_is_not_there(
        deeds in prop::collection::vec(deed(), 1..14),
    ) {
        let mut world = World::new().expect("a repository");
        for deed in &deeds {
            let done = world.does(deed).and_then(|()| world.holds());
            if let Err(error) = done {
                prop_assert_ne!(error.kind(), Kind::Host, "{:?}: {:?}", deed, error);
                prop_assert!(false, "{:?}: {:?}", deed, error);
            }
        }
    }
}
