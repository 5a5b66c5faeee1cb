//! The files in which a chain's plain bytes stand: told beforehand what will be read of them, and shared where that is possible.

use std::sync::Arc;

use imgdelta_core::{Bytes, FileOffset, Result, Source, State};

use super::{Chain, Origin, Run};

/// What is read in one go where a task is read window by window.
const READ_AT_ONCE: Bytes = Bytes::kib(64);

/// From this size of a block on the host is asked which part of it is a hole: writers fill a part of such a block, and leave the rest.
const ASKED_FOR_HOLES: Bytes = Bytes::mib(1);

/// Where what is to be read of a run, or of several that lie side by side, stands in a file.
struct Stored {
    origin: Origin,
    file: u16,
    at: FileOffset,
    len: Bytes,
}

impl Stored {
    /// What compressed units take is known only roughly, and they stand in an image's first file.
    const fn of(run: &Run) -> Option<Self> {
        let (file, at, len) = match run.state {
            State::Data { file, at } => (file, at, run.len),
            State::Compressed { at, len, .. } => (0, at, len),
            State::Absent | State::Zero => return None,
        };
        Some(Self {
            origin: run.origin,
            file,
            at,
            len,
        })
    }

    const fn end(&self) -> FileOffset {
        self.at.saturating_add(self.len)
    }

    /// Whether the other one begins in this or not far behind it.
    fn goes_on_with(&self, next: &Self) -> bool {
        let is_beside = self.at <= next.at && next.at <= self.end().saturating_add(READ_AT_ONCE);
        is_beside
            && (self.origin, self.file) == (next.origin, next.file)
            && self.end() <= next.end()
    }
}

impl Chain {
    /// Says that these runs will be read next: see [`imgdelta_core::Source::will_read`]. What a read takes in one go anyway is not worth a word.
    pub(crate) fn will_read(&self, runs: impl Iterator<Item = Run>) {
        let mut next: Option<Stored> = None;
        for stored in runs.filter_map(|run| Stored::of(&run)) {
            match &mut next {
                Some(last) if last.goes_on_with(&stored) => last.len = stored.end().since(last.at),
                _ => {
                    self.announce(next.replace(stored));
                }
            }
        }
        self.announce(next);
    }

    fn announce(&self, stored: Option<Stored>) {
        if let Some(stored) = stored
            && stored.len > READ_AT_ONCE
            && let Ok(layer) = self.layer(stored.origin)
            && let Some(source) = layer.image.metadata().files.get(usize::from(stored.file))
        {
            source.will_read(stored.at, stored.len);
        }
    }

    /// The first part of a run that its file either stores throughout or has as one hole, which is zero without being read. Large blocks alone are
    /// looked at: what small ones leave out costs less to read than to ask for.
    ///
    /// # Errors
    /// Host, if the host cannot tell.
    pub(super) fn stored_part(&self, run: Run) -> Result<Run> {
        let State::Data { file, at } = run.state else {
            return Ok(run);
        };
        let Ok(layer) = self.layer(run.origin) else {
            return Ok(run);
        };
        let metadata = layer.image.metadata();
        let block = metadata.block_size.unwrap_or(Bytes::ZERO);
        let Some(source) = metadata.files.get(usize::from(file)) else {
            return Ok(run);
        };
        if block < ASKED_FOR_HOLES || run.len <= READ_AT_ONCE {
            return Ok(run);
        }
        let stored = source.stored_at(at)?;
        let len = Bytes(stored.end.0.saturating_sub(at.0)).min(run.len);
        if len == Bytes::ZERO {
            // Behind the file's end: whoever reads it says so.
            return Ok(run);
        }
        let (origin, state) = if stored.is_data {
            (run.origin, run.state)
        } else {
            (Origin::Zero, State::Zero)
        };
        Ok(Run {
            len,
            origin,
            state,
            ..run
        })
    }

    /// The file in which a run's bytes stand as they are, and where they start in it; `None` of any other run.
    pub(crate) fn stands_at(&self, run: &Run) -> Option<(Arc<dyn Source>, FileOffset)> {
        let State::Data { file, at } = run.state else {
            return None;
        };
        let layer = self.layer(run.origin).ok()?;
        let file = layer.image.metadata().files.get(usize::from(file))?;
        Some((Arc::clone(file), at))
    }
}
