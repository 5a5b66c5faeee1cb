//! A delivery whose list is signed: verified before it is read, signed when all of it is written.

use std::{fs, io, path::Path};

use imgdelta_core::{Error, Kind, Result};
use imgdelta_delta::Digest;
use imgdelta_repository::catalogue::{Record, Repository, Signer};

use super::{Bundle, no_delivery, write};
use crate::bundle::{
    entry::{BundleEntry, ImageRef},
    howto::{self, HOWTO},
    index::{INDEX, Index, parse, read_bytes},
    signature::{SIGNATURE, SigningKey, sign, verify},
    sums::{self, SUMS},
};

impl Bundle {
    /// As [`open`](Self::open), but that all of `signers` must have signed the index. The bytes that were verified are those that are read; nothing else
    /// of the delivery is looked at before.
    ///
    /// # Errors
    /// As [`open`](Self::open); Digest, if the signature is missing (`unsigned`) or of others (`signature`); Usage, if a file of keys is not there;
    /// Host, if there is no ssh-keygen (`no_ssh_keygen`).
    pub fn open_signed<'a>(
        folder: &Path,
        signers: impl IntoIterator<Item = &'a Signer>,
    ) -> Result<Self> {
        let json = read_bytes(folder)?.ok_or_else(|| no_delivery(folder))?;
        let mut signers = signers.into_iter();
        signers.try_for_each(|signer| verify(folder, &json, signer))?;
        Ok(Self {
            folder: folder.to_owned(),
            others: Vec::new(),
            index: parse(folder, &json)?,
            notes: Vec::new(),
            lost_signature: false,
            piecing: None,
            percent: None,
            lock: None,
            is_made: false,
        })
    }

    /// Makes sure that all that it lists are images of this repository, and says of them what is known here: who signs the list vouches for what others
    /// may have put into it.
    ///
    /// # Errors
    /// Usage (`not_ours`), if it lists another one; as [`Repository::list`].
    pub fn adopt(&mut self, headquarters: &Repository) -> Result<()> {
        let mut listing = headquarters.list()?;
        let contents = self.index.items.iter().map(|entry| &entry.content_id);
        headquarters.know_reduced(&mut listing, contents);
        for entry in &mut self.index.items {
            let record = listing.by_id(&entry.image);
            let is_same = |record: &&Record| {
                record.content_id == entry.content_id && record.size == entry.size
            };
            let Some(record) = record.filter(is_same) else {
                return Err(not_ours(&self.folder, entry));
            };
            // A base is found and proven by its content, and may have left this repository since.
            let base = entry.base.as_ref();
            let base = base.and_then(|base| listing.by_content(&base.content_id));
            if let Some(base) = base {
                entry.base = Some(ImageRef::of(base));
            }
            let parent = record.parent.as_ref();
            let parent = parent.and_then(|parent| listing.by_id(&parent.id));
            entry.parent = parent.map(ImageRef::of);
            entry.name = record.name.clone();
            entry.tags = record.tags.clone();
            entry.golden = record.golden;
        }
        Ok(())
    }

    /// Ends what was begun: writes the sums of what lies there, and signs the list, if there is a key. Where nothing was ever listed, there is nothing
    /// to be done.
    ///
    /// # Errors
    /// Host, if the key does not sign (`not_signed`), or the host cannot write.
    pub fn finish(&mut self, key: Option<&SigningKey>) -> Result<()> {
        if read_bytes(&self.folder)?.is_none() {
            return Ok(());
        }
        self.sweep_pieces(|_| false);
        if key.is_some() {
            // The list that was added to is the one that is signed, whatever stands there by now.
            self.list(self.index.clone())?;
        }
        self.write_sums()?;
        let Some(key) = key else { return Ok(()) };
        sign(&self.folder, &self.index.to_json()?, key)?;
        self.lost_signature = false;
        Ok(())
    }

    /// Writes the sums of what lies there.
    pub(in crate::bundle) fn write_sums(&self) -> Result<()> {
        let Some(json) = read_bytes(&self.folder)? else {
            return Ok(());
        };
        let howto = howto::text(&self.index);
        let own = [
            (INDEX, Digest::plain(&json)),
            (HOWTO, Digest::plain(howto.as_bytes())),
        ];
        let text = sums::text(&self.index, own);
        write(&self.folder.join(SUMS), text.as_bytes())
    }

    /// Writes the index. The signature and the sums of another one go before: a medium that is pulled out meanwhile has none, and no wrong ones.
    pub(super) fn write_index(&mut self, index: &Index) -> Result<()> {
        let json = index.to_json()?;
        if read_bytes(&self.folder)?.as_ref() != Some(&json) {
            self.lost_signature |= drop_file(&self.folder.join(SIGNATURE))?;
            drop_file(&self.folder.join(SUMS))?;
        }
        write(&self.folder.join(INDEX), &json)
    }

    /// A note, once, if a signature went and no other one came.
    pub(super) fn tell_lost_signature(&mut self) {
        if std::mem::take(&mut self.lost_signature) {
            let place = self.folder.join(SIGNATURE);
            self.notes.push(format!(
                "{}: the list is another one now, so the signature was deleted; --sign KEY makes a new one",
                place.display()
            ));
        }
    }
}

/// Takes away what was made for a list that is about to be another one; whether it was there.
fn drop_file(place: &Path) -> Result<bool> {
    match fs::remove_file(place) {
        Ok(()) => Ok(true),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(cause) => {
            Err(Error::host("is of another list, and cannot be deleted", cause).in_file(place))
        }
    }
}

/// A list that is not to be signed.
fn not_ours(folder: &Path, entry: &BundleEntry) -> Error {
    let message = format!(
        "lists '{}', which this repository does not have: it is not signed",
        entry.name
    );
    Error::new(Kind::Usage, message)
        .with_code("not_ours")
        .in_file(&folder.join(INDEX))
        .with_hint(format!(
            "deploy into another folder, or take it off: imgdelta deploy --drop {} -o {}",
            entry.name,
            folder.display()
        ))
}
