//! The innermost loops, each over images in memory, on one thread.

use std::{hint::black_box, sync::Arc};

use imgdelta_core::{
    BlockState, Bytes, Create, Driver, Error, Format, Image, Kind, LayerId, MemSink, MemSource,
    NoAuxFiles, OneOutput, Open, Options, Result, Unit, VirtOffset, is_zero,
};
use imgdelta_delta::{
    Chain, Compare, Digest, DigestCache, ExecContext, Layer, RunProgress, prove,
    tree::{Builder, RepeatedSubtrees},
};
use imgdelta_fixtures::{Fill, Recipe, qcow2::Qcow2Spec, vhd::VhdSpec, vhdx::VhdxSpec};
use imgdelta_registry::DRIVERS;

use crate::made_by::{FEATURES, Part, features};

/// One of them.
pub(crate) struct Kernel {
    pub(crate) name: &'static str,
    /// What its count depends on beside the Rust compiler.
    pub(crate) depends: &'static [Part],
    /// Makes ready what it works on.
    ready: fn() -> Result<Work>,
}

/// What is counted.
type Work = Box<dyn FnMut() -> Result<()>>;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// All of them.
pub(crate) const KERNELS: &[Kernel] = &[
    Kernel {
        name: "leaves of windows",
        depends: &[Part::Processor, Part::Libc],
        ready: leaves,
    },
    Kernel {
        name: "equal windows",
        depends: &[Part::Processor, Part::Libc],
        ready: equal,
    },
    Kernel {
        name: "zeros",
        depends: &[Part::Processor, Part::Libc],
        ready: zeros,
    },
    Kernel {
        name: "map of qcow2",
        depends: &[],
        ready: map_qcow2,
    },
    Kernel {
        name: "map of vhd",
        depends: &[],
        ready: map_vhd,
    },
    Kernel {
        name: "map of vhdx",
        depends: &[Part::Processor],
        ready: map_vhdx,
    },
    Kernel {
        name: "plan of sparse disks",
        depends: &[],
        ready: plan,
    },
    Kernel {
        name: "tree of zero runs",
        depends: &[Part::Processor],
        ready: tree,
    },
    Kernel {
        name: "zlib clusters",
        depends: &[Part::Processor, Part::Libc],
        ready: zlib,
    },
    Kernel {
        name: "zstd clusters",
        depends: &[Part::Processor, Part::Libc, Part::Cc],
        ready: zstd,
    },
];

/// Runs a kernel twice, the second time counted: what is worked out once in a program's life is then there.
pub(crate) fn run(name: &str) -> std::result::Result<(), String> {
    if name == FEATURES {
        println!("{}", features());
        return Ok(());
    }
    let kernel = KERNELS.iter().find(|kernel| kernel.name == name);
    let kernel = kernel.ok_or_else(|| format!("no kernel is called {name}"))?;
    let told = |error: Error| error.to_string();
    let mut work = (kernel.ready)().map_err(told)?;
    work().map_err(told)?;
    measured(&mut *work).map_err(told)
}

/// Counted from here on and until it returns: callgrind knows it by its name.
#[inline(never)]
fn measured(work: &mut dyn FnMut() -> Result<()>) -> Result<()> {
    black_box(work())
}

fn driver(format: Format) -> Result<&'static Driver> {
    let found = DRIVERS.iter().find(|driver| driver.format == format);
    found
        .copied()
        .ok_or_else(|| Error::new(Kind::Unsupported, "no such format"))
}

fn opened(format: Format, bytes: &MemSource) -> Result<Arc<dyn Image>> {
    (driver(format)?.open)(Open {
        source: Arc::new(bytes.clone()),
        aux_files: &NoAuxFiles,
        options: Options::default(),
        snapshot: None,
    })
}

fn chain(format: Format, bytes: Vec<u8>) -> Result<Chain> {
    let image = opened(format, &MemSource(bytes))?;
    let id = LayerId::of(&*image);
    Chain::new(vec![Layer::new(image, id)])
}

/// Bytes that do not compress.
fn noise(len: u64) -> Vec<u8> {
    Recipe::of(len, [(0, len, Fill::Pattern(7))]).expected(None)
}

fn leaves() -> Result<Work> {
    let disk = chain(Format::Raw, noise(4 * MIB))?;
    Ok(Box::new(move || {
        let progress = RunProgress::default();
        let proof = prove(&disk, &DigestCache::none(), ExecContext::new(1, &progress))?;
        black_box(proof);
        Ok(())
    }))
}

