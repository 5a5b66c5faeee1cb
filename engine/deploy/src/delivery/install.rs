//! One image made from its base and what came: the base proven by content, the image written, proven, and entered in one step. Until then
//! nothing under its id is there. Which item is taken, and whether its files are whole, is not known here.

use std::path::Path;

use imgdelta_core::{
    Bytes, Draft, Error, FileOffset, FileSource, Format, Kind, Result, SECTOR, Source, read_vec,
};
use imgdelta_delta::{Apply, Chain, Layer, Manifest, Memory, manifest, remembered::LeafReader};
use imgdelta_registry::{OpenSpec, Opened, open_image};
use imgdelta_repository::{
    catalogue::{
        Arrival, How, Known, Listing, Name, Parent, Record, Repository,
        lineage::{LEAST_PERCENT, row},
    },
    choice::overlap,
};

use super::{
    Errand, Stage,
    index::{Item, faulty},
    written::{Written, as_child, as_whole},
};

/// What came of an image.
#[derive(Clone, Copy, Debug)]
pub struct Goods<'a> {
    /// As it was listed.
    pub item: &'a Item,
    /// The child, or the whole image.
    pub file: &'a Path,
    /// The child's manifest.
    pub manifest: Option<&'a Path>,
}

/// In which form a site keeps what it receives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Manner {
    /// The format of whole images, if not the repository's own.
    pub format: Option<Format>,
    /// Whether an image is kept as a child of its base, in that one's format, where that is smaller.
    pub as_child: bool,
}

/// The base of an image at the site, open.
#[derive(Clone, Debug)]
pub struct Ground {
    /// Its layers.
    chain: Chain,
    /// Which image of the repository it is; a step on the way to others is none.
    entered: Option<(Record, Opened)>,
}

impl Ground {
    /// An image of the site.
    ///
    /// # Errors
    /// As [`Repository::open_disk`].
    pub fn of(site: &Repository, record: &Record) -> Result<Self> {
        let disk = site.open_disk(record)?;
        let top = disk.top()?.clone();
        Ok(Self {
            chain: disk.chain,
            entered: Some((record.clone(), top)),
        })
    }

    /// The record and the open image, if it is one of the site's own.
    pub(super) const fn entered(&self) -> Option<&(Record, Opened)> {
        self.entered.as_ref()
    }

    /// Its disk.
    pub(super) const fn chain(&self) -> &Chain {
        &self.chain
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
    let item = goods.item;
    let listing = site.list()?;
    if let Some(record) = here(site, &listing, item) {
        return Ok(Installed {
            record: record.clone(),
            is_new: false,
            as_child: false,
            notes: Vec::new(),
        });
    }
    let disk = unpack(goods, ground, errand)?;
    (errand.told)(Stage::Install(&item.name));
    let mut notes = Vec::new();
    let name = free_name(&listing, item, &mut notes)?;
    let child = match ground.filter(|_| manner.as_child) {
        Some(ground) => as_child(site, ground, &disk, item, &name, &mut notes, errand)?,
        None => None,
    };
    let is_child = child.is_some();
    let written = match child {
        Some(child) => child,
        None => as_whole(site, &disk, item, &name, manner.format, &mut notes, errand)?,
    };
    let added = site.enter(arrival(site, &listing, item, name, written)?, &errand.run)?;
    notes.extend(added.notes);
    Ok(Installed {
        record: added.record,
        is_new: added.is_new,
        as_child: is_child,
        notes,
    })
}

/// The image as a disk that is written nowhere: a step on the way to others. It is proven when it is used as their base.
///
/// # Errors
/// As [`install`].
pub(super) fn step(
    goods: &Goods<'_>,
    ground: Option<&Ground>,
    errand: &Errand<'_>,
) -> Result<Ground> {
    Ok(Ground {
        chain: unpack(goods, ground, errand)?,
        entered: None,
    })
}

/// The image of that content, if its file is there too.
pub(super) fn here<'a>(site: &Repository, listing: &'a Listing, item: &Item) -> Option<&'a Record> {
    let record = listing.by_content(&item.content_id)?;
    site.spec(record).is_ok().then_some(record)
}

/// The disk that base and child make, the base being proven; or the whole image's.
fn unpack(goods: &Goods<'_>, ground: Option<&Ground>, errand: &Errand<'_>) -> Result<Chain> {
    let item = goods.item;
    item.judge()?;
    let opened = open_image(&OpenSpec {
        format: Some(item.format),
        ..OpenSpec::of(goods.file)
    })?;
    let layer = Layer::new(opened.image, "")?;
    let Some(base) = &item.base else {
        return sized(&Chain::new(vec![layer])?, item);
    };
    let ground = ground.ok_or_else(|| {
        let message = format!("its base '{}' is not here", base.name);
        Error::new(Kind::Chain, message).with_code("no_base")
    })?;
    let promised = read_manifest(goods)?;
    let disk = Chain::over(layer, &ground.chain)?;
    (errand.told)(Stage::Prove(&base.name));
    let apply = Apply {
        base: &ground.chain,
        disk: &disk,
        manifest: Some(&promised),
        memory: &Memory::none(),
        work: errand.run.work,
    };
    apply
        .prove_base()
        .map_err(|error| explain(error, item, ground))?;
    sized(&disk, item)
}

/// The disk in its exact size, which its format may have rounded up to whole sectors.
fn sized(disk: &Chain, item: &Item) -> Result<Chain> {
    let size = Bytes(item.size);
    if size == disk.size() || size.round_up(Bytes(SECTOR)) == disk.size() {
        return Ok(disk.resized(size));
    }
    let found = disk.size().0;
    Err(faulty(&format!(
        "'{}' has {found} bytes, {} are listed",
        item.name, size.0
    )))
}

/// The child's manifest, if it is of this item.
fn read_manifest(goods: &Goods<'_>) -> Result<Manifest> {
    let item = goods.item;
    let place = goods.manifest.ok_or_else(|| {
        Error::new(
            Kind::Corrupt,
            "came without a manifest, so nothing can be proven",
        )
        .with_code("no_manifest")
        .in_file(goods.file)
    })?;
    let read = || {
        let file = FileSource::open(place)?;
        if file.len() > manifest::LONGEST {
            let message = format!(
                "manifest has {} bytes, at most {} are read",
                file.len().0,
                manifest::LONGEST.0
            );
            return Err(Error::new(Kind::Unsupported, message));
        }
        let promised = Manifest::from_json(&read_vec(&file, FileOffset::ZERO, file.len())?)?;
        let base = promised.base.proof()?.id;
        let is_of_item = item.base.as_ref().map(|base| base.content_id) == Some(base)
            && promised.result_id()? == item.content_id
            && promised.result.size == item.size;
        if is_of_item {
            Ok(promised)
        } else {
            Err(faulty("the manifest is of another base or another image"))
        }
    };
    read().map_err(|error| error.in_file(place))
}

/// A refusal of the base, with what helps.
fn explain(error: Error, item: &Item, ground: &Ground) -> Error {
    let Some((record, top)) = &ground.entered else {
        return error;
    };
    let error = error.in_file(&top.path);
    let is_claim = item
        .base
        .as_ref()
        .is_some_and(|base| base.content_id != record.content_id);
    match error.code() {
        "base_mismatch" if is_claim => error.with_hint(format!(
            "'{}' is only said to be the same disk by its id; 'imgdelta repo set-id' takes that back",
            record.name
        )),
        "base_mismatch" => error.with_hint("'imgdelta repo verify' says what has changed"),
        _ => error,
    }
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
    leaves: &Draft,
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
