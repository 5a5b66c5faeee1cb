//! How a file is dealt out to groups of shards, and where all of it stands in the parity file. All of it follows from five numbers, which are bounded here.

use imgdelta_core::{Bytes, Error, Kind, Result};

/// The longest shard.
pub(super) const LONGEST_SHARD: u32 = 64 << 10;

/// The shortest shard, of which all others are multiples.
const SHORTEST_SHARD: u32 = 64;

/// Most shards of a group, beside those for recovery.
const LARGEST_GROUP: u32 = 512;

/// How many shards a group has at most that is written: with 10 % for recovery the decoder takes 512 shards of memory, and twice as many for one more.
const USUAL_GROUP: u32 = 448;

/// Fewest shards of a file, as long as they need not be shorter than the shortest.
const FEWEST_SHARDS: u64 = 64;

/// Most shards of a file: 64 GiB in the longest ones. Their digests are in memory.
const MOST_SHARDS: u64 = 1 << 20;

/// How long the header is.
pub(super) const HEAD: u64 = 96;

/// How long the digest of a shard is.
pub(super) const DIGEST: u64 = 16;

/// How much of a file may be lost and worked out again, in percent of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Percent(u32);

impl Percent {
    /// Those that there are.
    pub const ALL: [u8; 3] = [2, 5, 10];

    /// So many, if that is one of them.
    #[must_use]
    pub fn new(percent: u8) -> Option<Self> {
        Self::ALL.contains(&percent).then_some(Self(percent.into()))
    }

    /// The number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }
}

/// How a file is dealt out. All numbers are within their limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    length: u64,
    percent: u32,
    shard: u32,
    group: u32,
}

impl Shape {
    /// A file of `length` bytes, as this program deals it out.
    ///
    /// # Errors
    /// Unsupported (`parity_too_long`), if it has too many shards.
    pub fn of(length: u64, percent: Percent) -> Result<Self> {
        let fitting = length.checked_div(FEWEST_SHARDS).unwrap_or_default();
        let fitting = fitting.clamp(SHORTEST_SHARD.into(), LONGEST_SHARD.into());
        let fitting = u32::try_from(fitting).unwrap_or(LONGEST_SHARD);
        // The greatest power of two that is not above it.
        let shard = 1_u32.checked_shl(fitting.ilog2()).unwrap_or(LONGEST_SHARD);
        Self::new(length, percent.number(), shard, USUAL_GROUP)
    }

    /// A file of `length` bytes in shards of `shard` bytes, at most `group` of them in a group, with so many percent for recovery.
    ///
    /// # Errors
    /// Unsupported, if a number is beyond its limits (`parity_too_long`, if it is the length).
    pub fn new(length: u64, percent: u32, shard: u32, group: u32) -> Result<Self> {
        let beyond = |what: String| Error::new(Kind::Unsupported, what).with_code("parity");
        if !(1..=100).contains(&percent) {
            return Err(beyond(format!(
                "percent is {percent}, 1 to 100 are supported"
            )));
        }
        if !(SHORTEST_SHARD..=LONGEST_SHARD).contains(&shard) || !shard.is_power_of_two() {
            return Err(beyond(format!(
                "shard is {shard}, a power of two from {SHORTEST_SHARD} to {LONGEST_SHARD} is supported"
            )));
        }
        if !(1..=LARGEST_GROUP).contains(&group) {
            return Err(beyond(format!(
                "group is {group}, 1 to {LARGEST_GROUP} are supported"
            )));
        }
        let shape = Self {
            length,
            percent,
            shard,
            group,
        };
        if shape.shards() > MOST_SHARDS {
            let longest = Bytes(MOST_SHARDS.saturating_mul(shard.into()));
            let message = format!(
                "a file of {} has no parity, {longest} is the most",
                Bytes(length)
            );
            return Err(Error::new(Kind::Unsupported, message)
                .with_code("parity_too_long")
                .with_hint("cut it into pieces: --piece 1GiB"));
        }
        Ok(shape)
    }

    /// How long the file is.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// The percent.
    #[must_use]
    pub const fn percent(&self) -> u32 {
        self.percent
    }

    /// How long a shard is; the last one may be shorter, and counts as filled with zeros.
    #[must_use]
    pub const fn shard(&self) -> u32 {
        self.shard
    }

    /// Most shards of a group.
    #[must_use]
    pub const fn group(&self) -> u32 {
        self.group
    }

    /// How many shards the file has.
    #[must_use]
    pub const fn shards(&self) -> u64 {
        self.length.div_ceil(self.shard as u64)
    }

    /// How many groups there are.
    #[must_use]
    pub const fn groups(&self) -> u64 {
        self.shards().div_ceil(self.group as u64)
    }

    /// Where a shard begins in the file.
    pub(super) fn at(&self, shard: u64) -> u64 {
        shard.saturating_mul(self.shard.into())
    }

    /// How long a shard is.
    pub(super) fn len(&self, shard: u64) -> usize {
        let left = self.length.saturating_sub(self.at(shard));
        Bytes(left.min(self.shard.into())).in_memory()
    }

