//! The calls on sites: each a builder with one `run`, its result plain data that serialises.
//!
//! | call | does |
//! |---|---|
//! | [`Plan`] | asks sites what they have, and says which bases would be chosen, why, and how much would be sent |
//! | [`Deploy`] | sends images, each from the best base that both sides have: to folders, over ssh, or onto a medium |
//! | [`InitSite`] | starts a repository on another host |
//! | [`DropImages`] | takes images off a medium again |
//! | [`Receive`] | takes from a medium what is for a site |
//! | [`Refill`] | sends once more what came damaged from a medium |
//! | [`VerifyDelivery`] | looks a medium through, file by file, without a repository |
//! | [`Serve`] | holds the site's end of a conversation over ssh |
//!
//! All of them prove the base, make the image, prove that, and only then enter it. One site or image that fails does not stop the others: what
//! went wrong stands in the report, see [`DeployReport::failure`] and [`ReceiveReport::failure`]. No call reads the environment.
//!
//! ```
//! use std::time::Duration;
//!
//! use imgdelta_core::{Existing, Format, Result};
//! use imgdelta_deploy::calls::{Deploy, Destination, ImageOutcome, Receive};
//! use imgdelta_operations::{Context, Ids};
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
//! let context = Context::new();
//! # let run = Run { work: context.exec(Ids::OfContent)?, wait: Duration::from_secs(60) };
//! # let image = |name: &str| Add { image: OpenSpec::of(at(name)), ..Add::default() };
//! # let headquarters = Repository::init(&at("hq"), Format::Qcow2)?;
//! # headquarters.add(&image("golden.raw"), &run)?;
//! # headquarters.add(&Add { parent: Some("golden".into()), ..image("patched.raw") }, &run)?;
//! # let (near, far) = (Repository::init(&at("near"), Format::Vhdx)?, Repository::init(&at("far"), Format::Vmdk)?);
//! # for site in [&near, &far] {
//! #     site.add(&image("golden.raw"), &run)?;
//! # }
//! # far.inventory()?.write(&at("far.inv"), Existing::Keep)?;
//! // `hq` has the golden image and its patched version, both sites have the golden one, in formats of their own. The near one's folder can be
//! // reached; what it will cost is known before.
//! let deploy = Deploy::new(at("hq"), ["patched"]).to(Destination::Folder(at("near")));
//! let plan = deploy.plan().run(&context)?;
//! assert_eq!(plan.sites[0].legs[0].from, "there");
//!
//! let deployed = deploy.run(&context)?;
//! assert!(deployed.failure().is_none());
//! let there = deployed.sites[0].images.as_ref().expect("it was reached");
//! assert_eq!(there[0].fate, ImageOutcome::Entered);
//! assert!(deployed.bytes < 100_000, "of 1 MiB, what differs has travelled");
//!
//! // Of the far one the inventory has come by mail; what is for it goes onto a stick.
//! let deploy = Deploy::new(at("hq"), ["patched"])
//!     .to(Destination::Inventory(at("far.inv")))
//!     .medium(at("stick"));
//! deploy.run(&context)?;
//!
//! // Some days later, there.
//! let received = Receive::new(at("stick"), at("far")).as_child(true).run(&context)?;
//! let image = received.images[0].image.as_ref().expect("it was entered");
//! assert_eq!((image.name.as_str(), image.format), ("patched", "vmdk"));
//! # Ok(())
//! # }
//! ```

mod context;
mod deploy;
mod destination;
mod drop_images;
mod init_site;
mod plan;
mod receive;
mod refill;
mod serve;
mod verify_delivery;

pub use self::{
    deploy::{
        AskForMedium, Deploy, DeployReport, HeldImage, MediumReport, ShippedImage, SiteReport,
    },
    destination::Destination,
    drop_images::{DropImages, DropReport, DroppedEntry},
    init_site::InitSite,
    plan::Plan,
    receive::{ImageOutcome, Receive, ReceiveReport, ReceivedImage},
    refill::{Refill, RefillReport, RefilledImage},
    serve::{RefusedImage, Serve, ServeReport},
    verify_delivery::{DeliveryFile, VerifyDelivery, VerifyDeliveryReport},
};
