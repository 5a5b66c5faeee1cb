//! `key=value`: what one format alone has, as the user typed it.

use std::fmt;

use crate::{Bytes, Error, Kind, Result};

/// Options for one image, each to be taken by the format that knows it. What nobody takes is an error.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Options(Vec<(String, String)>);

impl Options {
    /// Reads `key=value` items; several may stand in one, with commas between, as fingers know from qemu-img.
    ///
    /// # Errors
    /// Usage, if one has no `=` or a key comes twice.
    pub fn parse<S: AsRef<str>>(items: &[S]) -> Result<Self> {
        let mut all: Vec<(String, String)> = Vec::new();
        for item in items.iter().flat_map(|item| item.as_ref().split(',')) {
            let (key, value) = item
                .split_once('=')
                .filter(|(key, _)| !key.is_empty())
                .ok_or_else(|| {
                    Error::new(Kind::Usage, format!("option '{item}' is not key=value"))
                })?;
            if all.iter().any(|(known, _)| known == key) {
                return Err(Error::new(
                    Kind::Usage,
                    format!("option '{key}' is given twice"),
                ));
            }
            all.push((key.to_owned(), value.to_owned()));
        }
        Ok(Self(all))
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same options in the order of their keys: what was typed in another order is equal.
    #[must_use]
    pub fn canonical(mut self) -> Self {
        self.0.sort();
        self
    }

    /// Key and value of each, in the order in which they stand.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Takes the value of `key`.
    pub fn take(&mut self, key: &str) -> Option<String> {
        let at = self.0.iter().position(|(known, _)| known == key)?;
        Some(self.0.remove(at).1)
    }

    /// Takes the value of `key`, which must be one of `choices`; the first of them if it is not given.
    ///
    /// # Errors
    /// Usage, if it is another one.
    pub fn take_choice(&mut self, key: &str, choices: &[&'static str]) -> Result<&'static str> {
        let default = choices.first().copied().unwrap_or_default();
        let Some(value) = self.take(key) else {
            return Ok(default);
        };
        choices
            .iter()
            .find(|choice| **choice == value)
            .copied()
            .ok_or_else(|| {
                Error::new(
                    Kind::Usage,
                    format!(
                        "option {key} is '{value}', one of {} is required",
                        choices.join(", ")
                    ),
                )
            })
    }

    /// Takes the value of `key` as a size.
    ///
    /// # Errors
    /// Usage, if it is none.
    pub fn take_size(&mut self, key: &str) -> Result<Option<Bytes>> {
        self.take(key)
            .map(|value| {
                parse_size(&value).ok_or_else(|| {
                    Error::new(
                        Kind::Usage,
                        format!("option {key} is '{value}', not a size"),
                    )
                })
            })
            .transpose()
    }

    /// Ends the taking.
    ///
    /// # Errors
    /// Usage, if something is left: `known` is listed.
    pub fn finish(self, whose: &str, known: &[&str]) -> Result<()> {
        let Some((key, _)) = self.0.first() else {
            return Ok(());
        };
        let hint = if known.is_empty() {
            format!("{whose} has no options")
        } else {
            format!("{whose} knows {}", known.join(", "))
        };
        Err(
            Error::new(Kind::Usage, format!("option '{key}' is not one of {whose}"))
                .with_hint(hint),
        )
    }
}

/// `key=value,key=value`, in the order in which they were given.
impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (key, value)) in self.0.iter().enumerate() {
            let comma = if number == 0 { "" } else { "," };
            write!(f, "{comma}{key}={value}")?;
        }
        Ok(())
    }
}

/// Reads a size as people write it: `64K`, `2M` and `KiB`, `MiB` are powers of 1024, `kB`, `MB` of 1000, `s` is 512-byte sectors.
#[must_use]
pub fn parse_size(text: &str) -> Option<Bytes> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit: u64 = match unit.trim_start() {
        "" | "B" => 1,
        "s" => 512,
        "kB" => 1000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        "K" | "k" | "KiB" => 1 << 10,
        "M" | "MiB" => 1 << 20,
        "G" | "GiB" => 1 << 30,
        "T" | "TiB" => 1 << 40,
        "P" | "PiB" => 1 << 50,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole: u64 = whole.parse().ok()?;
    let mut bytes = whole.checked_mul(unit)?;
    if !fraction.is_empty() {
        let digits: u64 = fraction.get(..fraction.len().min(9))?.parse().ok()?;
        let scale = 10_u64.checked_pow(u32::try_from(fraction.len().min(9)).ok()?)?;
        let part = u128::from(digits) * u128::from(unit) / u128::from(scale);
        bytes = bytes.checked_add(u64::try_from(part).ok()?)?;
    }
    Some(Bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_mean_what_qemu_img_means() {
        for (text, bytes) in [
            ("64K", 65536),
            ("2M", 2 << 20),
            ("1.5G", 3 << 29),
            ("10MB", 10_000_000),
            ("3s", 1536),
            ("7", 7),
        ] {
            assert_eq!(parse_size(text), Some(Bytes(bytes)), "{text}");
        }
        for text in [
            "",
            "K",
            "2X",
            "-1",
            "1.x",
            "99999999999999999999",
            "20000000T",
        ] {
            assert_eq!(parse_size(text), None, "{text}");
        }
    }

    #[test]
    fn options_in_another_order_are_the_same_options() -> Result<()> {
        let (one, two) = (Options::parse(&["b=2,a=1"])?, Options::parse(&["a=1,b=2"])?);
        assert_ne!(one, two);
        assert_eq!(one.canonical(), two.clone().canonical());
        assert_ne!(two.canonical(), Options::parse(&["a=1"])?.canonical());
        Ok(())
    }

    #[test]
    fn an_option_that_nobody_takes_is_an_error() -> Result<()> {
        let mut options = Options::parse(&["block_size=2M,size=chs"])?;
        assert_eq!(options.take_size("block_size")?, Some(Bytes::mib(2)));
        assert!(options.clone().finish("vhd", &["block_size"]).is_err());
        assert_eq!(options.take_choice("size", &["exact", "chs"])?, "chs");
        options.finish("vhd", &["block_size", "size"])?;
        assert!(Options::parse(&["x"]).is_err());
        assert!(Options::parse(&["a=1", "a=2"]).is_err());
        Ok(())
    }
}
