//! A delivery laid on several media: which file goes on which, and each of them put there.
//!
//! All of it is packed first, so that each medium can carry the whole list: it says what lies where, and which of how many the medium is. Pieces are
//! laid in order, a medium is filled before the next one is begun, and what is small and all need lies on each.

use std::{path::PathBuf, time::Duration};

use imgdelta_core::{Bytes, Error, Kind, Result};

use super::{
    DeliveryContext,
    entry::BundleEntry,
    file_entry::FileEntry,
    folder::Bundle,
    index::{Index, MOST_MEDIA, MediumNumber},
    piece_list::StoredFile,
    signature::SigningKey,
};
use crate::space::Space;

/// What a file takes beyond its length at most, on file systems with large clusters.
const CLUSTER: u64 = 128 << 10;

/// What the list, what is written with it and its folder take beyond the length of the list.
const OWN_FILES: u64 = 1 << 20;

/// A medium of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Medium {
    /// The folder in which it can be reached when it is its turn.
    pub folder: PathBuf,
    /// How much it holds; `None`: as much as is free there.
    pub size: Option<Bytes>,
}

/// A medium that was put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaidMedium {
    /// Its folder.
    pub folder: PathBuf,
    /// How long the files of images on it are together, in bytes.
    pub bytes: u64,
}

/// What asks for the next medium: number `number` of `of`, to be reached in that folder.
pub type Ask<'a> = dyn Fn(MediumNumber, &std::path::Path) -> Result<()> + 'a;

/// Lays what was packed on media, in their order. One that is reached in the folder of the one before is asked for first.
///
/// # Errors
/// Host (`no_space`), if they do not hold it; Usage (`other_delivery`), if a folder holds something else of this kind; those of `ask`; as
/// [`Bundle::finish`]; Interrupted.
pub fn lay_out(
    packed: &Bundle,
    media: &[Medium],
    (key, wait): (Option<&SigningKey>, Duration),
    ask: &Ask<'_>,
    context: &DeliveryContext<'_>,
) -> Result<Vec<LaidMedium>> {
    let index = assign(packed.index(), media)?;
    let of = index.medium.map_or(1, |medium| medium.of);
    let mut laid: Vec<LaidMedium> = Vec::new();
    for (number, medium) in (1..=of).zip(media) {
        let mut own = index.clone();
        own.medium = own.medium.map(|_| MediumNumber { number, of });
        let is_next = laid.last().is_some_and(|last| last.folder == medium.folder);
        loop {
            if is_next {
                ask(MediumNumber { number, of }, &medium.folder)?;
            }
            match put(packed, medium, &own, (key, wait), context) {
                // It is still the one before.
                Err(error) if is_next && error.code() == "other_delivery" => {}
                Err(error) => return Err(error),
                Ok(bytes) => {
                    let folder = medium.folder.clone();
                    laid.push(LaidMedium { folder, bytes });
                    break;
                }
            }
        }
    }
    Ok(laid)
}

/// Puts on a medium what is to lie there.
fn put(
    packed: &Bundle,
    medium: &Medium,
    own: &Index,
    (key, wait): (Option<&SigningKey>, Duration),
    context: &DeliveryContext<'_>,
) -> Result<u64> {
    let mut bundle = Bundle::begin(&medium.folder, wait)?;
    let bytes = bundle.put_all(packed, own, context)?;
    bundle.finish(key)?;
    Ok(bytes)
}

/// The list for these media. If one is enough, it says nothing of media.
fn assign(packed: &Index, media: &[Medium]) -> Result<Index> {
    let mut index = packed.clone();
    let common: u64 = common_bytes(packed)?;
    let mut room = Room::new(media, common);
    for entry in &mut index.items {
        let file = &mut entry.file;
        let Some(pieces) = &mut file.pieces else {
            file.medium = Some(room.take(&file.stored())?);
            continue;
        };
        for piece in &mut pieces.files {
            let files: Vec<StoredFile> = piece.clone().with_parity().collect();
            piece.medium = Some(room.take(&files)?);
        }
    }
    let of = room.number;
    if of > 1 {
        index.medium = Some(MediumNumber { number: 1, of });
        // As it will be listed: by that its media are known.
        index.require_forms();
        return Ok(index);
    }
    Ok(packed.clone())
}

