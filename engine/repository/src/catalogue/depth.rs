//! How many images one is read from. Records say it, and may stand in circles.

use std::collections::HashMap;

use super::{listing::Listing, record::Record};

impl Listing {
    /// How many images one is read from: itself, and those that it is linked to, one by one.
    #[must_use]
    pub fn depth(&self, record: &Record) -> usize {
        let mut depth = 1;
        let mut child = record;
        // Who stands in a circle is read from more than anybody opens.
        while let Some(parent) = child.linked_parent().and_then(|id| self.by_id(id)) {
            depth += 1;
            child = parent;
            if depth > self.len() {
                return usize::MAX;
            }
        }
        depth
    }

    /// As [`depth`](Self::depth), of all images, by their ids without regard to case.
    pub(super) fn depths(&self) -> HashMap<String, usize> {
        let mut depths: HashMap<String, usize> = HashMap::with_capacity(self.len());
        for (id, record) in &self.records {
            let mut path = vec![id.clone()];
            let mut here = record;
            let above = loop {
                let Some(parent) = here.linked_parent().and_then(|id| self.by_id(id)) else {
                    break 0;
                };
                let id = parent.id.folded();
                if let Some(depth) = depths.get(&id) {
                    break *depth;
                }
                if path.contains(&id) {
                    break usize::MAX;
                }
                path.push(id);
                here = parent;
            };
            for (id, number) in path.into_iter().rev().zip(1..) {
                depths
                    .entry(id)
                    .or_insert_with(|| above.saturating_add(number));
            }
        }
        depths
    }
}
