//! `map`: where an image's data is, run by run.

use imgdelta_core::{Bytes, FileOffset, Kind, Result, State, VirtOffset};
use imgdelta_delta::{Cursor, Origin};
use imgdelta_registry::OpenSpec;
use serde::Serialize;

use crate::{
    context::Context,
    disk::{Disk, DiskRef},
    output::shown,
};

/// How an image is to be mapped.
#[derive(Clone, Debug)]
pub struct Map {
    image: OpenSpec,
    layers: MapLayers,
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
        }
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
        let mut data = 0_u64;
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
            if run.state.holds_data() {
                data = data.saturating_add(run.len.0);
            }
            pending = match pending.take() {
                None => Some(run),
                Some(before) => match before.joined(&run) {
                    Some(both) => Some(both),
                    None => {
                        each(mapped(&disk, &before))?;
                        Some(run)
                    }
                },
            };
        }
        if let Some(last) = pending {
            each(mapped(&disk, &last))?;
        }
        let mut notes = disk.notes();
        notes.extend(missing);
        Ok(MapReport {
            image: disk.named(None),
            layers: disk.chain.layers().len(),
            data,
            notes,
        })
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
}

fn mapped(disk: &Disk, run: &Pending) -> MappedRun {
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
    }
}
