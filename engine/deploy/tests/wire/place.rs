//! Headquarters and a site in one folder, and whole conversations between the two.

use std::{
    fs,
    io::{Read, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use imgdelta_core::{Format, Result};
use imgdelta_delta::{Digest, ExecContext, RunProgress};
use imgdelta_deploy::{
    bundle::{BundleEntry, EntryForm, FileEntry},
    wire::{ClientSession, Delivered, Patience, Proposal, ServeOptions, Served, serve},
};
use imgdelta_registry::OpenSpec;
use imgdelta_repository::catalogue::{Add, ImageId, Inventory, Record, Repository, Run};
use tempfile::TempDir;

/// A folder that goes when the test ends.
pub(crate) struct Place {
    pub(crate) folder: TempDir,
    pub(crate) progress: RunProgress,
    /// Of sites: no test is so slow.
    patience: Patience,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a place"),
            progress: RunProgress::default(),
            patience: Patience::of(Duration::from_secs(3600)),
        }
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.at(name);
        fs::write(&path, bytes).expect("room");
        path
    }

    pub(crate) fn repository(&self, name: &str) -> Result<Repository> {
        Repository::init(&self.at(name), Format::Raw)
    }

    pub(crate) fn run(&self) -> Run<'_> {
        Run {
            work: ExecContext {
                time: Some(1_700_000_000),
                ..ExecContext::new(1, &self.progress)
            },
            wait: Duration::from_secs(10),
        }
    }

    pub(crate) fn serving(&self) -> ServeOptions<'_> {
        ServeOptions {
            ownership: imgdelta_core::Ownership::default(),
            root: None,
            run: self.run(),
            patience: &self.patience,
        }
    }

    /// Adds a raw image of those bytes.
    pub(crate) fn add(&self, repository: &Repository, name: &str, bytes: &[u8]) -> Result<ImageId> {
        let image = self.write(&format!("{name}.raw"), bytes);
        let add = Add {
            image: OpenSpec::of(image),
            ..Add::default()
        };
        Ok(repository.add(&add, &self.run())?.record.id)
    }

    /// As [`add`](Self::add), of an image that descends from another.
    pub(crate) fn add_child(
        &self,
        repository: &Repository,
        name: &str,
        bytes: &[u8],
        parent: &str,
    ) -> Result<ImageId> {
        let image = self.write(&format!("{name}.raw"), bytes);
        let add = Add {
            image: OpenSpec::of(image),
            parent: Some(parent.to_owned()),
            ..Add::default()
        };
        Ok(repository.add(&add, &self.run())?.record.id)
    }

    /// A raw image of headquarters as it would be sent: whole.
    pub(crate) fn goods(&self, hq: &Repository, word: &str) -> Result<Goods> {
        let record = hq.show(word)?;
        let bytes = fs::read(hq.folder().join(record.path()?.as_path())).expect("it is there");
        let name = format!("{word}.image");
        self.write(&name, &bytes);
        Ok(Goods {
            entry: entry(&record, &name, &bytes)?,
            proposal: Proposal {
                image: record.id,
                content_id: record.content_id,
                size: record.size,
                name: record.name,
                base: None,
                base_content_id: None,
                bytes: record.size,
                step: false,
                format: None,
                as_child: false,
            },
            folder: self.folder.path().to_owned(),
        })
    }
}

/// What is sent of an image.
#[derive(Clone, Debug)]
pub(crate) struct Goods {
    pub(crate) proposal: Proposal,
    pub(crate) entry: BundleEntry,
    pub(crate) folder: PathBuf,
}

/// A whole raw image in one file.
fn entry(record: &Record, file: &str, bytes: &[u8]) -> Result<BundleEntry> {
    Ok(BundleEntry {
        base: None,
        image: record.id.clone(),
        content_id: record.content_id,
        size: record.size,
        ancestors: Vec::new(),
        data: None,
        name: record.name.clone(),
        tags: record.tags.clone(),
        golden: record.golden,
        parent: None,
        form: EntryForm::Image,
        format: Format::Raw,
        file: FileEntry {
            name: file.parse()?,
            length: bytes.len() as u64,
            sha256: Digest::plain(bytes),
            pieces: None,
            medium: None,
            blocks: None,
            parity: None,
        },
        manifest: None,
        requires: Vec::new(),
        sites: Vec::new(),
    })
}

/// Bytes that look like nothing: no two windows are the same.
pub(crate) fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed * 2 + 1;
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

/// What came of a conversation on both sides.
pub(crate) struct Talked {
    pub(crate) client: Result<Vec<Result<Delivered>>>,
    pub(crate) site: Result<Served>,
}

impl Talked {
    /// Both sides came to the end, and each image did.
    pub(crate) fn all(self) -> Result<Vec<Delivered>> {
        let (client, site) = self.both();
        site?;
        client
    }

    /// What each side came to: of the first image that failed, why.
    pub(crate) fn both(self) -> (Result<Vec<Delivered>>, Result<Served>) {
        let client = self.client.and_then(|all| all.into_iter().collect());
        (client, self.site)
    }
}

/// Headquarters sends the images to the repository at `path`, over these ends of a line.
pub(crate) fn talk<R, W, S, T>(
    place: &Place,
    (own, goods): (&Inventory, &[Goods]),
    path: &Path,
    (client_from, client_to): (R, W),
    (site_from, site_to): (S, T),
) -> Talked
where
    R: Read,
    W: Write,
    S: Read + Send,
    T: Write + Send,
{
    std::thread::scope(|scope| {
        let site = scope.spawn(|| serve(site_from, site_to, &place.serving()));
        let client = send(place, (own, goods), path, (client_from, client_to));
        Talked {
            client,
            site: site.join().expect("no panic"),
        }
    })
}

fn send<R: Read, W: Write>(
    place: &Place,
    (own, goods): (&Inventory, &[Goods]),
    path: &Path,
    (from, to): (R, W),
) -> Result<Vec<Result<Delivered>>> {
    let path = path.to_str().expect("text");
    let mut client = ClientSession::open(from, to, path, &place.progress)?;
    let wanted: Vec<ImageId> = goods.iter().map(|one| one.proposal.image.clone()).collect();
    client.announce(own, &wanted)?;
    let deliver =
        |one: &Goods| client.deliver(&one.proposal, &one.folder, || Ok(one.entry.clone()));
    let outcomes = goods.iter().map(deliver).collect();
    client.close()?;
    Ok(outcomes)
}
