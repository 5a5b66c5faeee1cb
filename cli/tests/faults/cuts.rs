//! The power is cut at every call: what was not synced may be lost, a name as well as bytes. What is found then is all old or all new.
//!
//! The calls are written down as they are made. A file holds what it held when it was last synced, or rubbish; of what was done to the names
//! in a folder since that was synced, any part may have happened. All these folders are made, and read as a user would.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    Outcome,
    scene::{Files, Scene},
    shim::{Fault, Shim},
    sweep::must_be_old_or_new,
    watched,
};

/// More names that are not durable than this at once, and not every part of them is tried.
const MOST: usize = 6;

/// One call: its name, its file, the name that this had before.
type Call = (String, PathBuf, Option<PathBuf>);

/// What is done to a name.
#[derive(Clone, Debug)]
enum Change {
    Add(PathBuf, usize),
    Move(PathBuf, PathBuf, usize),
    Remove(PathBuf),
}

/// Which file, by a number of ours, has which name.
type Names = BTreeMap<PathBuf, usize>;

/// A disk as a cut would find it.
#[derive(Clone, Debug)]
struct Disk {
    folder: PathBuf,
    /// The names as the program sees them.
    seen: Names,
    /// The names that last.
    durable: Names,
    /// What was done to them since.
    since: Vec<Change>,
    /// Whether the bytes of each file last.
    is_synced: Vec<bool>,
}

impl Disk {
    fn new(scene: &Scene) -> Self {
        let names = scene.before.keys().map(|name| scene.out().join(name));
        let names: Names = names.enumerate().map(|(file, name)| (name, file)).collect();
        Self {
            folder: scene.out(),
            is_synced: vec![true; names.len()],
            durable: names.clone(),
            seen: names,
            since: Vec::new(),
        }
    }

    fn call(&mut self, (call, path, from): &Call) {
        let file = self.seen.get(path).copied();
        let change = match (call.as_str(), file) {
            ("create", None) => {
                self.is_synced.push(false);
                Change::Add(path.clone(), self.is_synced.len() - 1)
            }
            ("rename", _) => {
                let from = from.clone().unwrap();
                let file = self.seen[&from];
                Change::Move(from, path.clone(), file)
            }
            ("link", _) => Change::Add(path.clone(), self.seen[from.as_ref().unwrap()]),
            ("unlink", Some(_)) => Change::Remove(path.clone()),
            ("sync", Some(file)) => {
                self.is_synced[file] = true;
                return;
            }
            ("sync", None) if *path == self.folder => {
                self.durable = self.seen.clone();
                self.since.clear();
                return;
            }
            ("write" | "length" | "clone" | "reserve", Some(file)) => {
                self.is_synced[file] = false;
                return;
            }
            _ => return,
        };
        apply(&mut self.seen, &change);
        self.since.push(change);
    }

    /// The names as a cut may leave them.
    fn after_a_cut(&self) -> Vec<Names> {
        let count = self.since.len();
        let parts: Vec<u64> = if count <= MOST {
            (0..1 << count).collect()
        } else {
            (0..=count).map(|first| (1 << first) - 1).collect()
        };
        let names = |part: u64| {
            let mut names = self.durable.clone();
            let chosen = self.since.iter().enumerate();
            for (_, change) in chosen.filter(|(at, _)| part >> at & 1 == 1) {
                apply(&mut names, change);
            }
            names
        };
        parts.into_iter().map(names).collect()
    }
}

fn apply(names: &mut Names, change: &Change) {
    match change {
        Change::Add(path, file) => {
            names.insert(path.clone(), *file);
        }
        Change::Move(from, to, file) => {
            names.remove(from);
            names.insert(to.clone(), *file);
        }
        Change::Remove(path) => {
            names.remove(path);
        }
    }
}

/// The calls in a log, which is then taken away.
fn calls_in(log: &Path) -> io::Result<Vec<Call>> {
    let text = fs::read_to_string(log)?;
    fs::remove_file(log)?;
    let call = |line: &str| {
        let mut parts = line.split('\t');
        let name = parts.next().unwrap().to_owned();
        let path = PathBuf::from(parts.next().unwrap());
        (name, path, parts.next().map(PathBuf::from))
    };
    Ok(text.lines().map(call).collect())
}

