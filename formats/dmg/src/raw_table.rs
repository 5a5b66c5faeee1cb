//! A table of chunks as it stands in the file, whatever it is wrapped in.

/// A table as it stands in the image, and what it is called there.
#[derive(Clone, Debug, Default)]
pub(crate) struct RawTable {
    /// Its bytes.
    pub(crate) bytes: Vec<u8>,
    /// Its name, for people.
    pub(crate) name: Option<String>,
}
