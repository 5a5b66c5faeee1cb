//! An image as the site will hold it, written and proven, but without a name yet: as a whole, or as a child of its base.

use std::os::unix::fs::MetadataExt;

use imgdelta_core::{
    AtomicFile, Bytes, Error, Existing, Format, Kind, NewDisk, Options, Outputs, Result, SECTOR,
};
use imgdelta_delta::{
    Chain, DigestCache, Make, Proof,
    digest::{prove_keeping, prove_over},
    digest_cache::LeafReader,
};
use imgdelta_operations::Disk;
use imgdelta_registry::{
    DiskTraits, OpenSpec, Output, OutputSpec, create, extension_of, new_parent,
};
use imgdelta_repository::{
    catalogue::{Files, ImageId, InsidePath, Name, Repository, lineage::row},
    choice::{Row, overlap},
};

use super::{
    Errand,
    index::Item,
    native::require_child,
    unpack::{Ground, Unpacked, not_promised},
};

/// An image that is whole and proven.
#[derive(Debug)]
pub(super) struct Written {
    /// Its file.
    pub(super) files: Files,
    /// Its format.
    pub(super) format: Format,
    /// What proves it.
    pub(super) proof: Proof,
    /// Its leaves.
    pub(super) leaves: AtomicFile,
    /// The image here whose child its file is.
    pub(super) link: Option<ImageId>,
}

/// Writes the disk as one whole image.
///
/// # Errors
/// Chain, if the base is another disk; Digest, if the image is not the one that was promised; those of the disk and of the format;
/// Interrupted.
pub(super) fn as_whole(
    site: &Repository,
    came: &Unpacked<'_>,
    item: &Item,
    name: &Name,
    format: Option<Format>,
    notes: &mut Vec<String>,
    errand: &Errand<'_>,
) -> Result<Written> {
    let disk = &came.disk;
    let mut format = format.unwrap_or(site.about().default_format);
    let (mut path, mut output) = begin(site, name, format, disk.disk())?;
    if output.writer.shape().size != disk.size() {
        // The format can only hold a rounded size, which would be another disk.
        notes.push(format!(
            "kept as raw, for {format} holds no disk of {} bytes",
            disk.size().0
        ));
        drop(output);
        format = Format::Raw;
        (path, output) = begin(site, name, format, disk.disk())?;
    }
    let Output { writer, drafts } = output;
    let original = came.clonable().filter(|_| format == Format::Raw);
    let is_clone = original.is_some_and(|(original, opened)| drafts.share(&**original, opened));
    let (copied, leaves) = came.write(writer, site.new_leaves()?, is_clone, errand)?;
    Ok(Written {
        files: Files::AtomicFileSet(path, drafts),
        format,
        proof: promised(item, copied.proof)?,
        leaves,
        link: None,
    })
}

/// Writes the disk as a child of its base, in that one's format; `None`, and a note, if that cannot be or is no smaller.
///
/// # Errors
/// As [`as_whole`].
pub(super) fn as_child(
    site: &Repository,
    ground: &Ground,
    disk: &Chain,
    item: &Item,
    name: &Name,
    notes: &mut Vec<String>,
    errand: &Errand<'_>,
) -> Result<Option<Written>> {
    let mut whole = |why: String| {
        notes.push(format!("kept whole: {why}"));
        Ok(None)
    };
    let Some((base, top)) = ground.entered() else {
        return whole("its base is only a step and is not kept".to_owned());
    };
    let format = base.format;
    let base_traits = traits(ground.chain(), format);
    // What came says of its sectors what its own format says: as a child here it has those of its base.
    if let Err(fault) = require_child(format, &base_traits, &traits(disk, item.format)) {
        return whole(fault.message().to_owned());
    }
    let (path, place) = site.free_place(name, extension_of(format))?;
    let link = new_parent(top, &place)?;
    let Output { writer, drafts } = create(&spec(&place, format), disk.disk(), Some(link))?;
    if writer.shape().size != disk.size() {
        return whole(format!("{format} holds no disk of {} bytes", disk.size().0));
    }
    Make {
        base: ground.chain(),
        target: disk,
        proves: false,
        memory: &DigestCache::none(),
        work: errand.run.work,
    }
    .run(writer)?;
    // Some file systems count what a file takes only when it is written out.
    drafts.main()?.sync()?;
    let (proof, leaves) = prove_child(site, ground, drafts.written_at(), format, errand)?;
    let proof = promised(item, Some(proof))?;
    let taken = taken(drafts.written_at())?;
    let otherwise = overlap(row(LeafReader::open(leaves.written_at())?), Row::nothing())?.whole();
    if taken >= otherwise && otherwise > Bytes::ZERO {
        return whole(format!(
            "as a child of '{}' it would take {} bytes, which is not less",
            base.name, taken.0
        ));
    }
    Ok(Some(Written {
        files: Files::AtomicFileSet(path, drafts),
        format,
        proof,
        leaves,
        link: Some(base.id.clone()),
    }))
}

/// Reads the child as it will be read: opened by its own link, with no options. Of the base, which is proven, only the leaves.
fn prove_child(
    site: &Repository,
    ground: &Ground,
    child: &std::path::Path,
    format: Format,
    errand: &Errand<'_>,
) -> Result<(Proof, AtomicFile)> {
    let written = Disk::open(&OpenSpec {
        format: Some(format),
        ..OpenSpec::of(child)
    })?;
    let work = errand.run.work;
    if let Some((base, _)) = ground.entered()
        && let Ok(Some(known)) = site.leaves(base)
        && let Some(below) = written.below()
    {
        match prove_over(&written.chain, &below, known, site.new_leaves()?, work) {
            // The leaves are damaged: everything is read.
            Err(error) if error.code() == "leaves" => {}
            other => return other,
        }
    }
    prove_keeping(&written.chain, site.new_leaves()?, work)
}

/// Starts an image of that name and format.
fn begin(
    site: &Repository,
    name: &Name,
    format: Format,
    disk: NewDisk,
) -> Result<(InsidePath, Output)> {
    let (path, place) = site.free_place(name, extension_of(format))?;
    Ok((path, create(&spec(&place, format), disk, None)?))
}

/// A new image in that place, which nobody has yet.
fn spec(place: &std::path::Path, format: Format) -> OutputSpec {
    OutputSpec {
        path: place.to_owned(),
        format: Some(format),
        options: Options::default(),
        existing: Existing::Keep,
    }
}

/// The proof, if it is that of the image that was promised.
fn promised(item: &Item, found: Option<Proof>) -> Result<Proof> {
    let found = found.ok_or_else(|| Error::new(Kind::Host, "the image was not proven"))?;
    if found.id == item.content_id {
        return Ok(found);
    }
    Err(not_promised(item)
        .with_detail(format!("promised {}", item.content_id))
        .with_detail(format!("found    {}", found.id)))
}

/// What the rule of children asks of a disk whose top image has that format.
fn traits(chain: &Chain, format: Format) -> DiskTraits {
    DiskTraits {
        format,
        size: chain.size(),
        sector: chain.disk().sector,
    }
}

/// How much room a file takes. A block that is there for a few sectors of it is mostly a hole, where the file system knows holes.
fn taken(file: &std::path::Path) -> Result<Bytes> {
    let metadata = std::fs::metadata(file)
        .map_err(|cause| Error::host("cannot look at", cause).in_file(file))?;
    Ok(Bytes(metadata.blocks().saturating_mul(SECTOR)))
}