/// Runs the scene until its call with this number; all files of the disk, by number, are kept in a folder of the test's own.
fn run_until(scene: &Scene, shim: Shim, at: usize, kept: &Path) -> io::Result<Disk> {
    scene.reset()?;
    let _ = fs::remove_dir_all(kept);
    fs::create_dir(kept)?;
    let mut disk = Disk::new(scene);
    for (name, file) in &disk.seen {
        fs::hard_link(name, kept.join(file.to_string()))?;
    }
    let log = scene.aside().join("calls");
    let mut command = scene.command();
    shim.counts(&mut command, &scene.listened(), &log);
    shim.fails(&mut command, &scene.listened(), at, Fault::Kill);
    watched::run(command)?;
    let calls = calls_in(&log)?;
    calls[..at - 1].iter().for_each(|call| disk.call(call));
    for (name, file) in &disk.seen {
        let place = kept.join(file.to_string());
        if !place.exists() {
            fs::hard_link(name, place)?;
        }
    }
    Ok(disk)
}

/// Makes the folder what a cut left of it.
fn make(scene: &Scene, disk: &Disk, names: &Names, kept: &Path) -> io::Result<()> {
    for entry in fs::read_dir(scene.out())? {
        fs::remove_file(entry?.path())?;
    }
    for (name, file) in names {
        let place = kept.join(file.to_string());
        if disk.is_synced[*file] {
            fs::hard_link(place, name)?;
        } else {
            let half = fs::metadata(place)?.len() / 2;
            fs::write(name, vec![0xee; usize::try_from(half).unwrap()])?;
        }
    }
    Ok(())
}

/// Cuts the power at every call of a scene. Says how many folders were read.
fn cut(scene: io::Result<Scene>) -> Result<usize, Box<dyn std::error::Error>> {
    let Some(shim) = Shim::find() else {
        return Ok(usize::MAX);
    };
    let scene = scene?.rehearse()?;
    scene.reset()?;
    let log = scene.aside().join("calls");
    let mut command = scene.command();
    shim.counts(&mut command, &scene.listened(), &log);
    let done = watched::run(command)?;
    assert_eq!(done.code, Some(0), "{done}");
    let all = calls_in(&log)?;
    let kept = scene.aside().join("kept");
    // What is deleted may come back: it must have been kept before.
    let last = 1 + all
        .iter()
        .position(|call| call.0 == "unlink")
        .unwrap_or(all.len());
    let mut read = 0;
    for at in 1..=all.len() + 1 {
        let mut disk = run_until(&scene, shim, at.min(last), &kept)?;
        if at > last {
            all[last - 1..at - 1]
                .iter()
                .for_each(|call| disk.call(call));
        }
        for (number, names) in disk.after_a_cut().iter().enumerate() {
            make(&scene, &disk, names, &kept)?;
            let why = format!("{}: cut at call {at}, {number}", scene.name);
            must_be_old_or_new(&scene, &why, &done)?;
            if at > all.len() {
                // It had said that it was done.
                assert!(scene.files_as_read()? == scene.after, "{why}: not durable");
            }
            read += 1;
        }
    }
    Ok(read)
}

#[test]
fn a_pair_over_another_outlasts_a_cut_at_any_call() -> Outcome {
    let old = "make --no-cache -b IN/base.qcow2 -t IN/base.raw -o OUT/child.qcow2";
    let old = Scene::of("make the old pair", old, Files::new())?.rehearse()?;
    let args = "make --no-cache -j 1 --force -b IN/base.qcow2 -t IN/target.raw -o OUT/child.qcow2";
    let read = cut(Scene::of("make over a pair", args, old.after))?;
    assert!(read > 50, "{read}");
    Ok(())
}

#[test]
fn a_new_pair_outlasts_a_cut_at_any_call() -> Outcome {
    let args = "make --no-cache -j 1 -b IN/base.qcow2 -t IN/target.raw -o OUT/child.qcow2";
    let read = cut(Scene::of("make a pair", args, Files::new()))?;
    assert!(read > 30, "{read}");
    Ok(())
}

#[test]
fn an_image_over_another_outlasts_a_cut_at_any_call() -> Outcome {
    let before = Files::from([("disk.raw".to_owned(), vec![7; 12345])]);
    let args = "convert -j 1 IN/target.raw --force -o OUT/disk.raw";
    let read = cut(Scene::of("convert over raw", args, before))?;
    assert!(read > 10, "{read}");
    Ok(())
}
