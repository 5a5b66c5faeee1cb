//! Content ids: a SHA-256 Merkle tree over a disk's windows, after RFC 6962, bound to the disk's size.
//!
//! Leaf: `SHA-256(0x00 || window)`; node: `SHA-256(0x01 || left || right)`; id: `SHA-256(0x02 || size, little-endian || root)`.
//! Leaves come in order. Runs of zero windows are taken from subtrees that are worked out once, so a sparse 1 TiB disk costs
//! what its data costs.

use std::{fmt, str::FromStr, sync::OnceLock};

use imgdelta_core::{Bytes, Error, Kind, Result};
use sha2::{Digest as _, Sha256};

/// The piece of a disk that one leaf stands for; a disk's last one may be short.
pub const WINDOW: Bytes = Bytes::kib(64);

/// Most nodes that a manifest keeps of a base's tree.
pub const MANIFEST_NODES: u64 = 1024;

/// A SHA-256 digest.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The leaf of a window.
    #[must_use]
    pub fn leaf(window: &[u8]) -> Self {
        Self(
            Sha256::new()
                .chain_update([0])
                .chain_update(window)
                .finalize()
                .into(),
        )
    }

    /// The node over two subtrees.
    #[must_use]
    pub fn node(left: &Self, right: &Self) -> Self {
        Self(
            Sha256::new()
                .chain_update([1])
                .chain_update(left.0)
                .chain_update(right.0)
                .finalize()
                .into(),
        )
    }

    /// The digest of the bytes themselves.
    #[must_use]
    pub fn plain(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Digest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            Error::new(
                Kind::Corrupt,
                format!("'{text}' is not a digest of 64 hex digits"),
            )
        };
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let mut digest = [0; 32];
        for (byte, pair) in digest.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| wrong())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| wrong())?;
        }
        Ok(Self(digest))
    }
}

/// What proves a disk: the same whatever the format that holds it. Written `imgdelta1:<64 hex>`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContentId(pub Digest);

impl ContentId {
    const PREFIX: &str = "imgdelta1:";

    /// The id of a disk of `size` bytes whose tree has this root.
    #[must_use]
    pub fn new(size: Bytes, root: &Digest) -> Self {
        Self(Digest(
            Sha256::new()
                .chain_update([2])
                .chain_update(size.0.to_le_bytes())
                .chain_update(root.0)
                .finalize()
                .into(),
        ))
    }

    /// The first digits, as people compare them.
    #[must_use]
    pub fn short(&self) -> String {
        let hex = self.0.to_string();
        format!("{}{}…", Self::PREFIX, hex.get(..12).unwrap_or_default())
    }
}

impl fmt::Display for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", Self::PREFIX, self.0)
    }
}

impl fmt::Debug for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for ContentId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let digits = text.strip_prefix(Self::PREFIX).ok_or_else(|| {
            Error::new(
                Kind::Corrupt,
                format!("'{text}' is not a content id: it does not begin with imgdelta1:"),
            )
        })?;
        digits.parse().map(Self)
    }
}

/// The nodes of a tree at one level: enough to say in which region two disks first differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nodes {
    /// How many windows each stands for, as a power of two; the last may stand for fewer.
    pub level: u32,
    /// The nodes, in order of address.
    pub nodes: Vec<Digest>,
}

impl Nodes {
    /// The level that a manifest keeps of a disk of `size`: the lowest that has at most [`MANIFEST_NODES`] nodes.
    #[must_use]
    pub fn level_for(size: Bytes) -> u32 {
        let windows = size.pieces(WINDOW);
        (0..64)
            .find(|level| windows.div_ceil(1 << level) <= MANIFEST_NODES)
            .unwrap_or(63)
    }

    /// The root of the tree over them.
    #[must_use]
    pub fn root(&self) -> Digest {
        let mut tree = Builder::new(None);
        self.nodes.iter().for_each(|node| tree.push(*node));
        tree.finish().0
    }

    /// The first run of the disk in which the two differ, as first and last-plus-one byte; `None` if they do not, or are of different
    /// levels.
    #[must_use]
    pub fn first_difference(&self, other: &Self) -> Option<(Bytes, Bytes)> {
        if self.level != other.level {
            return None;
        }
        let at = self
            .nodes
            .iter()
            .zip(&other.nodes)
            .position(|(one, two)| one != two)? as u64;
        let span = WINDOW.checked_mul(1_u64.checked_shl(self.level)?)?;
        Some((span.checked_mul(at)?, span.checked_mul(at.checked_add(1)?)?))
    }
}