    /// The group that a shard is in.
    pub(super) fn group_of(&self, shard: u64) -> u64 {
        shard.checked_rem(self.groups()).unwrap_or_default()
    }

    /// The shard at place `place` of a group.
    pub(super) fn shard_of(&self, group: u64, place: u64) -> u64 {
        let before = place.saturating_mul(self.groups());
        group.saturating_add(before)
    }

    /// The place of a shard in its group.
    pub(super) fn place_of(&self, shard: u64) -> u64 {
        shard.checked_div(self.groups()).unwrap_or_default()
    }

    /// How many shards a group has: as many as any other, or one more.
    pub(super) fn members(&self, group: u64) -> u64 {
        let left = self.shards().saturating_sub(group);
        match self.groups() {
            0 => 0,
            groups => left.div_ceil(groups),
        }
    }

    /// How many recovery shards a group has.
    pub(super) fn recovery(&self, group: u64) -> u64 {
        self.recovery_for(self.members(group))
    }

    fn recovery_for(&self, members: u64) -> u64 {
        match members {
            0 => 0,
            members => members.saturating_mul(self.percent.into()).div_ceil(100),
        }
    }

    /// How many recovery shards the groups before one have.
    pub(super) fn recovery_before(&self, group: u64) -> u64 {
        let shards = self.shards();
        let long = shards.checked_rem(self.groups()).unwrap_or_default();
        let short = shards.checked_div(self.groups()).unwrap_or_default();
        let of_long = self.recovery_for(short.saturating_add(1));
        let of_short = self.recovery_for(short);
        let long_before = group.min(long).saturating_mul(of_long);
        let short_before = group.saturating_sub(long).saturating_mul(of_short);
        long_before.saturating_add(short_before)
    }

    /// How many recovery shards there are.
    #[must_use]
    pub fn all_recovery(&self) -> u64 {
        self.recovery_before(self.groups())
    }

    /// How long the table of digests is.
    pub(super) fn table_len(&self) -> u64 {
        let count = self.shards().saturating_add(self.all_recovery());
        count.saturating_mul(DIGEST)
    }

    /// Where a recovery shard begins in the parity file.
    pub(super) fn recovery_at(&self, number: u64) -> u64 {
        let before = number.saturating_mul(self.shard.into());
        HEAD.saturating_add(self.table_len()).saturating_add(before)
    }

    /// Where the second table begins; the second header follows it.
    pub(super) fn second_table_at(&self) -> u64 {
        self.recovery_at(self.all_recovery())
    }

    /// How long the parity file is.
    #[must_use]
    pub fn parity_len(&self) -> u64 {
        self.second_table_at()
            .saturating_add(self.table_len())
            .saturating_add(HEAD)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shard_is_in_one_group_and_recovery_adds_up() {
        for (length, percent, group) in [
            (0, 2, 448),
            (1, 10, 448),
            (64, 2, 3),
            (65, 5, 3),
            (64 * 7 + 1, 10, 3),
            (64 * 1000, 5, 7),
            (64 * 449, 10, 448),
        ] {
            let shape = Shape::new(length, percent, 64, group).expect("it can be");
            let mut seen = vec![0; shape.shards() as usize];
            let mut before = 0;
            for one in 0..shape.groups() {
                assert_eq!(shape.recovery_before(one), before);
                let members = shape.members(one);
                assert!((1..=u64::from(group)).contains(&members), "{members}");
                for place in 0..members {
                    let shard = shape.shard_of(one, place);
                    assert_eq!((shape.group_of(shard), shape.place_of(shard)), (one, place));
                    seen[shard as usize] += 1;
                }
                let percent = u64::from(percent);
                assert!(shape.recovery(one) * 100 >= members * percent);
                assert!(shape.recovery(one) >= 1);
                before += shape.recovery(one);
            }
            assert_eq!(shape.all_recovery(), before);
            assert!(seen.iter().all(|count| *count == 1));
            let lengths: usize = (0..shape.shards()).map(|shard| shape.len(shard)).sum();
            assert_eq!(lengths as u64, length);
        }
    }

    #[test]
    fn shards_are_as_long_as_they_can_be_and_what_is_beyond_the_limits_is_refused() {
        let shard = |length| {
            let percent = Percent::new(5).expect("there is");
            Shape::of(length, percent).map(|shape| shape.shard())
        };
        let found = [0, 1, 4095, 8192, 1 << 20, 4 << 20, 64 << 30].map(|length| shard(length).ok());
        let expected = [64, 64, 64, 128, 16 << 10, 64 << 10, 64 << 10].map(Some);
        assert_eq!(found, expected);
        let error = shard((64 << 30) + 1).expect_err("too long");
        assert_eq!(error.code(), "parity_too_long");
        for (percent, shard, group) in [
            (0, 64, 4),
            (101, 64, 4),
            (5, 32, 4),
            (5, 96, 4),
            (5, 128 << 10, 4),
            (5, 64, 0),
            (5, 64, 513),
        ] {
            assert!(Shape::new(1000, percent, shard, group).is_err());
        }
        assert_eq!(Percent::new(3), None);
    }
}
