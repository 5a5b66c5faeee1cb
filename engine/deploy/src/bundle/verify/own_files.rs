//! The list of a delivery, its how-to, its sums and its signature: what they say of each other.

use std::{fs, io, path::Path};

use imgdelta_core::{Bytes, Error, FileOffset, FileSource, Kind, Result, Source, read_vec};
use imgdelta_delta::Digest;

use super::{FileState, VerifiedDelivery, VerifiedFile};
use crate::bundle::{
    folder::{Bundle, damaged},
    howto::{self, HOWTO},
    index::{INDEX, LONGEST, read_bytes},
    signature::{SIGNATURE, require_whole},
    sums::{self, SUMS},
};

/// Whether a file is called as one of the delivery's own.
pub(super) fn is_own(name: &str) -> bool {
    [INDEX, HOWTO, SUMS, SIGNATURE].contains(&name)
}

/// Their bytes, as they lie there.
pub(super) struct OwnFiles {
    index: Vec<u8>,
    howto: Option<Vec<u8>>,
    sums: Option<Vec<u8>>,
}

impl OwnFiles {
    /// Reads them. Where there is no how-to, or there are no sums, that is all right: a delivery is received without.
    ///
    /// # Errors
    /// Host, if the host cannot read one.
    pub(super) fn read(bundle: &Bundle) -> Result<Self> {
        let folder = bundle.folder();
        Ok(Self {
            index: read_bytes(folder)?.unwrap_or_default(),
            howto: read_small(&folder.join(HOWTO))?,
            sums: read_small(&folder.join(SUMS))?,
        })
    }

    /// Says what each of them is.
    pub(super) fn judge(
        &self,
        bundle: &Bundle,
        looks_at_signature: bool,
        found: &mut VerifiedDelivery,
    ) -> Result<()> {
        let folder = bundle.folder();
        let sums = self.sums.as_deref().map(String::from_utf8_lossy);
        let says = |name: &str, bytes: &[u8]| {
            let listed = sums.as_deref().and_then(|text| sums::digest_of(text, name));
            listed == Some(&Digest::plain(bytes).to_string())
        };
        let told = |name: &str, bytes: &[u8], fault: Option<&str>| VerifiedFile {
            name: name.to_owned(),
            length: bytes.len() as u64,
            state: fault.map_or(FileState::Sound, |what| {
                FileState::Faulty(damaged(Kind::Digest, what, &folder.join(name)))
            }),
        };
        // A list that was signed, and whose signature was verified, needs no other witness.
        let is_index_sound = sums.is_none() || !looks_at_signature || says(INDEX, &self.index);
        let fault = (!is_index_sound).then_some("is not what SHA256SUMS says that it is");
        found.files.push(told(INDEX, &self.index, fault));
        let howto = self.howto.as_deref();
        if let Some(bytes) = howto {
            let is_sound = says(HOWTO, bytes) || bytes == howto::text(bundle.index()).as_bytes();
            let fault = (sums.is_some() && !is_sound).then_some("is not what was put there");
            found.files.push(told(HOWTO, bytes, fault));
        }
        match &self.sums {
            Some(bytes) => {
                let fault = (!self.agrees(bundle)).then_some("is not that of the list");
                found.files.push(told(SUMS, bytes, fault));
            }
            None => found.notes.push(format!(
                "there is no {SUMS}: of {INDEX} and {HOWTO} nothing can be said without a signature"
            )),
        }
        match looks_at_signature {
            true => look_at_signature(folder, &self.index, found),
            false => {
                let signature = read_small(&folder.join(SIGNATURE))?.unwrap_or_default();
                found.files.push(told(SIGNATURE, &signature, None));
                Ok(())
            }
        }
    }

    /// Whether the sums are those of the list, as it is. What they say of the how-to is its own matter.
    fn agrees(&self, bundle: &Bundle) -> bool {
        let text = self.sums.as_deref().map(String::from_utf8_lossy);
        let Some(text) = text.as_deref() else {
            return false;
        };
        let (plain, howto) = (Digest::plain(&self.index), self.howto.as_deref());
        let index = bundle.index();
        let on_disk = howto.map(|bytes| sums::text(index, plain, Digest::plain(bytes)));
        let written = Digest::plain(howto::text(index).as_bytes());
        on_disk.is_some_and(|sums| sums == text) || sums::text(index, plain, written) == text
    }
}

/// Looks whether a signature that nobody asked for is one of this list at all.
fn look_at_signature(folder: &Path, index: &[u8], found: &mut VerifiedDelivery) -> Result<()> {
    let place = folder.join(SIGNATURE);
    if fs::symlink_metadata(&place).is_err() {
        return Ok(());
    }
    let state = match require_whole(folder, index) {
        Ok(()) => FileState::Sound,
        Err(error) if error.code() == "no_ssh_keygen" => {
            found
                .notes
                .push(format!("{SIGNATURE} was not looked at: {error}"));
            return Ok(());
        }
        Err(error) => FileState::Faulty(error),
    };
    if matches!(state, FileState::Sound) {
        let note = "by whom the list is signed was not asked: --signers FILE --signer ID does";
        found.notes.push(note.to_owned());
    }
    found.files.push(VerifiedFile {
        name: SIGNATURE.to_owned(),
        length: fs::metadata(&place).map_or(0, |found| found.len()),
        state,
    });
    Ok(())
}

/// A small file's bytes; `None`, if it is not there or no file. More than a list may have is not read.
fn read_small(place: &Path) -> Result<Option<Vec<u8>>> {
    match fs::symlink_metadata(place) {
        Ok(found) if found.is_file() => {}
        Ok(_) => return Ok(None),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(Error::host("cannot look at", cause).in_file(place)),
    }
    let source = FileSource::open(place)?;
    let length = source.len().min(Bytes(LONGEST));
    read_vec(&source, FileOffset::ZERO, length).map(Some)
}
