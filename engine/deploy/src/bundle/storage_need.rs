//! How much space images take at a site: a lower bound, which is certain, and an estimate of the most.
//!
//! Clusters that were compressed for the way take no less where they are stored uncompressed, and a window of 64 KiB that is not zero takes a block of
//! 4 KiB at least. Where the base may be cloned, nothing is certain.

use imgdelta_core::{Bytes, Format};
use imgdelta_repository::{
    calls::PlanLeg,
    planning::{BESIDE, Transfer},
};

use super::{entry::BundleEntry, store_options::StoreOptions};
use crate::space::SpaceNeed;

/// How much of a window that is not zero must be written at least: one block of 4 KiB.
const BLOCKS_IN_WINDOW: u64 = 16;

/// How many times smaller than a packed child a transport file may well be, for it takes from the base what stands elsewhere there.
const MORE_PACKED: u64 = 4;

/// What tables and headers of a packed image take at most, beside an eighth of it.
const TABLES: Bytes = Bytes::mib(1);

/// How an image gets to a site and is kept there, as far as its space is concerned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StorageEstimate<'a> {
    /// In which form images are kept.
    pub(crate) store: &'a StoreOptions,
    /// The format of images there that are stored whole.
    pub(crate) default_format: Format,
}

/// An image on its way, as it is planned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlannedTransfer {
    /// How much of it is not zero.
    pub(crate) data: Bytes,
    /// The estimate of what is sent.
    pub(crate) bytes: Bytes,
    /// Whether it comes as a difference.
    pub(crate) has_base: bool,
    /// Whether it is not kept.
    pub(crate) is_step: bool,
}

impl From<&Transfer> for PlannedTransfer {
    fn from(leg: &Transfer) -> Self {
        Self {
            data: leg.choice.whole,
            bytes: leg.bytes,
            has_base: leg.from.base().is_some(),
            is_step: leg.is_step,
        }
    }
}

impl From<&PlanLeg> for PlannedTransfer {
    fn from(leg: &PlanLeg) -> Self {
        Self {
            data: Bytes(leg.whole),
            bytes: Bytes(leg.bytes),
            has_base: leg.base.is_some(),
            is_step: leg.is_step,
        }
    }
}

impl StorageEstimate<'_> {
    /// Whether most of an image with a base may be a clone of that, or need not be written.
    fn may_share(&self) -> bool {
        self.store.as_child || self.store.format.unwrap_or(self.default_format) == Format::Raw
    }

    /// What is kept of an image that travels in so many bytes, with so much data that is not zero.
    pub(crate) fn image(&self, data: Bytes, bytes: Bytes, has_base: bool) -> SpaceNeed {
        let is_shared = has_base && self.may_share();
        let least = Bytes(if is_shared {
            0
        } else {
            data.0 / BLOCKS_IN_WINDOW
        });
        let most = if is_shared && self.store.as_child {
            data.min(Bytes(bytes.0.saturating_mul(2)))
        } else {
            data
        };
        SpaceNeed::of_file(least, Bytes(most.0.saturating_add(BESIDE.0)))
    }

    /// What all of them take there: what is kept, and the largest of what lies there while it is made into that.
    pub(crate) fn legs(&self, legs: impl Iterator<Item = PlannedTransfer>) -> SpaceNeed {
        let (mut storage, mut passing) = (SpaceNeed::default(), Bytes::ZERO);
        for leg in legs {
            passing = passing.max(leg.bytes);
            if !leg.is_step {
                storage = storage.and(self.image(leg.data, leg.bytes, leg.has_base));
            }
        }
        storage.and(SpaceNeed::of_file(Bytes::ZERO, passing))
    }

    /// What is kept of an entry whose files are here.
    pub(crate) fn entry(&self, entry: &BundleEntry) -> SpaceNeed {
        let (length, data) = (
            entry.file.length,
            entry.data.map_or(0, |data| data.min(entry.size)),
        );
        let has_base = entry.base.is_some();
        let packed = match (entry.file_format(), has_base) {
            (Format::Qcow2 | Format::Transport, true) => length / BLOCKS_IN_WINDOW,
            (Format::Qcow2, false) => {
                let tables = (length / 8).saturating_add(entry.size >> 13);
                length.saturating_sub(tables.saturating_add(TABLES.0))
            }
            _ => 0,
        };
        let packed_by = match entry.file_format() {
            Format::Transport => MORE_PACKED,
            _ => 1,
        };
        let bytes = Bytes(entry.bytes().saturating_mul(packed_by));
        let need = self.image(Bytes(data), bytes, has_base);
        let least = need.least.max(Bytes(packed));
        // What is not known to be more is not warned of.
        let most = entry.data.map_or(least, |_| need.most.max(least));
        SpaceNeed::of_file(least, most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_do_not_overflow_and_a_shared_base_is_not_counted() {
        let huge = SpaceNeed::exactly(Bytes(u64::MAX));
        assert_eq!(huge.and(huge).least, Bytes(u64::MAX));
        let storage = |as_child, format| StoreOptions {
            as_child,
            format,
            ..StoreOptions::default()
        };
        let least = |store: &StoreOptions, has_base| {
            let default_format = Format::Qcow2;
            let storage = StorageEstimate {
                store,
                default_format,
            };
            storage
                .image(Bytes::mib(16), Bytes::kib(64), has_base)
                .least
        };
        assert_eq!(least(&storage(false, None), true), Bytes::mib(1));
        assert_eq!(least(&storage(true, None), true), Bytes::ZERO);
        assert_eq!(least(&storage(true, None), false), Bytes::mib(1));
        assert_eq!(least(&storage(false, Some(Format::Raw)), true), Bytes::ZERO);
    }
}
