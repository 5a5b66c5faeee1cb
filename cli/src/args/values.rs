//! Values as they are typed: sizes, rates, times.

use std::time::Duration;

use imgdelta::{
    Unneeded,
    core::{Bytes, parse_size},
};

/// A week: longer waits are a slip of the finger, and a moment that far away cannot always be told.
const LONGEST_WAIT: Duration = Duration::from_secs(7 * 24 * 3600);

/// Digits in a span of time, all its numbers together.
const MOST_DIGITS: usize = 15;

/// A size: `16GB`, `8G`.
pub(super) fn size(text: &str) -> Result<Bytes, String> {
    parse_size(text).ok_or_else(|| "a size like 16GB or 8G is required".to_owned())
}

/// What may be left out: `free`.
pub(super) fn unneeded(text: &str) -> Result<Unneeded, String> {
    let wrong = |_| "free, swap and pagefile can be left out, with commas between them".to_owned();
    text.parse().map_err(wrong)
}

/// Bytes a second: a size, or a number of bits with `kbit`, `Mbit` or `Gbit` behind it; `/s` may follow.
pub(super) fn rate(text: &str) -> Result<Bytes, String> {
    let wrong = || "a rate like 10Mbit/s, 2MB/s or 512K is required".to_owned();
    let amount = text.strip_suffix("/s").unwrap_or(text);
    let found = match amount.strip_suffix("bit") {
        // Bits are counted in thousands, as lines are sold.
        Some(bits) => parse_size(&format!("{bits}B")).map(|bits| Bytes(bits.0 / 8)),
        None => parse_size(amount),
    };
    found.filter(|rate| *rate > Bytes::ZERO).ok_or_else(wrong)
}

/// A span of time as people write it: `30s`, `5m`, `1h30m`, `2 hours`; a number alone is one of seconds.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    let wrong = || "a time such as 30s, 5m or 1h30m is required, a week at most".to_owned();
    let text = text.strip_prefix('+').unwrap_or(text);
    // humantime panics at what is more than a `Duration` holds: that takes more digits than a week in nanoseconds.
    if text.chars().filter(char::is_ascii_digit).count() > MOST_DIGITS {
        return Err(wrong());
    }
    let span = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => humantime::parse_duration(text).map_err(|_| wrong())?,
    };
    Some(span)
        .filter(|all| *all <= LONGEST_WAIT)
        .ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        for (text, seconds) in [
            ("0", 0),
            ("30", 30),
            ("+30", 30),
            ("030", 30),
            ("30s", 30),
            ("5m", 300),
            ("1h", 3600),
            ("168h", 604_800),
            ("1h30m", 5400),
            ("1h 30min", 5400),
            ("1.5h", 5400),
            ("90 seconds", 90),
            ("7d", 604_800),
        ] {
            assert_eq!(time(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(time("250ms"), Ok(Duration::from_millis(250)));
        for text in [
            "",
            "m",
            "5mm",
            "5x",
            "-1",
            "1.5",
            "soon",
            "604801",
            "169h",
            "7d1ns",
            "1M",
            "9999999h",
            "99999999999999999999s",
            // More than a `Duration` holds.
            "18446744073709551615s1000ms",
            "584542046090y 1000ms",
        ] {
            assert!(time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rates_are_read_in_bits_and_in_bytes() {
        for (text, bytes) in [
            ("8Mbit/s", 1_000_000),
            ("800kbit", 100_000),
            ("1Gbit/s", 125_000_000),
            ("2MB/s", 2_000_000),
            ("512K", 512 << 10),
        ] {
            assert_eq!(rate(text), Ok(Bytes(bytes)), "{text}");
        }
        for text in ["", "0", "7bit", "fast", "10Mbit/h"] {
            assert!(rate(text).is_err(), "{text}");
        }
    }
}
