//! A chain gone over in order of address.

use imgdelta_core::{Bytes, Extent, Result, VirtOffset};

use super::{Chain, Run};

/// Goes over a chain in order of address and remembers what each layer said last: in a deep chain most layers are silent for
/// long runs, and are then asked once a run instead of once a block.
#[derive(Debug)]
pub struct Cursor<'a> {
    chain: &'a Chain,
    /// What each layer said last.
    said: Vec<Option<Extent>>,
}

impl<'a> Cursor<'a> {
    /// Over `chain`.
    #[must_use]
    pub fn over(chain: &'a Chain) -> Self {
        Self {
            chain,
            said: vec![None; chain.layers.len()],
        }
    }

    /// The size of the disk.
    #[must_use]
    pub const fn size(&self) -> Bytes {
        self.chain.size()
    }

    /// As [`Chain::run_above`].
    ///
    /// # Errors
    /// As [`Chain::run_above`].
    pub fn run_above(&mut self, at: VirtOffset, floor: usize) -> Result<Run> {
        self.run_beside(at, floor, &mut SharedAnswers::default(), usize::MAX)
    }

    /// As [`run_above`](Self::run_above); what layers from `shared` on say is remembered in `answers`, for another chain that has the same
    /// ones.
    pub(crate) fn run_beside(
        &mut self,
        at: VirtOffset,
        floor: usize,
        answers: &mut SharedAnswers,
        shared: usize,
    ) -> Result<Run> {
        let said = &mut self.said;
        self.chain.run_asking(at, (0, floor), |number, layer| {
            let place = match number.checked_sub(shared) {
                Some(number) => answers.0.get_mut(number),
                None => said.get_mut(number),
            };
            match place {
                Some(Some(last)) if last.at <= at && at < last.end() => Ok(last.part(at, last.len)),
                place => {
                    let extent = layer.image.extent_at(at)?;
                    if let Some(place) = place {
                        *place = Some(extent);
                    }
                    Ok(extent)
                }
            }
        })
    }

    /// As [`run_beside`](Self::run_beside), but no further than the run's file stores bytes for it, and zero where that has a hole.
    pub(crate) fn stored_beside(
        &mut self,
        at: VirtOffset,
        floor: usize,
        answers: &mut SharedAnswers,
        shared: usize,
    ) -> Result<Run> {
        let run = self.run_beside(at, floor, answers, shared)?;
        self.chain.stored_part(run)
    }

    /// As [`Chain::run_at`].
    ///
    /// # Errors
    /// As [`Chain::run_above`].
    pub fn run_at(&mut self, at: VirtOffset) -> Result<Run> {
        self.run_above(at, self.chain.layers.len())
    }
}

/// What layers that two chains have in common said last.
#[derive(Debug, Default)]
pub(crate) struct SharedAnswers(Vec<Option<Extent>>);

impl SharedAnswers {
    /// Of so many layers.
    pub(crate) fn of(layers: usize) -> Self {
        Self(vec![None; layers])
    }
}
