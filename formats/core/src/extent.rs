//! What a layer says of each run of its disk.

use crate::{Bytes, FileOffset, VirtOffset};

/// What a layer says of a run.
///
/// `Absent` is not `Zero`. Absent: this layer is silent, ask the next one. Zero: this layer says zero and hides
/// what lies below. Chains are right exactly when this distinction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// The layer is silent: the parent answers, and without a parent it is zero.
    Absent,
    /// The layer says zero, whatever the parent holds.
    Zero,
    /// The bytes stand as they are in one of the image's files.
    Data {
        /// Which of the image's files: an index into [`ImageMetadata::files`](crate::ImageMetadata::files).
        file: u16,
        /// Where the run starts there.
        at: FileOffset,
    },
    /// The bytes stand in the image's file, compressed: all that is needed to decode them without another look at a table.
    Compressed {
        /// The first guest byte of the unit that was compressed as a whole. The run is a part of it.
        unit: VirtOffset,
        /// Where what it was compressed to starts.
        at: FileOffset,
        /// How many bytes that takes at most; nothing where only the bytes themselves say it.
        len: Bytes,
    },
}

impl State {
    /// Whether the layer has bytes of its own here.
    #[must_use]
    pub const fn holds_data(self) -> bool {
        matches!(self, Self::Data { .. } | Self::Compressed { .. })
    }

    /// This state `by` bytes further on: the place of plain data moves along; a compressed unit stays where it is.
    #[must_use]
    pub const fn moved(self, by: Bytes) -> Self {
        match self {
            Self::Data { file, at } => Self::Data {
                file,
                at: at.saturating_add(by),
            },
            other => other,
        }
    }
}

/// A run of a disk in one state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Extent {
    /// Where it starts, on the guest's side.
    pub at: VirtOffset,
    /// How long it is; never nothing.
    pub len: Bytes,
    /// What the layer says of it.
    pub state: State,
}

impl Extent {
    /// The first address behind it.
    #[must_use]
    pub const fn end(&self) -> VirtOffset {
        self.at.saturating_add(self.len)
    }

    /// The part from `at` on, at most `len` long. `at` must lie inside.
    #[must_use]
    pub fn part(&self, at: VirtOffset, len: Bytes) -> Self {
        let skipped = at.since(self.at);
        let left = Bytes(self.len.0.saturating_sub(skipped.0));
        Self {
            at,
            len: left.min(len),
            state: self.state.moved(skipped),
        }
    }

    /// Both as one, if `next` goes on where this ends, in the guest and in the file.
    #[must_use]
    pub fn joined(&self, next: &Self) -> Option<Self> {
        let goes_on = next.at == self.end() && next.state == self.state.moved(self.len);
        goes_on.then(|| Self {
            len: Bytes(self.len.0.saturating_add(next.len.0)),
            ..*self
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extents_join_only_where_guest_and_file_go_on() {
        let data = |at, file_at| Extent {
            at: VirtOffset(at),
            len: Bytes(512),
            state: State::Data {
                file: 0,
                at: FileOffset(file_at),
            },
        };
        assert_eq!(
            data(0, 4096).joined(&data(512, 4608)).map(|e| e.len),
            Some(Bytes(1024))
        );
        assert_eq!(data(0, 4096).joined(&data(512, 8192)), None);
        assert_eq!(data(0, 4096).joined(&data(1024, 4608)), None);
    }

    #[test]
    fn a_part_keeps_its_place_in_the_file() {
        let whole = Extent {
            at: VirtOffset(1000),
            len: Bytes(100),
            state: State::Data {
                file: 1,
                at: FileOffset(7000),
            },
        };
        let part = whole.part(VirtOffset(1010), Bytes(1000));
        assert_eq!(part.len, Bytes(90));
        assert_eq!(
            part.state,
            State::Data {
                file: 1,
                at: FileOffset(7010)
            }
        );
    }
}
