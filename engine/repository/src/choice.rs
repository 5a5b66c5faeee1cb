//! Which base to choose among the images that both sides have.

mod arborescence;
mod batch;
mod blocks;
mod choose;
mod leaves;
mod lineage;
mod node;
mod resized;
mod route;
mod rules;
mod travel;
mod weigh;

pub use arborescence::{Edge, arborescence};
pub use batch::{Batch, Carrier, Leg, Origin, Pair, Route, Site, batch};
pub use blocks::Span;
pub use choose::{Because, Choice, Decision, choose};
pub use leaves::{Leaves, Overlap, Row, Run, overlap};
pub use lineage::Kin;
pub use node::{Common, Node, Shared, common};
pub use resized::{Resized, content_id_at, resized};
pub use rules::{Facts, Measure, Rules};
pub use travel::{BESIDE, Fit, fits, time_for};
pub use weigh::Weighed;
