//! The files in which a chain's plain bytes stand: told beforehand what will be read of them, and shared where that is possible.

use std::sync::Arc;

use imgdelta_core::{Bytes, FileOffset, Source, State};

use super::{Chain, Run};

/// What is read in one go where a task is read window by window.
const READ_AT_ONCE: Bytes = Bytes::kib(64);

impl Chain {
    /// Says that these runs will be read next: see [`imgdelta_core::Source::will_read`]. What a read takes in one go anyway is not worth a word.
    pub(crate) fn will_read(&self, runs: impl Iterator<Item = Run>) {
        let mut runs = runs.peekable();
        while let Some(mut run) = runs.next() {
            while let Some(both) = runs.peek().and_then(|next| run.joined(next)) {
                run = both;
                runs.next();
            }
            if let (State::Data { file, at }, Ok(layer)) = (run.state, self.layer(run.origin))
                && run.len > READ_AT_ONCE
                && let Some(source) = layer.image.metadata().files.get(usize::from(file))
            {
                source.will_read(at, run.len);
            }
        }
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
