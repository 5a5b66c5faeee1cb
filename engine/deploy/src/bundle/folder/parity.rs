//! Parity beside the files of a delivery, and what is damaged there healed by it.

use std::path::Path;

use imgdelta_core::{AtomicFile, Bytes, Error, FileSource, Kind, Result};
use imgdelta_operations::Stage;

use super::Bundle;
use crate::{
    bundle::{
        DeliveryContext,
        entry::BundleEntry,
        file_entry::FileEntry,
        hash::digest,
        healing::{HealedFile, heal},
        piece_list::{ParityEntry, StoredFile, parity_name},
        stored_file::{Look, parts},
    },
    parity::{self, Parity, Percent, Shape},
    space::{Space, SpaceNeed},
};

/// Makes sure that there is room for so much.
pub(in crate::bundle) type RequireRoom<'a> = dyn Fn(Bytes) -> Result<()> + 'a;

impl Bundle {
    /// Beside each file that is put there from now on lies so much parity.
    pub const fn add_parity(&mut self, percent: Option<Percent>) {
        self.percent = percent;
    }

    /// Puts parity beside the files of an entry that lie here: as much as was asked for, or else as there was of the entry before. What is there of it is kept.
    pub(super) fn put_parity(
        &self,
        entry: &mut BundleEntry,
        known: Option<&BundleEntry>,
        context: &DeliveryContext<'_>,
    ) -> Result<()> {
        let known = known.and_then(|known| known.stored().find_map(|file| file.parity));
        let known = known.and_then(|parity| Percent::new(parity.percent));
        let Some(percent) = self.percent.or(known) else {
            return Ok(());
        };
        for file in entry.manifest.iter_mut().chain([&mut entry.file]) {
            for (stored, place) in data_files(file) {
                let is_there = |parity: &ParityEntry| u32::from(parity.percent) == percent.number();
                if stored
                    .parity
                    .as_ref()
                    .is_none_or(|parity| !is_there(parity))
                {
                    *place = self.write_parity(&stored, percent, context)?;
                }
            }
        }
        Ok(())
    }

    /// Writes the parity of a file that lies here, and reads it back; none of one whose name is too long for it.
    fn write_parity(
        &self,
        stored: &StoredFile,
        percent: Percent,
        context: &DeliveryContext<'_>,
    ) -> Result<Option<ParityEntry>> {
        let Some(name) = parity_name(&stored.name) else {
            return Ok(None);
        };
        let progress = context.run.work.progress;
        let place = self.folder.join(name.as_str());
        let data_place = self.find(&stored.name)?;
        let shape =
            Shape::of(stored.length, percent).map_err(|error| error.in_file(&data_place))?;
        let need = SpaceNeed::exactly(Bytes(shape.parity_len()));
        let shown = self.folder.display().to_string();
        need.require(&format!("'{name}'"), Space::at(&self.folder), &shown)?;
        (context.on_stage)(Stage::Check(&data_place));
        let data = FileSource::open(&data_place)?;
        let draft = AtomicFile::create_part(&place)?;
        let sink = draft.sink();
        parity::write(&data, &stored.sha256, &shape, &*sink, progress)?;
        sink.sync()?;
        let back = draft.read_back()?;
        back.forget();
        let (length, sha256) = digest(&back, progress)?;
        let read = Parity::open(&back, stored.length, &stored.sha256);
        if !read.is_ok_and(|parity| parity.is_whole()) || length != shape.parity_len() {
            return Err(Error::new(Kind::Host, "is not read back as it was written")
                .with_code("not_read_back")
                .in_file(&place)
                .with_hint("the medium, its reader or the cable fails: take another one"));
        }
        draft.commit()?;
        Ok(Some(ParityEntry {
            percent: u8::try_from(percent.number()).unwrap_or(u8::MAX),
            length,
            sha256,
        }))
    }

    /// Heals what is damaged of an entry's files, writing it whole into a folder, after it was asked whether there is room for so much; without that it
    /// only says whether it can. What was, or can be, healed, or why it cannot be, in words: `None`, if something is damaged that has no parity.
    ///
    /// # Errors
    /// Host, if what is healed cannot be written; those of who was asked; Interrupted.
    pub(in crate::bundle) fn heal(
        &self,
        entry: &BundleEntry,
        to: Option<(&Path, &RequireRoom<'_>)>,
        context: &DeliveryContext<'_>,
    ) -> Result<std::result::Result<Vec<HealedFile>, Option<String>>> {
        let progress = context.run.work.progress;
        let look = Look {
            is_on_medium: false,
            longest: &|| self.index.longest(),
            progress,
            find: &|name| self.find(name),
            named: &|digest| self.index.file_of(digest),
        };
        let mut damaged = Vec::new();
        for part in entry.files().flat_map(parts).filter(|part| part.is_needed) {
            let name = &part.stored.name;
            let found = self.find(name).and_then(|place| part.fault(&place, &look));
            match found {
                Ok((_, None)) => continue,
                Err(error) if error.kind() == Kind::Interrupted => return Err(error),
                _ if part.stored.parity.is_none() => return Ok(Err(None)),
                _ => damaged.push(part),
            }
        }
        if let Some((_, require)) = to {
            let lengths = damaged.iter().map(|part| part.stored.length);
            require(Bytes(lengths.fold(0, u64::saturating_add)))?;
        }
        let mut healed = Vec::new();
        for part in damaged {
            let to = to.map(|(folder, _)| folder.join(part.stored.name.as_str()));
            let healing = heal(&part.stored, look.find, to.as_deref(), progress)?;
            match healing {
                Some(Ok(one)) => healed.push(one),
                Some(Err(why)) => return Ok(Err(Some(why))),
                None => return Ok(Err(None)),
            }
        }
        Ok(Ok(healed))
    }
}

/// The files that its bytes lie in there, each with the place of its parity: itself, or its pieces.
fn data_files(file: &mut FileEntry) -> Vec<(StoredFile, &mut Option<ParityEntry>)> {
    let whole = file.as_stored();
    match &mut file.pieces {
        Some(pieces) => {
            let files = pieces.files.iter_mut();
            files.map(|file| (file.clone(), &mut file.parity)).collect()
        }
        None => vec![(whole, &mut file.parity)],
    }
}
