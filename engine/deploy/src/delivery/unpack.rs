//! What came, as a disk: the child over its base, or the whole image. The base is proven by content, at once or in the same pass in which the
//! disk is written; whether that is what was promised is found out then, not here.

use std::{path::Path, sync::Arc};

use imgdelta_core::{
    AtomicFile, Bytes, Error, FileVersion, Format, ImageWriter, Kind, Result, SECTOR, Source,
};
use imgdelta_delta::{
    Apply, Chain, Converted, DigestCache, Layer, Manifest, digest_cache::LeafWriter,
};
use imgdelta_operations::{Stage, stored_image::whole_copy};
use imgdelta_registry::{OpenSpec, Opened, open_image};
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
    /// The disk.
    pub(super) disk: Chain,
    item: &'a Item,
    /// Its base and what that must be; of a whole image there is none.
    under: Option<(&'a Ground, Manifest)>,
    /// Whether that is what it must be.
    is_proven: bool,
}

/// The image as a disk that is written nowhere: a step on the way to others. It is proven when it is used as their base.
///
/// # Errors
/// As `unpack` and `Unpacked::prove_base`.
pub fn step(goods: &Goods<'_>, ground: Option<&Ground>, errand: &Errand<'_>) -> Result<Ground> {
    let mut came = unpack(goods, ground)?;
    came.prove_base(errand)?;
    Ok(Ground {
        chain: came.disk,
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
    let opened = open_image(&OpenSpec {
        format: Some(item.format),
        ..OpenSpec::of(goods.file)
    })?;
    let layer = Layer::new(opened.image, opened.id);
    let Some(base) = &item.base else {
        return Ok(Unpacked {
            disk: sized(&Chain::new(vec![layer])?, item)?,
            item,
            under: None,
            is_proven: true,
        });
    };
    let ground = ground.ok_or_else(|| {
        let message = format!("its base '{}' is not here", base.name);
        Error::new(Kind::Chain, message).with_code("no_base")
    })?;
    let promised = read_manifest(goods)?;
    let disk = Chain::over(layer, &ground.chain)?;
    Ok(Unpacked {
        disk: sized(&disk, item)?,
        item,
        under: Some((ground, promised)),
        is_proven: false,
    })
}

impl Unpacked<'_> {
    /// Reads and proves the base, unless that is done.
    ///
    /// # Errors
    /// Chain, if it is another disk; Interrupted.
    pub(super) fn prove_base(&mut self, errand: &Errand<'_>) -> Result<()> {
        if let (false, Some(base), Some(apply)) =
            (self.is_proven, &self.item.base, self.apply(errand))
        {
            (errand.told)(Stage::ProveBase(base.name.as_str()));
            apply.prove_base().map_err(|error| self.explain(error))?;
        }
        self.is_proven = true;
        Ok(())
    }

    /// Whether the base is only said by its id to be the one that is needed.
    pub(super) fn rests_on_claim(&self) -> bool {
        let base = self.under.as_ref().and_then(|(ground, _)| ground.entered());
        let needed = self.item.base.as_ref().map(|base| base.content_id);
        base.is_some_and(|(record, _)| Some(record.content_id) != needed)
    }

    /// The base's file as it was opened, if the base lies in it byte for byte: a clone of that is most of the image.
    pub(super) fn clonable(&self) -> Option<(&Arc<dyn Source>, &FileVersion)> {
        let (ground, _) = self.under.as_ref()?;
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
        if let Some(apply) = self.apply(errand).filter(|_| is_clone || !self.is_proven) {
            let written = match is_clone {
                true => apply.run_onto_base(writer, leaves),
                false => apply.run_keeping(writer, leaves),
            };
            return written.map_err(|error| self.explain(error));
        }
        whole_copy(&self.disk, errand.run.work).run_keeping(writer, leaves)
    }

    /// Base and child as the engine applies them; of a whole image there is nothing to apply.
    fn apply<'b>(&'b self, errand: &Errand<'b>) -> Option<Apply<'b>> {
        static NONE: DigestCache = DigestCache::none();
        let (ground, promised) = self.under.as_ref()?;
        Some(Apply {
            base: &ground.chain,
            disk: &self.disk,
            manifest: Some(promised),
            memory: &NONE,
            work: errand.run.work,
        })
    }

    /// A refusal, with what helps.
    fn explain(&self, error: Error) -> Error {
        match (error.code(), &self.under) {
            ("result_mismatch", _) => not_promised(self.item),
            ("base_mismatch" | "base_is_result", Some((ground, _))) => {
                explain(error, self.item, ground)
            }
            _ => error,
        }
    }
}

/// What came does not make the image that was promised.
pub(super) fn not_promised(item: &Item) -> Error {
    let message = format!("what came does not make '{}'; it is damaged", item.name);
    Error::new(Kind::Digest, message).with_code("result_mismatch")
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
