//! What travels: packed at headquarters, installed at the site, by path or on a medium.
//!
//! A *delivery* ([`Bundle`]) is a folder, a stick say, that holds children, whole images, their manifests, [`delivery.json`](index) and a how-to. At
//! headquarters [`pack`](Bundle::pack) puts into it what differs between two images; at the site [`receive`](receive()) takes out what it has the
//! base for, proves the base, makes the image, proves that, and enters it. Nothing on a delivery is trusted. Which base is best is the matter
//! of [`planning`](imgdelta_repository::planning).
//!
//! | module | holds |
//! |---|---|
//! | [`index`] | `delivery.json`: what a delivery holds, and for whom |
//! | [`entry`] | one image as it travels: an entry of the list, which is what travels over a connection, too |
//! | [`file_entry`] | a file of an entry: whole or in pieces, and what lies beside it |
//! | [`piece_list`] | a long file in pieces, as it is listed |
//! | [`block_list`] | the digests of a file's blocks, as they are listed |
//! | [`folder`] | a delivery on disk: opened, added to, its files looked at |
//! | [`media`] | a delivery laid on several media |
//! | [`signature`] | by whom the list was made |
//! | [`pack`](mod@pack) | a difference, or a whole image, as files that travel |
//! | [`receive`](mod@receive) | what of a delivery a site takes |
//! | [`request`] | what a site asks for once more |
//! | [`outcome`] | what becomes of an image at its site, for all transports |
//! | [`unpack`] | what was received, as a disk over its base, which is proven |
//! | [`install`](mod@install) | one image made of that, proven and entered |
//! | [`verify`](mod@verify) | a delivery looked through, file by file, without a repository |
//!
//! Inside, `removal` takes images out of a delivery again, `receiver` is a site's own end of any deployment, `schedule` works out which entries lead to an image, `store` writes images, `hash`
//! reads files for their SHA-256, `howto` writes for people, `sums` for sha256sum, `file_names` names files, `sweep` deletes those that nothing lists, `stored_file` holds a file against the list, `piece_writer` puts pieces on a medium, `piece_source` reads them as one, `block_digests` says where one is damaged, `healing` heals one by its parity, `storage_need` and `medium_space`
//! estimate space, `deliveries` takes several as one, `staging_folder` is the folder at a site for files that are being received, `staged_media` that for what lay on media that came first.
//!
//! ```
//! use std::time::Duration;
//!
//! use imgdelta_core::{Bytes, Format, Result};
//! use imgdelta_delta::{RunProgress, ExecContext};
//! use imgdelta_deploy::bundle::{Bundle, DeliveryContext, Form, Order, Recipient, StoreOptions, receive};
//! use imgdelta_registry::OpenSpec;
//! use imgdelta_repository::catalogue::{Add, Repository, Run};
//!
//! # fn main() -> Result<()> {
//! # let place = tempfile::tempdir().expect("a place");
//! # let at = |name: &str| place.path().join(name);
//! # let noise: Vec<u8> = (0..1_u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
//! # std::fs::write(at("golden.raw"), &noise).expect("room");
//! # let mut patched = noise.clone();
//! # patched.splice(500_000..500_005, *b"fixed");
//! # std::fs::write(at("patched.raw"), &patched).expect("room");
//! let progress = RunProgress::default();
//! let work = ExecContext::new(4, &progress);
//! let context = DeliveryContext::quiet(Run { work, wait: Duration::from_secs(60) });
//! let image = |name: &str| Add { image: OpenSpec::of(at(name)), ..Add::default() };
//!
//! let headquarters = Repository::init(&at("hq"), Format::Qcow2)?;
//! headquarters.add(&image("golden.raw"), &context.run)?;
//! headquarters.add(&Add { parent: Some("golden".into()), ..image("patched.raw") }, &context.run)?;
//! // The site has the golden image, in a repository and a format of its own.
//! let site = Repository::init(&at("site"), Format::Vmdk)?;
//! site.add(&image("golden.raw"), &context.run)?;
//!
//! // The site can be reached by nobody, but its inventory has come by mail.
//! let mut bundle = Bundle::begin(&at("stick"), context.run.wait)?;
//! let order = Order {
//!     image: headquarters.show("patched")?.id,
//!     base: Some(headquarters.show("golden")?.id),
//!     form: Form::default(),
//!     bytes: Bytes::mib(1),
//!     sites: vec![Recipient { repository: site.inventory()?.repository, step: false }],
//! };
//! bundle.pack(&headquarters, &order, &context)?;
//!
//! // Some days later, there.
//! let received = receive(&at("stick"), &site, &StoreOptions::default(), &context)?;
//! assert_eq!(received.entered().count(), 1);
//! assert_eq!(site.show("patched")?.content_id, headquarters.show("patched")?.content_id);
//! # Ok(())
//! # }
//! ```

mod block_digests;
pub mod block_list;
mod deliveries;
pub mod entry;
pub mod file_entry;
mod file_names;
pub mod folder;
mod hash;
mod healing;
mod howto;
pub mod index;
pub mod install;
pub mod media;
mod medium_space;
pub mod outcome;
pub mod pack;
pub mod piece_list;
mod piece_source;
mod piece_writer;
pub mod receive;
mod receiver;
mod removal;
pub mod request;
mod schedule;
pub mod signature;
mod staged_media;
mod staging_folder;
mod storage_need;
mod store;
mod store_options;
mod stored_file;
mod sums;
mod sweep;
pub mod unpack;
pub mod verify;

use imgdelta_operations::Stage;
use imgdelta_repository::catalogue::Run;

pub use self::{
    block_list::BlockList,
    deliveries::MediaState,
    entry::{BundleEntry, EntryForm, ImageRef, Recipient},
    file_entry::FileEntry,
    folder::{Bundle, Piecing},
    healing::HealedFile,
    index::{Index, MediumNumber, SCHEMA, SCHEMA_1},
    install::install,
    outcome::{EnteredImage, Outcome, ReceivedImage, SiteImage},
    pack::{Form, Order, Packed, pack},
    piece_list::{LEAST_PIECE, PIECE_LIMIT, ParityEntry, PieceList, StoredFile, USUAL_PIECE},
    receive::{Received, SignedDelivery, preview, receive},
    removal::Removal,
    request::{Request, RequestedEntry, WindowList},
    signature::SigningKey,
    store_options::StoreOptions,
    unpack::{BaseDisk, EntryFiles},
    verify::{FileState, VerifiedDelivery, VerifiedFile, verify},
};
pub(crate) use self::{
    folder::Aside,
    medium_space::{require_space_in_folder, require_space_on_medium},
    outcome::can_retry_with_other_base,
    receiver::Receiver,
    staging_folder::StagingFolder,
    storage_need::{PlannedTransfer, StorageEstimate},
};

/// The program that writes deliveries and manifests.
pub(crate) const TOOL: &str = concat!("imgdelta ", env!("CARGO_PKG_VERSION"));

/// How an operation is to be done, and who hears of it.
#[derive(Clone, Copy)]
pub struct DeliveryContext<'a> {
    /// Threads, counters, time, patience.
    pub run: Run<'a>,
    /// Hears what is begun; how far it is, the counters say.
    pub on_stage: &'a dyn Fn(Stage<'_>),
}

impl<'a> DeliveryContext<'a> {
    /// Nobody hears of it.
    #[must_use]
    pub const fn quiet(run: Run<'a>) -> Self {
        Self {
            run,
            on_stage: &|_| (),
        }
    }
}

impl std::fmt::Debug for DeliveryContext<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Errand").field("run", &self.run).finish()
    }
}
