//! Which base to choose among the images that both sides have.

mod arborescence;
mod blocks;
mod choose;
mod leaves;
mod lineage;
mod node;
mod rules;
mod travel;
mod weigh;

pub use arborescence::{Edge, arborescence};
pub use blocks::Span;
pub use choose::{Because, Choice, Decision, choose};
pub use leaves::{Leaves, Overlap, Row, Run, overlap};
pub use lineage::Kin;
pub use node::{Common, Node, Shared, common};
pub use rules::{Facts, Measure, Rules};
pub use travel::{BESIDE, Fit, fits, time_for};
pub use weigh::Weighed;
