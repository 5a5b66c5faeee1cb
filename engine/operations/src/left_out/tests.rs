use std::sync::Arc;

use imgdelta_core::{Extent, FileOffset, Format, Image, ImageMetadata, LayerId, MemSource, State};
use imgdelta_delta::Layer;

use super::*;

/// A layer that says of each of its bytes whether it is absent, zero or data.
#[derive(Debug)]
struct Said {
    facts: ImageMetadata,
    states: Vec<State>,
}

impl Image for Said {
    fn metadata(&self) -> &ImageMetadata {
        &self.facts
    }

    fn extent_at(&self, at: VirtOffset) -> Result<Extent> {
        let rest = &self.states[at.0 as usize..];
        let alike =
            |state: &&State| std::mem::discriminant(*state) == std::mem::discriminant(&rest[0]);
        let len = Bytes(rest.iter().take_while(alike).count() as u64);
        let state = rest[0].moved(Bytes::ZERO);
        Ok(Extent { at, len, state })
    }
}

const DATA: u8 = 2;

fn layer(states: &[u8]) -> Layer {
    let state = |(at, state): (usize, &u8)| match state {
        0 => State::Absent,
        1 => State::Zero,
        _ => State::Data {
            file: 0,
            at: FileOffset(at as u64),
        },
    };
    let image: Arc<dyn Image> = Arc::new(Said {
        states: states.iter().enumerate().map(state).collect(),
        facts: ImageMetadata {
            format: Format::Raw,
            variant: String::new(),
            size: Bytes::from(states.len()),
            block_size: None,
            grain: None,
            logical_sector: Bytes(512),
            identity: None,
            aliases: Vec::new(),
            files: vec![Arc::new(MemSource(vec![1; states.len()]))],
            notes: Vec::new(),
            details: Vec::new(),
            snapshots: Vec::new(),
        },
    });
    let id = LayerId::of(&*image);
    Layer::new(image, id)
}

/// Small numbers, the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }

    /// Runs of one state, some of them shorter than a sector.
    fn states(&mut self, len: usize) -> Vec<u8> {
        let mut states = Vec::new();
        while states.len() < len {
            let count = [100, 512, 1024, 3000][self.below(4)];
            let state = self.below(3) as u8;
            states.extend(std::iter::repeat_n(state, count));
        }
        states.truncate(len);
        states
    }
}

#[test]
fn what_is_not_known_to_be_equal_is_told_in_whole_sectors() {
    let mut random = Random(88);
    let mut passed = 0;
    for _ in 0..300 {
        let sizes = [random.below(20_000) + 1, random.below(20_000) + 1];
        let [base, target] = sizes.map(|size| random.states(size));
        // Both stand on one layer, or on none.
        let below = layer(&vec![DATA; 20_000]);
        let shares = random.below(2) == 0;
        let chain = |states: &[u8]| {
            let mut layers = vec![layer(states)];
            layers.extend(shares.then(|| below.clone()));
            Chain::new(layers).expect("a layer")
        };
        let (one, other) = (chain(&base), chain(&target));
        let start = random.below(target.len());
        let len = random.below(target.len() - start) + 1;
        let run = Run::new(start as u64, len as u64);
        let mut told = Vec::new();
        let mut pair = Pair::of(&one, &other);
        pair.unequal(run, &mut |run| told.push(run))
            .expect("it is known");
        // A byte is known to be equal if nothing stands on either side, or what both stand on.
        let equal = |at: usize| {
            let (one, other) = (base.get(at).copied(), target[at]);
            let is_zero =
                |state: Option<u8>| state.is_none_or(|state| state == 1 || state == 0 && !shares);
            let is_below = |state: Option<u8>| shares && state == Some(0);
            is_zero(one) && is_zero(Some(other)) || is_below(one) && is_below(Some(other))
        };
        let first = start.next_multiple_of(512);
        let last = (start + len) / 512 * 512;
        for sector in (first..last).step_by(512) {
            let is_told = told
                .iter()
                .any(|run| run.start.0 <= sector as u64 && sector as u64 + 512 <= run.end());
            let needs_telling = !(sector..sector + 512).all(equal);
            assert!(is_told || !needs_telling, "{sector} of {run:?}: {told:?}");
            passed += usize::from(!is_told);
        }
        let mut end = first as u64;
        for run in &told {
            assert!(run.start.0 >= end && run.len.0 > 0 && run.end() <= last as u64);
            assert!(run.start.0.is_multiple_of(512) && run.len.0.is_multiple_of(512));
            end = run.end() + 1;
        }
    }
    assert!(passed > 300, "{passed}");
}

#[test]
fn of_too_many_pieces_the_longest_are_kept() {
    let piece = |number: u64| Piece {
        run: Run::new(number * 4096, 512 + number % 7),
        volume: 1,
        why: Unneeded::Free,
    };
    let mut pieces: Vec<_> = (0..MOST as u64 + 100).map(piece).collect();
    let sum: u64 = pieces.iter().map(|piece| piece.run.len.0).sum();
    shorten(&mut pieces);
    assert_eq!(pieces.len(), MOST);
    let kept: u64 = pieces.iter().map(|piece| piece.run.len.0).sum();
    // Those that went are of the shortest kind.
    assert_eq!(sum - kept, 100 * 512);
    let parts = parts(&pieces);
    assert_eq!((parts.len(), parts[0].bytes), (1, kept));
    assert_eq!(super::sum(&pieces).free, kept);
}
