//! A medium that is carried to sites, which are known by their inventories.

use std::{collections::HashMap, path::Path};

use imgdelta_core::{Bytes, Result};
use imgdelta_repository::{
    catalogue::{ImageId, Inventory},
    planning::Pair,
};

use super::site::{Sender, Sent, Site, TransferRequest};
use crate::{
    bundle::{Aside, Bundle, Outcome, Packed, Piecing, SigningKey, require_space_on_medium},
    parity::Percent,
};

/// The medium: what is on it for one site costs nothing for the next.
pub struct Medium<'a> {
    sender: Sender<'a>,
    bundle: Bundle,
    /// Where it is packed first, if the medium holds so much and no more.
    aside: Option<Aside>,
    /// What was packed in this run, by base and image.
    packed: HashMap<(Option<ImageId>, ImageId), Packed>,
}

/// A site that the medium is carried to.
pub struct CarriedSite<'m, 'a> {
    medium: &'m mut Medium<'a>,
    inventory: &'m Inventory,
}

impl<'a> Medium<'a> {
    /// The delivery in `folder`, which is made if it is not there. Sites whose programs know no other form are to read it too, if `of_version_1`.
    ///
    /// # Errors
    /// As [`Bundle::begin`].
    pub fn begin(sender: Sender<'a>, folder: &Path, of_version_1: bool) -> Result<Self> {
        let mut bundle = Bundle::begin(folder, sender.context.run.wait)?;
        if of_version_1 {
            bundle.keep_version_1();
        }
        Ok(Self {
            sender,
            bundle,
            aside: None,
            packed: HashMap::new(),
        })
    }

    /// Whether what is put on it may be in the transport form; `all_take` says whether all of the sites read that. What one of them does not read
    /// must not lie there before, and is not put there later.
    ///
    /// # Errors
    /// Usage (`delivery_form`), if it does.
    pub(super) fn may_hold_transport(&mut self, all_take: bool) -> Result<bool> {
        if !all_take {
            self.bundle.keep_to_images()?;
        }
        Ok(self.bundle.may_hold_transport())
    }

    /// Whether what is put on it may lie there in pieces: all of the sites must take that.
    ///
    /// # Errors
    /// As [`Bundle::cut_files`].
    pub(super) fn cut_files(&mut self, piecing: Piecing, all_take: bool) -> Result<()> {
        self.bundle.cut_files(piecing, all_take)
    }

    /// How much parity lies beside what is put on it.
    pub(super) const fn add_parity(&mut self, percent: Option<Percent>) {
        self.bundle.add_parity(percent);
    }

    /// Makes sure that there may be room for what it is to carry; what lies there already counts no more. A note, if it is not certain.
    ///
    /// # Errors
    /// Host (`no_space`), if there certainly is not.
    pub(super) fn require_space(&self, pairs: &[Pair]) -> Result<Option<String>> {
        let pairs = pairs.iter();
        let pairs = pairs.map(|pair| (pair.image.as_str(), pair.base.as_deref(), pair.bytes));
        require_space_on_medium(pairs, self.bundle.index(), self.bundle.folder())
    }

    /// It holds so much and no more: what is put on it from now on is packed in a folder in `packing` first, until it is known that all of it fits.
    ///
    /// # Errors
    /// Host, if the host cannot make the folder.
    pub(super) fn limit(&mut self, size: Bytes, packing: &Path) -> Result<()> {
        self.aside = Some(self.bundle.aside(size, packing)?);
        Ok(())
    }

    /// Takes over what it lists already, for it is about to be signed.
    ///
    /// # Errors
    /// As [`Bundle::adopt`].
    pub(super) fn adopt(&mut self) -> Result<()> {
        self.bundle.adopt(self.sender.headquarters)
    }

    /// Nothing more is put on it: sums are written, and the list is signed, if there is a key.
    ///
    /// # Errors
    /// As [`Bundle::finish`]; Host (`no_space`), if it does not hold what was packed for it: nothing of that was written then.
    pub(super) fn finish(&mut self, key: Option<&SigningKey>) -> Result<()> {
        if let Some(aside) = self.aside.take() {
            self.bundle.take_over_from(aside, self.sender.context)?;
        }
        self.bundle.finish(key)
    }

    /// What the user should know of what lay there before; once.
    pub(super) fn take_notes(&mut self) -> Vec<String> {
        self.bundle.take_notes()
    }

    /// One of the sites.
    pub const fn site<'m>(&'m mut self, inventory: &'m Inventory) -> CarriedSite<'m, 'a> {
        CarriedSite {
            medium: self,
            inventory,
        }
    }

    /// Packs what one of the sites needs, or says that it is for that one too.
    fn pack(&mut self, request: &TransferRequest<'_>) -> Result<Packed> {
        let Sender {
            headquarters,
            context,
            ..
        } = self.sender;
        let order = request.order();
        let key = (order.base.clone(), order.image.clone());
        let bundle = match &mut self.aside {
            Some(aside) => aside.bundle(),
            None => &mut self.bundle,
        };
        if let Some(packed) = self.packed.get(&key)
            && request.form.takes(packed.entry.file_format())
        {
            bundle.is_also_for(&packed.entry, &order.sites)?;
            return Ok(packed.clone());
        }
        let packed = bundle.pack(headquarters, &order, context)?;
        self.packed.insert(key, packed.clone());
        Ok(packed)
    }
}

impl Site for CarriedSite<'_, '_> {
    fn inventory(&mut self) -> Result<Inventory> {
        Ok(self.inventory.clone())
    }

    fn send(&mut self, request: &TransferRequest<'_>, sent: &mut Vec<Sent>) -> Result<Outcome> {
        let packed = self.medium.pack(request)?;
        sent.push(request.sent(packed, None));
        Ok(Outcome::Due)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}
