//! Results as text: one summary line after long work, a small table where something is looked at.

mod children;
mod deploy;
mod disks;
mod looks;
mod own;
mod owners;
mod plan;
mod repo;

use std::{
    borrow::Cow,
    fmt,
    io::{self, Write},
};

use imgdelta::core::Bytes;

/// How much less than its length a file takes on the host before that is told.
const NOTABLE: u64 = 1 << 20;

/// A result as text.
pub(crate) trait Text {
    /// Whether it only sums up what was done, so that `-q` leaves it out.
    const IS_SUMMARY: bool;

    /// Writes it.
    fn text(&self, page: &mut Page<'_>) -> io::Result<()>;
}

/// Where text goes, and how numbers are written there.
pub(crate) struct Page<'a> {
    out: &'a mut dyn Write,
    exact: bool,
    loudness: i8,
}

impl<'a> Page<'a> {
    /// Text for `out`.
    pub(super) fn new(out: &'a mut dyn Write, exact: bool, loudness: i8) -> Self {
        Self {
            out,
            exact,
            loudness,
        }
    }

    /// A line.
    pub(super) fn line(&mut self, line: impl fmt::Display) -> io::Result<()> {
        writeln!(self.out, "{}", clean(&line.to_string()))
    }

    /// A name and its value, indented under what was said before.
    pub(super) fn field(&mut self, name: &str, value: impl fmt::Display) -> io::Result<()> {
        self.line(format_args!("  {name:<10} {value}"))
    }

    /// A size.
    pub(super) fn size(&self, bytes: u64) -> String {
        if self.exact {
            format!("{bytes} bytes")
        } else {
            Bytes(bytes).to_string()
        }
    }

    /// What a file takes on the host, where that is much less than its length.
    pub(super) fn on_disk(&self, len: Option<u64>, taken: Option<u64>) -> String {
        match (len, taken) {
            (Some(len), Some(taken))
                if taken.saturating_add(NOTABLE) <= len && taken <= len / 2 =>
            {
                format!(" ({} on disk)", self.size(taken))
            }
            _ => String::new(),
        }
    }

    /// Whether decisions are told too.
    pub(super) const fn is_loud(&self) -> bool {
        self.loudness > 0
    }
}

/// A share of a whole in percent; nothing of nothing is nothing.
pub(super) fn percent(part: u64, whole: u64) -> String {
    let tenths = u128::from(part) * 1000 / u128::from(whole.max(1));
    format!("{}.{} %", tenths / 10, tenths % 10)
}

/// Text without what a terminal would obey: names and paths come from images, and those from strangers.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    // Also the marks that turn the direction of writing, with which one name passes for another.
    let is_bad = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if text.chars().any(is_bad) {
        text.chars()
            .map(|c| {
                if is_bad(c) {
                    c.escape_default().to_string()
                } else {
                    c.to_string()
                }
            })
            .collect::<String>()
            .into()
    } else {
        text.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        assert_eq!(clean("a\u{1b}[31mb"), "a\\u{1b}[31mb");
        assert_eq!(clean("invoice\u{202e}dhv.exe"), "invoice\\u{202e}dhv.exe");
        assert!(matches!(clean("grün.vhd"), Cow::Borrowed(_)));
    }

    #[test]
    fn shares_are_rounded_down() {
        assert_eq!(percent(1, 3), "33.3 %");
        assert_eq!(percent(0, 0), "0.0 %");
        assert_eq!(percent(u64::MAX, u64::MAX), "100.0 %");
    }
}
