//! Children whose file does not lead to their parent: one that comes without it, whose manifest says which image here is its base, and one whose
//! parent was moved inside the repository.

use std::{
    fs,
    path::{Path, PathBuf},
};

use imgdelta_core::{AtomicFile, Error, Existing, FileVersion, Format, Kind, Result};
use imgdelta_delta::{ContentId, Manifest, manifest};
use imgdelta_operations::{Disk, stored_image::relinked_in};
use imgdelta_registry::{OpenSpec, Policy, driver_of};

use super::{
    Repository, Run,
    add::Add,
    listing::Listing,
    record::{Record, StoredFile},
};

/// What became of the link of a child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// It leads to its parent.
    Right,
    /// It leads to its parent again.
    Mended,
    /// It does not, and its file is not the repository's to write to: how it is mended.
    Left(String),
}

impl Repository {
    /// Opens an image that is to be added. One whose parent is not found is opened over the image here that its manifest names as its base; it
    /// must then be what the manifest promises.
    ///
    /// # Errors
    /// Those of the image.
    pub(crate) fn open_to_add(
        &self,
        add: &Add,
        listing: &Listing,
    ) -> Result<(Disk, Option<ContentId>)> {
        match Disk::open(&add.image) {
            Ok(disk) => Ok((disk, add.content_id)),
            // What stays where it stands is opened by its own link ever after.
            Err(error) if add.in_place => Err(error),
            Err(error) => match self.over_its_base(add, listing, &error)? {
                Some(opened) => Ok(opened),
                None => Err(error),
            },
        }
    }

    /// The image over its base here, if its manifest names one; `None`, if it is not its parent that is missing, or there is no such.
    fn over_its_base(
        &self,
        add: &Add,
        listing: &Listing,
        error: &Error,
    ) -> Result<Option<(Disk, Option<ContentId>)>> {
        let place = manifest::place_of(&add.image.path);
        let is_unfound = matches!(error.kind(), Kind::Chain | Kind::Reference);
        if !is_unfound || fs::symlink_metadata(&place).is_err() {
            return Ok(None);
        }
        let manifest = Manifest::read(&place)?;
        let base = listing.by_content(&manifest.base.content_id.parse()?);
        let base = base.filter(|base| self.presence(base, listing).is_present());
        let Some(base) = base else {
            return Ok(None);
        };
        let mut search = add.image.policy.search.clone();
        search.extend(self.policy().search);
        let disk = Disk::open(&OpenSpec {
            policy: Policy {
                search,
                parent: vec![self.paths.place(base.path()?)?],
                backing_format: Some(base.format),
                // Its content is what tells the base: that is proven with what comes out.
                accept_parent_id: true,
                ..add.image.policy.clone()
            },
            ..add.image.clone()
        })?;
        Ok(Some((disk, Some(manifest.result_id()?))))
    }

    /// Lets a child lead to its parent again, if it does not: the parent's file was moved or came back under another name.
    ///
    /// # Errors
    /// Digest, if parent and child are not what was recorded; those of the images; Busy; Host; Interrupted.
    pub(super) fn mend_link(
        &self,
        child: &Record,
        parent: &Record,
        listing: &Listing,
        run: &Run<'_>,
    ) -> Result<Link> {
        let base = self.paths.place(parent.path()?)?;
        let leads_there = |disk: &Disk| {
            let found = disk.parents.first();
            let found = found.and_then(|found| FileVersion::at(&found.path));
            found
                .zip(FileVersion::at(&base))
                .is_some_and(|(found, base)| found.is_same_file(&base))
        };
        if Disk::open(&self.spec(child)?).is_ok_and(|disk| leads_there(&disk)) {
            return Ok(Link::Right);
        }
        let place = self.paths.place(child.path()?)?;
        if !child.owned {
            return Ok(Link::Left(format!(
                "'{}' does not lead to '{}' any more, and is not the repository's to write to: {} links it",
                child.name,
                parent.name,
                attaching(&place, child.format, &base, parent.format)
            )));
        }
        self.link_anew(child, parent, listing, run)?;
        Ok(Link::Mended)
    }

