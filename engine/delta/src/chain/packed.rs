//! Units that a layer has compressed, for who can store them as they are.

use imgdelta_core::{Image, State, UnitCoding};

use super::{Chain, Run};

impl Chain {
    /// The layer that compressed all of a run, and nothing else with it, to one unit of this coding; `None`: there is no such layer.
    pub(crate) fn packed_by(&self, run: &Run, coding: UnitCoding) -> Option<&dyn Image> {
        let State::Compressed { unit, .. } = run.state else {
            return None;
        };
        let image = &*self.layer(run.origin).ok()?.image;
        let is_whole = unit == run.at && run.len == coding.unit;
        (is_whole && image.coding() == Some(coding)).then_some(image)
    }
}
