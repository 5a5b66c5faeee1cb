//! Names of the pieces of a file that was cut: `disk.001`, `disk.vmdk.000000000`, `disk.v01`.

use std::path::{Path, PathBuf};

/// Where a piece stands among the others, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The name without the number: of `disk.vmdk.000` it is `disk.vmdk`.
    pub whole: PathBuf,
    /// Its number.
    pub number: u64,
    /// How many digits the number has.
    pub digits: usize,
}

impl Piece {
    /// What `path` says: three digits or more as extension, as split, 7-Zip, FTK and OVF number pieces. Two digits end other names too.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?;
        let is_number = extension.bytes().all(|byte| byte.is_ascii_digit());
        if !(3..=9).contains(&extension.len()) || !is_number {
            return None;
        }
        Some(Self {
            whole: path.with_extension(""),
            number: extension.parse().ok()?,
            digits: extension.len(),
        })
    }

    /// The name of piece `number` of the same file.
    #[must_use]
    pub fn named(&self, number: u64) -> PathBuf {
        let mut name = self.whole.clone().into_os_string();
        name.push(format!(".{number:0digits$}", digits = self.digits));
        name.into()
    }

    /// A pattern for a shell that names all of them.
    #[must_use]
    pub fn pattern(&self) -> String {
        format!("{}.{}", self.whole.display(), "?".repeat(self.digits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_are_a_number_and_fewer_are_a_name() {
        let piece = Piece::of(Path::new("a/disk.vmdk.000000001")).expect("a piece");
        assert_eq!(
            (piece.whole.as_path(), piece.number, piece.digits),
            (Path::new("a/disk.vmdk"), 1, 9)
        );
        assert_eq!(piece.named(20), Path::new("a/disk.vmdk.000000020"));
        assert_eq!(piece.pattern(), "a/disk.vmdk.?????????");
        assert_eq!(
            Piece::of(Path::new("disk.001")).map(|piece| piece.number),
            Some(1)
        );
        for name in [
            "disk",
            "disk.01",
            "web-2024.1",
            "disk.0a1",
            "disk.1234567890",
            "001",
            ".001",
        ] {
            assert_eq!(Piece::of(Path::new(name)), None, "{name}");
        }
    }
}
