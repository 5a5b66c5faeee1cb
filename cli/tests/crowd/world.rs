//! The folder in which all of it happens, and what all workers know.

use std::{collections::BTreeSet, path::PathBuf, sync::Mutex};

use tempfile::TempDir;

use crate::{
    disks,
    ledger::{Entry, Stand},
    line::{self, Ended},
};

/// How many families of disks there are; the first disk of each stands in both repositories and is nobody's to remove.
pub(crate) const FAMILIES: u64 = 3;

/// Formats of what is added: those whose children qemu-img reads.
pub(crate) const FORMATS: [&str; 3] = ["raw", "qcow2", "vmdk"];

/// Ids and tags.
pub(crate) type Tagged = BTreeSet<(String, String)>;

/// What is known of tags.
#[derive(Debug, Default)]
pub(crate) struct Tags {
    /// They are there.
    pub(crate) sure: Tagged,
    /// A line that hangs them on or takes them off was killed.
    pub(crate) maybe: Tagged,
}

/// Both repositories, and what the workers did.
#[derive(Debug)]
pub(crate) struct World {
    folder: TempDir,
    /// The disks that are everybody's: nobody changes what is noted of them but their tags.
    pub(crate) common: Vec<Entry>,
    /// What each worker says of its disks when it has ended; tags of the common ones.
    pub(crate) ledger: Mutex<Vec<Entry>>,
    /// Tags of common disks.
    pub(crate) tags: Mutex<Tags>,
    /// Ids of images of which a line that removes them was killed, until the same line has ended.
    pub(crate) torn: Mutex<BTreeSet<String>>,
}

impl World {
    /// Two repositories with the common disks.
    pub(crate) fn new(seed: u64) -> Self {
        let mut world = Self {
            folder: tempfile::tempdir().unwrap(),
            common: Vec::new(),
            ledger: Mutex::default(),
            tags: Mutex::default(),
            torn: Mutex::default(),
        };
        for repository in ["hq", "second"] {
            world.must(&format!("repo init {repository}"));
        }
        for number in 0..FAMILIES {
            let family = seed.wrapping_mul(FAMILIES).wrapping_add(number);
            let bytes = disks::disk(family, 0);
            let mut entry = Entry::new(family, 0, disks::sha(&bytes));
            let format = FORMATS[number as usize];
            let name = format!("common-{number}");
            disks::write(&bytes, format, &world.path(&format!("{name}.{format}")));
            for repository in ["hq", "second"] {
                let added = world.must(&format!("repo add {name}.{format} --repo {repository}"));
                let id = &added.json()["images"][0]["image"]["id"];
                entry.id = id.as_str().map(str::to_owned);
            }
            entry.names.insert(name);
            (entry.hq, entry.second) = (Stand::Here, Stand::Here);
            world.common.push(entry);
        }
        world
    }

    /// A file in its folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a line that must end well.
    pub(crate) fn must(&self, line: &str) -> Ended {
        let ended = line::run(self.folder.path(), line, None);
        assert_eq!(ended.exit, Some(0), "{ended:?}");
        ended
    }

    /// Runs a line, or a part of it.
    pub(crate) fn run(&self, line: &str, kill: Option<std::time::Duration>) -> Ended {
        line::run(self.folder.path(), line, kill)
    }
}
