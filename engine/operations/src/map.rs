//! `map`: where an image's data is, run by run.

use imgdelta_core::{Bytes, FileOffset, Kind, Result, State, VirtOffset};
use imgdelta_delta::{Cursor, Origin};
use imgdelta_guest::{Owner, Owners, Run};
use imgdelta_registry::OpenSpec;
use serde::Serialize;

use crate::{
    block_owner::{Asked, BlockOwner, Owned},
    context::Context,
    disk::{Disk, DiskRef},
    output::shown,
};

/// How an image is to be mapped.
#[derive(Clone, Debug)]
pub struct Map {
    image: OpenSpec,
    layers: MapLayers,
    files: bool,
}

/// Which layers a map shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum MapLayers {
    /// All of them, if the parents are there; else the image's own, with a note.
    #[default]
    ChainIfThere,
    /// All of them, or it fails.
    Chain,
    /// The image's own.
    Own,
}

/// A run of a disk in one state.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct MappedRun {
    /// Where it starts on the disk.
    pub start: u64,
    /// How long it is, in bytes.
    pub length: u64,
    /// `data`, `packed`, `zero`, or `absent`: no layer says anything.
    pub state: &'static str,
    /// Which layer holds it: 0 is the image itself. Only where bytes are held.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub depth: Option<usize>,
    /// In which file, if it stands there as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Where in that file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// Whose the bytes are, if that was asked for. Only where bytes are held.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<BlockOwner>,
}

/// What is behind the runs.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct MapReport {
    /// The image.
    pub image: DiskRef,
    /// How many layers were looked at.
    pub layers: usize,
    /// How many bytes of the disk are data, packed or not.
    pub data: u64,
    /// What the user should know.
    pub notes: Vec<String>,
}

impl Map {
    /// The disk of an image, with its parents if they are there.
    #[must_use]
    pub const fn new(image: OpenSpec) -> Self {
        Self {
            image,
            layers: MapLayers::ChainIfThere,
            files: false,
        }
    }

    /// Whether runs that hold bytes are cut by the file, or what else, that they belong to on the disk of the whole chain.
    #[must_use]
    pub const fn files(mut self, files: bool) -> Self {
        self.files = files;
        self
    }

    /// Which layers are shown.
    #[must_use]
    pub const fn layers(mut self, layers: MapLayers) -> Self {
        self.layers = layers;
        self
    }

    /// Goes over the disk; each run goes to `each`, in order of address, neighbours of one kind as one.
    ///
    /// # Errors
    /// Those of the images and of `each`; Interrupted.
    pub fn run(
        &self,
        context: &Context,
        each: &mut dyn FnMut(MappedRun) -> Result<()>,
    ) -> Result<MapReport> {
        let (disk, missing) = self.open()?;
        let owned = match self.files {
            true => Some(self.owners(&disk, context)?),
            false => None,
        };
        let mut data = 0_u64;
        walk(&disk, context, &mut |run| {
            if !run.state.holds_data() {
                return each(mapped(&disk, &run, None));
            }
            data = data.saturating_add(run.len.0);
            match &owned {
                None => each(mapped(&disk, &run, None)),
                Some(owned) => run.cut(&owned.owners, &mut |piece, owner| {
                    each(mapped(&disk, &piece, Some(owner)))
                }),
            }
        })?;
        let mut notes = disk.notes();
        notes.extend(missing);
        if let Some(owned) = &owned {
            notes.extend_from_slice(owned.owners.notes());
            disk.chain.prove_unchanged()?;
        }
        Ok(MapReport {
            image: disk.named(None),
            layers: disk.chain.layers().len(),
            data,
            notes,
        })
    }

    /// Who owns what of the runs that hold bytes. File systems are read from the whole chain, whichever layers are shown.
    fn owners(&self, disk: &Disk, context: &Context) -> Result<Owned> {
        let mut asked = Asked::default();
        walk(disk, context, &mut |run| {
            if run.state.holds_data() {
                asked.push(run.at.0, run.len.0);
            }
            Ok(())
        })?;
        match self.layers {
            MapLayers::Own => Owned::of(&Disk::open(&self.image)?.chain, &asked.runs),
            _ => Owned::of(&disk.chain, &asked.runs),
        }
    }

