//! What came, as a disk: the child over its base, the base being proven by content; or the whole image. Whether the disk is what was
//! promised is found out when it is written, not here.

use std::path::Path;

use imgdelta_core::{Bytes, Error, FileOffset, FileSource, Kind, Result, SECTOR, Source, read_vec};
use imgdelta_delta::{Apply, Chain, Layer, Manifest, Memory, manifest};
use imgdelta_registry::{OpenSpec, Opened, open_image};
use imgdelta_repository::catalogue::{Record, Repository};

use super::{
    Errand, Stage,
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

/// The image as a disk that is written nowhere: a step on the way to others. It is proven when it is used as their base.
///
/// # Errors
/// As [`unpack`].
pub fn step(goods: &Goods<'_>, ground: Option<&Ground>, errand: &Errand<'_>) -> Result<Ground> {
    Ok(Ground {
        chain: unpack(goods, ground, errand)?,
        entered: None,
    })
}

/// The disk that base and child make, the base being proven; or the whole image's.
///
/// # Errors
/// Chain, if the base is missing or another disk; Corrupt, if what came contradicts itself; Interrupted.
pub(super) fn unpack(
    goods: &Goods<'_>,
    ground: Option<&Ground>,
    errand: &Errand<'_>,
) -> Result<Chain> {
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
