//! The reasons of a choice as people read them, in one place: messages and plans say the same.

use std::fmt;

use crate::planning::{choose::Because, lineage::Relation, scoring::Score};

/// `golden: it was made from this, 1 hop, holds 97.3 % of its data`.
impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.image)?;
        if self.at_site != self.image {
            write!(f, " (there {})", self.at_site)?;
        }
        f.write_str(match self.kin {
            Relation::Child => ": made from it",
            Relation::Parent => ": it was made from this",
            Relation::Sibling => ": of the same lineage",
            Relation::Stranger => ": no lineage is known",
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
