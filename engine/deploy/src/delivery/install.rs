//! One image made from its base and what came: the base proven by content, the image written, proven, and entered in one step. Until then
//! nothing under its id is there. Which item is taken, and whether its files are whole, is not known here.

use imgdelta_core::{AtomicFile, Format, Result};
use imgdelta_delta::{ContentId, digest_cache::LeafReader};
use imgdelta_operations::Stage;
use imgdelta_registry::driver_of_new;
use imgdelta_repository::{
    catalogue::{
        Arrival, How, Known, Listing, Name, Parent, Record, Repository,
        lineage::{LEAST_PERCENT, row},
    },
    choice::overlap,
};

use super::{
    Errand,
    index::Item,
    unpack::{Goods, Ground, unpack},
    written::{Written, as_child, as_whole},
};

/// In which form a site keeps what it receives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Manner {
    /// The format of whole images, if not the repository's own.
    pub format: Option<Format>,
    /// Whether an image is kept as a child of its base, in that one's format, where that is smaller.
    pub as_child: bool,
}

impl Manner {
    /// Makes sure that images are written in the format that is asked for.
    ///
    /// # Errors
    /// Unsupported, if they are not.
    pub fn require_written(&self) -> Result<()> {
        self.format
            .map_or(Ok(()), |format| driver_of_new(format).map(drop))
    }
}

/// What became of an image that came.
#[derive(Clone, Debug)]
pub struct Installed {
    /// Its record; that of the image that had this content before, if there was one.
    pub record: Record,
    /// Whether it was entered now.
    pub is_new: bool,
    /// Whether it is kept as a child of its base.
    pub as_child: bool,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// Makes an image of what came and enters it. One whose content is there already is left as it is.
///
/// # Errors
/// Chain, if the base is missing or another disk; Digest, if what came does not make the image that was promised; Corrupt, if it
/// contradicts itself; as [`Repository::enter`]; Interrupted. Nothing is entered then.
pub fn install(
    site: &Repository,
    goods: &Goods<'_>,
    ground: Option<&Ground>,
    manner: &Manner,
    errand: &Errand<'_>,
) -> Result<Installed> {
    let listing = site.list_finished(&errand.run)?;
    if let Some(record) = here(site, &listing, &goods.item.content_id) {
        return Ok(there(record));
    }
    match install_once(site, &listing, goods, ground, manner, errand) {
        // Another deployment may be about to enter the same image: its file stands there already.
        Err(error) if error.code() == "exists" => {
            let listing = site.list_settled(&errand.run)?;
            let record = here(site, &listing, &goods.item.content_id);
            record.map(there).ok_or(error)
        }
        other => other,
    }
}

/// An image that is there already.
fn there(record: &Record) -> Installed {
    Installed {
        record: record.clone(),
        is_new: false,
        as_child: false,
        notes: Vec::new(),
    }
}

/// As [`install`], the image not being there.
fn install_once(
    site: &Repository,
    listing: &Listing,
    goods: &Goods<'_>,
    ground: Option<&Ground>,
    manner: &Manner,
    errand: &Errand<'_>,
) -> Result<Installed> {
    let item = goods.item;
    let mut came = unpack(goods, ground)?;
    // A child is written without reading all of its base.
    if manner.as_child {
        came.prove_base(errand)?;
    }
    (errand.told)(Stage::Install(item.name.as_str()));
    let mut notes = Vec::new();
    let name = free_name(listing, item, &mut notes)?;
    let child = match ground.filter(|_| manner.as_child) {
        Some(ground) => as_child(site, ground, came.disk(), item, &name, &mut notes, errand)?,
        None => None,
    };
    let is_child = child.is_some();
    let written = match child {
        Some(child) => child,
        None => as_whole(site, &came, item, &name, manner.format, &mut notes, errand)?,
    };
    let added = site.enter(arrival(site, listing, item, name, written)?, &errand.run)?;
    notes.extend(added.notes);
    Ok(Installed {
        record: added.record,
        is_new: added.is_new,
        as_child: is_child,
        notes,
    })
}

/// The image of that content, if its file stands there as it was proven.
pub(super) fn here<'a>(
    site: &Repository,
    listing: &'a Listing,
    content: &ContentId,
) -> Option<&'a Record> {
    let record = listing.by_content(content)?;
    site.presence(record, listing)
        .is_present()
        .then_some(record)
}

/// What the image is called here: as at headquarters, unless another one bears that name or a file stands in its place.
fn free_name(listing: &Listing, item: &Item, notes: &mut Vec<String>) -> Result<Name> {
    let other = listing.by_name(&item.name);
    // An image whose file was lost gets it back under its own name.
    if other.is_none_or(|other| other.content_id == item.content_id) {
        return Ok(item.name.clone());
    }
    let digits: String = item.content_id.0.to_string().chars().take(8).collect();
    let longest: String = item.name.as_str().chars().take(24).collect();
    let name: Name = format!("{}-{digits}", longest.trim_end_matches(['.', ' '])).parse()?;
    notes.push(format!(
        "it is called '{name}' here: another image bears the name '{}'",
        item.name
    ));
    Ok(name)
}

/// What is to be entered.
fn arrival(
    site: &Repository,
    listing: &Listing,
    item: &Item,
    name: Name,
    written: Written,
) -> Result<Arrival> {
    let parent = match written.link {
        Some(base) => Some(Parent {
            id: base,
            known: Known::Linked,
        }),
        None => lineage(site, listing, item, &written.leaves)?,
    };
    let is_own_id = item.image.folded() == item.content_id.to_string();
    Ok(Arrival {
        files: written.files,
        format: written.format,
        proof: written.proof,
        leaves: Some(written.leaves),
        id: (!is_own_id).then(|| item.image.clone()),
        name,
        tags: item.tags.clone(),
        golden: item.golden,
        parent,
        how: How::Received,
    })
}

/// The image here that it descends from, with how far the leaves of both bear that out.
fn lineage(
    site: &Repository,
    listing: &Listing,
    item: &Item,
    leaves: &AtomicFile,
) -> Result<Option<Parent>> {
    let Some(parent) = &item.parent else {
        return Ok(None);
    };
    let Some(record) = listing.by_content(&parent.content_id) else {
        return Ok(None);
    };
    let common = match site.leaves(record) {
        Ok(Some(theirs)) => {
            let own = LeafReader::open(leaves.written_at())?;
            overlap(row(own), row(theirs)).ok()
        }
        _ => None,
    };
    let is_measured = common.is_some_and(|common| common.reaches(LEAST_PERCENT));
    Ok(Some(Parent {
        id: record.id.clone(),
        known: if is_measured {
            Known::Measured
        } else {
            Known::Declared
        },
    }))
}
