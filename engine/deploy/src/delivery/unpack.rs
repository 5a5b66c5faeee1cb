//! What came, as a disk: the child over its base, or the whole image. The base is proven by content, at once or in the same pass in which the
//! disk is written; whether that is what was promised is found out then, not here.

use std::{path::Path, sync::Arc};

use imgdelta_core::{
    AtomicFile, Bytes, Error, FileVersion, Format, ImageWriter, Kind, Result, Source,
};
use imgdelta_delta::{Chain, Converted, Manifest, digest_cache::LeafWriter};
use imgdelta_operations::{Stage, received_image::ReceivedImage};
use imgdelta_registry::Opened;
use imgdelta_repository::catalogue::{Record, Repository};

use super::{
    Errand,
    index::{Item, faulty},
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
        let top = disk.top.clone();
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

/// What came, open as a disk.
#[derive(Debug)]
pub(super) struct Unpacked<'a> {
    image: ReceivedImage,
    item: &'a Item,
    /// What its base is here; of a whole image there is none.
    ground: Option<&'a Ground>,
}

/// The image as a disk that is written nowhere: a step on the way to others. It is proven when it is used as their base.
///
/// # Errors
/// As `unpack` and `Unpacked::prove_base`.
pub fn step(goods: &Goods<'_>, ground: Option<&Ground>, errand: &Errand<'_>) -> Result<Ground> {
    let mut came = unpack(goods, ground)?;
    came.prove_base(errand)?;
    Ok(Ground {
        chain: came.disk().clone(),
        entered: None,
    })
}

/// The disk that base and child make, or the whole image's.
///
/// # Errors
/// Chain, if the base is missing; Corrupt, if what came contradicts itself.
pub(super) fn unpack<'a>(goods: &Goods<'a>, ground: Option<&'a Ground>) -> Result<Unpacked<'a>> {
    let item = goods.item;
    item.judge()?;
    let size = Bytes(item.size);
    let Some(base) = &item.base else {
        return Ok(Unpacked {
            image: ReceivedImage::whole(goods.file, item.format, size)?,
            item,
            ground: None,
        });
    };
    let ground = ground.ok_or_else(|| {
        let message = format!("its base '{}' is not here", base.name);
        Error::new(Kind::Chain, message).with_code("no_base")
    })?;
    let promised = read_manifest(goods)?;
    Ok(Unpacked {
        image: ReceivedImage::over(goods.file, item.format, size, &ground.chain, promised)?,
        item,
        ground: Some(ground),
    })
}

impl Unpacked<'_> {
    /// The disk.
    pub(super) const fn disk(&self) -> &Chain {
        self.image.disk()
    }

    /// Reads and proves the base, unless that is done.
    ///
    /// # Errors
    /// Chain, if it is another disk; Interrupted.
    pub(super) fn prove_base(&mut self, errand: &Errand<'_>) -> Result<()> {
        if let (false, Some(base)) = (self.image.is_proven(), &self.item.base) {
            (errand.told)(Stage::ProveBase(base.name.as_str()));
        }
        let proven = self.image.prove_base(errand.run.work);
        proven.map_err(|error| self.explain(error))
    }

    /// The base's file as it was opened, if the base lies in it byte for byte: a clone of that is most of the image.
    pub(super) fn clonable(&self) -> Option<(&Arc<dyn Source>, &FileVersion)> {
        let ground = self.ground?;
        let (record, top) = ground.entered()?;
        let ([layer], Format::Raw) = (ground.chain.layers(), record.format) else {
            return None;
        };
        Some((top.image.facts().files.first()?, layer.stamps().first()?))
    }

    /// Writes the disk as one image, its leaves beside it; a base that has not been proven is proven in the same pass. `is_clone`: the output
    /// began as a clone of the base's file.
    ///
    /// # Errors
    /// Chain, if the base is another disk; Digest, if the image is another one; those of the disk and of the writer; Interrupted.
    pub(super) fn write(
        &self,
        writer: Box<dyn ImageWriter>,
        leaves: LeafWriter,
        is_clone: bool,
        errand: &Errand<'_>,
    ) -> Result<(Converted, AtomicFile)> {
        let written = self.image.write(writer, leaves, is_clone, errand.run.work);
        written.map_err(|error| self.explain(error))
    }

    /// A refusal, with what helps.
    fn explain(&self, error: Error) -> Error {
        match (error.code(), self.ground) {
            ("result_mismatch", Some(_)) => not_promised(self.item),
            ("base_mismatch" | "base_is_result", Some(ground)) => explain(error, ground),
            _ => error,
        }
    }
}

/// What came does not make the image that was promised.
pub(super) fn not_promised(item: &Item) -> Error {
    let message = format!("what came does not make '{}'; it is damaged", item.name);
    Error::new(Kind::Digest, message).with_code("result_mismatch")
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
        let promised = Manifest::read(place)?;
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
fn explain(error: Error, ground: &Ground) -> Error {
    let Some((_, top)) = &ground.entered else {
        return error;
    };
    let is_mismatch = error.code() == "base_mismatch";
    let error = error.in_file(&top.path);
    if is_mismatch {
        error.with_hint("'imgdelta repo verify' says what has changed")
    } else {
        error
    }
}
