//! A medium that is carried to sites, which are known by their inventories.

use std::{collections::HashMap, path::Path};

use imgdelta_core::Result;
use imgdelta_repository::{
    catalogue::{ImageId, Inventory},
    choice::Pair,
};

use super::site::{Sender, Sent, Site, Way};
use crate::delivery::{Delivery, Outcome, Packed, need_on_medium};

/// The medium: what is on it for one site costs nothing for the next.
pub struct Medium<'a> {
    sender: Sender<'a>,
    delivery: Delivery,
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
    /// As [`Delivery::begin`].
    pub fn begin(sender: Sender<'a>, folder: &Path, of_version_1: bool) -> Result<Self> {
        let mut delivery = Delivery::begin(folder, sender.errand.run.wait)?;
        if of_version_1 {
            delivery.keep_version_1();
        }
        Ok(Self {
            sender,
            delivery,
            packed: HashMap::new(),
        })
    }

    /// Makes sure that there may be room for what it is to carry; what lies there already counts no more. A note, if it is not certain.
    ///
    /// # Errors
    /// Host (`no_space`), if there certainly is not.
    pub(super) fn room(&self, pairs: &[Pair]) -> Result<Option<String>> {
        let pairs = pairs.iter();
        let pairs = pairs.map(|pair| (pair.image.as_str(), pair.base.as_deref(), pair.bytes));
        need_on_medium(pairs, self.delivery.index(), self.delivery.folder())
    }

    /// One of the sites.
    pub const fn site<'m>(&'m mut self, inventory: &'m Inventory) -> CarriedSite<'m, 'a> {
        CarriedSite {
            medium: self,
            inventory,
        }
    }

    /// Packs what one of the sites needs, or says that it is for that one too.
    fn pack(&mut self, way: &Way<'_>) -> Result<Packed> {
        let Sender {
            headquarters,
            errand,
            ..
        } = self.sender;
        let order = way.order();
        let key = (order.base.clone(), order.image.clone());
        if let Some(packed) = self.packed.get(&key)
            && way
                .native
                .is_none_or(|native| native == packed.entry.format)
        {
            self.delivery.is_also_for(&packed.entry, &order.sites)?;
            return Ok(packed.clone());
        }
        let packed = self.delivery.pack(headquarters, &order, errand)?;
        self.packed.insert(key, packed.clone());
        Ok(packed)
    }
}

impl Site for CarriedSite<'_, '_> {
    fn inventory(&mut self) -> Result<Inventory> {
        Ok(self.inventory.clone())
    }

    fn send(&mut self, way: &Way<'_>, sent: &mut Vec<Sent>) -> Result<Outcome> {
        let packed = self.medium.pack(way)?;
        sent.push(way.sent(packed, None));
        Ok(Outcome::Due)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}
