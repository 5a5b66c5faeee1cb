//! Any bytes as two disks: written in a format, made into a child, read back, and held against the bytes themselves.

use std::sync::Arc;

use imgdelta_core::{
    Bytes, Create, Driver, Format, Image, LayerId, MemSink, MemSource, NoAuxFiles, OneOutput, Open,
    Options, ParentSpec, Result, Sink, Source, VirtOffset,
};
use imgdelta_delta::{Chain, Convert, DigestCache, ExecContext, Layer, Make, RunProgress};

/// What a disk that is spliced has at most, in bytes.
const MOST_SPLICED: usize = 1 << 20;

/// Takes one input apart.
pub(crate) struct Feed<'a>(pub(crate) &'a [u8]);

impl Feed<'_> {
    fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((byte, rest)) => {
                self.0 = rest;
                *byte
            }
            None => 0,
        }
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        let number = usize::from(self.byte()) % choices.len();
        choices
            .get(number)
            .copied()
            .unwrap_or_else(|| panic!("there is a choice"))
    }

    /// Puts bytes into `disk`, takes some out and copies some from elsewhere, as what is left of the feed says.
    pub(crate) fn splice(&mut self, disk: &mut Vec<u8>) {
        while !self.0.is_empty() {
            let (high, low, kind, len) = (self.byte(), self.byte(), self.byte(), self.byte());
            let place = |number: usize| number * disk.len() / 65536;
            let at = place(usize::from(high) << 8 | usize::from(low));
            let from = place(usize::from(low) << 8 | usize::from(kind));
            let len = (usize::from(len) + 1) << (kind >> 4);
            let end = at.saturating_add(len).min(disk.len());
            let copied = disk.get(from..from.saturating_add(len).min(disk.len()));
            let copied = copied.unwrap_or_default().to_vec();
            match kind & 3 {
                0 => drop(disk.splice(at..at, copied)),
                1 => drop(disk.drain(at..end)),
                2 => drop(disk.splice(at..end, vec![high ^ low; len])),
                _ => drop(disk.splice(at..end, copied)),
            }
            disk.truncate(MOST_SPLICED);
        }
    }

    /// Changes `disk` by what is left of the feed, up to `times`.
    fn paint(&mut self, disk: &mut [u8], times: usize) {
        for _ in 0..times {
            if self.0.is_empty() || disk.is_empty() {
                return;
            }
            let (high, low, kind, len) = (self.byte(), self.byte(), self.byte(), self.byte());
            let at = (usize::from(high) << 8 | usize::from(low)) * disk.len() / 65536;
            let len = (usize::from(len) + 1) << (kind >> 4);
            let end = (at + len).min(disk.len());
            let fill = if kind & 1 == 0 { 0 } else { kind ^ low };
            if let Some(part) = disk.get_mut(at..end) {
                part.fill(fill);
            }
        }
    }
}

/// Formats and options that are written.
const FORMS: &[(Format, &str)] = &[
    (Format::Raw, ""),
    (Format::Vhd, ""),
    (Format::Vhd, "block_size=512K"),
    (Format::Vhd, "subformat=fixed"),
    (Format::Qcow2, ""),
    (Format::Qcow2, "cluster_size=512"),
    (Format::Qcow2, "cluster_size=4K,compression_type=zlib"),
    (Format::Qcow2, "cluster_size=128K,compression_type=zstd"),
    (Format::Qcow2, "cluster_size=16K,extended_l2=on"),
    (Format::Qcow2, "compat=0.10"),
    (Format::Vmdk, ""),
    (Format::Vmdk, "subformat=streamOptimized"),
    (Format::Vdi, ""),
    (Format::Vdi, "static=on"),
    (Format::Vdi, "block_size=4K"),
    (Format::Vhdx, ""),
    (Format::Vhdx, "block_size=1M,logical_sector_size=4096"),
    (Format::Vhdx, "subformat=fixed"),
];

/// Forms that a child can have.
const CHILD_FORMS: &[(Format, &str)] = &[
    (Format::Vhd, ""),
    (Format::Vhd, "block_size=512K"),
    (Format::Qcow2, ""),
    (Format::Qcow2, "cluster_size=512"),
    (Format::Qcow2, "cluster_size=2M"),
    (Format::Qcow2, "cluster_size=16K,extended_l2=on"),
    (
        Format::Qcow2,
        "cluster_size=64K,extended_l2=on,compression_type=zstd",
    ),
    (Format::Qcow2, "cluster_size=4K,compression_type=zlib"),
    (Format::Qcow2, "compat=0.10"),
    (Format::Vmdk, ""),
    (Format::Vmdk, "zeroed_grain=on"),
    (Format::Vdi, ""),
    (Format::Vdi, "block_size=4K"),
    (Format::Vhdx, ""),
    (Format::Vhdx, "block_size=1M"),
    (Format::Vhdx, "block_size=32M"),
];

/// A disk, written in any form and read back, is the same.
pub(crate) fn round_trip(bytes: &[u8]) {
    let mut feed = Feed(bytes);
    let form = feed.pick(FORMS);
    let disk = first_disk(&mut feed);
    let image = or_fail(write(form, &disk), "a disk is written and opens");
    let found = or_fail(read(&chain_of(image)), "what was written reads");
    assert!(
        found.get(..disk.len()) == Some(&disk),
        "{form:?}: write and read are the same"
    );
    assert!(
        found.iter().skip(disk.len()).all(|byte| *byte == 0),
        "{form:?}: what is rounded up is zero"
    );
}

