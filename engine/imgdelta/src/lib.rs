//! Differencing disks between two disk images, in the hypervisor's own format.
//!
//! The difference between a golden image and its patched version becomes a child VHD, VHDX, VMDK, VDI or qcow2 with a manifest that proves it; who has
//! the golden image applies or attaches the child. Chains of every format are read, converted, compared, mapped and checked; repositories of images choose
//! the best base that both sides have, and deployments carry what differs.
//!
//! Each call is a builder with one `run`; it is given a [`Context`] (threads, progress, cancellation, remembered digests), and gives back plain data that
//! serialises: the command's `--json` is made of it. Nothing here prints or ends the process.
//!
//! # Open a chain and read it
//! ```
//! use imgdelta::{Disk, OpenSpec, Result, VirtOffset};
//!
//! # fn main() -> Result<()> {
//! # use imgdelta::{Context, Make, OutputSpec};
//! # let place = tempfile::tempdir().expect("a place");
//! # let at = |name: &str| place.path().join(name);
//! # std::fs::write(at("golden.raw"), vec![7; 1 << 20]).expect("room");
//! # let mut patched = vec![7; 1 << 20];
//! # patched.splice(500_000..500_005, *b"fixed");
//! # std::fs::write(at("patched.raw"), &patched).expect("room");
//! # let child = at("child.qcow2");
//! # Make::new(OpenSpec::of(at("golden.raw")), OpenSpec::of(at("patched.raw")), OutputSpec::of(&child)).run(&Context::new())?;
//! // The child and its parents, found under the policy of the specification, as one array of bytes.
//! let disk = Disk::open(&OpenSpec::of(&child))?;
//! let mut bytes = [0; 7];
//! disk.read_at(VirtOffset(499_999), &mut bytes)?;
//! assert_eq!(bytes, *b"\x07fixed\x07");
//! assert_eq!(disk.images().count(), 2);
//! # Ok(())
//! # }
//! ```
//!
//! # What is in it
//! ```
//! use imgdelta::{Context, Info, Map, OpenSpec, Result};
//!
//! # fn main() -> Result<()> {
//! # let place = tempfile::tempdir().expect("a place");
//! # let image = place.path().join("golden.raw");
//! # std::fs::write(&image, vec![7; 100_000]).expect("room");
//! let info = Info::new(OpenSpec::of(&image)).run()?;
//! assert_eq!((info.image.format, info.image.size), ("raw", 100_000));
//!
//! let mut runs = Vec::new();
//! let map = Map::new(OpenSpec::of(&image)).run(&Context::new(), &mut |run| {
//!     runs.push((run.start, run.length, run.state));
//!     Ok(())
//! })?;
//! assert_eq!(map.data, 100_000);
//! assert_eq!(runs, [(0, 100_000, "data")]);
//! # Ok(())
//! # }
//! ```
//!
//! # Convert
//! ```
//! use imgdelta::{Compare, Context, Convert, OpenSpec, Options, OutputSpec, Result};
//!
//! # fn main() -> Result<()> {
//! # let place = tempfile::tempdir().expect("a place");
//! # let at = |name: &str| place.path().join(name);
//! # std::fs::write(at("golden.raw"), vec![7; 1 << 20]).expect("room");
//! let context = Context::new().threads(4);
//! let output = OutputSpec {
//!     options: Options::parse(&["compression_type=zstd"])?,
//!     ..OutputSpec::of(at("golden.qcow2"))
//! };
//! let report = Convert::new(OpenSpec::of(at("golden.raw")), output).run(&context)?;
//! assert_eq!((report.format, report.size), ("qcow2", 1 << 20));
//!
//! let found = Compare::new(OpenSpec::of(at("golden.raw")), OpenSpec::of(at("golden.qcow2")));
//! assert!(found.run(&context)?.same);
//! # Ok(())
//! # }
//! ```
//!
//! # Make, then apply
//! ```
//! use imgdelta::{Apply, Context, Kind, Make, OpenSpec, OutputSpec, Result};
//!
//! # fn main() -> Result<()> {
//! # let place = tempfile::tempdir().expect("a place");
//! # let at = |name: &str| place.path().join(name);
//! # std::fs::write(at("golden.raw"), vec![7; 1 << 20]).expect("room");
//! # let mut patched = vec![7; 1 << 20];
//! # patched.splice(500_000..500_005, *b"fixed");
//! # std::fs::write(at("patched.raw"), &patched).expect("room");
//! let context = Context::new();
//! let (golden, patched) = (OpenSpec::of(at("golden.raw")), OpenSpec::of(at("patched.raw")));
//! let child = Make::new(golden.clone(), patched, OutputSpec::of(at("child.qcow2"))).run(&context)?;
//! assert_eq!(child.blocks_changed, 1);
//!
//! // At the site: base and result are proven by the manifest beside the child.
//! let child = OpenSpec::of(at("child.qcow2"));
//! Apply::new(child.clone(), golden, OutputSpec::of(at("full.raw"))).run(&context)?;
//! assert_eq!(std::fs::read(at("full.raw")).ok(), std::fs::read(at("patched.raw")).ok());
//!
//! // Another base is refused, and nothing is left behind.
//! let wrong = Apply::new(child, OpenSpec::of(at("full.raw")), OutputSpec::of(at("wrong.raw")));
//! assert_eq!(wrong.run(&context).map_err(|error| error.kind()).err(), Some(Kind::Chain));
//! assert!(!at("wrong.raw").exists());
//! # Ok(())
//! # }
//! ```
//!
//! # Deploy to a folder
//! ```
//! use imgdelta::{Context, Format, OpenSpec, Result};
//! use imgdelta::deploy::{Deploy, Destination};
//! use imgdelta::repository::{Add, AddSpec, Init, Show};
//!
//! # fn main() -> Result<()> {
//! # let place = tempfile::tempdir().expect("a place");
//! # let at = |name: &str| place.path().join(name);
//! # let golden: Vec<u8> = (0..1_u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
//! # std::fs::write(at("golden.raw"), &golden).expect("room");
//! # let mut patched = golden.clone();
//! # patched.splice(500_000..500_005, *b"fixed");
//! # std::fs::write(at("patched.raw"), &patched).expect("room");
//! let context = Context::new();
//! let image = |name: &str| AddSpec { image: OpenSpec::of(at(name)), ..AddSpec::default() };
//! Init::new(at("hq")).run(&context)?;
//! Add::new(at("hq"), [image("golden.raw"), image("patched.raw")]).run(&context)?;
//! // The site keeps its images in a format of its own.
//! Init::new(at("site")).format(Format::Vhdx).run(&context)?;
//! Add::new(at("site"), [image("golden.raw")]).run(&context)?;
//!
//! let deployed = Deploy::new(at("hq"), ["patched"])
//!     .to(Destination::Folder(at("site")))
//!     .run(&context)?;
//! assert!(deployed.failure().is_none());
//! assert!(deployed.bytes < 100_000, "of 1 MiB, what differs has travelled");
//! let there = Show::new(at("site"), "patched").run(&context)?;
//! assert_eq!(there.image.format, "vhdx");
//! # Ok(())
//! # }
//! ```
//!
//! # What it reads and writes
//! | format | feature | read | write | child |
//! |---|---|---|---|---|
//! | raw | always | files, block devices, holes | yes, also to a pipe | – |
//! | VHD | `vhd` | fixed, dynamic, differencing | yes | over a VHD of its size, to the sector |
//! | VHDX | `vhdx` | fixed, dynamic, differencing, logs replayed | yes | over a VHDX, to the sector |
//! | VMDK | `vmdk` | every sparse and flat kind, streamOptimized, COWD, seSparse | yes | over a VMDK of its size, to the grain |
//! | VDI | `vdi` | dynamic, fixed, differencing | yes | over a VDI, to the block |
//! | qcow2 | `qcow2` | versions 2 and 3, zlib, zstd, extended L2, snapshots, data files | yes | over any format, to the (sub)cluster |
//! | qcow1 | `qcow1` | version 1, compressed clusters, backing files | – | – |
//! | QED | `qed` | zero clusters, backing files | – | – |
//! | Parallels | `parallels` | expanding files of both magics, folders with their snapshots, plain and split | – | – |
//! | DMG | `dmg` | UDIF: plain, zlib, bzip2, LZFSE, ADC | – | – |
//!
//! All are on by default. With `default-features = false` raw alone is left, and each feature adds one; `repository` and `deploy` add those.
//!
//! # Errors
//! Every error is an [`Error`]: a [`Kind`] to act on, a stable [`code`](Error::code), the place (file, structure, field, offset), what was found and
//! required, and often a next step ([`hint`](Error::hint)). A kind is a class of exit status of the command:
//!
//! | kind | exit | means |
//! |---|---|---|
//! | [`Usage`](Kind::Usage) | 2 | wrong use; refused without [`Existing::Replace`] |
//! | [`Corrupt`](Kind::Corrupt) | 3 | an input is damaged |
//! | [`Unsupported`](Kind::Unsupported) | 4 | not supported |
//! | [`Chain`](Kind::Chain) | 5 | base or parent does not fit |
//! | [`Digest`](Kind::Digest) | 6 | a digest does not match what was promised |
//! | [`Reference`](Kind::Reference) | 7 | an unsafe reference was refused |
//! | [`Host`](Kind::Host) | 8 | the host failed, or an input changed meanwhile |
//! | [`Busy`](Kind::Busy) | 9 | another process holds it |
//! | [`Peer`](Kind::Peer) | 10 | the other side of a deployment failed |
//! | [`Interrupted`](Kind::Interrupted) | 130 | stopped through the context; nothing is left behind |
//!
//! # Threads and memory
//! A run works on as many threads as its context says, those of one pool that all clones of the context share; several contexts are independent. The
//! bytes that are written never depend on the number of threads. Memory does not depend on the size of a disk or on the number of threads: tables are
//! read in pages (256 KiB a layer), and the buffers of all workers of a run share a budget of 64 MiB ([`engine::exec::MEMORY`]).
//!
//! # Modules
//! The calls on images stand at the root; [`repository`] and [`deploy`] hold those on repositories and sites. [`core`], [`engine`] and [`registry`] are the
//! floors below, for who writes a format, drives a writer block by block, or tests either.

pub use imgdelta_core::{
    self as core, Bytes, Error, Existing, FileOffset, Format, Kind, Options, Result, VirtOffset,
    parse_size,
};
pub use imgdelta_delta::{self as engine, ContentId, DigestCache, Manifest, RunProgress};
pub use imgdelta_operations::*;
pub use imgdelta_registry::{self as registry, OpenSpec, OutputSpec, Policy};

/// Repositories of images: plain files under `.imgdelta/`, what is known of each image, which base to choose.
#[cfg(feature = "repository")]
pub mod repository {
    pub use imgdelta_repository::{
        calls::*,
        catalogue::{self, Repository},
        planning,
    };
}

/// Deployment: the difference packed, carried by folder, medium or ssh, proven and entered.
#[cfg(feature = "deploy")]
pub mod deploy {
    pub use imgdelta_deploy::{
        bundle,
        calls::*,
        parity,
        wire::{self, SshUrl},
    };
}
