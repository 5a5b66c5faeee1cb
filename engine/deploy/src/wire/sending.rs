//! Images of headquarters sent over a conversation: announced, the best way worked out from what the site answers, each packed and
//! delivered in its turn. Packing and choosing are other rooms' work.

use std::{
    collections::HashMap,
    fs,
    io::{Read, Write},
    path::Path,
};

use imgdelta_core::{Error, Kind, Result};
use imgdelta_repository::{
    catalogue::{
        ImageId, Listing, Name, Record, Repository,
        facts::{Holdings, node},
    },
    choice::{Carrier, Leg, Node, Origin, Route, Rules, Site, batch},
};

use super::{
    client::{Client, Outcome},
    deliveries::parcel,
    offer::{Choice, Parcel},
};
use crate::delivery::{Errand, Manner, Order, Recipient, pack};

/// Images on their way over a line.
#[derive(Clone, Debug)]
pub struct Sending<'a> {
    /// The repository that has them.
    pub headquarters: &'a Repository,
    /// The images, see [`Listing::find`].
    pub images: &'a [String],
    /// How bases are chosen.
    pub rules: &'a Rules,
    /// Whether children are of the site's own kind and not of the smallest.
    pub native: bool,
    /// In which form the site keeps them.
    pub manner: Manner,
    /// A folder for what is packed; each image's files go when it has been sent.
    pub folder: &'a Path,
}

/// What became of images that were sent over a line.
#[derive(Debug)]
pub struct Sent {
    /// How they get there.
    pub route: Route,
    /// What became of each, in the order of the route.
    pub images: Vec<SentImage>,
}

/// What became of one of them.
#[derive(Debug)]
pub struct SentImage {
    /// Its id at headquarters.
    pub image: ImageId,
    /// What it is called there.
    pub name: Name,
    /// What became of it.
    pub outcome: Result<Outcome>,
    /// What the user should know.
    pub notes: Vec<String>,
}

impl Sent {
    /// The first failure.
    #[must_use]
    pub fn failure(&self) -> Option<&Error> {
        self.images
            .iter()
            .find_map(|one| one.outcome.as_ref().err())
    }
}

impl Sending<'_> {
    /// Announces the images, works out how they get there with the least to send, and sends them. One that fails stops only those that are
    /// made from it.
    ///
    /// # Errors
    /// Usage, if headquarters does not have one of the images; as [`Client::announce`]; Interrupted. What became of each image stands
    /// in the outcome.
    pub fn over<R: Read, W: Write>(
        &self,
        client: &mut Client<'_, R, W>,
        errand: &Errand<'_>,
    ) -> Result<Sent> {
        let listing = self.headquarters.list()?;
        let wanted = (self.images.iter())
            .map(|word| Ok(listing.find(word)?.id.clone()))
            .collect::<Result<Vec<ImageId>>>()?;
        let answer = client.announce(&self.headquarters.inventory()?, &wanted)?;
        let there: Vec<Node> = answer.images.iter().map(node).collect();
        let site = client.site().repository.as_str();
        let work = errand.run.work;
        let route = work.install(|| self.route(&listing, &wanted, &there, site))??;
        let mut images = Vec::new();
        let mut arrived: HashMap<String, ImageId> = HashMap::new();
        for leg in &route.legs {
            let Some(record) = listing.by_id(&leg.image.parse()?) else {
                continue;
            };
            let mut notes = Vec::new();
            let outcome = self.send(client, errand, (leg, record), &arrived, &mut notes);
            match &outcome {
                Ok(outcome) => {
                    arrived.insert(leg.image.clone(), id_there(outcome, record));
                }
                Err(error) if error.kind() == Kind::Interrupted => return Err(Error::interrupted()),
                Err(_) => {}
            }
            images.push(SentImage {
                image: record.id.clone(),
                name: record.name.clone(),
                outcome,
                notes,
            });
        }
        Ok(Sent { route, images })
    }

    /// How the images get to the site; candidates are scored on the pool that this runs on.
    fn route(
        &self,
        listing: &Listing,
        wanted: &[ImageId],
        there: &[Node],
        site: &str,
    ) -> Result<Route> {
        let holdings = Holdings::of(self.headquarters, listing);
        let site = Site {
            name: site.to_owned(),
            images: there,
        };
        let wanted: Vec<&str> = wanted.iter().map(ImageId::as_str).collect();
        let nodes = holdings.nodes();
        let mut batch = batch(
            &nodes,
            &[site],
            &wanted,
            Carrier::Lines,
            &holdings,
            self.rules,
        )?;
        let route = batch.routes.pop();
        route.ok_or_else(|| Error::new(Kind::Usage, "there is no way to the site"))
    }

    /// Sends one image.
    fn send<R: Read, W: Write>(
        &self,
        client: &mut Client<'_, R, W>,
        errand: &Errand<'_>,
        (leg, record): (&Leg, &Record),
        arrived: &HashMap<String, ImageId>,
        notes: &mut Vec<String>,
    ) -> Result<Outcome> {
        let base = match &leg.from {
            Origin::Nothing => None,
            Origin::There(base) => Some(base.at_site.parse()?),
            Origin::Sent { image, .. } => Some(arrived.get(image).cloned().ok_or_else(|| {
                let message = format!("its base '{image}' did not get there");
                Error::new(Kind::Chain, message).with_code("no_base")
            })?),
        };
        let choice = Choice {
            image: record.id.clone(),
            content_id: record.content_id,
            size: record.size,
            name: record.name.clone(),
            base,
            bytes: leg.bytes.0,
            step: leg.is_step,
            format: self.manner.format,
            as_child: self.manner.as_child,
        };
        let order = Order {
            image: record.id.clone(),
            base: leg.from.base().map(str::parse).transpose()?,
            native: self.native.then_some(client.site().default_format),
            sites: vec![Recipient {
                repository: client.site().repository.clone(),
                step: leg.is_step,
            }],
        };
        let mut sent = None;
        let outcome = client.deliver(&choice, || {
            let packed = pack(self.headquarters, &order, self.folder, errand)?;
            notes.extend(packed.notes);
            let parcel = parcel(&packed.item, self.folder)?;
            sent = Some(parcel.clone());
            Ok(parcel)
        });
        sent.iter().for_each(clear);
        outcome
    }
}

/// Takes away what was packed: the same images make the same files again. Not synced, for nobody is told.
fn clear(parcel: &Parcel) {
    for file in &parcel.files {
        let _ = fs::remove_file(file);
    }
}

/// What later choices call the image at the site.
fn id_there(outcome: &Outcome, record: &Record) -> ImageId {
    match outcome {
        Outcome::There(there) => there.image.clone(),
        Outcome::Entered { entry, .. } => entry.image.clone(),
        Outcome::Kept { .. } => record.id.clone(),
    }
}