    /// What to say of a child whose file does not lead to its parent any more, or only by a search, for that was moved inside the repository:
    /// where the parent is, and what mends the link. `opened` is the child, if it opens.
    ///
    /// # Errors
    /// Host, if the host cannot list the repository's folder.
    pub(super) fn stale_link(
        &self,
        record: &Record,
        opened: Option<&Disk>,
    ) -> Result<Option<String>> {
        let is_there = self.paths.place(record.path()?).is_ok();
        let Some(id) = record.linked_parent().filter(|_| is_there) else {
            return Ok(None);
        };
        let listing = self.list()?;
        let Some(parent) = listing.by_id(id) else {
            return Ok(None);
        };
        let place = self.paths.place(parent.path()?).ok();
        let recorded = place.as_ref().and_then(|place| FileVersion::at(place));
        let found = opened.and_then(|disk| FileVersion::at(&disk.parents.first()?.path));
        let leads_there = found
            .as_ref()
            .zip(recorded.as_ref())
            .is_some_and(|(found, recorded)| found.is_same_file(recorded));
        if leads_there {
            return Ok(None);
        }
        let (moved, base) = match (place, opened.and_then(|disk| disk.parents.first())) {
            (Some(place), _) => (false, place),
            (None, Some(found)) => (true, found.path.clone()),
            (None, None) => match self.moved_to(parent, &listing)? {
                Some(place) => (true, place),
                None => return Ok(None),
            },
        };
        let mut note = format!(
            "its link is stale: '{}', its parent, stands at {}{}",
            parent.name,
            base.display(),
            if moved { " now" } else { "" },
        );
        note.push_str(&if record.owned {
            "; 'imgdelta repo scan' lets it lead there again".to_owned()
        } else {
            let child = self.paths.folder.join(record.path()?.as_path());
            let line = attaching(&child, record.format, &base, parent.format);
            format!("; {line} links it, and 'imgdelta repo scan' takes both in again")
        });
        Ok(Some(note))
    }

    /// Where the file of an image stands that is not in its recorded place: one that no record names, and that is as that one was.
    fn moved_to(&self, record: &Record, listing: &Listing) -> Result<Option<PathBuf>> {
        let Some(file) = record.files.first() else {
            return Ok(None);
        };
        let is_it = |place: &PathBuf| {
            let now = FileVersion::at(place);
            let is_it = |now: FileVersion| {
                file.is_unchanged(&now) && file.inode.is_none_or(|inode| inode == now.inode)
            };
            self.record_of(place, listing).is_none() && now.is_some_and(is_it)
        };
        let files = self.image_files()?;
        Ok(files.into_iter().find(is_it))
    }

    /// Writes the link of a child anew, in a copy that takes its place when its disk is proven.
    fn link_anew(
        &self,
        child: &Record,
        parent: &Record,
        listing: &Listing,
        run: &Run<'_>,
    ) -> Result<()> {
        let place = self.paths.place(child.path()?)?;
        let driver = driver_of(child.format).ok_or_else(|| {
            Error::new(
                Kind::Unsupported,
                format!("{} is not supported", child.format),
            )
        })?;
        let alone = Disk::open_alone(&self.spec(child)?)?;
        let file = alone.top.image.metadata().files.first().cloned();
        let file = file.ok_or_else(|| Error::new(Kind::Corrupt, "the image has no file"))?;
        let draft = AtomicFile::holding(&place, Existing::Replace, &*file)?;
        let base = self.open_disk(parent)?;
        let disk = relinked_in(&draft, driver, &base.top, self.policy())?;
        let (proof, _) = self.prove(&disk, listing, run)?;
        if proof.id != child.content_id {
            let message = format!("over '{}' it is not what was recorded", parent.name);
            return Err(Error::new(Kind::Digest, message)
                .with_code("image_changed")
                .in_file(&place));
        }
        draft.sink().sync()?;
        let stamp = FileVersion::at(draft.written_at());
        let stamp = stamp.ok_or_else(|| Error::new(Kind::Host, "vanished").in_file(&place))?;
        let mut change = self.change(run, "relink")?;
        if change.listing.by_id(&child.id) != Some(child) {
            return Err(Error::new(Kind::Busy, "is changed by another process").in_file(&place));
        }
        self.lift_immutable(child)?;
        let file = StoredFile {
            mode: child.files.first().and_then(|file| file.mode),
            ..StoredFile::new(child.path()?.clone(), &stamp)
        };
        let record = Record {
            files: vec![file],
            ..child.clone()
        };
        let entered = change.enter(record, || draft.commit());
        self.immutable_again(child);
        entered.map(drop)
    }
}

/// The command that links a child to its parent, after which a scan knows it again.
fn attaching(child: &Path, format: Format, base: &Path, base_format: Format) -> String {
    let (base, place) = (base.display(), child.display());
    if manifest::place_of(child).exists() {
        format!("'imgdelta attach {place} -b {base}'")
    } else if format == Format::Qcow2 {
        format!("'qemu-img rebase -u -F {base_format} -b {base} {place}'")
    } else {
        format!("'imgdelta attach {place} -b {base} --by-identity'")
    }
}
