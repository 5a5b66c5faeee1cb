//! An image as the site will hold it, written and proven, but without a name yet: as a whole, or as a child of its base.

use imgdelta_core::{AtomicFile, Bytes, Error, Format, Kind, Result};
use imgdelta_delta::{Proof, digest_cache::LeafReader};
use imgdelta_operations::{
    Disk,
    proof::prove_keeping,
    stored_image::{ChildDraft, NewChild, WholeImage, room_on_disk},
};
use imgdelta_registry::{OpenSpec, Output, extension_of};
use imgdelta_repository::{
    catalogue::{ImageFiles, ImageId, InsidePath, Name, Repository, lineage::row},
    planning::{LeafStream, overlap},
};

use super::{
    DeliveryContext,
    entry::BundleEntry,
    unpack::{BaseDisk, TargetDisk, not_promised},
};

/// An image that is whole and proven.
#[derive(Debug)]
pub(super) struct StoredImage {
    /// Its file.
    pub(super) files: ImageFiles,
    /// Its format.
    pub(super) format: Format,
    /// What proves it.
    pub(super) proof: Proof,
    /// Its leaves.
    pub(super) leaves: AtomicFile,
    /// The image here whose child its file is.
    pub(super) link: Option<(ImageId, Option<InsidePath>)>,
}

/// Writes the disk as one whole image.
///
/// # Errors
/// Chain, if the base is another disk; Digest, if the image is not the one that was promised; those of the disk and of the format;
/// Interrupted.
pub(super) fn store_whole(
    site: &Repository,
    target: &TargetDisk<'_>,
    entry: &BundleEntry,
    name: &Name,
    format: Option<Format>,
    notes: &mut Vec<String>,
    context: &DeliveryContext<'_>,
) -> Result<StoredImage> {
    let disk = target.disk();
    let wanted = format.unwrap_or(site.about().default_format);
    let whole = WholeImage::begin(wanted, disk.disk(), |format| {
        site.free_place(name, extension_of(format))
    })?;
    let format = whole.format;
    if format != wanted {
        notes.push(format!(
            "kept as raw, for {wanted} holds no disk of {} bytes",
            disk.size().0
        ));
    }
    let Output { writer, drafts } = whole.output;
    let original = target.clonable().filter(|_| format == Format::Raw);
    let is_clone = original.is_some_and(|(original, opened)| drafts.share(&**original, opened));
    let (copied, leaves) = target.write(writer, site.new_leaves()?, is_clone, context)?;
    Ok(StoredImage {
        files: ImageFiles::AtomicFileSet(whole.place, drafts),
        format,
        proof: promised(entry, copied.proof)?,
        leaves,
        link: None,
    })
}

/// Writes the disk as a child of its base, in that one's format; `None`, and a note, if that cannot be or is no smaller.
///
/// # Errors
/// As [`store_whole`].
pub(super) fn store_child(
    site: &Repository,
    base_disk: &BaseDisk,
    target: &TargetDisk<'_>,
    entry: &BundleEntry,
    name: &Name,
    notes: &mut Vec<String>,
    context: &DeliveryContext<'_>,
) -> Result<Option<StoredImage>> {
    let mut whole = |why: String| {
        notes.push(format!("kept whole: {why}"));
        Ok(None)
    };
    let Some((base, top)) = base_disk.entered() else {
        return whole("its base is only a step and is not kept".to_owned());
    };
    let format = base.format;
    let child = NewChild {
        base: base_disk.chain(),
        parent: top,
        target: target.disk(),
        // The child says of its sectors what its own format says: as a child here it has those of its base.
        target_format: entry.format,
        exec: target.exec(context),
    };
    let written = child.write(|| site.free_place(name, extension_of(format)));
    let ChildDraft { place, drafts } =
        match written.map_err(|error| target.doubt(error, context))? {
            Ok(written) => written,
            Err(why) => return whole(why.to_string()),
        };
    let (proof, leaves) = prove_child(site, base_disk, drafts.written_at(), format, context)?;
    let proof = promised(entry, Some(proof))?;
    let taken = room_on_disk(drafts.written_at())?;
    let otherwise = overlap(
        row(LeafReader::open(leaves.written_at())?),
        LeafStream::nothing(),
    )?
    .whole();
    if taken >= otherwise && otherwise > Bytes::ZERO {
        return whole(format!(
            "as a child of '{}' it would take {} bytes, which is not less",
            base.name, taken.0
        ));
    }
    Ok(Some(StoredImage {
        files: ImageFiles::AtomicFileSet(place, drafts),
        format,
        proof,
        leaves,
        link: Some((
            base.id.clone(),
            base.files.first().map(|file| file.path.clone()),
        )),
    }))
}

/// Reads the child as it will be read: opened by its own link, with no options. Of the base, which is proven, only the leaves.
fn prove_child(
    site: &Repository,
    base_disk: &BaseDisk,
    child: &std::path::Path,
    format: Format,
    context: &DeliveryContext<'_>,
) -> Result<(Proof, AtomicFile)> {
    let written = Disk::open(&OpenSpec {
        format: Some(format),
        ..OpenSpec::of(child)
    })?;
    let below = base_disk.entered().zip(written.below());
    let below = below.and_then(|((base, _), disk)| site.known_leaves(disk, base));
    prove_keeping(&written, below, || site.new_leaves(), context.run.work)
}

/// The proof, if it is that of the image that was promised.
fn promised(entry: &BundleEntry, found: Option<Proof>) -> Result<Proof> {
    let found = found.ok_or_else(|| Error::new(Kind::Host, "the image was not proven"))?;
    if found.id == entry.content_id {
        return Ok(found);
    }
    Err(not_promised(entry)
        .with_detail(format!("promised {}", entry.content_id))
        .with_detail(format!("found    {}", found.id)))
}
