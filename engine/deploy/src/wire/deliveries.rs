//! What comes over a line is what lies on a stick: parts are the files of a delivery's item, and images are made of them in the same way.

use imgdelta_core::{Error, Kind, Result};
use imgdelta_repository::catalogue::{Repository, Run};

use super::{
    failure::tame,
    install::{Install, Installed, Received, Whole},
    offer::{Parcel, Part},
};
use crate::delivery::{Errand, Goods, Ground, Item, Manner, Shipped, install, unpack::step};

/// Makes images of what has come as items of deliveries.
#[derive(Clone, Copy, Debug, Default)]
pub struct Deliveries;

impl Install for Deliveries {
    fn install(
        &self,
        repository: &Repository,
        received: &Received<'_>,
        run: &Run<'_>,
    ) -> Result<Installed> {
        let errand = Errand::quiet(*run);
        let first = received.steps.first().unwrap_or(&received.image);
        let mut ground = base(repository, first)?;
        for one in &received.steps {
            let item = item(one)?;
            ground = Some(step(&goods(&item, one)?, ground.as_ref(), &errand)?);
        }
        let item = item(&received.image)?;
        let goods = goods(&item, &received.image)?;
        let choice = received.image.choice;
        let manner = Manner {
            format: choice.format,
            as_child: choice.as_child,
        };
        let installed = install(repository, &goods, ground.as_ref(), &manner, &errand)?;
        Ok(Installed {
            record: installed.record,
            is_new: installed.is_new,
            notes: installed.notes,
        })
    }
}

/// What is sent of an item whose files lie in `folder`.
///
/// # Errors
/// Unsupported, if the item cannot be written.
pub(super) fn parcel(item: &Item, folder: &std::path::Path) -> Result<Parcel> {
    let parts: Vec<Part> = shipped(item).map(part).collect();
    let files = parts.iter().map(|part| folder.join(part.name.as_str()));
    Ok(Parcel {
        files: files.collect(),
        parts,
        item: serde_json::to_value(item).map_err(|cause| {
            Error::new(
                Kind::Unsupported,
                format!("the item cannot be written: {cause}"),
            )
        })?,
    })
}

/// The files of an item in the order in which they are sent: what is small and says what follows comes first.
fn shipped(item: &Item) -> impl Iterator<Item = &Shipped> {
    item.manifest.iter().chain([&item.file])
}

fn part(shipped: &Shipped) -> Part {
    Part {
        name: shipped.name.clone(),
        length: shipped.length,
        sha256: shipped.sha256,
    }
}

/// The image of the site that the first of what has come is made from.
fn base(repository: &Repository, first: &Whole<'_>) -> Result<Option<Ground>> {
    let Some(id) = &first.choice.base else {
        return Ok(None);
    };
    let listing = repository.list()?;
    let record = listing.by_id(id).ok_or_else(|| {
        let message = format!("the base '{id}' is not here any more");
        Error::new(Kind::Chain, message).with_code("no_base")
    })?;
    Ground::of(repository, record).map(Some)
}

/// The item that came, which must be the one that was chosen, of the parts that were offered.
fn item(whole: &Whole<'_>) -> Result<Item> {
    let Whole { choice, offer, .. } = whole;
    let item: Item = serde_json::from_value(offer.item.clone())
        .map_err(|cause| faulty(&format!("it is none: {}", tame(&cause.to_string()))))?;
    item.judge()?;
    if (&item.image, &item.content_id, item.size)
        != (&choice.image, &choice.content_id, choice.size)
    {
        return Err(faulty("it is of another image than its choice"));
    }
    if item.base.is_some() != choice.base.is_some() {
        return Err(faulty(
            "it has a base and its choice has none, or the other way round",
        ));
    }
    let is_of_parts = shipped(&item).map(part).eq(offer.parts.iter().cloned());
    if is_of_parts {
        Ok(item)
    } else {
        Err(faulty("its files are not the parts that were sent"))
    }
}

/// The item and where its files lie.
fn goods<'a>(item: &'a Item, whole: &Whole<'a>) -> Result<Goods<'a>> {
    let (manifest, file) = match whole.files {
        [file] => (None, file),
        [manifest, file] => (Some(manifest.as_path()), file),
        _ => return Err(faulty("its files are not the parts that were sent")),
    };
    Ok(Goods {
        item,
        file,
        manifest,
    })
}

fn faulty(what: &str) -> Error {
    Error::new(Kind::Corrupt, format!("the item: {what}")).with_code("item")
}
