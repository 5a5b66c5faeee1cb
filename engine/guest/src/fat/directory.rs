//! Directories: entries of 32 bytes, long names in pieces before the short one.

use imgdelta_core::record;

/// What marks a piece of a long name, a volume's label, a directory.
const LONG: u8 = 0x0f;
const LABEL: u8 = 0x08;
const FOLDER: u8 = 0x10;
/// The last piece of a long name, which comes first.
const LAST: u8 = 0x40;

record! {
    /// A file or directory.
    struct Short: LittleEndian, 32 {
        /// Its name of 8 and 3 letters.
        0 => name: [u8; 11],
        /// [`FOLDER`] and others.
        11 => attributes: u8,
        /// Bit 3: the name is in small letters; bit 4: the extension.
        12 => case: u8,
        /// Not read.
        13 => times: [u8; 7],
        /// The first cluster, high half, with FAT32.
        20 => first_hi: u16,
        /// Not read.
        22 => written: u32,
        /// The first cluster, low half.
        26 => first_lo: u16,
        /// Its length in bytes; 0 for a directory.
        28 => len: u32,
    }
}

/// What a directory says of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(super) name: String,
    pub(super) is_folder: bool,
    /// The first cluster; 0: it has none.
    pub(super) first: u32,
}

/// The names in a directory, `.` and `..` and the label apart.
pub(super) fn names(bytes: &[u8], is_32: bool) -> Vec<Named> {
    let mut names = Vec::new();
    let mut long = Long::default();
    for entry in bytes.as_chunks::<32>().0 {
        match entry {
            [0, ..] => break,
            [0xe5, ..] => long = Long::default(),
            entry if entry[11] & 0x3f == LONG => long.add(entry),
            entry if entry[11] & LABEL != 0 => long = Long::default(),
            [b'.', b' ' | b'.', b' ', ..] => {}
            entry => {
                let short = Short::parse(entry);
                let high = if is_32 {
                    u32::from(short.first_hi) << 16
                } else {
                    0
                };
                names.push(Named {
                    name: std::mem::take(&mut long)
                        .name(&short.name)
                        .unwrap_or_else(|| plain(&short)),
                    is_folder: short.attributes & FOLDER != 0,
                    first: high | u32::from(short.first_lo),
                });
            }
        }
    }
    names
}

/// The pieces of a long name so far, the last one first.
#[derive(Debug, Default)]
struct Long {
    /// The number of the piece that was read, 1 at the end.
    number: u8,
    checksum: u8,
    units: Vec<u16>,
}

impl Long {
    /// Adds a piece, or begins anew.
    fn add(&mut self, entry: &[u8; 32]) {
        let (number, checksum) = (entry[0] & 0x3f, entry[13]);
        let follows = number.checked_add(1) == Some(self.number) && checksum == self.checksum;
        if entry[0] & LAST != 0 {
            *self = Self {
                checksum,
                ..Self::default()
            };
        } else if !follows {
            *self = Self::default();
            return;
        }
        self.number = number;
        let places = [1..11, 14..26, 28..32];
        let bytes = places
            .into_iter()
            .flat_map(|place| entry.get(place).unwrap_or_default());
        let bytes: Vec<u8> = bytes.copied().collect();
        let piece = bytes
            .as_chunks()
            .0
            .iter()
            .map(|unit| u16::from_le_bytes(*unit));
        self.units.splice(0..0, piece);
    }

    /// The name, if all of it was read and it is that of the short one.
    fn name(self, short: &[u8; 11]) -> Option<String> {
        let sum = short
            .iter()
            .fold(0_u8, |sum, byte| sum.rotate_right(1).wrapping_add(*byte));
        let units: Vec<u16> = self
            .units
            .into_iter()
            .take_while(|unit| *unit != 0)
            .collect();
        let is_whole = self.number == 1 && sum == self.checksum && !units.is_empty();
        is_whole.then(|| String::from_utf16_lossy(&units))
    }
}

/// The short name as it is shown.
fn plain(short: &Short) -> String {
    let (name, extension) = short.name.split_at(8);
    let text = |bytes: &[u8], is_small: bool| {
        let text = String::from_utf8_lossy(bytes).trim_end().to_owned();
        if is_small { text.to_lowercase() } else { text }
    };
    let name = text(name, short.case & 0x08 != 0);
    match text(extension, short.case & 0x10 != 0) {
        extension if extension.is_empty() => name,
        extension => format!("{name}.{extension}"),
    }
}
