//! The reasons of a choice as people read them. No figure is worked out here.

use std::fmt;

use crate::choice::{choose::Because, lineage::Kin, weigh::Weighed};

/// `golden: it was made from this, 1 hop, holds 97.3 % of its data`.
impl fmt::Display for Weighed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.image)?;
        if self.at_site != self.image {
            write!(f, " (there {})", self.at_site)?;
        }
        f.write_str(match self.kin {
            Kin::Child => ": made from it",
            Kin::Parent => ": it was made from this",
            Kin::Sibling => ": of the same lineage",
            Kin::Stranger => ": no lineage is known",
        })?;
        match self.hops {
            Some(1) => f.write_str(", 1 hop")?,
            Some(hops) => write!(f, ", {hops} hops")?,
            None => {}
        }
        if let Some(blocks) = self.blocks {
            write!(f, ", {blocks} allocated between the two")?;
        }
        if let Some(overlap) = self.overlap {
            write!(f, ", holds {:.1} % of its data", overlap.percent())?;
        }
        Ok(())
    }
}

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NothingInCommon => "the two sides have no image in common",
            Self::BelowThreshold => "no image that both sides have holds enough of it",
            Self::Unmeasured => "leaf digests are not known, so that nothing can be measured",
        })
    }
}
