//! What the engine tells a format to write, and what the format answers.
//!
//! Work comes in *units*: aligned runs of [`WriterLayout::unit`] bytes, the disk's last one short. Many threads encode units at once;
//! then one after another, in order of address, each is placed; then its bytes may be written by any thread, at the place
//! that it was given. So the same input gives the same file for any number of threads.

use std::sync::Arc;

use crate::{Bytes, FileOffset, Result, Sink, State, VirtOffset};

/// What a writer needs to be told, and in which pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriterLayout {
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
    /// Whether ids are made from the disk's content, so that [`FinishParams::seed`] must depend on it.
    pub has_ids: bool,
}

/// One unit of the disk, as it goes to an encoder.
#[derive(Clone, Copy, Debug)]
pub struct Unit<'a> {
    /// Where it starts.
    pub at: VirtOffset,
    /// Its bytes; grains that are not data are zero in it.
    pub bytes: &'a [u8],
    /// What each grain is, in order; the last may be short.
    pub grains: &'a [BlockState],
}

/// What a writer is to say of a grain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BlockState {
    /// Nothing: the parent's bytes are right.
    Absent,
    /// That it is zero.
    Zero,
    /// Its bytes.
    Data,
}

impl From<State> for BlockState {
    fn from(state: State) -> Self {
        match state {
            State::Absent => Self::Absent,
            State::Zero => Self::Zero,
            State::Data { .. } | State::Compressed { .. } => Self::Data,
        }
    }
}

/// What an encoder made of a unit: what is to be written, and how that will be read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// Which bytes are to be written.
    pub payload: Payload,
    /// What the image will say of the unit's grains.
    pub reads_as: ReadsAs,
}

/// Which bytes of a unit are to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Payload {
    /// None: all of it is zero or absent.
    None,
    /// The unit's own bytes, as they are; in a new file only those of grains that are data.
    Plain,
    /// Fewer bytes, which decode to the unit: they stand in the encoder's output.
    Compressed,
}

/// What a child that has been written will say of the grains of a unit, as a rule over what it was told of them. Digests of a layer are
/// made of this: what a format cannot tell apart reads back alike.
///
/// Of an image without a parent only the bytes are promised: whether the zeros in it read as absent, zero or data is the format's choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReadsAs {
    /// Each grain as it was told.
    Told,
    /// Zero grains as data: the format only tells the child's own from the parent's.
    OwnAsData,
    /// All of them as data: the format tells nothing inside of the unit.
    Data,
}

impl ReadsAs {
    /// What a grain reads as that was told to be `grain`.
    #[must_use]
    pub const fn of(self, grain: BlockState) -> BlockState {
        match (self, grain) {
            (Self::Told, _) | (Self::OwnAsData, BlockState::Absent) => grain,
            (Self::OwnAsData | Self::Data, _) => BlockState::Data,
        }
    }
}

impl Encoded {
    /// A unit's own bytes, or none if no grain is data; each grain reads as it was told.
    #[must_use]
    pub fn as_told(unit: &Unit<'_>) -> Self {
        Self {
            payload: if unit.grains.contains(&BlockState::Data) {
                Payload::Plain
            } else {
                Payload::None
            },
            reads_as: ReadsAs::Told,
        }
    }

    /// What decodes to the whole unit.
    pub const COMPRESSED: Self = Self {
        payload: Payload::Compressed,
        reads_as: ReadsAs::Data,
    };
}

/// How units are compressed. What one image compressed a unit to can stand for it in another image whose coding is equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UnitCoding {
    /// The format of the compressed bytes of one unit, without anything around them: `deflate`, `zlib`, `zstd`.
    pub method: &'static str,
    /// How many bytes are compressed as a whole, and unpack to.
    pub unit: Bytes,
}

/// Turns units into what is stored. Pure, and one for each thread: it may keep buffers and a compressor's context. What it says of how a
/// unit reads is a promise that the writer keeps when it places it.
pub trait Encoder: Send {
    /// Encodes `unit`. What is compressed goes to `out`, which is empty.
    ///
    /// # Errors
    /// Host, if the compressor fails.
    fn encode(&mut self, unit: &Unit<'_>, out: &mut Vec<u8>) -> Result<Encoded>;

    /// How it compresses, where it takes what other images compressed the same way as it is; `None`: it compresses all itself.
    fn coding(&self) -> Option<UnitCoding> {
        None
    }

    /// Appends to `out` what is to be written of the whole unit at `at`, all of which is data, `packed` being what an image of the same
    /// [`coding`](Self::coding) compressed it to. False, and nothing is appended: the unit is to be encoded.
    fn adopt(&mut self, at: VirtOffset, packed: &[u8], out: &mut Vec<u8>) -> bool {
        let _ = (at, packed, out);
        false
    }

    /// How many bytes of memory it takes beside the unit: a compressor's context, and what one unit may be compressed to. Nothing where bytes
    /// are stored as they are.
    fn memory(&self) -> Bytes {
        Bytes::ZERO
    }
}

/// The encoder of formats that store bytes as they are, and say of each grain what they are told.
#[derive(Debug)]
pub struct PlainEncoder;

impl Encoder for PlainEncoder {
    fn encode(&mut self, unit: &Unit<'_>, _out: &mut Vec<u8>) -> Result<Encoded> {
        Ok(Encoded::as_told(unit))
    }
}

/// Where a unit's bytes are to be written.
#[derive(Clone, Debug)]
pub struct Placement {
    /// The file.
    pub sink: Arc<dyn Sink>,
    /// The address there.
    pub at: FileOffset,
    /// How many zero bytes must follow them: the rest of a block that the disk's end cuts.
    pub padding: Bytes,
}

/// What is known only when all has been placed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FinishParams {
    /// What ids are made of: the same for the same disk, of a child over the same base; or random if the user asked for new ids.
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
    fn shape(&self) -> WriterLayout;

    /// The shortest run of which it can say that it is zero, where it [`marks_zero`](WriterLayout::marks_zero): a power of two from the grain
    /// to the unit, aligned to itself. Zeros in a run that is not zero all over come as data.
    fn zero_run(&self) -> Bytes {
        self.shape().grain
    }

    /// An encoder for one thread.
    fn encoder(&self) -> Box<dyn Encoder>;

    /// Takes a unit into the tables and says where its payload goes; `None` if there is nothing to be written. `stored` is how many bytes
    /// the payload has: the unit's length, or that of the encoder's output.
    ///
    /// # Errors
    /// Unsupported, if the format has no room for it; Host, if the host cannot write.
    fn place(
        &mut self,
        unit: &Unit<'_>,
        payload: Payload,
        stored: Bytes,
    ) -> Result<Option<Placement>>;

    /// Writes what is left: tables, headers, footers.
    ///
    /// # Errors
    /// As [`ImageWriter::place`].
    fn finish(self: Box<Self>, seal: &FinishParams) -> Result<()>;
}
