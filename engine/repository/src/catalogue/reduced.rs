//! Reduced images: what was sent of an image of the repository, but for what certainly nobody needs of it. There its site keeps the base's bytes.
//!
//! Such a disk stands nowhere here, and the next delivery is to be made from it all the same: its site has no other. So a small file says which image
//! and which base it is made of, and where it has the bytes of which; with both here it is read like any image. Its leaves stand with the others. As soon
//! as one of the two is gone it is not known any more, and what the site has of older images serves as a base again.

use std::collections::BTreeMap;

use imgdelta_core::{Error, Existing, HeldPlace, Kind, Result};
use imgdelta_delta::{ContentId, manifest::LeftOut};
use imgdelta_operations::{
    Disk, Reduced, Unneeded,
    proof::{KnownBelow, prove_keeping},
};
use serde::{Deserialize, Serialize};

use super::{
    Repository, Run,
    inventory::Item,
    layout::{reduced_name, write_small},
    listing::Listing,
    names::ImageId,
    record::{Parent, ParentEvidence, Record, check_schema},
    reduced_image::{ReducedImage, names},
    seal::{check_seal, seal},
    text::as_text,
};

/// The version of the file's form.
const SCHEMA: &str = "imgdelta/reduced/1";

/// Longest file that is read: 8192 runs of at most 40 bytes are named in it.
const LONGEST: u64 = 1 << 20;

/// Most reduced images that are made one from another. The next one is made from an older image.
const DEEPEST: usize = 64;

/// Most of them that are listed.
const MOST: usize = 4096;

/// What is written of a reduced image.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct ReducedFile {
    schema: String,
    #[serde(with = "as_text")]
    content_id: ContentId,
    #[serde(with = "as_text")]
    image: ContentId,
    #[serde(with = "as_text")]
    base: ContentId,
    what: Vec<String>,
    left_out: Vec<LeftOut>,
}

/// What became of an image of which something was to be left out.
#[derive(Clone, Debug)]
pub struct Reduction {
    /// The disk without it; `None`, if nothing is to be left out after all.
    pub record: Option<Record>,
    /// What the user should know: of which volume nothing is left out, and why.
    pub notes: Vec<String>,
}

impl Repository {
    /// The image without what certainly nobody needs of it, of all that is in `what`: there it keeps what `base` has. What that is, is proven and written
    /// down, for this delivery and those to come. Of an image that is reduced already nothing more is left out.
    ///
    /// # Errors
    /// Those of the images; Host, if the host cannot write; Interrupted.
    pub fn reduce(
        &self,
        (image, base): (&Record, &Record),
        what: &[Unneeded],
        run: &Run<'_>,
    ) -> Result<Reduction> {
        let mut reduction = Reduction {
            record: None,
            notes: Vec::new(),
        };
        let mut listing = self.list()?;
        self.know_reduced(&mut listing, [&image.content_id, &base.content_id]);
        if listing.reduced(&image.id).is_some() {
            return Ok(reduction);
        }
        let target = self.open_disk(image)?;
        let below = self.open_listed(base, &listing)?;
        let Some(reduced) = Reduced::of(what, &below, &target)? else {
            return Ok(reduction);
        };
        reduction.notes.clone_from(&reduced.notes);
        if reduced.parts.is_empty() {
            return Ok(reduction);
        }
        // What is not left out is known from the image's own leaves.
        let known = self.standing_leaves(image, &target);
        let known = known.map(|leaves| KnownBelow {
            disk: target.chain.clone(),
            leaves,
        });
        let (proof, leaves) = prove_keeping(&reduced.disk, known, || self.new_leaves(), run.work)?;
        let content_id = proof.id;
        if content_id == image.content_id {
            return Ok(reduction);
        }
        let here = listing.by_content(&content_id);
        if here.is_some_and(|one| {
            one.content_id == base.content_id || listing.reduced(&one.id).is_none()
        }) {
            reduction.notes.push(format!(
                "'{}' and its base differ at most in what is to be left out: nothing is",
                image.name
            ));
            return Ok(reduction);
        }
        let file = ReducedFile {
            schema: SCHEMA.to_owned(),
            content_id,
            image: image.content_id,
            base: base.content_id,
            what: names(what),
            left_out: reduced.parts,
        };
        self.settle_leaves(&leaves, &content_id)?.commit()?;
        self.write_reduced(&file)?;
        self.know(&mut listing, &content_id, true, 0);
        let record = listing.by_content(&content_id).cloned();
        Ok(Reduction {
            record,
            ..reduction
        })
    }

