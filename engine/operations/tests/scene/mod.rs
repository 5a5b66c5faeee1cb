//! A folder with a base and a target, and what is done with them.

#![allow(dead_code, reason = "each test uses some of it")]
#![allow(
    clippy::indexing_slicing,
    reason = "a scene that cannot be set fails the test"
)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use imgdelta_delta::Manifest;
use imgdelta_guest::Runs;
use imgdelta_operations::{Apply, ApplyReport, ChildReport, Context, Make, Unneeded};
use imgdelta_registry::{OpenSpec, OutputSpec};
use tempfile::TempDir;

use crate::host::{blank, name, partclone, poke, run};

pub(crate) const MIB: u64 = 1 << 20;

/// A folder with a base and a target.
pub(crate) struct Scene {
    folder: TempDir,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        Self { folder }
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn open(&self, name: &str) -> OpenSpec {
        OpenSpec::of(self.at(name))
    }

    pub(crate) fn make(&self, child: &str, leave_out: &[Unneeded]) -> ChildReport {
        let output = OutputSpec::of(self.at(child));
        Make::new(self.open("base.raw"), self.open("target.raw"), output)
            .leave_out(leave_out.iter().copied())
            .run(&Context::new())
            .expect("it is made")
    }

    pub(crate) fn apply(&self, child: &str, result: &str) -> ApplyReport {
        let output = OutputSpec::of(self.at(result));
        Apply::new(self.open(child), self.open("base.raw"), output)
            .run(&Context::new())
            .expect("it is applied")
    }

    /// A target that is an ext4 with the files of `tree`, the base being the same so far. Of it, what is typed into debugfs makes the target: `NEW`
    /// stands for a file of 2 MiB.
    pub(crate) fn ext4(&self, size: u64, tree: &Path, typed: &str) -> PathBuf {
        let target = self.at("target.raw");
        blank(&target, size);
        let mut words = vec!["mke2fs", "-q", "-F", "-t", "ext4", "-d"];
        words.extend([name(tree), name(&target)]);
        run(&words, "");
        self.keep_base();
        let new = self.at("new");
        fs::write(&new, vec![3; 2 << 20]).expect("room");
        let typed = typed.replace("NEW", name(&new));
        run(&["debugfs", "-w", "-f", "-", name(&target)], &typed);
        target
    }

    /// The base is the target so far.
    pub(crate) fn keep_base(&self) {
        fs::copy(self.at("target.raw"), self.at("base.raw")).expect("room");
    }

    pub(crate) fn manifest(&self, child: &str) -> Manifest {
        Manifest::read(&self.at(&format!("{child}.manifest.json"))).expect("it is there")
    }
}

/// Writes something else than zeros to each run of an image: what was deleted there once.
pub(crate) fn soil(image: &Path, runs: &Runs) {
    for run in runs.as_slice() {
        let bytes: Vec<u8> = (0..run.len.0)
            .map(|at| ((run.start.0 + at).wrapping_mul(2_654_435_761) >> 13) as u8 | 1)
            .collect();
        poke(image, run.start.0, &bytes);
    }
}

/// Makes a child with and without what the target's file system calls free, which `system` names to partclone, and applies it: the result must
/// be the target where blocks are in use, and the base where they are free. How many bytes those are.
pub(crate) fn is_left_out(scene: &Scene, system: &str) -> u64 {
    let target = scene.at("target.raw");
    let free = partclone(system, &target);
    soil(&target, &free);
    let free = partclone(system, &target);
    let (whole, part) = ("whole.qcow2", "part.qcow2");
    let all = scene.make(whole, &[]);
    assert!(all.left_out.is_none() && scene.manifest(whole).left_out.is_empty());
    let report = scene.make(part, &[Unneeded::Free]);
    let left = report.left_out.expect("it was asked for");
    assert_eq!(left.free, free.total().0, "{system}: {:?}", report.notes);
    assert_eq!((left.swap, left.pagefile), (0, 0));
    // All that is in use and differs is a small part of it.
    assert!(
        report.file_size < all.file_size.map(|size| size / 2),
        "{report:?}"
    );

    let manifest = scene.manifest(part);
    let told: u64 = manifest.left_out.iter().map(|part| part.bytes).sum();
    assert_eq!(told, left.free);
    assert_eq!(manifest.left_out[0].runs.len(), free.as_slice().len());
    let applied = scene.apply(part, "result.raw");
    assert_eq!(applied.content_id, report.target.content_id);
    let read = |name| fs::read(scene.at(name)).expect("it is there");
    let (base, target, result) = (read("base.raw"), read("target.raw"), read("result.raw"));
    let mut right = target.clone();
    for run in free.as_slice() {
        let range = run.start.0 as usize..run.end() as usize;
        right[range.clone()].copy_from_slice(&base[range]);
    }
    assert!(result == right, "{system}: the result is another disk");
    assert!(result != target);
    left.free
}

/// Makes sure that a command finds nothing wrong with the result.
pub(crate) fn is_clean(scene: &Scene, command: &[&str]) {
    let result = scene.at("result.raw");
    let mut words = command.to_vec();
    words.push(name(&result));
    run(&words, "");
}
