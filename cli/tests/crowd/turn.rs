//! What a worker may do in its turn.

use std::{collections::BTreeSet, fs};

use serde_json::Value;

use crate::{
    disks,
    ledger::Stand,
    line::Ended,
    worker::{WAIT, Worker},
    world::FORMATS,
};

/// Somebody else is at it for longer than the line waits.
const BUSY: (i32, &str) = (9, "locked");

impl Worker<'_> {
    /// One turn.
    pub(crate) fn turn(&mut self) {
        match self.chance.below(40) {
            0..=9 => self.add(),
            10..=11 => self.add_common(),
            12..=16 => self.remove(),
            17..=19 => self.rename(),
            20..=22 => self.tag(),
            23..=24 => self.list(),
            25..=26 => self.inventory(),
            27..=29 => self.verify(),
            30 => self.gc(),
            31..=32 => self.scan(),
            33..=34 => self.deploy(),
            35..=36 => self.carry(),
            _ => self.receive(),
        }
    }

    /// A disk is added; one that was removed, now and then, for the second time.
    fn add(&mut self) {
        let format = FORMATS[self.chance.below(3) as usize];
        let gone = self
            .entries
            .iter()
            .position(|entry| entry.hq == Stand::Gone && !entry.by_hand);
        let (at, file) = match gone.filter(|_| self.chance.once_in(3)) {
            Some(at) => {
                let entry = &self.entries[at];
                let bytes = disks::disk(entry.family, entry.number);
                (at, self.file_of(at, &bytes, format))
            }
            None => self.new_disk(format),
        };
        let dedup = if self.chance.once_in(2) {
            "--dedup"
        } else {
            ""
        };
        let name = format!("n{}-{at}-{}", self.own, self.chance.below(1000));
        let line = format!("repo add {file} --name {name} {dedup} --repo hq {WAIT}");
        let mut ended = self.run(&line);
        let entry = &mut self.entries[at];
        entry.names.clear();
        entry.tags.clear();
        entry.maybe_tags.clear();
        entry.names.insert(name);
        if ended.exit.is_none() && self.chance.once_in(2) {
            self.entries[at].hq = Stand::MayBeHere;
            ended = self.run(&line);
        }
        match ended.is_done(&[BUSY]) {
            Some(true) => self.stands(at, &ended.json()["images"][0]["image"]["id"]),
            None => self.entries[at].hq = Stand::MayBeHere,
            Some(false) => {}
        }
        fs::remove_file(self.world.path(&file)).unwrap();
    }

    fn stands(&mut self, at: usize, id: &Value) {
        self.entries[at].hq = Stand::Here;
        self.entries[at].id = id.as_str().map(str::to_owned);
    }

    /// What everybody has is added again.
    fn add_common(&mut self) {
        let at = self.chance.below(FORMATS.len() as u64) as usize;
        let line = format!("repo add common-{at}.{} --repo hq {WAIT}", FORMATS[at]);
        let ended = self.run(&line);
        if ended.is_done(&[BUSY]) == Some(true) {
            assert_eq!(ended.json()["images"][0]["is_new"], false, "{ended:?}");
        }
    }

    fn remove(&mut self) {
        let Some(at) = self.any().filter(|&at| !self.entries[at].by_hand) else {
            return;
        };
        let id = self.id(at);
        let line = format!("repo remove {id} --yes --repo hq {WAIT}");
        // From now on, until it is known: who looks may find it torn.
        self.world.torn.lock().unwrap().insert(id.clone());
        let mut ended = self.run(&line);
        while ended.exit.is_none() && self.chance.once_in(2) {
            ended = self.run(&line);
        }
        self.entries[at].hq =
            match ended.is_done(&[BUSY, (2, "has_children"), (2, "image_unknown")]) {
                None => Stand::MayGo,
                Some(true) => Stand::Gone,
                Some(false) if ended.code() == "image_unknown" => Stand::Gone,
                Some(false) => Stand::Here,
            };
        if ended.exit.is_some() {
            self.world.torn.lock().unwrap().remove(&id);
        }
    }

    fn rename(&mut self) {
        let Some(at) = self.any() else { return };
        let name = format!("r{}-{at}-{}", self.own, self.chance.below(1000));
        let line = format!("repo rename {} {name} --repo hq {WAIT}", self.id(at));
        let ended = self.run(&line);
        let names = &mut self.entries[at].names;
        match ended.is_done(&[BUSY]) {
            None => drop(names.insert(name)),
            Some(true) => *names = BTreeSet::from([name]),
            Some(false) => {}
        }
    }

    /// A tag on one of its own, or its own tag on what is everybody's.
    fn tag(&mut self) {
        if self.chance.once_in(2) {
            return self.tag_common();
        }
        let Some(at) = self
            .any()
            .filter(|&at| self.entries[at].tags.len() + self.entries[at].maybe_tags.len() < 10)
        else {
            return;
        };
        let tag = format!("t{}", self.chance.below(8));
        let ended = self.run(&format!("repo tag {} {tag} --repo hq {WAIT}", self.id(at)));
        let entry = &mut self.entries[at];
        match ended.is_done(&[BUSY]) {
            Some(true) => drop(entry.tags.insert(tag)),
            None => drop(entry.maybe_tags.insert(tag)),
            Some(false) => {}
        }
    }

    fn tag_common(&mut self) {
        let at = self.chance.below(self.world.common.len() as u64) as usize;
        let id = self.world.common[at].id.clone().unwrap();
        let tag = format!("worker-{}", self.own);
        let is_on = self.chance.once_in(2);
        let verb = if is_on { "tag" } else { "untag" };
        let ended = self.run(&format!("repo {verb} {id} {tag} --repo hq {WAIT}"));
        let mut tags = self.world.tags.lock().unwrap();
        let one = (id, tag);
        match ended.is_done(&[BUSY]) {
            None => {
                tags.sure.remove(&one);
                tags.maybe.insert(one);
            }
            Some(true) => {
                tags.sure.remove(&one);
                tags.maybe.remove(&one);
                if is_on {
                    tags.sure.insert(one);
                }
            }
            Some(false) => {}
        }
    }

    /// What it knows to stand is listed, under its name, and is there.
    fn list(&mut self) {
        let ended = self.run("repo list --repo hq");
        if ended.is_done(&[]) != Some(true) {
            return;
        }
        let told = ended.json();
        let listed = told["images"].as_array().unwrap();
        for entry in self.entries.iter().filter(|entry| entry.hq == Stand::Here) {
            let Some(id) = &entry.id else { continue };
            let found = listed.iter().find(|image| image["id"] == **id);
            let found = found.unwrap_or_else(|| panic!("{entry:?} is not listed: {told}"));
            assert_eq!(found["presence"], Value::Null, "{found}");
            if let Some(name) = entry.name() {
                assert_eq!(found["name"], name, "{found}");
            }
        }
        for entry in self.entries.iter().filter(|entry| entry.hq == Stand::Gone) {
            let is_listed = listed
                .iter()
                .any(|image| entry.id.as_ref().is_some_and(|id| image["id"] == **id));
            assert!(!is_listed, "{entry:?} is listed: {told}");
        }
    }

    /// What it knows to stand is in the inventory.
    fn inventory(&mut self) {
        let file = format!("w{}/hq.inv", self.own);
        let ended = self.run(&format!("inventory --repo hq -o {file} --force"));
        if ended.is_done(&[]) != Some(true) {
            return;
        }
        let text = fs::read_to_string(self.world.path(&file)).unwrap();
        for entry in self.entries.iter().filter(|entry| entry.hq == Stand::Here) {
            let id = entry.id.as_deref().unwrap();
            assert!(
                text.contains(id),
                "{entry:?} is not in the inventory:\n{text}"
            );
        }
    }

    /// Nobody is told that a sound image is damaged: only one whose removal was killed may be found torn.
    fn verify(&mut self) {
        let mut words = String::new();
        if let Some(at) = self.any().filter(|_| self.chance.once_in(2)) {
            words = self.id(at);
        }
        let mut torn = self.world.torn.lock().unwrap().clone();
        let ended = self.run(&format!("repo verify {words} --repo hq"));
        let Some(exit) = ended.exit else { return };
        assert!(exit <= 1, "{ended:?}");
        torn.extend(self.world.torn.lock().unwrap().iter().cloned());
        must_be_sound(&ended, &torn);
    }

    fn gc(&mut self) {
        let ended = self.run(&format!("repo gc --repo hq {WAIT}"));
        ended.is_done(&[BUSY]);
    }

    /// A file is put there by hand, and taken in.
    fn scan(&mut self) {
        let (at, file) = self.new_disk("raw");
        let name = format!("hand{}-{at}", self.own);
        let place = self.world.path(&format!("hq/{name}.raw"));
        fs::rename(self.world.path(&file), place).unwrap();
        let entry = &mut self.entries[at];
        entry.by_hand = true;
        // Whoever scans next takes it in.
        entry.hq = Stand::MayBeHere;
        entry.names.insert(name.clone());
        let ended = self.run(&format!("repo scan --repo hq {WAIT}"));
        if ended.is_done(&[BUSY]) != Some(true) {
            return;
        }
        let shown = self.world.must(&format!("repo show {name} --repo hq"));
        self.stands(at, &shown.json()["id"]);
    }

    /// An image goes to the second repository by its path.
    fn deploy(&mut self) {
        let Some(at) = self.any() else { return };
        let child = if self.chance.once_in(2) {
            "--as-child"
        } else {
            ""
        };
        let line = format!(
            "deploy {} --repo hq --to second {child} {WAIT}",
            self.id(at)
        );
        let ended = self.run(&line);
        self.arrives(at, &ended);
    }

    /// An image goes there by a stick.
    fn carry(&mut self) {
        let Some(at) = self.any() else { return };
        let stick = format!("w{}/stick", self.own);
        let line = format!(
            "deploy {} --repo hq --for second -o {stick} {WAIT}",
            self.id(at)
        );
        // Killed or not, it may be on the stick, which is received again and again.
        let second = &mut self.entries[at].second;
        if *second == Stand::Gone {
            *second = Stand::MayBeHere;
        }
        if self.run(&line).is_done(&[BUSY]) != Some(true) {
            return;
        }
        // There already: nothing is put on the stick, which may not even be one.
        if !self.world.path(&stick).join("delivery.json").exists() {
            self.entries[at].second = Stand::Here;
            return;
        }
        let ended = self.run(&format!("receive {stick} --repo second {WAIT}"));
        self.arrives(at, &ended);
    }

    fn arrives(&mut self, at: usize, ended: &Ended) {
        let second = &mut self.entries[at].second;
        match ended.is_done(&[BUSY]) {
            Some(true) => *second = Stand::Here,
            None if *second == Stand::Gone => *second = Stand::MayBeHere,
            _ => {}
        }
    }

    /// A disk that was made at the second repository comes to headquarters by a stick.
    fn receive(&mut self) {
        let (at, file) = self.new_disk("qcow2");
        let name = format!("s{}-{at}", self.own);
        let line = format!("repo add {file} --name {name} --repo second {WAIT}");
        let ended = self.world.run(&line, None);
        fs::remove_file(self.world.path(&file)).unwrap();
        if ended.is_done(&[BUSY]) != Some(true) {
            return;
        }
        let id = ended.json()["images"][0]["image"]["id"].clone();
        let entry = &mut self.entries[at];
        entry.second = Stand::Here;
        entry.names.insert(name.clone());
        let stick = format!("w{}/home-{}", self.own, entry.number);
        let line = format!("deploy {name} --repo second --for hq -o {stick} {WAIT}");
        if self.run(&line).is_done(&[BUSY]) != Some(true) {
            return;
        }
        let line = format!("receive {stick} --repo hq {WAIT}");
        let mut ended = self.run(&line);
        while ended.exit.is_none() && self.chance.once_in(2) {
            ended = self.run(&line);
        }
        match ended.is_done(&[BUSY]) {
            Some(true) => self.stands(at, &id),
            None => self.entries[at].hq = Stand::MayBeHere,
            Some(false) => {}
        }
        fs::remove_dir_all(self.world.path(&stick)).unwrap();
    }
}

/// All that `verify` told of is sound, but for those.
pub(crate) fn must_be_sound(ended: &Ended, torn: &BTreeSet<String>) {
    let told = ended.json();
    assert_eq!(told["records"].as_array().map(Vec::len), Some(0), "{told}");
    for image in told["images"].as_array().unwrap() {
        let is_torn = image["id"].as_str().is_some_and(|id| torn.contains(id));
        assert!(image["verdict"] == "sound" || is_torn, "{image}");
    }
}
