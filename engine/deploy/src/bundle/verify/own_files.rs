//! The list of a delivery, its how-to, its sums and its signature: what they say of each other.

use std::{fs, io, path::Path};

use imgdelta_core::{Bytes, Error, FileOffset, FileSource, Kind, Result, Source, read_vec};
use imgdelta_delta::Digest;

use super::{VerifiedDelivery, VerifiedFile};
use crate::bundle::{
    folder::Bundle,
    howto::HOWTO,
    index::{INDEX, LONGEST, read_bytes},
    signature::{SIGNATURE, require_whole},
    stored_file::damaged,
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
            true => Some((self.length_of(SIGNATURE), None)),
            false => self.signature(found)?,
        };
        let is_proven = matches!(signature, Some((_, None)));
        let fault = self.index_fault(is_proven);
        self.tell(INDEX, Some(&self.index), fault, found);
        let fault = self.howto_fault();
        if self.howto.is_some() || fault.is_some() {
            self.tell(HOWTO, self.howto.as_ref(), fault, found);
        }
        match &self.sums {
            Some(sums) => self.tell(SUMS, Some(sums), self.sums_fault(sums), found),
            None => found.notes.push(format!(
                "there is no {SUMS}: a run that is interrupted leaves none, and the next 'imgdelta deploy' onto this medium writes it"
            )),
        }
        if let Some((length, fault)) = signature {
            found
                .files
                .push(VerifiedFile::new(SIGNATURE, length, fault));
        }
        Ok(())
    }

    /// Tells of one of them.
    fn tell(
        &self,
        name: &str,
        bytes: Option<&Vec<u8>>,
        fault: Option<&str>,
        found: &mut VerifiedDelivery,
    ) {
        let place = self.bundle.folder().join(name);
        let kind = bytes.map_or(Kind::Corrupt, |_| Kind::Digest);
        let fault = fault.map(|what| damaged(kind, what, &place));
        let length = bytes.map_or(0, |bytes| bytes.len() as u64);
        found.files.push(VerifiedFile::new(name, length, fault));
    }

    fn length_of(&self, name: &str) -> u64 {
        let found = fs::metadata(self.bundle.folder().join(name));
        found.map_or(0, |found| found.len())
    }

    /// What the sums say of a file.
    fn said(&self, name: &str) -> Option<String> {
        let text = String::from_utf8_lossy(self.sums.as_deref()?);
        let digest = sums::digest_of(&text, name)?;
        Some(digest.to_owned())
    }

    /// What is wrong with the list. One that is signed needs no other witness.
    fn index_fault(&self, is_proven: bool) -> Option<&'static str> {
        let is_other = self.said(INDEX)? != Digest::plain(&self.index).to_string();
        (is_other && !is_proven)
            .then_some("is not the list that SHA256SUMS was written for: one of the two is damaged")
    }

    /// What is wrong with the how-to: the list says what it must be, or else the sums do.
    fn howto_fault(&self) -> Option<&'static str> {
        let of_list = self.bundle.index().howto.map(|digest| digest.to_string());
        let Some(howto) = &self.howto else {
            return of_list.map(|_| "is listed, but not there");
        };
        let required = of_list.or_else(|| self.said(HOWTO))?;
        (required != Digest::plain(howto).to_string()).then_some("is not what was put there")
    }

    /// What is wrong with the sums: they say what the list says, and nothing else.
    fn sums_fault(&self, sums: &[u8]) -> Option<&'static str> {
        let index = self.bundle.index();
        let howto = self.howto.as_deref().map(Digest::plain);
        let own = [
            (INDEX, Digest::plain(&self.index)),
            (HOWTO, index.howto.or(howto).unwrap_or_default()),
        ];
        (sums != sums::text(index, own).as_bytes())
            .then_some("is not what was written for the list")
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
                found
                    .notes
                    .push(format!("{SIGNATURE} was not looked at: {error}"));
                return Ok(None);
            }
            Err(error) => Some(error),
        };
        Ok(Some((metadata.len(), fault)))
    }
}

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
