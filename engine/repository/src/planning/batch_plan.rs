//! What a batch of images comes to: the sites, how each is reached, and what a medium for all of them holds.

use imgdelta_core::Bytes;

use crate::planning::{choose::Choice, leaves::Overlap, node::Node, scoring::Score};

/// A site that is to have the images.
#[derive(Clone, Debug)]
pub struct Site<'a> {
    /// What it is called in the plan.
    pub name: String,
    /// What it has.
    pub images: &'a [Node],
}

/// How a batch travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// To each site over a line of its own: each gets what is least for it.
    PerSite,
    /// On one medium to all: what it carries for one site costs nothing for the next.
    SharedMedium,
}

/// What travels where, and in which order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// How each site is reached, in the order of the sites.
    pub routes: Vec<Route>,
    /// What a medium for all of them holds, each once, in the order of images and bases.
    pub pairs: Vec<Pair>,
}

impl Batch {
    /// The estimate of what is sent to all sites together.
    #[must_use]
    pub fn bytes(&self) -> Bytes {
        sum(self.routes.iter().map(Route::bytes))
    }

    /// What would be sent in all, if each image went by itself from the best base that its site had before.
    #[must_use]
    pub fn naive(&self) -> Bytes {
        sum(self.routes.iter().map(|route| route.naive))
    }

    /// The estimate of what lies on a medium for all sites.
    #[must_use]
    pub fn on_medium(&self) -> Bytes {
        sum(self.pairs.iter().map(|pair| pair.bytes))
    }
}

/// How the images reach one site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The site's name.
    pub site: String,
    /// The images that it has already: the id at headquarters and the id there.
    pub there: Vec<(String, String)>,
    /// What is sent, every base before what is made from it.
    pub transfers: Vec<Transfer>,
    /// What would be sent, if each image went by itself from the best base that the site had before.
    pub naive: Bytes,
    /// How much less is sent than would be without the steps that it takes, those included.
    pub saved_by_steps: Bytes,
}

impl Route {
    /// The estimate of what is sent.
    #[must_use]
    pub fn bytes(&self) -> Bytes {
        sum(self.transfers.iter().map(|transfer| transfer.bytes))
    }
}

/// One image on its way to a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// The image.
    pub image: String,
    /// What it is made from there.
    pub from: Origin,
    /// The estimate of what is sent.
    pub bytes: Bytes,
    /// Whether nobody wants it, and it only serves as a step to others.
    pub is_step: bool,
    /// What would be chosen for it by itself, with its runners-up.
    pub choice: Choice,
}

/// What an image is made from at its site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nothing: it travels as a whole.
    Nothing,
    /// An image that the site had before.
    There(Score),
    /// An image of the batch.
    Sent {
        /// Its id.
        image: String,
        /// What it holds of the image that is made from it.
        overlap: Overlap,
    },
}

impl Origin {
    /// The id, at headquarters, of the image that it names.
    #[must_use]
    pub fn base(&self) -> Option<&str> {
        match self {
            Self::Nothing => None,
            Self::There(base) => Some(&base.image),
            Self::Sent { image, .. } => Some(image),
        }
    }
}

/// A difference, or a whole image, as it lies on a medium.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The id of the image.
    pub image: String,
    /// The id of its base; `None` for a whole image.
    pub base: Option<String>,
    /// The estimate of its size.
    pub bytes: Bytes,
    /// The sites that are going to use it.
    pub sites: Vec<String>,
}

/// The sum, or the greatest number that there is.
pub(super) fn sum(bytes: impl Iterator<Item = Bytes>) -> Bytes {
    Bytes(bytes.fold(0, |sum, bytes| sum.saturating_add(bytes.0)))
}
