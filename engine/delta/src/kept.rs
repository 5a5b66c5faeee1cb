//! A disk that keeps what another one has in some runs: a target of which a part is left out keeps the base's bytes there.

use std::sync::Arc;

use imgdelta_core::{
    Bytes, Extent, FileOffset, Format, Image, ImageMetadata, LayerId, Result, Source, State,
    VirtOffset,
};

use crate::chain::{Chain, Layer, Origin};

/// `disk`, but for `runs`: there it has the bytes of `base`, zeros where that one has ended. They are addresses and lengths in bytes, in order,
/// none of which overlaps another or goes beyond the end of `disk`.
///
/// # Errors
/// As [`Chain::over`].
pub fn keep(disk: &Chain, base: &Chain, runs: Vec<(VirtOffset, Bytes)>) -> Result<Chain> {
    let image: Arc<dyn Image> = Arc::new(Kept {
        facts: ImageMetadata {
            format: Format::Raw,
            variant: "kept".into(),
            size: disk.size(),
            block_size: None,
            grain: None,
            logical_sector: disk.disk().sector,
            identity: None,
            aliases: Vec::new(),
            files: vec![Arc::new(DiskBytes(base.clone()))],
            notes: Vec::new(),
            details: Vec::new(),
            snapshots: Vec::new(),
        },
        base: base.clone(),
        runs,
    });
    let id = LayerId::of(&*image);
    Chain::over(Layer::new(image, id), disk)
}

/// The layer: silent outside of its runs.
#[derive(Debug)]
struct Kept {
    facts: ImageMetadata,
    base: Chain,
    runs: Vec<(VirtOffset, Bytes)>,
}

impl Image for Kept {
    fn metadata(&self) -> &ImageMetadata {
        &self.facts
    }

    fn extent_at(&self, at: VirtOffset) -> Result<Extent> {
        let left = Bytes(self.facts.size.0.saturating_sub(at.0));
        let end = |run: &(VirtOffset, Bytes)| run.0.saturating_add(run.1);
        let next = self.runs.partition_point(|run| end(run) <= at);
        let (len, state) = match self.runs.get(next) {
            None => (left, State::Absent),
            Some((start, _)) if *start > at => (start.since(at), State::Absent),
            Some(run) if at.0 >= self.base.size().0 => (end(run).since(at), State::Zero),
            Some(run) => {
                let there = self.base.run_at(at)?;
                let state = match there.origin {
                    Origin::Zero | Origin::Below(_) => State::Zero,
                    Origin::Layer(_) => State::Data {
                        file: 0,
                        at: FileOffset(at.0),
                    },
                };
                (there.len.min(end(run).since(at)), state)
            }
        };
        let len = len.min(left);
        Ok(Extent { at, len, state })
    }
}

/// A disk as a file: what stands at an address of it stands there in the file.
#[derive(Debug)]
struct DiskBytes(Chain);

impl Source for DiskBytes {
    fn len(&self) -> Bytes {
        self.0.size()
    }

    fn read_at(&self, at: FileOffset, buf: &mut [u8]) -> Result<()> {
        self.0.read_at(VirtOffset(at.0), buf)
    }
}

#[cfg(test)]
mod tests {
    use imgdelta_core::MemSource;
    use proptest::prelude::*;

    use super::*;

    /// A whole disk in memory.
    #[derive(Debug)]
    struct Plain(ImageMetadata);

    impl Image for Plain {
        fn metadata(&self) -> &ImageMetadata {
            &self.0
        }

        fn extent_at(&self, at: VirtOffset) -> Result<Extent> {
            let len = Bytes(self.0.size.0 - at.0);
            let at_file = FileOffset(at.0);
            let state = State::Data {
                file: 0,
                at: at_file,
            };
            Ok(Extent { at, len, state })
        }
    }

    fn disk(bytes: Vec<u8>) -> Chain {
        let image: Arc<dyn Image> = Arc::new(Plain(ImageMetadata {
            format: Format::Raw,
            variant: String::new(),
            size: Bytes::from(bytes.len()),
            block_size: None,
            grain: None,
            logical_sector: Bytes(512),
            identity: None,
            aliases: Vec::new(),
            files: vec![Arc::new(MemSource(bytes))],
            notes: Vec::new(),
            details: Vec::new(),
            snapshots: Vec::new(),
        }));
        let id = LayerId::of(&*image);
        Chain::new(vec![Layer::new(image, id)]).expect("a layer")
    }

    proptest! {
        #[test]
        fn it_is_the_base_in_the_runs_and_the_disk_elsewhere(
            size in 1_usize..400,
            base in 1_usize..400,
            cuts in proptest::collection::btree_set(0_u64..400, 0..10),
            at in 0_usize..400,
        ) {
            let cuts: Vec<u64> = cuts.into_iter().map(|cut| cut.min(size as u64)).collect();
            let (pairs, _) = cuts.as_chunks::<2>();
            let runs: Vec<_> = pairs
                .iter()
                .filter(|[start, end]| start < end)
                .map(|[start, end]| (VirtOffset(*start), Bytes(end - start)))
                .collect();
            let model: Vec<u8> = (0..size as u64)
                .map(|at| match runs.iter().any(|(start, len)| (start.0..start.0 + len.0).contains(&at)) {
                    true if at < base as u64 => 2,
                    true => 0,
                    false => 1,
                })
                .collect();
            let kept = keep(&disk(vec![1; size]), &disk(vec![2; base]), runs).expect("a layer");
            prop_assert_eq!(kept.size(), Bytes::from(size));
            let at = at.min(size);
            let mut read = vec![9; size - at];
            kept.read_at(VirtOffset(at as u64), &mut read).expect("it is read");
            prop_assert_eq!(&read[..], &model[at..]);
        }
    }
}