    /// Opens the image with its parents or without; says so if they could not be opened.
    fn open(&self) -> Result<(Disk, Option<String>)> {
        match self.layers {
            MapLayers::Own => Ok((Disk::open_alone(&self.image)?, None)),
            MapLayers::Chain => Ok((Disk::open(&self.image)?, None)),
            MapLayers::ChainIfThere => match Disk::open(&self.image) {
                Err(error) if [Kind::Chain, Kind::Reference].contains(&error.kind()) => {
                    let alone = Disk::open_alone(&self.image)?;
                    let note = format!("only the image's own layer is shown: {error}");
                    Ok((alone, Some(note)))
                }
                disk => Ok((disk?, None)),
            },
        }
    }
}

/// Goes over a disk; neighbours of one kind are told as one.
fn walk(disk: &Disk, context: &Context, each: &mut dyn FnMut(Pending) -> Result<()>) -> Result<()> {
    let mut at = VirtOffset::ZERO;
    let mut pending: Option<Pending> = None;
    let mut cursor = Cursor::over(&disk.chain);
    while at.0 < disk.chain.size().0 {
        context.progress().go_on()?;
        let found = cursor.run_at(at)?;
        let run = Pending {
            at,
            len: found.len,
            origin: found.origin,
            state: found.state,
        };
        at = at.saturating_add(found.len);
        pending = match pending.take() {
            None => Some(run),
            Some(before) => match before.joined(&run) {
                Some(both) => Some(both),
                None => {
                    each(before)?;
                    Some(run)
                }
            },
        };
    }
    pending.map_or(Ok(()), each)
}

/// A run that may go on.
#[derive(Clone, Copy, Debug)]
struct Pending {
    at: VirtOffset,
    len: Bytes,
    origin: Origin,
    state: State,
}

impl Pending {
    /// Both as one, if they are in the same state, from the same layer, and go on in its file, or are compressed both.
    fn joined(&self, next: &Self) -> Option<Self> {
        let is_compressed = |state| matches!(state, State::Compressed { .. });
        let goes_on = self.origin == next.origin
            && (next.state == self.state.moved(self.len)
                || is_compressed(self.state) && is_compressed(next.state));
        goes_on.then(|| Self {
            len: Bytes(self.len.0.saturating_add(next.len.0)),
            ..*self
        })
    }

    /// Cuts it by who owns what; neighbours of one owner are told as one.
    fn cut(&self, owners: &Owners, each: &mut dyn FnMut(Self, &Owner) -> Result<()>) -> Result<()> {
        let mut pieces: Vec<(Run, &Owner)> = Vec::new();
        owners.each(
            Run::new(self.at.0, self.len.0),
            &mut |piece, owner| match pieces.last_mut() {
                Some((last, same)) if *same == owner => {
                    last.len.0 = last.len.0.saturating_add(piece.len.0);
                }
                _ => pieces.push((piece, owner)),
            },
        );
        pieces.into_iter().try_for_each(|(run, owner)| {
            let piece = Self {
                at: run.start,
                len: run.len,
                origin: self.origin,
                state: self.state.moved(run.start.since(self.at)),
            };
            each(piece, owner)
        })
    }
}

fn mapped(disk: &Disk, run: &Pending, owner: Option<&Owner>) -> MappedRun {
    let depth = match run.origin {
        Origin::Layer(number) => Some(number),
        Origin::Zero | Origin::Below(_) => None,
    };
    let (mut file, mut offset) = (None, None);
    if let State::Data {
        file: number,
        at: FileOffset(at),
    } = run.state
    {
        let layer = depth.and_then(|depth| disk.chain.layers().get(depth));
        let source = layer.and_then(|layer| layer.image.metadata().files.get(usize::from(number)));
        file = source.and_then(|source| source.path()).map(shown);
        offset = Some(at);
    }
    MappedRun {
        start: run.at.0,
        length: run.len.0,
        state: match run.state {
            State::Absent => "absent",
            State::Zero => "zero",
            State::Data { .. } => "data",
            State::Compressed { .. } => "packed",
        },
        depth,
        file,
        offset,
        owner: owner.map(BlockOwner::from),
    }
}
