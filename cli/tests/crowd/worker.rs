//! One of those at work: draws what it does next, does it by a line of the command, and notes what it was told.

use std::{
    collections::BTreeMap,
    fs,
    time::{Duration, Instant},
};

use crate::{
    chance::Chance,
    disks,
    ledger::{Entry, Stand},
    line::Ended,
    world::World,
};

/// What every line that changes a repository waits.
pub(crate) const WAIT: &str = "--wait 30s";

/// A worker and its disks.
#[derive(Debug)]
pub(crate) struct Worker<'a> {
    pub(crate) world: &'a World,
    /// Which one it is.
    pub(crate) own: u64,
    pub(crate) chance: Chance,
    pub(crate) entries: Vec<Entry>,
    /// How often each kind of line ended well, and how often it was killed.
    done: BTreeMap<String, (u32, u32)>,
    /// How many disks it has made.
    made: u64,
}

impl<'a> Worker<'a> {
    /// One that has done nothing yet.
    pub(crate) fn new(world: &'a World, own: u64, seed: u64) -> Self {
        fs::create_dir(world.path(&format!("w{own}"))).unwrap();
        Self {
            world,
            own,
            chance: Chance::new(seed, own),
            entries: Vec::new(),
            done: BTreeMap::new(),
            made: 0,
        }
    }

    /// Works until then; what it did.
    pub(crate) fn work(mut self, until: Instant) -> String {
        while Instant::now() < until {
            self.turn();
        }
        self.world.ledger.lock().unwrap().extend(self.entries);
        let done = self
            .done
            .iter()
            .map(|(verb, (done, killed))| format!("{verb} {done} ({killed} killed)"));
        format!(
            "worker {}: {}",
            self.own,
            done.collect::<Vec<_>>().join(", ")
        )
    }

    /// Runs a line; one in seven is killed on the way.
    pub(crate) fn run(&mut self, line: &str) -> Ended {
        let is_killed = self.chance.once_in(7);
        let kill = is_killed.then(|| Duration::from_millis(self.chance.below(250)));
        let ended = self.world.run(line, kill);
        let words: Vec<&str> = line.split_whitespace().take(2).collect();
        let verb = if words[0] == "repo" {
            words[1]
        } else {
            words[0]
        };
        let count = self.done.entry(verb.to_owned()).or_default();
        count.0 += u32::from(ended.exit == Some(0));
        count.1 += u32::from(ended.exit.is_none());
        ended
    }

    /// Makes a disk of its own as a file; the entry's place, the file's name, the format.
    pub(crate) fn new_disk(&mut self, format: &str) -> (usize, String) {
        self.made += 1;
        let common = self.chance.below(self.world.common.len() as u64) as usize;
        let family = self.world.common[common].family;
        let number = (self.own + 1) * 1_000_000 + self.made;
        let bytes = disks::disk(family, number);
        self.entries
            .push(Entry::new(family, number, disks::sha(&bytes)));
        let at = self.entries.len() - 1;
        let file = self.file_of(at, &bytes, format);
        (at, file)
    }

    /// Writes an entry's disk to a file of that format; its name.
    pub(crate) fn file_of(&self, at: usize, bytes: &[u8], format: &str) -> String {
        let entry = &self.entries[at];
        let file = format!("w{}/d{}.{format}", self.own, entry.number);
        disks::write(bytes, format, &self.world.path(&file));
        file
    }

    /// One of its disks that stand at headquarters and whose id is known.
    pub(crate) fn any(&mut self) -> Option<usize> {
        let standing: Vec<usize> = (0..self.entries.len())
            .filter(|&at| self.entries[at].hq == Stand::Here && self.entries[at].id.is_some())
            .collect();
        if standing.is_empty() {
            return None;
        }
        Some(standing[self.chance.below(standing.len() as u64) as usize])
    }

    /// The id of one of its disks.
    pub(crate) fn id(&self, at: usize) -> String {
        self.entries[at].id.clone().unwrap()
    }
}
