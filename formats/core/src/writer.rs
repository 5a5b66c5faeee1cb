//! What the engine tells a format to write, and what the format answers.
//!
//! Work comes in *units*: aligned runs of [`Shape::unit`] bytes, the disk's last one short. Many threads pack units at once;
//! then one after another, in order of address, each is placed; then its bytes may be written by any thread, at the place
//! that it was given. So the same input gives the same file for any number of threads.

use std::sync::Arc;

use crate::{Bytes, FileOffset, Result, Sink, State, VirtOffset};

/// What a writer needs to be told, and in which pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The size of the disk that is written.
    pub size: Bytes,
    /// The piece in which the engine hands the disk over: a power of two from 512 bytes to 2 MiB. A format whose blocks are larger is
    /// told of a block in several units.
    pub unit: Bytes,
    /// The finest run that the format can tell from its parent: a power of two that divides the unit. The same as the unit where
    /// there is no parent.
    pub grain: Bytes,
    /// Whether the format can say of a grain, or of a [longer run](ImageWriter::zero_run), that it is zero and hides the parent. If
    /// not, zeros over a parent come as data.
    pub marks_zero: bool,
    /// Whether units that are zero are placed too although there is no parent (fixed images on devices, streams).
    pub wants_zeros: bool,
    /// Whether ids are made from the disk's content, so that [`Seal::seed`] must depend on it.
    pub has_ids: bool,
}

/// One unit of the disk, as it goes to a encoder.
#[derive(Clone, Copy, Debug)]
pub struct Unit<'a> {
    /// Where it starts.
    pub at: VirtOffset,
    /// Its bytes; grains that are not data are zero in it.
    pub bytes: &'a [u8],
    /// What each grain is, in order; the last may be short.
    pub grains: &'a [Grain],
}

/// What a writer is to say of a grain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Grain {
    /// Nothing: the parent's bytes are right.
    Absent,
    /// That it is zero.
    Zero,
    /// Its bytes.
    Data,
}

impl From<State> for Grain {
    fn from(state: State) -> Self {
        match state {
            State::Absent => Self::Absent,
            State::Zero => Self::Zero,
            State::Data { .. } | State::Compressed { .. } => Self::Data,
        }
    }
}

/// A unit after packing: what is to be placed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Encoded {
    /// Nothing but zero, or zero and absent: no bytes are to be written.
    Empty,
    /// The unit's own bytes, as they are.
    Plain,
    /// Fewer bytes that unpack to the unit: they stand in the encoder's output.
    Small,
}

/// Turns units into what is stored. Pure, and one for each thread: it may keep buffers and a compressor's context.
pub trait Encoder: Send {
    /// Packs `unit`. What is smaller than the unit goes to `out`, which is empty.
    ///
    /// # Errors
    /// Host, if the compressor fails.
    fn encode(&mut self, unit: &Unit<'_>, out: &mut Vec<u8>) -> Result<Encoded>;

    /// How many bytes of memory it takes beside the unit: a compressor's context, and what one unit may be compressed to. Nothing where bytes
    /// are stored as they are.
    fn memory(&self) -> Bytes {
        Bytes::ZERO
    }
}

/// The encoder of formats that store bytes as they are.
#[derive(Debug)]
pub struct PlainEncoder;

impl Encoder for PlainEncoder {
    fn encode(&mut self, unit: &Unit<'_>, _out: &mut Vec<u8>) -> Result<Encoded> {
        Ok(if unit.grains.contains(&Grain::Data) {
            Encoded::Plain
        } else {
            Encoded::Empty
        })
    }
}

/// Where a unit's bytes are to be written.
#[derive(Clone, Debug)]
pub struct Placed {
    /// The file.
    pub sink: Arc<dyn Sink>,
    /// The address there.
    pub at: FileOffset,
    /// How many zero bytes must follow them: the rest of a block that the disk's end cuts.
    pub padding: Bytes,
}

/// What is known only when all has been placed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seal {
    /// What ids are made of: the same for the same disk, or random if the user asked for new ids.
    pub seed: [u8; 32],
    /// The time stamp to record, in seconds since 1970: `SOURCE_DATE_EPOCH`, else `None`.
    pub time: Option<u64>,
}

/// Writes one image.
///
/// Addresses only grow. A unit is placed at most once; units that are never placed are absent where there is a parent, else zero.
/// Writers write their tables through their sinks; the caller makes the files durable and gives them their names.
pub trait ImageWriter: Send {
    /// What it needs to be told.
    fn shape(&self) -> Shape;

    /// The shortest run of which it can say that it is zero, where it [`marks_zero`](Shape::marks_zero): a power of two from the grain
    /// to the unit, aligned to itself. Zeros in a run that is not zero all over come as data.
    fn zero_run(&self) -> Bytes {
        self.shape().grain
    }

    /// A encoder for one thread.
    fn encoder(&self) -> Box<dyn Encoder>;

    /// Takes a unit into the tables and says where its bytes go; `None` if there are none to be written. `stored` is how many
    /// there are: the unit's length, or that of the encoder's output.
    ///
    /// # Errors
    /// Unsupported, if the format has no room for it; Host, if the host cannot write.
    fn place(&mut self, unit: &Unit<'_>, packed: &Encoded, stored: Bytes)
    -> Result<Option<Placed>>;

    /// Writes what is left: tables, headers, footers.
    ///
    /// # Errors
    /// As [`ImageWriter::place`].
    fn finish(self: Box<Self>, seal: &Seal) -> Result<()>;
}
