//! How long a delivery takes, and whether a medium holds it: plain sums over estimates.

use std::time::Duration;

use imgdelta_core::Bytes;

/// What stands beside each image that travels: its manifest, the tables of its child, its share of the how-to.
pub const BESIDE: Bytes = Bytes::kib(512);

/// How long `bytes` take at `rate` bytes a second; `None` at no rate at all.
#[must_use]
pub fn time_for(bytes: Bytes, rate: Bytes) -> Option<Duration> {
    let nanos = u128::from(bytes.0) * 1_000_000_000;
    let nanos = nanos.checked_div(u128::from(rate.0))?;
    let seconds = u64::try_from(nanos / 1_000_000_000).unwrap_or(u64::MAX);
    let rest = u32::try_from(nanos % 1_000_000_000).unwrap_or(0);
    Some(Duration::new(seconds, rest))
}

/// How a delivery stands to a medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fit {
    /// What the delivery takes there, with what stands beside the images.
    pub needed: Bytes,
    /// What the medium holds.
    pub media: Bytes,
}

impl Fit {
    /// Whether the medium holds it.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.needed <= self.media
    }
}

/// Whether a medium of `media` bytes holds images that travel with these estimates. Compression, which makes them smaller, is
/// not counted on.
#[must_use]
pub fn fits(images: impl IntoIterator<Item = Bytes>, media: Bytes) -> Fit {
    let needed = images.into_iter().fold(0_u64, |sum, bytes| {
        sum.saturating_add(bytes.0).saturating_add(BESIDE.0)
    });
    Fit {
        needed: Bytes(needed),
        media,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_bytes_by_rate_and_never_divides_by_nothing() {
        let time = |bytes, rate| time_for(Bytes(bytes), Bytes(rate));
        assert_eq!(time(1500, 1000), Some(Duration::from_millis(1500)));
        assert_eq!(time(0, 1), Some(Duration::ZERO));
        assert_eq!(time(1, 0), None);
        assert_eq!(time(u64::MAX, 1), Some(Duration::from_secs(u64::MAX)));
    }

    #[test]
    fn a_medium_holds_what_travels_and_what_stands_beside_it() {
        let images = [Bytes::mib(3), Bytes::mib(4)];
        assert!(fits(images, Bytes::mib(8)).holds());
        assert!(!fits(images, Bytes(Bytes::mib(8).0 - 1)).holds());
        assert!(!fits([Bytes(u64::MAX), Bytes(1)], Bytes(u64::MAX - 1)).holds());
    }
}