/// How much lies on each of them.
fn common_bytes(packed: &Index) -> Result<u64> {
    let mut common = OWN_FILES.saturating_add((packed.to_json()?.len() as u64).saturating_mul(3));
    for entry in &packed.items {
        let blocks = entry.file.pieces.iter().map(|pieces| pieces.blocks.length);
        let manifest = entry.manifest.iter().flat_map(FileEntry::stored);
        let small = manifest.map(|file| file.length).chain(blocks);
        let sum = small.fold(0, |sum: u64, length| sum.saturating_add(on_medium(length)));
        common = common.saturating_add(sum);
    }
    Ok(common)
}

/// How much a medium must hold for all of it.
///
/// # Errors
/// As [`Index::to_json`].
pub(super) fn room_for(index: &Index) -> Result<Bytes> {
    let list = (index.to_json()?.len() as u64).saturating_mul(3);
    let files = index.items.iter().flat_map(BundleEntry::stored);
    let files = files.map(|file| on_medium(file.length));
    Ok(Bytes(
        files.fold(OWN_FILES.saturating_add(list), u64::saturating_add),
    ))
}

/// What a file of that length takes at most.
const fn on_medium(length: u64) -> u64 {
    length.saturating_add(CLUSTER)
}

/// What is left on the medium that is being filled.
struct Room<'a> {
    media: &'a [Medium],
    /// From 1 on.
    number: u32,
    left: u64,
    common: u64,
}

impl<'a> Room<'a> {
    fn new(media: &'a [Medium], common: u64) -> Self {
        let mut room = Self {
            media,
            number: 0,
            left: 0,
            common,
        };
        room.next();
        room
    }

    /// Goes on to the next medium; false, if there is none.
    fn next(&mut self) -> bool {
        let index = self.number as usize;
        let Some(medium) = self.media.get(index).filter(|_| self.number < MOST_MEDIA) else {
            return false;
        };
        let free = || Space::at(&medium.folder).map_or(u64::MAX, |space| space.free.0);
        let size = medium.size.map_or_else(free, |size| size.0);
        self.left = size.saturating_sub(self.common);
        self.number = self.number.saturating_add(1);
        true
    }

    /// The number of the medium that takes these files: one, and what lies beside it.
    fn take(&mut self, files: &[StoredFile]) -> Result<u32> {
        let length = files.first().map_or(0, |file| file.length);
        let lengths = files.iter().map(|file| on_medium(file.length));
        let needed = lengths.fold(0, u64::saturating_add);
        while self.left < needed {
            if !self.next() {
                return Err(Error::new(
                    Kind::Host,
                    format!(
                        "does not fit on {} media: a file of {} finds no room",
                        self.media.len(),
                        Bytes(length)
                    ),
                )
                .with_code(Error::NO_SPACE)
                .with_hint("say --media once more for each further medium, or make the pieces shorter: --piece"));
            }
        }
        self.left = self.left.saturating_sub(needed);
        Ok(self.number)
    }
}

#[cfg(test)]
mod tests {
    use imgdelta_delta::Digest;

    use super::*;

    #[test]
    fn a_medium_is_filled_before_the_next_one_and_too_little_room_is_told() {
        let medium = |mib| Medium {
            folder: PathBuf::new(),
            size: Some(Bytes::mib(mib)),
        };
        let media = [medium(11), medium(1), medium(11)];
        let mut room = Room::new(&media, 1 << 20);
        let mut take = |mib: u64| {
            let name = "piece".parse().expect("a name");
            let file = FileEntry::whole(name, mib << 20, Digest::default());
            room.take(&file.stored()).map_err(|error| error.code())
        };
        // The second one holds nothing but the list.
        assert_eq!([4, 4, 4, 5].map(&mut take), [Ok(1), Ok(1), Ok(3), Ok(3)]);
        assert_eq!(take(1), Err(Error::NO_SPACE));
    }
}
