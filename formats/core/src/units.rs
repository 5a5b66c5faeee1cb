//! Addresses and lengths, so that guest and file, bytes and sectors are never mistaken for one another.
//!
//! Only the sums that make sense exist, and those that can overflow say so.

use std::fmt;

/// Bytes in a sector, the unit of VHD tables and of state maps.
pub const SECTOR: u64 = 512;

macro_rules! address {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl $name {
            /// The start.
            pub const ZERO: Self = Self(0);

            /// The address `len` further on, unless that is past the end of numbers.
            #[must_use]
            pub const fn checked_add(self, len: Bytes) -> Option<Self> {
                match self.0.checked_add(len.0) {
                    Some(sum) => Some(Self(sum)),
                    None => None,
                }
            }

            /// The address `len` further on, or the last one that there is.
            #[must_use]
            pub const fn saturating_add(self, len: Bytes) -> Self {
                Self(self.0.saturating_add(len.0))
            }

            /// How far this lies behind `earlier`; nothing if it lies before it.
            #[must_use]
            pub const fn since(self, earlier: Self) -> Bytes {
                Bytes(self.0.saturating_sub(earlier.0))
            }

            /// The greatest multiple of `unit` that is not above this. `unit` 0 changes nothing.
            #[must_use]
            pub const fn align_down(self, unit: Bytes) -> Self {
                match self.0.checked_rem(unit.0) {
                    Some(rest) => Self(self.0 - rest),
                    None => self,
                }
            }

            /// Whether this is a multiple of `unit`.
            #[must_use]
            pub const fn is_aligned(self, unit: Bytes) -> bool {
                matches!(self.0.checked_rem(unit.0), Some(0))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:#x}", self.0)
            }
        }
    };
}

address! {
    /// An address on the disk that the guest sees, in bytes.
    VirtOffset
}

address! {
    /// An address in a file on the host, in bytes.
    FileOffset
}

/// A length in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub u64);

impl Bytes {
    /// No bytes.
    pub const ZERO: Self = Self(0);

    /// This many KiB.
    #[must_use]
    pub const fn kib(n: u64) -> Self {
        Self(n << 10)
    }

    /// This many MiB.
    #[must_use]
    pub const fn mib(n: u64) -> Self {
        Self(n << 20)
    }

    /// This many GiB.
    #[must_use]
    pub const fn gib(n: u64) -> Self {
        Self(n << 30)
    }

    /// The sum, unless it is past the end of numbers.
    #[must_use]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// `n` times this, unless it is past the end of numbers.
    #[must_use]
    pub const fn checked_mul(self, n: u64) -> Option<Self> {
        match self.0.checked_mul(n) {
            Some(product) => Some(Self(product)),
            None => None,
        }
    }

    /// How many pieces of `unit` hold this many bytes. `unit` 0 gives 0.
    #[must_use]
    pub const fn pieces(self, unit: Self) -> u64 {
        if unit.0 == 0 {
            0
        } else {
            self.0.div_ceil(unit.0)
        }
    }

    /// The smallest multiple of `unit` that is not below this, or the last number that there is.
    #[must_use]
    pub const fn round_up(self, unit: Self) -> Self {
        Self(self.pieces(unit).saturating_mul(unit.0))
    }

    /// Whether this is a multiple of `unit`.
    #[must_use]
    pub const fn is_multiple_of(self, unit: Self) -> bool {
        matches!(self.0.checked_rem(unit.0), Some(0))
    }

    /// As a length in memory; the greatest one where memory cannot be that large.
    #[must_use]
    pub fn in_memory(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl From<usize> for Bytes {
    fn from(len: usize) -> Self {
        Self(len as u64)
    }
}

/// Sizes as people read them: exact where they are whole, else with one decimal.
impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [(&str, u32); 5] = [
            ("PiB", 50),
            ("TiB", 40),
            ("GiB", 30),
            ("MiB", 20),
            ("KiB", 10),
        ];
        for (name, shift) in NAMES {
            let unit = 1_u64 << shift;
            if self.0 >= unit {
                return if self.0.is_multiple_of(unit) {
                    write!(f, "{} {name}", self.0 >> shift)
                } else {
                    #[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
                    let value = self.0 as f64 / unit as f64;
                    write!(f, "{value:.1} {name}")
                };
            }
        }
        write!(f, "{} B", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_people_write_them() {
        assert_eq!(Bytes(511).to_string(), "511 B");
        assert_eq!(Bytes::mib(2).to_string(), "2 MiB");
        assert_eq!(Bytes(1536).to_string(), "1.5 KiB");
        assert_eq!(Bytes::gib(1024).to_string(), "1 TiB");
    }

    #[test]
    fn alignment_never_divides_by_zero() {
        assert_eq!(VirtOffset(7).align_down(Bytes(0)), VirtOffset(7));
        assert!(!FileOffset(0).is_aligned(Bytes(0)));
        assert_eq!(Bytes(5).pieces(Bytes(0)), 0);
        assert_eq!(Bytes(u64::MAX).round_up(Bytes(512)), Bytes(u64::MAX));
    }
}
