//! The list of a delivery, its how-to, its sums and its signature: what they say of each other.

use std::{collections::HashMap, fs, io, path::Path};

use imgdelta_core::{Bytes, Error, FileOffset, FileSource, Kind, Result, Source, read_vec};
use imgdelta_delta::Digest;

use super::{VerifiedDelivery, VerifiedFile};
use crate::bundle::{
    entry::BundleEntry,
    folder::{Bundle, damaged},
    howto::HOWTO,
    index::{INDEX, LONGEST, read_bytes},
    signature::{SIGNATURE, require_whole},
    sums::{self, SUMS},
};

/// Whether a file is called as one of the delivery's own.
pub(super) fn is_own(name: &str) -> bool {
    [INDEX, HOWTO, SUMS, SIGNATURE].contains(&name)
}

/// They, as they lie there.
pub(super) struct OwnFiles<'a> {
    bundle: &'a Bundle,
    index: Vec<u8>,
    howto: Option<Vec<u8>>,
    /// What the sums say: digests, by names.
    sums: Option<Vec<u8>>,
}

impl<'a> OwnFiles<'a> {
    /// Reads them. Where there is no how-to, or there are no sums, that is all right: a delivery is received without.
    ///
    /// # Errors
    /// Host, if the host cannot read one.
    pub(super) fn read(bundle: &'a Bundle) -> Result<Self> {
        let folder = bundle.folder();
        Ok(Self {
            bundle,
            index: read_bytes(folder)?.unwrap_or_default(),
            howto: read_small(&folder.join(HOWTO))?,
            sums: read_small(&folder.join(SUMS))?,
        })
    }

    /// Says what each of them is; `is_proven`: the signature that was asked for is one of the list.
    pub(super) fn judge(&self, is_proven: bool, found: &mut VerifiedDelivery) -> Result<()> {
        let signature = match is_proven {
            true => None,
            false => self.signature(found)?,
        };
        let is_proven = is_proven || matches!(signature, Some((_, None)));
        let sums = self.sums.as_deref().map(String::from_utf8_lossy);
        let sums = sums.as_deref().map(|text| sums::lines(text).collect());
        self.tell(INDEX, &self.index, self.index_fault(is_proven, &sums), found);
        if let Some(howto) = &self.howto {
            self.tell(HOWTO, howto, self.howto_fault(howto, &sums), found);
        }
        match (&self.sums, &sums) {
            (Some(bytes), Some(lines)) => {
                self.tell(SUMS, bytes, self.sums_fault(lines, is_proven), found);
            }
            _ => found.notes.push(format!("there is no {SUMS}: an interrupted run writes none, and the next 'imgdelta deploy' onto this medium does")),
        }
        if let Some((length, fault)) = signature {
            found.files.push(VerifiedFile::new(SIGNATURE, length, fault));
        } else if is_proven {
            let length = fs::metadata(self.bundle.folder().join(SIGNATURE));
            let length = length.map_or(0, |found| found.len());
            found.files.push(VerifiedFile::new(SIGNATURE, length, None));
        }
        Ok(())
    }

    /// Tells of one of them.
    fn tell(&self, name: &str, bytes: &[u8], fault: Option<&str>, found: &mut VerifiedDelivery) {
        let place = self.bundle.folder().join(name);
        let fault = fault.map(|what| damaged(Kind::Digest, what, &place));
        let file = VerifiedFile::new(name, bytes.len() as u64, fault);
        found.files.push(file);
    }

    /// What is wrong with the list. One that is signed needs no other witness.
    fn index_fault(&self, is_proven: bool, sums: &Option<Lines<'_>>) -> Option<&'static str> {
        let said = sums.as_ref()?.get(INDEX)?;
        let is_other = *said != Digest::plain(&self.index).to_string();
        (is_other && !is_proven).then_some("is not the list that SHA256SUMS was written for")
    }

    /// What is wrong with the how-to: the list says what it must be, or else the sums do.
    fn howto_fault(&self, howto: &[u8], sums: &Option<Lines<'_>>) -> Option<&'static str> {
        let digest = Digest::plain(howto).to_string();
        let said = match self.bundle.index().howto {
            Some(said) => said.to_string(),
            None => (*sums.as_ref()?.get(HOWTO)?).to_owned(),
        };
        (said != digest).then_some("is not what was put there")
    }

    /// What is wrong with the sums: they must name what the list names, with its digests. Where the list itself may be wrong, that is its own fault.
    fn sums_fault(&self, lines: &Lines<'_>, is_proven: bool) -> Option<&'static str> {
        let index = self.bundle.index();
        let files = index.items.iter().flat_map(BundleEntry::files);
        let mut wanted: HashMap<&str, String> = files
            .map(|file| (file.name.as_str(), file.sha256.to_string()))
            .collect();
        wanted.extend(index.howto.map(|howto| (HOWTO, howto.to_string())));
        wanted.extend(is_proven.then(|| (INDEX, Digest::plain(&self.index).to_string())));
        let is_wanted = |(name, digest): (&&str, &String)| lines.get(name) == Some(&digest.as_str());
        let is_known = |name: &&str| wanted.contains_key(name) || is_own(name);
        let agrees = wanted.iter().all(is_wanted) && lines.keys().all(is_known);
        (!agrees).then_some("is not what was written for the list")
    }

    /// Looks whether a signature that nobody asked for is one of this list at all: how long it is, and what is wrong with it.
    fn signature(&self, found: &mut VerifiedDelivery) -> Result<Option<(u64, Option<Error>)>> {
        let folder = self.bundle.folder();
        let Ok(metadata) = fs::symlink_metadata(folder.join(SIGNATURE)) else {
            return Ok(None);
        };
        let fault = match require_whole(folder, &self.index) {
            Ok(()) => {
                let note = "the list is signed, and by whom was not asked: --signers FILE --signer ID does";
                found.notes.push(note.to_owned());
                None
            }
            Err(error) if error.kind() == Kind::Interrupted => return Err(error),
            Err(error) if error.code() == "no_ssh_keygen" => {
                found.notes.push(format!("{SIGNATURE} was not looked at: {error}"));
                return Ok(None);
            }
            Err(error) => Some(error),
        };
        Ok(Some((metadata.len(), fault)))
    }
}

/// Digests, by names.
type Lines<'a> = HashMap<&'a str, &'a str>;

/// The bytes of a small file of the delivery, if it is there: no link is followed.
fn read_small(place: &Path) -> Result<Option<Vec<u8>>> {
    match fs::symlink_metadata(place) {
        Ok(found) if found.is_file() && found.len() <= LONGEST => {}
        // What else stands there is not what was put there.
        Ok(_) => return Ok(Some(Vec::new())),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(Error::host("cannot look at", cause).in_file(place)),
    }
    let source = FileSource::open(place)?;
    let length = source.len().min(Bytes(LONGEST));
    read_vec(&source, FileOffset::ZERO, length).map(Some)
}