/// A child of any form over a base of any form is the target, for one thread and for three.
pub(crate) fn chain(bytes: &[u8]) {
    let mut feed = Feed(bytes);
    let child_form = feed.pick(CHILD_FORMS);
    let rule = driver(child_form.0).child;
    let rule = rule.unwrap_or_else(|| panic!("{child_form:?} is a form of children"));
    let base_form = match child_form.0 {
        Format::Vhd => (Format::Vhd, "block_size=512K"),
        own if rule.same_format => (own, ""),
        _ => feed.pick(FORMS),
    };
    let base = first_disk(&mut feed);
    let mut target = base.clone();
    if !rule.same_size {
        let len = usize::from(feed.byte()) * 4096 + usize::from(feed.byte());
        target.resize(
            target
                .len()
                .saturating_add(len)
                .saturating_sub(400_000)
                .max(1),
            0,
        );
    }
    feed.paint(&mut target, 24);
    let base_image = or_fail(write(base_form, &base), "the base is written and opens");
    let base_chain = chain_of(base_image);
    let target_chain = chain_of(or_fail(
        write((Format::Raw, ""), &target),
        "the target is written and opens",
    ));
    let (one, three) = (
        make(child_form, &base_chain, &target_chain, 1),
        make(child_form, &base_chain, &target_chain, 3),
    );
    let (one, three) = (
        or_fail(one, "the child is made"),
        or_fail(three, "the child is made"),
    );
    assert!(one == three, "{child_form:?}: threads do not show");
    let child = or_fail(open(child_form.0, one), "the child opens");
    let layer = layer_of(child);
    let whole = or_fail(
        Chain::over(layer, &base_chain).and_then(|chain| read(&chain)),
        "the chain reads",
    );
    assert!(
        whole.get(..target.len()) == Some(&target),
        "{child_form:?} over {base_form:?}: target = base + child"
    );
}

pub(crate) fn first_disk(feed: &mut Feed<'_>) -> Vec<u8> {
    let sectors = usize::from(feed.byte()) << (feed.byte() % 5);
    let mut disk = vec![0; (sectors + 1) * 512];
    feed.paint(&mut disk, 24);
    disk
}

pub(crate) fn or_fail<T>(result: Result<T>, what: &str) -> T {
    result.unwrap_or_else(|error| panic!("{what}: {error}"))
}

fn driver(format: Format) -> &'static Driver {
    let found = imgdelta_registry::DRIVERS
        .iter()
        .find(|driver| driver.format == format);
    found.unwrap_or_else(|| panic!("no driver for {format}"))
}

fn options(text: &str) -> Result<Options> {
    if text.is_empty() {
        Ok(Options::default())
    } else {
        Options::parse(&[text])
    }
}

/// `bytes` as a raw disk.
pub(crate) fn raw(bytes: &[u8]) -> Arc<dyn Image> {
    or_fail(open(Format::Raw, bytes.to_vec()), "bytes are a raw disk")
}

fn open(format: Format, bytes: Vec<u8>) -> Result<Arc<dyn Image>> {
    let source: Arc<dyn Source> = Arc::new(MemSource(bytes));
    (driver(format).open)(Open {
        source,
        aux_files: &NoAuxFiles,
        options: Options::default(),
        snapshot: None,
    })
}

pub(crate) fn chain_of(image: Arc<dyn Image>) -> Chain {
    or_fail(Chain::new(vec![layer_of(image)]), "a chain of one layer")
}

fn layer_of(image: Arc<dyn Image>) -> Layer {
    let id = LayerId::of(&*image);
    Layer::new(image, id)
}

/// `bytes` as an image of that form.
fn write((format, text): (Format, &str), bytes: &[u8]) -> Result<Arc<dyn Image>> {
    let raw = open(Format::Raw, bytes.to_vec())?;
    let sink = Arc::new(MemSink::default());
    let outputs = OneOutput(Arc::clone(&sink) as Arc<dyn Sink>);
    let size = Bytes::from(bytes.len());
    let writer = driver(format).start(Create {
        outputs: &outputs,
        disk: size.into(),
        options: options(text)?,
        parent: None,
        seed: None,
    })?;
    let (memory, progress) = (DigestCache::none(), RunProgress::default());
    let work = ExecContext::new(1, &progress);
    Convert {
        disk: &chain_of(raw),
        proves: false,
        memory: &memory,
        work,
    }
    .run(writer)?;
    open(format, sink.bytes())
}

fn make(
    (format, text): (Format, &str),
    base: &Chain,
    target: &Chain,
    threads: usize,
) -> Result<Vec<u8>> {
    let facts = base
        .layers()
        .first()
        .map(|layer| layer.image.metadata().clone());
    let facts = facts.unwrap_or_else(|| panic!("a chain has a layer"));
    let parent = ParentSpec {
        format: Some(facts.format),
        size: base.size(),
        relative: Some("base".to_owned()),
        absolute: "/images/base".to_owned(),
        identity: facts.identity,
        details: facts.details,
    };
    let sink = Arc::new(MemSink::default());
    let outputs = OneOutput(Arc::clone(&sink) as Arc<dyn Sink>);
    let create = Create {
        outputs: &outputs,
        disk: target.size().into(),
        options: options(text)?,
        parent: Some(parent),
        seed: None,
    };
    let writer = driver(format).start(create)?;
    let (memory, progress) = (DigestCache::none(), RunProgress::default());
    let work = ExecContext::new(threads, &progress);
    Make {
        base,
        target,
        proves: true,
        memory: &memory,
        work,
    }
    .run(writer)?;
    Ok(sink.bytes())
}

fn read(chain: &Chain) -> Result<Vec<u8>> {
    let mut bytes = vec![1; chain.size().in_memory()];
    chain.read_at(VirtOffset::ZERO, &mut bytes)?;
    Ok(bytes)
}
