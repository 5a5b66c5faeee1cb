//! A place for headquarters, sites and sticks, and disks whose windows are told apart by a number.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use imgdelta_core::{Existing, Format, Result, VirtOffset};
use imgdelta_delta::{Convert, DigestCache, ExecContext, RunProgress, WINDOW};
use imgdelta_deploy::bundle::{DeliveryContext, Index, Received, StoreOptions, receive};
use imgdelta_deploy::deployment::{Deploy, Deployed, Destination, deploy_many};
use imgdelta_operations::{Disk, Stage};
use imgdelta_registry::{OpenSpec, OutputSpec, create};
use imgdelta_repository::catalogue::{Add, Record, Repository, Run};
use tempfile::TempDir;

/// A disk: the number of each window's content; 0 is zeros.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Windows(pub(crate) Vec<u64>);

impl Windows {
    /// A disk of `count` windows of its own, every fourth of zeros.
    pub(crate) fn new(count: u64, own: u64) -> Self {
        let number = |window| {
            if window % 4 == 3 {
                0
            } else {
                own * 1000 + window + 1
            }
        };
        Self((0..count).map(number).collect())
    }

    /// The same, with other content in these windows.
    pub(crate) fn with(&self, windows: std::ops::Range<usize>, own: u64) -> Self {
        let mut changed = self.clone();
        for window in windows {
            changed.0[window] = own * 1000 + window as u64 + 1;
        }
        changed
    }

    /// Its bytes: no compressor makes them smaller.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len() * WINDOW.in_memory());
        for number in &self.0 {
            let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            for _ in 0..WINDOW.in_memory() / 8 {
                if *number != 0 {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                }
                bytes.extend_from_slice(&state.to_le_bytes());
            }
        }
        bytes
    }
}

/// A folder that goes when the test ends.
pub(crate) struct Place {
    folder: TempDir,
    pub(crate) progress: RunProgress,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a place"),
            progress: RunProgress::default(),
        }
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn repository(&self, name: &str, format: Format) -> Result<Repository> {
        Repository::init(&self.at(name), format)
    }

    pub(crate) fn run(&self) -> Run<'_> {
        Run {
            work: self.work(),
            wait: Duration::from_secs(10),
        }
    }

    pub(crate) fn work(&self) -> ExecContext<'_> {
        ExecContext {
            time: Some(1_700_000_000),
            ..ExecContext::new(2, &self.progress)
        }
    }

    pub(crate) fn context(&self) -> DeliveryContext<'_> {
        DeliveryContext::quiet(self.run())
    }

    pub(crate) fn telling<'a>(&'a self, on_stage: &'a dyn Fn(Stage<'_>)) -> DeliveryContext<'a> {
        DeliveryContext {
            on_stage,
            ..self.context()
        }
    }

    /// Adds a disk as an image of that format.
    pub(crate) fn add(
        &self,
        repository: &Repository,
        name: &str,
        disk: &Windows,
        format: Format,
        parent: Option<&str>,
    ) -> Result<Record> {
        self.add_bytes(repository, name, &disk.bytes(), format, parent)
    }

    /// As [`add`](Self::add), from any bytes.
    pub(crate) fn add_bytes(
        &self,
        repository: &Repository,
        name: &str,
        bytes: &[u8],
        format: Format,
        parent: Option<&str>,
    ) -> Result<Record> {
        let raw = self.at("import.raw");
        fs::write(&raw, bytes).expect("room");
        let image = self.at(&format!("import.{}", format.name()));
        if format != Format::Raw {
            convert(&raw, &image, self.work())?;
        }
        let add = Add {
            image: OpenSpec::of(&image),
            name: Some(name.parse()?),
            parent: parent.map(str::to_owned),
            ..Add::default()
        };
        let added = repository.add(&add, &self.run());
        for file in [raw, image] {
            let _ = fs::remove_file(file);
        }
        Ok(added?.record)
    }

    /// Deploys onto the stick of that name for sites that are known by their inventories.
    pub(crate) fn carry(
        &self,
        hq: &Repository,
        images: &[&str],
        sites: &[&Repository],
        stick: &str,
    ) -> Result<Deployed> {
        self.carry_by(deploy(hq, images), sites, stick)
    }

    /// As [`carry`](Self::carry), differences being children of the sites' own formats, or of qcow2.
    pub(crate) fn carry_children(
        &self,
        hq: &Repository,
        images: &[&str],
        sites: &[&Repository],
        stick: &str,
    ) -> Result<Deployed> {
        let native = Deploy {
            native: true,
            ..deploy(hq, images)
        };
        self.carry_by(native, sites, stick)
    }

    fn carry_by(&self, deploy: Deploy<'_>, sites: &[&Repository], stick: &str) -> Result<Deployed> {
        let carried = |site: &&Repository| Ok(Destination::Carried(site.inventory()?));
        let deploy = Deploy {
            bundle: Some(self.at(stick)),
            sites: sites.iter().map(carried).collect::<Result<_>>()?,
            ..deploy
        };
        deploy_many(&deploy, &self.context())
    }

    /// Receives from the stick of that name.
    pub(crate) fn receive(&self, stick: &str, site: &Repository) -> Result<Received> {
        receive(
            &self.at(stick),
            site,
            &StoreOptions::default(),
            &self.context(),
        )
    }

    /// What a stick says that it holds.
    pub(crate) fn index(&self, stick: &str) -> Result<Index> {
        Index::from_json(&fs::read(self.at(stick).join("delivery.json")).expect("it is there"))
    }
}

