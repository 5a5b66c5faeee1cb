//! One image made from its base and the files of an entry: the base proven by content, the image written, proven, and entered in one step.
//!
//! Until then nothing stands under its id, so that a run that fails leaves the repository as it was.

use imgdelta_core::{AtomicFile, Ownership, Result};
use imgdelta_delta::{ContentId, digest_cache::LeafReader};
use imgdelta_operations::Stage;
use imgdelta_repository::{
    catalogue::{
        ImageFiles, Listing, Name, NewImage, Parent, ParentEvidence, ProvenanceKind, Record,
        Repository,
        lineage::{LEAST_PERCENT, row},
    },
    planning::overlap,
};

use super::{
    DeliveryContext,
    entry::BundleEntry,
    outcome::EnteredImage,
    storage_need::StorageEstimate,
    store::{StoredImage, store_child, store_whole},
    store_options::StoreOptions,
    unpack::{BaseDisk, EntryFiles, unpack},
};
use crate::space::{Space, explain_full};

/// Makes an image of the files and enters it. One whose content is there already is left as it is.
///
/// # Errors
/// Chain, if the base is missing or another disk; Digest, if the files do not make the image that was promised; Corrupt, if it
/// contradicts itself; Host (`no_space`), if there is no room for it; as [`Repository::enter`]; Interrupted. Nothing is entered then.
pub fn install(
    site: &Repository,
    files: &EntryFiles<'_>,
    base_disk: Option<&BaseDisk>,
    store: &StoreOptions,
    context: &DeliveryContext<'_>,
) -> Result<EnteredImage> {
    let listing = site.list_finished(&context.run)?;
    if let Some(record) = here(site, &listing, &files.entry.content_id) {
        return Ok(there(record));
    }
    let storage = StorageEstimate {
        store,
        default_format: site.about().default_format,
    };
    let (need, folder) = (storage.entry(files.entry), site.folder());
    let what = format!("'{}'", files.entry.name);
    let shown = folder.display().to_string();
    need.require(&what, Space::at(folder), &shown)?;
    let installed = install_once(site, &listing, files, base_disk, store, context)
        .map_err(|error| explain_full(error, &what, need, folder, "nothing of it is left there"));
    match installed {
        // Another deployment may be about to enter the same image: its file stands there already.
        Err(error) if error.code() == "exists" => {
            let listing = site.list_settled(&context.run)?;
            let record = here(site, &listing, &files.entry.content_id);
            record.map(there).ok_or(error)
        }
        other => other,
    }
}

/// An image that is there already.
fn there(record: &Record) -> EnteredImage {
    EnteredImage {
        image: record.id.clone(),
        name: record.name.clone(),
        content_id: record.content_id,
        is_new: false,
        notes: Vec::new(),
        as_child: None,
    }
}

/// As [`install`], the image not being there.
fn install_once(
    site: &Repository,
    listing: &Listing,
    files: &EntryFiles<'_>,
    base_disk: Option<&BaseDisk>,
    store: &StoreOptions,
    context: &DeliveryContext<'_>,
) -> Result<EnteredImage> {
    let entry = files.entry;
    let mut target = unpack(files, base_disk)?;
    // A child is written without reading all of its base.
    if store.as_child {
        target.prove_base(context)?;
    }
    (context.on_stage)(Stage::Install(entry.name.as_str()));
    let mut notes = Vec::new();
    let name = free_name(listing, entry, &mut notes)?;
    let child = match base_disk.filter(|_| store.as_child) {
        Some(base_disk) => {
            store_child(site, base_disk, &target, entry, &name, &mut notes, context)?
        }
        None => None,
    };
    let is_child = child.is_some();
    let mut written = match child {
        Some(child) => child,
        None => store_whole(
            site,
            &target,
            entry,
            &name,
            store.format,
            &mut notes,
            context,
        )?,
    };
    written.files = owned(written.files, store.ownership);
    let added = site.enter(
        new_image(site, listing, entry, name, written)?,
        &context.run,
    )?;
    notes.extend(added.notes);
    Ok(EnteredImage {
        image: added.record.id,
        name: added.record.name,
        content_id: added.record.content_id,
        is_new: added.is_new,
        notes,
        as_child: Some(is_child),
    })
}

/// The files, with the owner and the permissions that are asked for.
fn owned(files: ImageFiles, ownership: Ownership) -> ImageFiles {
    match files {
        ImageFiles::AtomicFileSet(place, drafts) => {
            ImageFiles::AtomicFileSet(place, drafts.owned(ownership))
        }
        other => other,
    }
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
fn free_name(listing: &Listing, entry: &BundleEntry, notes: &mut Vec<String>) -> Result<Name> {
    let other = listing.by_name(&entry.name);
    // An image whose file was lost gets it back under its own name.
    if other.is_none_or(|other| other.content_id == entry.content_id) {
        return Ok(entry.name.clone());
    }
    let digits: String = entry.content_id.0.to_string().chars().take(8).collect();
    let longest: String = entry.name.as_str().chars().take(24).collect();
    let name: Name = format!("{}-{digits}", longest.trim_end_matches(['.', ' '])).parse()?;
    notes.push(format!(
        "it is called '{name}' here: another image bears the name '{}'",
        entry.name
    ));
    Ok(name)
}

/// What is to be entered.
fn new_image(
    site: &Repository,
    listing: &Listing,
    entry: &BundleEntry,
    name: Name,
    written: StoredImage,
) -> Result<NewImage> {
    let (link, linked_file) = written.link.unzip();
    let parent = match link {
        Some(base) => Some(Parent {
            id: base,
            known: ParentEvidence::Linked,
        }),
        None => lineage(site, listing, entry, &written.leaves)?,
    };
    let is_own_id = entry.image.folded() == entry.content_id.to_string();
    Ok(NewImage {
        files: written.files,
        format: written.format,
        proof: written.proof,
        leaves: Some(written.leaves),
        id: (!is_own_id).then(|| entry.image.clone()),
        name,
        tags: entry.tags.clone(),
        golden: entry.golden,
        parent,
        linked_file: linked_file.flatten(),
        how: ProvenanceKind::Received,
    })
}

/// The image here that it descends from, with how far the leaves of both bear that out.
fn lineage(
    site: &Repository,
    listing: &Listing,
    entry: &BundleEntry,
    leaves: &AtomicFile,
) -> Result<Option<Parent>> {
    // A site that skipped some has the nearest of those that came before.
    let parent = entry.parent.iter().map(|parent| &parent.content_id);
    let mut above = parent.chain(&entry.ancestors);
    let Some(record) = above.find_map(|content| listing.by_content(content)) else {
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
            ParentEvidence::Measured
        } else {
            ParentEvidence::Declared
        },
    }))
}
