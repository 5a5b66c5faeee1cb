//! A folder for one test, the images in it, and the bytes of a chain, put together without the engine.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use imgdelta_core::{Bytes, Format, Kind, Result, State, VirtOffset};
use imgdelta_fixtures::{
    Fill, Recipe,
    qcow2::{Backing, Qcow2Spec},
    vhd::{Locator, Parent, VhdSpec},
};
use imgdelta_registry::{OpenSpec, Opened, Policy, open_chain};

/// The size of the disks here.
pub(crate) const SIZE: u64 = 1 << 20;

/// A folder that is gone after the test.
pub(crate) struct Place(tempfile::TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a place for files"))
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file, and the folders above it.
    pub(crate) fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.at(name);
        fs::create_dir_all(path.parent().expect("it is below the place")).expect("room");
        fs::write(&path, bytes).expect("room");
        path
    }

    /// Makes a symbolic link called `name`.
    pub(crate) fn link(&self, name: &str, to: impl AsRef<Path>) {
        symlink(to, self.at(name)).expect("room");
    }

    /// Makes a named pipe that nobody writes to.
    pub(crate) fn pipe(&self, name: &str) {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        mknodat(
            CWD,
            self.at(name),
            FileType::Fifo,
            Mode::RUSR | Mode::WUSR,
            0,
        )
        .expect("room");
    }
}

/// How `path` is opened with more folders to look in.
pub(crate) fn searching(path: PathBuf, search: &[PathBuf]) -> OpenSpec {
    OpenSpec {
        policy: Policy {
            search: search.to_vec(),
            ..Policy::default()
        },
        ..OpenSpec::of(path)
    }
}

/// How `path` is opened with these parents.
pub(crate) fn naming(path: PathBuf, parent: &[PathBuf]) -> OpenSpec {
    OpenSpec {
        policy: Policy {
            parent: parent.to_vec(),
            ..Policy::default()
        },
        ..OpenSpec::of(path)
    }
}

/// Kind and stable word of the error with which a chain does not open.
pub(crate) fn refusal(spec: &OpenSpec) -> (Kind, &'static str) {
    let error = open_chain(spec).expect_err("it must not open");
    (error.kind(), error.code())
}

/// A layer with one sector of its own.
pub(crate) fn layer(number: u64) -> Recipe {
    Recipe::of(SIZE, [(number % 1024 * 512, 512, Fill::Pattern(number))])
}

/// A qcow2 over `name`, the format of which is recorded or not.
pub(crate) fn qcow2_over(name: &str, format: Option<Format>) -> Vec<u8> {
    let name_of = |format: Format| match format {
        Format::Vhd => "vpc".to_owned(),
        other => other.name().to_owned(),
    };
    Qcow2Spec {
        backing: Some(Backing {
            name: name.to_owned(),
            format: format.map(name_of),
        }),
        feature_names: false,
        ..Qcow2Spec::new(layer(1), 9)
    }
    .build()
}

/// A qcow2 that hangs on nothing.
pub(crate) fn qcow2() -> Vec<u8> {
    Qcow2Spec::new(layer(0), 9).build()
}

/// A dynamic VHD with this id.
pub(crate) fn vhd(id: [u8; 16]) -> Vec<u8> {
    VhdSpec {
        unique_id: id,
        ..VhdSpec::dynamic(layer(0), 1 << 19)
    }
    .build()
}

/// A child VHD over the one with this id, found by these locators and, if it is not empty, by this name.
pub(crate) fn vhd_over(id: [u8; 16], name: &str, locators: Vec<Locator>) -> Vec<u8> {
    VhdSpec {
        parent: Some(Parent::named(id, name)),
        locators,
        ..VhdSpec::differencing(layer(1), 1 << 19, id, "")
    }
    .build()
}

/// The disk that a chain shows, from the bottom up. Of a disk too large for memory everything is read and nothing kept.
pub(crate) fn read(chain: &[Opened]) -> Result<Vec<u8>> {
    let mut disk = Vec::new();
    for layer in chain.iter().rev() {
        let size = layer.image.metadata().size;
        let keeps = size <= Bytes::mib(64);
        disk.resize(if keeps { size.in_memory() } else { 0 }, 0);
        let mut scratch = vec![0; 1 << 20];
        let mut at = VirtOffset::ZERO;
        while at.0 < size.0 {
            let extent = layer.image.extent_at(at)?;
            let len = if extent.state == State::Absent {
                extent.len
            } else {
                extent.len.min(Bytes::from(scratch.len()))
            };
            let part = match (keeps, extent.state) {
                (_, State::Absent) => &mut [][..],
                (true, _) => &mut disk[at.0 as usize..(at.0 + len.0) as usize],
                (false, _) => &mut scratch[..len.in_memory()],
            };
            match extent.state {
                State::Absent => {}
                State::Zero => part.fill(0),
                State::Data { .. } | State::Compressed { .. } => layer.image.read_data(at, part)?,
            }
            at = at.saturating_add(if extent.state == State::Zero && !keeps {
                extent.len
            } else {
                len
            });
        }
    }
    Ok(disk)
}
