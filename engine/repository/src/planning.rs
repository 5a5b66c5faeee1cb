//! Which base to choose among the images that both sides have, and in which order a batch travels. No file is opened here: what
//! images hold is asked of the caller, through [`Measurements`].
//!
//! | what | says |
//! |---|---|
//! | [`common`] | which images both sides have, by content |
//! | [`resized`] | which are the same but for their size |
//! | [`overlap`] | what one disk holds of another, from leaf digests |
//! | [`choose`] | the base of one image for one site, why, the runners-up and the bytes |
//! | [`batch`] | how several images reach several sites with the least to send |
//! | [`time_for`], [`fits`] | how long that takes, and whether a medium holds it |
//!
//! ```
//! use imgdelta_core::{Bytes, Result};
//! use imgdelta_delta::{ContentId, Digest, WINDOW};
//! use imgdelta_repository::planning::{Measurements, Leaves, Node, Rules, Run, Span, choose};
//!
//! /// Disks of four windows, each named by a letter; a dot is a window of zeros.
//! struct Shelf;
//!
//! impl Measurements for Shelf {
//!     fn leaves(&self, image: &str) -> Result<Option<Leaves<'_>>> {
//!         let disk = match image {
//!             "golden" => "abc.",
//!             "patched" => "abX.",
//!             _ => return Ok(None),
//!         };
//!         let run = |window: char| match window {
//!             '.' => Run::Zero(1),
//!             window => Run::Leaf(Digest::leaf(&[window as u8])),
//!         };
//!         Ok(Some(Box::new(disk.chars().map(move |window| Ok(run(window))))))
//!     }
//!
//!     fn allocation(&self, _: &str) -> Result<Option<Vec<Span>>> {
//!         Ok(None) // Each is a whole image: their leaves are compared.
//!     }
//! }
//!
//! let image = |id: &str, content: &str, parent: Option<&str>| Node {
//!     id: id.to_owned(),
//!     content_id: ContentId(Digest::plain(content.as_bytes())),
//!     size: Bytes(4 * WINDOW.0),
//!     parent: parent.map(str::to_owned),
//!     is_there: true,
//! };
//! let headquarters = [
//!     image("golden", "abc.", None),
//!     image("patched", "abX.", Some("golden")),
//! ];
//! // The site calls it something else; its content says what it is.
//! let site = [image("Golden Disk", "abc.", None)];
//!
//! let choice = choose(&headquarters, &site, "patched", &Shelf, &Rules::default())?;
//! let base = choice.base().expect("both sides have the golden image");
//! assert_eq!((base.image.as_str(), base.at_site.as_str()), ("golden", "Golden Disk"));
//! assert_eq!(choice.bytes, WINDOW); // One window of three differs.
//! assert_eq!(
//!     base.to_string(),
//!     "golden (there Golden Disk): it was made from this, 1 hop, holds 66.7 % of its data",
//! );
//! # Ok::<(), imgdelta_core::Error>(())
//! ```

mod arborescence;
mod batch;
mod batch_plan;
mod blocks;
mod choose;
mod estimate;
mod explain;
mod leaves;
mod lineage;
mod node;
mod resized;
mod route;
mod rules;
mod scoring;
mod search;
mod steps;
mod transfers;

pub use arborescence::{Edge, arborescence};
pub use batch::batch;
pub use batch_plan::{Batch, Origin, Pair, Route, Site, Transfer, Transport};
pub use blocks::Span;
pub(crate) use blocks::differing;
pub use choose::{Because, Choice, Decision, choose};
pub use estimate::{BESIDE, Fit, fits, time_for};
pub use leaves::{LeafStream, Leaves, Overlap, Run, overlap};
pub use lineage::Relation;
pub use node::{Common, Node, common};
pub use resized::{Resized, content_id_at, resized};
pub use rules::{Measure, Measurements, Rules};
pub use scoring::Score;
