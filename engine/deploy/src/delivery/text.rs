//! How JSON holds what has a spelling of its own: content ids, digests, formats. What they stand for is not known here.

/// Whatever is written and read as one word.
pub(super) mod word {
    use std::{fmt::Display, str::FromStr};

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// As text.
    pub(crate) fn serialize<T: Display, S: Serializer>(word: &T, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(word)
    }

    /// From text.
    pub(crate) fn deserialize<'de, T, D>(from: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

/// Formats, by their names.
pub(super) mod format {
    use imgdelta_core::Format;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// Its name.
    pub(crate) fn serialize<S: Serializer>(format: &Format, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(format.name())
    }

    /// By its name.
    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Format, D::Error> {
        let name = String::deserialize(from)?;
        Format::of_name(&name).ok_or_else(|| {
            let shown: String = name.chars().take(80).collect();
            D::Error::custom(format!("'{}' is no format", shown.escape_debug()))
        })
    }
}
