//! Runs of a chain: where the bytes of a part of its disk come from.

use imgdelta_core::{Bytes, Extent, State, VirtOffset};

/// Where a run of a disk comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It is zero, and no layer needs to be read.
    Zero,
    /// The layer of that number, the top one being 0, has it.
    Layer(usize),
    /// It is somewhere below the layers that were asked: from the one of that number on.
    Below(usize),
}

/// A run of a disk with one origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Where it starts.
    pub at: VirtOffset,
    /// How long it is; never nothing.
    pub len: Bytes,
    /// Where it comes from.
    pub origin: Origin,
    /// What that layer says of it: all that is needed to read it.
    pub state: State,
}

impl Run {
    pub(crate) const fn extent(&self) -> Extent {
        Extent {
            at: self.at,
            len: self.len,
            state: self.state,
        }
    }

    /// Both as one, if they can be read at once: `next` is the same layer's, or zero, and goes on where this ends.
    pub(super) fn joined(&self, next: &Self) -> Option<Self> {
        let goes_on = self.origin == next.origin
            && match self.origin {
                Origin::Zero | Origin::Below(_) => true,
                Origin::Layer(_) => self.extent().joined(&next.extent()).is_some(),
            };
        goes_on.then(|| Self {
            len: Bytes(self.len.0.saturating_add(next.len.0)),
            ..*self
        })
    }
}