    /// Lets `listing` know those of the disks that are reduced images and can be read here. What cannot be read of them is as if it were not there.
    pub fn know_reduced<'c>(
        &self,
        listing: &mut Listing,
        contents: impl IntoIterator<Item = &'c ContentId>,
    ) {
        for content in contents {
            self.know(listing, content, true, 0);
        }
    }

    /// Opens an image that is listed: a reduced one too.
    ///
    /// # Errors
    /// As [`open_disk`](Self::open_disk); Chain, if what a reduced image is made of is not here any more; Corrupt, if what is written of it cannot be.
    pub fn open_listed(&self, record: &Record, listing: &Listing) -> Result<Disk> {
        let Some(reduced) = listing.reduced(&record.id) else {
            return self.open_disk(record);
        };
        let made_of = |content: &ContentId| {
            listing.by_content(content).ok_or_else(|| {
                let message = format!("'{}' is made of what is not here any more", record.name);
                Error::new(Kind::Chain, message).with_code("no_base")
            })
        };
        let target = self.open_disk(made_of(&reduced.image)?)?;
        // What is made one from another was counted when it was listed.
        let base = self.open_listed(made_of(&reduced.base)?, listing)?;
        Reduced::again(&reduced.left_out, &base, &target)
    }

    /// Reduced images that can be read here, as an inventory names images; of more than are counted, some.
    ///
    /// # Errors
    /// Host, if the host cannot list them.
    pub fn reduced_items(&self, listing: &Listing) -> Result<Vec<Item>> {
        let known = self.all_reduced(listing, true)?;
        Ok(known.values().map(|one| Item::from(&one.record)).collect())
    }

    /// The disks of reduced images that can be read as long as the images are here.
    pub(super) fn reduced_in_use(&self, listing: &Listing) -> Result<Vec<ContentId>> {
        let known = self.all_reduced(listing, false)?;
        Ok(known.values().map(|one| one.record.content_id).collect())
    }

    fn all_reduced(
        &self,
        listing: &Listing,
        is_read: bool,
    ) -> Result<BTreeMap<String, ReducedImage>> {
        let Some(folder) = self.paths.reduced_folder()? else {
            return Ok(BTreeMap::new());
        };
        let places = folder
            .places()
            .map_err(|cause| Error::host("cannot list", cause).in_file(folder.path()))?;
        let mut known = Listing::default();
        for record in listing.records() {
            known.put(record.clone());
        }
        for place in places.iter().take(MOST) {
            let digits = place
                .name()
                .to_str()
                .and_then(|name| name.strip_suffix(".json"));
            let content = digits.and_then(|digits| format!("imgdelta1:{digits}").parse().ok());
            if let Some(content) = content {
                self.know(&mut known, &content, is_read, 0);
            }
        }
        Ok(known.reduced)
    }

    /// Whether a disk is listed, or is a reduced image of what is, and listed now. The files must stand as they were proven, if it `is_read`.
    fn know(
        &self,
        listing: &mut Listing,
        content: &ContentId,
        is_read: bool,
        depth: usize,
    ) -> bool {
        if listing.by_content(content).is_some() {
            return true;
        }
        if depth >= DEEPEST {
            return false;
        }
        let Ok(Some(file)) = self.read_reduced(content) else {
            return false;
        };
        let of_image = listing.by_content(&file.image).cloned();
        let of_image = of_image.filter(|image| listing.reduced(&image.id).is_none());
        let Some(image) = of_image else {
            return false;
        };
        if !self.know(listing, &file.base, is_read, depth + 1) {
            return false;
        }
        let is_there = |record: &Record| {
            let is_known = !is_read || listing.reduced(&record.id).is_some();
            is_known || self.presence(record, listing).is_present()
        };
        let base = listing.by_content(&file.base);
        let Some(base) = base.filter(|base| is_there(base) && is_there(&image)) else {
            return false;
        };
        let Ok(id) = content.to_string().parse::<ImageId>() else {
            return false;
        };
        let reduced = ReducedImage {
            record: Record {
                id: id.clone(),
                content_id: *content,
                parent: parent(&image, base, listing),
                ..image
            },
            image: file.image,
            base: file.base,
            what: file.what,
            left_out: file.left_out,
        };
        listing.reduced.insert(id.folded(), reduced);
        true
    }

    fn write_reduced(&self, file: &ReducedFile) -> Result<()> {
        let json = serde_json::to_string_pretty(file)
            .map_err(|cause| faulty(&format!("cannot be written: {cause}")))?;
        let place = self.paths.new_reduced(&file.content_id)?;
        write_small(&place, seal(&json).as_bytes(), Existing::Replace)
    }

    /// What is written of a disk, if it is a reduced image.
    fn read_reduced(&self, content: &ContentId) -> Result<Option<ReducedFile>> {
        let Some(folder) = self.paths.reduced_folder()? else {
            return Ok(None);
        };
        let place = folder.place(reduced_name(content));
        read(&place, content).map_err(|error| error.in_file(&place.path()))
    }
}

fn read(place: &HeldPlace, content: &ContentId) -> Result<Option<ReducedFile>> {
    let Some(json) = place.read(LONGEST)? else {
        return Ok(None);
    };
    check_schema(&json, SCHEMA, "reduced image")?;
    check_seal(&json, "reduced image")?;
    let file: ReducedFile =
        serde_json::from_slice(&json).map_err(|cause| faulty(&cause.to_string()))?;
    if file.content_id == *content {
        return Ok(Some(file));
    }
    Err(faulty("is of another disk"))
}

/// What a reduced image descends from, as its site may know it: what the image does, or of that what the site has been sent.
fn parent(image: &Record, base: &Record, listing: &Listing) -> Option<Parent> {
    let parent = image.parent.as_ref()?;
    let whole = listing.by_id(&parent.id);
    let is_of_parent =
        |reduced: &ReducedImage| whole.is_some_and(|whole| whole.content_id == reduced.image);
    let id = match listing.reduced(&base.id).is_some_and(is_of_parent) {
        true => base.id.clone(),
        false => parent.id.clone(),
    };
    Some(Parent {
        id,
        known: ParentEvidence::Declared,
    })
}

fn faulty(what: &str) -> Error {
    Error::new(Kind::Corrupt, format!("reduced image: {what}")).with_code("record")
}
