//! A layer in memory: some blocks of a disk as they are to be, silent everywhere else.

use std::{collections::BTreeMap, sync::Arc};

use imgdelta_core::{
    Bytes, Extent, FileOffset, Format, Image, ImageMetadata, LayerId, MemSource, Result, State,
    VirtOffset,
};

use super::Sectors;
use crate::chain::{Chain, Layer};

/// The layer.
#[derive(Debug)]
struct Overlay {
    facts: ImageMetadata,
    /// The bytes of a block.
    sector: u64,
    /// What stands in each block that is not silent.
    states: BTreeMap<u64, State>,
}

/// `disk` with the blocks `sectors`, of `sector` bytes each, over it.
pub(super) fn over(disk: &Chain, sector: u64, sectors: Sectors) -> Result<Chain> {
    let mut bytes = Vec::new();
    let states = sectors
        .into_iter()
        .map(|(number, block)| {
            let state = match block {
                None => State::Zero,
                Some(block) => {
                    let at = FileOffset(bytes.len() as u64);
                    bytes.extend(block);
                    State::Data { file: 0, at }
                }
            };
            (number, state)
        })
        .collect();
    let image: Arc<dyn Image> = Arc::new(Overlay {
        facts: ImageMetadata {
            format: Format::Raw,
            variant: "partition table".into(),
            size: disk.size(),
            block_size: None,
            grain: None,
            logical_sector: disk.disk().sector,
            identity: None,
            aliases: Vec::new(),
            files: vec![Arc::new(MemSource(bytes))],
            notes: Vec::new(),
            details: Vec::new(),
            snapshots: Vec::new(),
        },
        sector,
        states,
    });
    let id = LayerId::of(&*image);
    Chain::over(Layer::new(image, id), disk)
}

impl Image for Overlay {
    fn metadata(&self) -> &ImageMetadata {
        &self.facts
    }

    fn extent_at(&self, at: VirtOffset) -> Result<Extent> {
        let left = Bytes(self.facts.size.0.saturating_sub(at.0));
        let (number, inside) = (at.0 / self.sector, at.0 % self.sector);
        let (state, end) = match self.states.get(&number) {
            Some(state) => (state.moved(Bytes(inside)), Some(number.saturating_add(1))),
            None => {
                let next = self.states.range(number..).next();
                (State::Absent, next.map(|(number, _)| *number))
            }
        };
        let end = end.map_or(VirtOffset(u64::MAX), |end| {
            VirtOffset(end.saturating_mul(self.sector))
        });
        Ok(Extent {
            at,
            len: end.since(at).min(left),
            state,
        })
    }
}