/// Two disks through the engine.
fn compare(one: Chain, other: Chain) -> Work {
    Box::new(move || {
        let progress = RunProgress::default();
        let compare = Compare {
            one: &one,
            other: &other,
            stops_early: false,
            ignores_size: false,
            work: ExecContext::new(1, &progress),
        };
        let found = compare.run(&mut |_, _| Ok(()))?;
        match found.is_none() {
            true => Ok(()),
            false => Err(Error::new(Kind::Corrupt, "the disks differ")),
        }
    })
}

fn equal() -> Result<Work> {
    let disk = || chain(Format::Raw, noise(8 * MIB));
    Ok(compare(disk()?, disk()?))
}

/// Clusters that are marked zero or not there, in turn, and the other way round: equal by the tables alone.
fn plan() -> Result<Work> {
    let (size, cluster) = (256 * MIB, 64 * KIB);
    let disk = |first| {
        let marks = (first..size / cluster).step_by(2);
        let runs = marks.map(|number| (number * cluster, cluster, Fill::Zero));
        let spec = Qcow2Spec::new(Recipe::of(size, runs), 16);
        chain(Format::Qcow2, spec.build())
    };
    Ok(compare(disk(0)?, disk(1)?))
}

fn zeros() -> Result<Work> {
    let bytes = vec![0; 8 * MIB as usize];
    Ok(Box::new(move || match is_zero(black_box(&bytes)) {
        true => Ok(()),
        false => Err(Error::new(Kind::Corrupt, "zeros are not zero")),
    }))
}

/// Opens an image and goes over all of its tables.
fn map(format: Format, bytes: Vec<u8>) -> Work {
    let bytes = MemSource(bytes);
    Box::new(move || {
        let image = opened(format, &bytes)?;
        let (mut at, end) = (VirtOffset::ZERO, VirtOffset(image.metadata().size.0));
        while at < end {
            let extent = black_box(image.extent_at(at)?);
            at = at.saturating_add(extent.len.max(Bytes(1)));
        }
        Ok(())
    })
}

fn map_qcow2() -> Result<Work> {
    let spec = Qcow2Spec::new(Recipe::scatter(16 * MIB, 4 * KIB, 5), 12);
    Ok(map(Format::Qcow2, spec.build()))
}

fn map_vhd() -> Result<Work> {
    let recipe = Recipe::sectors(32 * MIB, 5);
    let spec = VhdSpec::differencing(recipe, 2 << 20, [7; 16], "base.vhd");
    Ok(map(Format::Vhd, spec.build()))
}

fn map_vhdx() -> Result<Work> {
    let parent = VhdxSpec::dynamic(Recipe::empty(32 * MIB), 1 << 20);
    let recipe = Recipe::sectors(32 * MIB, 5);
    let spec = VhdxSpec::differencing(recipe, 1 << 20, &parent, "base.vhdx");
    Ok(map(Format::Vhdx, spec.build()))
}

/// A leaf after each run of zero windows, as a sparse disk of 64 GiB has them.
fn tree() -> Result<Work> {
    Ok(Box::new(|| {
        let mut tree = Builder::new(Some(10));
        let leaf = Digest::leaf(&[1]);
        for number in 0..1 << 11 {
            tree.push_run(RepeatedSubtrees::zero(), 300 + number % 400);
            tree.push(leaf);
        }
        black_box(tree.finish());
        Ok(())
    }))
}

/// Clusters of 64 KiB, half of each text, with a form of compression.
fn encode(option: &str) -> Result<Work> {
    let cluster = 64 * KIB;
    let size = 8 * cluster;
    let halves = (0..8).flat_map(|number| {
        let at = number * cluster;
        let half = cluster / 2;
        [(at, half, Fill::Text), (at + half, half, Fill::Pattern(at))]
    });
    let disk = Recipe::of(size, halves).expected(None);
    let writer = driver(Format::Qcow2)?.start(Create {
        outputs: &OneOutput(Arc::new(MemSink::default())),
        disk: Bytes(size).into(),
        options: Options::parse(&[option])?,
        parent: None,
        seed: None,
    })?;
    let mut encoder = writer.encoder();
    Ok(Box::new(move || {
        let mut out = Vec::new();
        for (number, bytes) in (0..).zip(disk.chunks(cluster as usize)) {
            out.clear();
            let unit = Unit {
                at: VirtOffset(number * cluster),
                bytes,
                grains: &[BlockState::Data],
            };
            black_box(encoder.encode(&unit, &mut out)?);
        }
        Ok(())
    }))
}

fn zlib() -> Result<Work> {
    encode("compression_type=zlib")
}

fn zstd() -> Result<Work> {
    encode("compression_type=zstd")
}
