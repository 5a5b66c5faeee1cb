//! What is done with a repository: each call a builder with one `run`, its result plain data.
//!
//! | call | does |
//! |---|---|
//! | [`Init`] | a folder becomes a repository |
//! | [`Add`], [`Scan`] | images come in: copied, or as they stand |
//! | [`List`], [`Tree`], [`Show`] | what is known, as records and a look at the files say it |
//! | [`AddTags`], [`RemoveTags`], [`SetGolden`], [`SetId`], [`Rename`] | what is known changes, the image does not |
//! | [`Verify`] | images against their content ids; made what they were |
//! | [`Remove`], [`Gc`] | images go, and what killed processes left behind |
//! | [`WriteInventory`] | the list that another site reads |
//! | [`Plan`] | which bases would be chosen for sites, why, and what would be sent |
//!
//! A call is given the repository's folder, and opens it by itself; all of them take a [`Context`](imgdelta_operations::Context), and
//! none begins when that was stopped before. Those that change something can be a dry run, which refuses what the call would refuse and
//! writes nothing, and say how long to wait while another process changes the repository.
//!
//! Reports serialise as the command's `--json` has them, apart from `schema`. Below the calls stands [`Repository`](crate::catalogue::Repository), for who
//! holds one open.
//!
//! ```
//! use imgdelta_core::{Format, Kind, Result};
//! use imgdelta_operations::Context;
//! use imgdelta_registry::OpenSpec;
//! use imgdelta_repository::calls::{Add, AddSpec, Init, List, Verify};
//!
//! # fn main() -> Result<()> {
//! # let place = tempfile::tempdir().expect("a place");
//! # let image = place.path().join("golden.raw");
//! # std::fs::write(&image, vec![7; 100_000]).expect("room");
//! # let folder = place.path().join("hq");
//! let context = Context::new();
//! Init::new(&folder).format(Format::Vhdx).run(&context)?;
//!
//! let golden = AddSpec { image: OpenSpec::of(&image), golden: true, ..AddSpec::default() };
//! let added = Add::new(&folder, [golden]).run(&context)?;
//! assert!(added.images[0].is_new);
//!
//! let list = List::new(&folder).run(&context)?;
//! assert_eq!((list.summary.count, list.images[0].name.as_str()), (1, "golden"));
//!
//! let verified = Verify::new(&folder).run(&context)?;
//! assert!(verified.summary.is_sound());
//!
//! // A folder becomes a repository once.
//! let again = Init::new(&folder).run(&context);
//! assert_eq!(again.map_err(|error| error.kind()), Err(Kind::Usage));
//! # Ok(())
//! # }
//! ```

mod add;
mod edit;
mod failed;
mod gc;
mod image;
mod init;
mod inventory;
mod list;
mod plan;
mod remove;
mod require_signer;
mod scan;
mod show;
mod site;
mod target;
mod tree;
mod verify;

pub use add::{Add, AddReport, AddSpec, AddedImage};
pub use edit::{AddTags, EditReport, RemoveTags, Rename, SetGolden, SetId};
pub use failed::{Failed, left_out, unreadable};
pub use gc::{Gc, GcReport};
pub use image::{Image, ImageParent, ImageRef};
pub use init::{Init, InitReport};
pub use inventory::{InventoryReport, WriteInventory};
pub use list::{List, ListReport, ListSummary};
pub use plan::{
    MediumFit, Plan, PlanCandidate, PlanLeg, PlanPair, PlanReport, PresentImage, ResizedImage,
    SitePlan,
};
pub use remove::{Remove, RemoveReport};
pub use require_signer::{RequireSigner, RequireSignerReport};
pub use scan::{FailedFile, SameDisk, Scan, ScanReport};
pub use show::{ImageFile, Show, ShowReport};
pub use site::{refuse_twice, site_inventory};
pub use tree::{Tree, TreeImage, TreeReport, TreeSummary};
pub use verify::{
    MendedImage, Region, VerifiedImage, Verify, VerifyReport, VerifySummary, WindowsFrom,
};