/// A deployment of these images to nowhere yet.
pub(crate) fn deploy<'a>(headquarters: &'a Repository, images: &[&str]) -> Deploy<'a> {
    Deploy {
        images: images.iter().map(ToString::to_string).collect(),
        ..Deploy::from(headquarters)
    }
}

/// Writes a disk as one image of the format that the name says.
pub(crate) fn convert(source: &Path, place: &Path, work: ExecContext<'_>) -> Result<()> {
    let disk = Disk::open(&OpenSpec::of(source))?;
    let spec = OutputSpec {
        existing: Existing::Replace,
        ..OutputSpec::of(place)
    };
    let output = create(&spec, disk.chain.disk(), None)?;
    Convert {
        disk: &disk.chain,
        proves: false,
        memory: &DigestCache::none(),
        work,
    }
    .run(output.writer)?;
    output.drafts.commit()
}

/// All bytes of an image's disk, opened as `convert` would, with no options.
pub(crate) fn bytes_of(path: &Path) -> Result<Vec<u8>> {
    let disk = Disk::open(&OpenSpec::of(path))?;
    let mut bytes = vec![0; disk.chain.size().in_memory()];
    disk.chain.read_at(VirtOffset::ZERO, &mut bytes)?;
    Ok(bytes)
}

/// The place of an image's file.
pub(crate) fn file_of(repository: &Repository, record: &Record) -> PathBuf {
    repository.folder().join(record.files[0].path.as_path())
}

/// All bytes of the disk of an image that a repository has.
pub(crate) fn stored(repository: &Repository, word: &str) -> Result<Vec<u8>> {
    bytes_of(&file_of(repository, &repository.show(word)?))
}

/// All files below a folder with what is in them, the lock aside.
pub(crate) fn files_below(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).expect("it is there") {
            let path = entry.expect("it reads").path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with(".imgdelta/lock") {
                let inside = path.strip_prefix(folder).expect("it is below");
                files.push((
                    inside.display().to_string(),
                    fs::read(&path).expect("it reads"),
                ));
            }
        }
    }
    files.sort();
    files
}

/// The names of the images that a repository has.
pub(crate) fn names(repository: &Repository) -> Result<Vec<String>> {
    let listing = repository.list()?;
    let records = listing.records();
    Ok(records
        .iter()
        .map(|record| record.name.to_string())
        .collect())
}

/// Makes sure that every image of a repository is what its record says.
pub(crate) fn assert_sound(repository: &Repository, place: &Place) -> Result<()> {
    let verified = repository.verify(&[], &place.run(), |_| ())?;
    assert!(
        verified.iter().all(|image| image.is_sound()),
        "{verified:?}"
    );
    Ok(())
}

/// Writes other bytes to a file and leaves its time as it was: a look at it shows nothing, only who reads it knows.
pub(crate) fn rot(file: &Path, bytes: &[u8]) {
    let time = fs::metadata(file).and_then(|found| found.modified());
    fs::write(file, bytes).expect("room");
    let rotten = fs::File::options().write(true).open(file).expect("there");
    rotten
        .set_modified(time.expect("a time"))
        .expect("it can be set");
}