/// What stands for each window that is not there: zero windows of a disk, absent windows of a layer.
#[derive(Debug)]
pub struct RepeatedSubtrees {
    /// The perfect subtrees over 2^level filler leaves.
    perfect: [Digest; 48],
}

impl RepeatedSubtrees {
    /// Works out the subtrees over `leaf`.
    #[must_use]
    pub fn of(leaf: Digest) -> Self {
        let mut perfect = [leaf; 48];
        for level in 1..perfect.len() {
            let (below, rest) = perfect.split_at_mut(level);
            if let (Some(below), Some(here)) = (below.last(), rest.first_mut()) {
                *here = Digest::node(below, below);
            }
        }
        Self { perfect }
    }

    /// Whole windows of zeros.
    pub fn zero() -> &'static Self {
        static ZERO: OnceLock<RepeatedSubtrees> = OnceLock::new();
        ZERO.get_or_init(|| Self::of(Digest::leaf(&[0; WINDOW.0 as usize])))
    }

    /// The filler leaf.
    #[must_use]
    pub fn leaf(&self) -> Digest {
        self.perfect.first().copied().unwrap_or_default()
    }

    fn subtree(&self, level: u32) -> Digest {
        self.perfect
            .get(level as usize)
            .copied()
            .unwrap_or_default()
    }

    const fn deepest(&self) -> u32 {
        self.perfect.len() as u32 - 1
    }
}

/// Takes leaves in order and gives the root. Memory: one digest a level, and the nodes of one level if they are wanted.
#[derive(Debug)]
pub struct Builder {
    /// Perfect subtrees whose sizes fall from left to right: (level, digest).
    stack: Vec<(u32, Digest)>,
    leaves: u64,
    kept: Option<Nodes>,
}

impl Builder {
    /// An empty tree that keeps the nodes of level `keep`.
    #[must_use]
    pub fn new(keep: Option<u32>) -> Self {
        Self {
            stack: Vec::new(),
            leaves: 0,
            kept: keep.map(|level| Nodes {
                level,
                nodes: Vec::new(),
            }),
        }
    }

    /// How many leaves it has.
    #[must_use]
    pub const fn leaves(&self) -> u64 {
        self.leaves
    }

    /// The nodes that are kept, as far as they are complete.
    #[must_use]
    pub const fn kept(&self) -> Option<&Nodes> {
        self.kept.as_ref()
    }

    /// Adds one leaf.
    pub fn push(&mut self, leaf: Digest) {
        self.push_perfect(0, leaf);
    }

    /// Adds `count` filler leaves.
    pub fn push_run(&mut self, filler: &RepeatedSubtrees, mut count: u64) {
        while count > 0 {
            // The largest perfect subtree that starts here and is not longer than the run.
            let aligned = if self.leaves == 0 {
                63
            } else {
                self.leaves.trailing_zeros()
            };
            let level = aligned.min(count.ilog2()).min(filler.deepest());
            let level = match &self.kept {
                // Nodes of the level that is kept are taken one by one: there are at most 1024.
                Some(kept) if level > kept.level => kept.level,
                _ => level,
            };
            self.push_perfect(level, filler.subtree(level));
            count -= 1 << level;
        }
    }

    fn push_perfect(&mut self, mut level: u32, mut digest: Digest) {
        self.leaves += 1 << level;
        loop {
            if let Some(kept) = &mut self.kept
                && kept.level == level
            {
                kept.nodes.push(digest);
            }
            match self.stack.last() {
                Some((top, left)) if *top == level => {
                    digest = Digest::node(left, &digest);
                    level += 1;
                    self.stack.pop();
                }
                _ => break,
            }
        }
        self.stack.push((level, digest));
    }

    /// The root, and the nodes that were to be kept. The root of no leaves is the digest of nothing.
    #[must_use]
    pub fn finish(mut self) -> (Digest, Option<Nodes>) {
        if let Some(kept) = &mut self.kept {
            let below = self
                .stack
                .iter()
                .filter(|(level, _)| *level < kept.level)
                .map(|(_, digest)| *digest);
            if let Some(last) = fold(below) {
                kept.nodes.push(last);
            }
        }
        let root = fold(self.stack.iter().map(|(_, digest)| *digest))
            .unwrap_or_else(|| Digest::plain(&[]));
        (root, self.kept)
    }
}

/// Subtrees of falling size, left to right, as one: the right ones are joined first.
fn fold(subtrees: impl DoubleEndedIterator<Item = Digest>) -> Option<Digest> {
    subtrees
        .rev()
        .reduce(|right, left| Digest::node(&left, &right))
}

#[cfg(test)]
mod tests;
