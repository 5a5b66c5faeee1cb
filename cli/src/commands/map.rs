//! `map`: where an image's data is, run by run.

use imgdelta_core::{Bytes, FileOffset, Kind, Result, State, VirtOffset};
use imgdelta_delta::{Cursor, Origin};
use serde::Serialize;

use super::{
    Outcome, Run,
    disk::{Disk, Named},
    writing::shown,
};
use crate::job::{self, MapDepth};

/// A run of a disk in one state.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Stretch {
    /// Where it starts on the disk.
    pub(crate) start: u64,
    /// How long it is, in bytes.
    pub(crate) length: u64,
    /// `data`, `packed`, `zero`, or `absent`: no layer says anything.
    pub(crate) state: &'static str,
    /// Which layer holds it: 0 is the image itself. Only where bytes are held.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) depth: Option<usize>,
    /// In which file, if it stands there as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) file: Option<String>,
    /// Where in that file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) offset: Option<u64>,
}

/// What is behind the runs.
#[derive(Debug, Serialize)]
pub(crate) struct Mapped {
    /// The image.
    pub(crate) image: Named,
    /// How many layers were looked at.
    pub(crate) layers: usize,
    /// How many bytes of the disk are data, packed or not.
    pub(crate) data: u64,
    /// What the user should know.
    pub(crate) notes: Vec<String>,
}

impl Outcome for Mapped {
    const SCHEMA: &'static str = "imgdelta/map/1";

    fn notes(&self) -> &[String] {
        &self.notes
    }
}

/// Goes over the disk; each run goes to `each`, in order.
pub(crate) fn map(
    job: &job::Map,
    run: &Run<'_>,
    each: &mut dyn FnMut(Stretch) -> Result<()>,
) -> Result<Mapped> {
    job::refuse_stream(&job.image.path, "an image to be mapped")?;
    run.signals.may_end_at_once(true);
    let (disk, missing) = open(job)?;
    let mut data = 0_u64;
    let mut at = VirtOffset::ZERO;
    let mut pending: Option<Piece> = None;
    let mut cursor = Cursor::over(&disk.chain);
    while at.0 < disk.chain.size().0 {
        let found = cursor.run_at(at)?;
        let piece = Piece {
            at,
            len: found.len,
            origin: found.origin,
            state: found.state,
        };
        at = at.saturating_add(found.len);
        if piece.state.holds_data() {
            data = data.saturating_add(piece.len.0);
        }
        match pending.take() {
            None => pending = Some(piece),
            Some(before) => match before.joined(&piece) {
                Some(both) => pending = Some(both),
                None => {
                    each(stretch(&disk, &before))?;
                    pending = Some(piece);
                }
            },
        }
    }
    if let Some(last) = pending {
        each(stretch(&disk, &last))?;
    }
    let mut notes = disk.notes();
    notes.extend(missing);
    Ok(Mapped {
        image: disk.named(None),
        layers: disk.chain.layers().len(),
        data,
        notes,
    })
}

/// Opens the image with its parents or without; says so if they could not be opened.
fn open(job: &job::Map) -> Result<(Disk, Option<String>)> {
    match job.depth {
        MapDepth::Layer => Ok((Disk::open_alone(&job.image)?, None)),
        MapDepth::Chain => Ok((Disk::open(&job.image)?, None)),
        MapDepth::ChainIfThere => match Disk::open(&job.image) {
            Err(error) if [Kind::Chain, Kind::Reference].contains(&error.kind()) => {
                let alone = Disk::open_alone(&job.image)?;
                Ok((
                    alone,
                    Some(format!("only the image's own layer is shown: {error}")),
                ))
            }
            disk => Ok((disk?, None)),
        },
    }
}

/// A run that may go on.
#[derive(Clone, Copy, Debug)]
struct Piece {
    at: VirtOffset,
    len: Bytes,
    origin: Origin,
    state: State,
}

impl Piece {
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

fn stretch(disk: &Disk, piece: &Piece) -> Stretch {
    let depth = match piece.origin {
        Origin::Layer(number) => Some(number),
        Origin::Zero | Origin::Below(_) => None,
    };
    let (mut file, mut offset) = (None, None);
    if let State::Data {
        file: number,
        at: FileOffset(at),
    } = piece.state
    {
        let layer = depth.and_then(|depth| disk.chain.layers().get(depth));
        let source = layer.and_then(|layer| layer.image.facts().files.get(usize::from(number)));
        file = source.and_then(|source| source.path()).map(shown);
        offset = Some(at);
    }
    Stretch {
        start: piece.at.0,
        length: piece.len.0,
        state: match piece.state {
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
