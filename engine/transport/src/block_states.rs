//! What differs between two disks, to the block: found by `make`'s own comparison, which proves both on the way.
//!
//! Two bits a block, kept only for segments in which something differs: 4 MiB for 64 GiB.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use imgdelta_core::{
    BlockState, Bytes, Encoder, FinishParams, ImageWriter, Payload, Placement, PlainEncoder,
    Result, Unit, WriterLayout,
};
use imgdelta_delta::WINDOW;

use crate::layout::{BLOCK, SEGMENT_BLOCKS};

/// Blocks whose states share a byte.
const PER_BYTE: u64 = 4;

/// What each block of a target is over its base.
#[derive(Debug, Default)]
pub(crate) struct BlockStates {
    /// The segments in which something differs, by number.
    segments: BTreeMap<u64, Box<[u8]>>,
}

impl BlockStates {
    /// The numbers of the segments in which something differs, in order.
    pub(crate) fn segments(&self) -> impl Iterator<Item = u64> {
        self.segments.keys().copied()
    }

    /// What the `count` blocks from `first` on are; they are of one segment.
    pub(crate) fn of(&self, first: u64, count: u64) -> Vec<BlockState> {
        let states = self.segments.get(&(first / SEGMENT_BLOCKS));
        let state = |block: u64| {
            let byte = states.and_then(|states| states.get(Self::place(block).0));
            match byte.copied().unwrap_or_default() >> Self::place(block).1 & 3 {
                1 => BlockState::Zero,
                2 => BlockState::Data,
                _ => BlockState::Absent,
            }
        };
        (first..first.saturating_add(count)).map(state).collect()
    }

    fn set(&mut self, block: u64, state: BlockState) {
        let bits = match state {
            BlockState::Absent => return,
            BlockState::Zero => 1,
            BlockState::Data => 2,
        };
        let empty = || vec![0; (SEGMENT_BLOCKS / PER_BYTE) as usize].into();
        let segment = self.segments.entry(block / SEGMENT_BLOCKS);
        let (byte, shift) = Self::place(block);
        if let Some(byte) = segment.or_insert_with(empty).get_mut(byte) {
            *byte |= bits << shift;
        }
    }

    /// Which byte of its segment a block's bits are in, and where in it.
    const fn place(block: u64) -> (usize, u64) {
        let within = block % SEGMENT_BLOCKS;
        ((within / PER_BYTE) as usize, within % PER_BYTE * 2)
    }
}

/// A writer that keeps what it is told of each block, and no data.
pub(crate) struct StateKeeper {
    size: Bytes,
    states: Arc<Mutex<BlockStates>>,
}

impl StateKeeper {
    /// For a target of that size; what it is told is found behind the second part of the answer.
    pub(crate) fn new(size: Bytes) -> (Box<Self>, Arc<Mutex<BlockStates>>) {
        let states = Arc::<Mutex<BlockStates>>::default();
        let keeper = Self {
            size,
            states: Arc::clone(&states),
        };
        (Box::new(keeper), states)
    }
}

impl ImageWriter for StateKeeper {
    fn shape(&self) -> WriterLayout {
        WriterLayout {
            size: self.size,
            unit: WINDOW,
            grain: BLOCK,
            marks_zero: true,
            wants_zeros: false,
            has_ids: false,
        }
    }

    fn encoder(&self) -> Box<dyn Encoder> {
        Box::new(PlainEncoder)
    }

    fn place(
        &mut self,
        unit: &Unit<'_>,
        _payload: Payload,
        _stored: Bytes,
    ) -> Result<Option<Placement>> {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        for (block, state) in (unit.at.0 / BLOCK.0..).zip(unit.grains) {
            states.set(block, *state);
        }
        Ok(None)
    }

    fn finish(self: Box<Self>, _seal: &FinishParams) -> Result<()> {
        Ok(())
    }
}
