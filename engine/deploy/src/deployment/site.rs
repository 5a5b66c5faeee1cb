//! What a site is asked to do, the same for each kind of transport.

use imgdelta_core::{Bytes, Result};
use imgdelta_delta::ContentId;
use imgdelta_operations::UnusedBytes;
use imgdelta_repository::catalogue::{ImageId, Inventory, Record, Repository, RepositoryId};

use crate::{
    bundle::{BundleEntry, DeliveryContext, Form, Order, Outcome, Packed, Recipient, StoreOptions},
    space::Space,
    wire::TransferStats,
};

/// What images are brought to.
pub trait Site {
    /// What it has of what headquarters has. It is asked for first, and once.
    ///
    /// # Errors
    /// As whatever leads there has them.
    fn inventory(&mut self) -> Result<Inventory>;

    /// Brings one image there in one way. What was sent is told in `sent`.
    ///
    /// # Errors
    /// Why it did not come, or is not taken: other ways, and other images, may still be tried; Interrupted.
    fn send(&mut self, request: &TransferRequest<'_>, sent: &mut Vec<Sent>) -> Result<Outcome>;

    /// The room where its images lie, as far as it says; asked after the inventory.
    fn space(&self) -> Option<Space> {
        None
    }

    /// There is no more to come.
    ///
    /// # Errors
    /// None that would change what has come.
    fn finish(self: Box<Self>) -> Result<()>;
}

/// One image on its way to a site.
#[derive(Clone, Debug)]
pub struct TransferRequest<'a> {
    /// The image at headquarters.
    pub image: &'a Record,
    /// What it is to be made from; none: the whole image travels.
    pub base: Option<Base>,
    /// The estimate of what has to be sent.
    pub bytes: Bytes,
    /// Whether nobody wants it there, and it only serves others.
    pub is_step: bool,
    /// The repository that it goes to.
    pub site: &'a RepositoryId,
    /// In which form the difference is to travel.
    pub form: Form,
}

/// An image that both sides have, or that was sent before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// Its id at headquarters.
    pub image: ImageId,
    /// What its disk is.
    pub content_id: ContentId,
    /// Its id at the site.
    pub at_site: ImageId,
}

/// What was sent of an image.
#[derive(Clone, Debug)]
pub struct Sent {
    /// As it was packed.
    pub entry: BundleEntry,
    /// Whether its files were written now; else they lay there.
    pub is_new: bool,
    /// Whether nobody wants the image there, and it only serves others.
    pub is_step: bool,
    /// What went over the connection, where there is one.
    pub transfer: Option<TransferStats>,
    /// What of the image nobody needs and is left out, if that was asked for.
    pub left_out: Option<UnusedBytes>,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// What sends, and how: the same for all sites.
#[derive(Clone, Copy, Debug)]
pub struct Sender<'a> {
    /// The repository that has the images.
    pub headquarters: &'a Repository,
    /// The images that the sites are to have.
    pub wanted: &'a [ImageId],
    /// In which form sites that are reached keep them.
    pub store: StoreOptions,
    /// How.
    pub context: &'a DeliveryContext<'a>,
}

impl TransferRequest<'_> {
    /// What is to be packed.
    pub(super) fn order(&self) -> Order {
        Order {
            image: self.image.id.clone(),
            base: self.base.as_ref().map(|base| base.image.clone()),
            form: self.form,
            bytes: self.bytes,
            sites: vec![Recipient {
                repository: self.site.clone(),
                step: self.is_step,
            }],
        }
    }

    /// What is told of it once it was packed.
    pub(super) fn sent(&self, packed: Packed, transfer: Option<TransferStats>) -> Sent {
        Sent {
            entry: packed.entry,
            is_new: packed.is_new,
            is_step: self.is_step,
            transfer,
            left_out: packed.left_out,
            notes: packed.notes,
        }
    }
}
