//! How long the files of flat extents are, held against what their lines say. One that is too short was refused when it was opened.

use std::collections::BTreeMap;

use crate::fault::Fault;

/// The files of flat extents, by number.
#[derive(Debug, Default)]
pub(super) struct Lengths(BTreeMap<u16, Length>);

/// One of them.
#[derive(Debug)]
struct Length {
    name: String,
    /// How many bytes it has.
    held: u64,
    /// How far its lines go.
    needed: u128,
    /// Whether it is known to hold more than its lines name: a device, or a file that they begin in the middle of.
    is_part: bool,
}

impl Lengths {
    /// A line that goes to byte `needed` of the file called `name`, which has `held`.
    pub(super) fn add(
        &mut self,
        file: u16,
        (name, held): (&str, u64),
        needed: u128,
        is_part: bool,
    ) {
        let length = self.0.entry(file).or_insert_with(|| Length {
            name: name.to_owned(),
            held,
            needed: 0,
            is_part: false,
        });
        length.needed = length.needed.max(needed);
        length.is_part |= is_part;
    }

    /// Those that are longer than they should be: what the user should know, and the rules that are broken.
    pub(super) fn differing(&self) -> (Vec<String>, Vec<Fault>) {
        let longer = |length: &&Length| !length.is_part && u128::from(length.held) > length.needed;
        let faults: Vec<Fault> = self.0.values().filter(longer).map(Length::fault).collect();
        let notes = match faults.as_slice() {
            [] => Vec::new(),
            [one] => vec![format!("{one}: the lines count")],
            [first, others @ ..] => {
                let count = others.len();
                vec![format!("{first}: the lines count (so in {count} more)")]
            }
        };
        (notes, faults)
    }
}

impl Length {
    fn fault(&self) -> Fault {
        Fault::FlatTooLong {
            name: self.name.escape_debug().to_string(),
            held: self.held,
            needed: self.needed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_as_long_as_the_last_of_its_lines_says() {
        let mut lengths = Lengths::default();
        lengths.add(1, ("a", 2048), 1024, false);
        assert_eq!(lengths.differing().1.len(), 1);
        lengths.add(1, ("a", 2048), 2048, false);
        lengths.add(2, ("device", 9000), 512, true);
        assert_eq!(lengths.differing(), (Vec::new(), Vec::new()));
        for file in 3..6 {
            lengths.add(file, ("b", 1024), 512, false);
        }
        let (notes, faults) = lengths.differing();
        assert_eq!(faults.len(), 3);
        assert_eq!(
            notes,
            ["flat extent 'b' holds 1024 bytes, its lines say 512: the lines count (so in 2 more)"]
        );
    }
}
