//! The settings of the choice of a base, and the measurements that it asks of its caller: a trait, so that a plan can be made of an inventory alone.

use imgdelta_core::Result;

use crate::planning::{blocks::Span, leaves::Leaves};

/// What ranks the candidates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Measure {
    /// The cheapest that decides which are the best few, then the ratio of those.
    #[default]
    Auto,
    /// Edges in the tree between the candidate and the image wanted.
    Hops,
    /// Bytes in the union of allocation along the edges between the two.
    Blocks,
    /// Windows of the wanted image that are not zero and that the candidate holds at the same place.
    Ratio,
}

/// The rules of the choice. The defaults are those of the design.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// What ranks the candidates. The threshold is always on the ratio.
    pub measure: Measure,
    /// How many percent of the wanted image's data a base must hold.
    pub threshold: u32,
    /// Where there are more candidates than this, only near ones are weighed at first.
    pub list: usize,
    /// How much further is looked, in hops, each time that no near one will do.
    pub stride: u32,
    /// How many of the best are weighed exactly at a time, and named as runners-up.
    pub few: usize,
    /// Of how many candidates without lineage the leaves are read at most: those of the nearest size.
    pub scans: usize,
    /// How many images a batch may carry only as steps to others.
    pub steps: usize,
    /// Whether what travels says zero with a mark, as qcow2 does; else it stores zeros as data.
    pub has_zero_marks: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            measure: Measure::Auto,
            threshold: 10,
            list: 25,
            stride: 5,
            few: 5,
            scans: 256,
            steps: 8,
            has_zero_marks: true,
        }
    }
}

/// What headquarters knows of its own images, by their ids.
///
/// What is not known is `None`; an error ends the choice, so damage in one image's records had better be `None` too.
pub trait Measurements: Sync {
    /// The image's leaf digests. They may be asked for more than once; if they turn out to be damaged, they are as if they were not known.
    ///
    /// # Errors
    /// As the caller has them; also those of the runs themselves.
    fn leaves(&self, image: &str) -> Result<Option<Leaves<'_>>>;

    /// Where the image says something that its parent does not: the allocation of its own layer, zero marks too. `None` if it is
    /// whole and has no such layer, or has too many runs to name; then the leaves of both are compared.
    ///
    /// # Errors
    /// As the caller has them.
    fn allocation(&self, child: &str) -> Result<Option<Vec<Span>>>;
}
