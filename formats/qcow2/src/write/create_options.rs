//! Which qcow2 is written: the options as the user typed them, judged together as qemu judges them.

use imgdelta_core::{Bytes, Error, Kind, Options, Result};

use crate::layout::{
    CLUSTER_BITS, COMPRESSION_ZLIB, COMPRESSION_ZSTD, EXTENDED_CLUSTER_BITS, L1_LIMIT, L1Entry,
    L2Entry, REFCOUNT_ORDER_LIMIT, REFCOUNT_ORDER_V2, SUBCLUSTERS,
};

/// Names of the options, for help.
pub(crate) const OPTIONS: &[&str] = &[
    "compat",
    "cluster_size",
    "compression_type",
    "compression_level",
    "compression_window",
    "extended_l2",
    "refcount_bits",
    "data_file",
    "data_file_raw",
];

/// Bytes of a cluster unless asked for. [qemu]
const CLUSTER: Bytes = Bytes::kib(64);

/// Log 2 of the first address that no table entry can hold. [qemu]
pub(super) const OFFSET_BITS: u32 = 56;

/// The level of zlib that qemu uses.
const ZLIB_LEVEL: u32 = 6;

/// The level with a full window: smaller than what qemu makes, and still a third faster than libdeflate's own default.
const FULL_WINDOW_LEVEL: i32 = 5;

/// The level of zstd that qemu uses.
const ZSTD_LEVEL: i32 = 3;

/// How clusters are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    /// Not at all.
    None,
    /// Raw deflate, at this level of zlib, that reaches back no further than 4 KiB.
    Zlib(u32),
    /// Raw deflate, at this level of libdeflate, that reaches back as far as deflate can: 32 KiB.
    ZlibFullWindow(i32),
    /// Zstandard, at this level.
    Zstd(i32),
}

impl Compression {
    /// What the header records.
    pub(super) const fn code(self) -> u8 {
        match self {
            Self::None | Self::Zlib(_) | Self::ZlibFullWindow(_) => COMPRESSION_ZLIB,
            Self::Zstd(_) => COMPRESSION_ZSTD,
        }
    }
}

/// The other file that guest data go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DataFile {
    /// Its name, in the image's folder.
    pub(super) name: String,
    /// Whether it is promised to be a raw image of the disk.
    pub(super) is_raw: bool,
}

/// Which qcow2 is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CreateOptions {
    /// 2 or 3.
    pub(super) version: u32,
    /// Log 2 of the bytes of a cluster.
    pub(super) cluster_bits: u32,
    /// How clusters are compressed.
    pub(super) compression: Compression,
    /// Whether what a source compressed the same way is good enough: nobody asked for a level or a window.
    pub(super) adopts: bool,
    /// Whether L2 entries have 16 bytes and 32 subclusters.
    pub(super) extended_l2: bool,
    /// Log 2 of the bits of a refcount.
    pub(super) refcount_order: u32,
    /// The other file that guest data go to; `None`: they stay in the image.
    pub(super) data_file: Option<DataFile>,
}

impl CreateOptions {
    /// Takes all options.
    ///
    /// # Errors
    /// Usage, if one is wrong, unknown, or does not go with another.
    pub(super) fn take(mut options: Options) -> Result<Self> {
        let compat = options.take_choice("compat", &["1.1", "0.10", "v3", "v2"])?;
        let asked = ["compression_level", "compression_window"];
        let adopts = !options.iter().any(|(key, _)| asked.contains(&key));
        let form = Self {
            version: if matches!(compat, "0.10" | "v2") {
                2
            } else {
                3
            },
            cluster_bits: take_cluster_bits(&mut options)?,
            compression: take_compression(&mut options)?,
            adopts,
            extended_l2: is_on(options.take_choice("extended_l2", &["off", "on"])?),
            refcount_order: take_refcount_order(&mut options)?,
            data_file: take_data_file(&mut options)?,
        };
        options.finish("qcow2", OPTIONS)?;
        form.validate()?;
        Ok(form)
    }

    /// Bytes of a cluster.
    pub(super) const fn cluster(&self) -> Bytes {
        Bytes(1 << self.cluster_bits)
    }

    /// Log 2 of the entries of an L2 table.
    pub(super) const fn l2_bits(&self) -> u32 {
        let entry = if self.extended_l2 {
            L2Entry::EXTENDED_SIZE
        } else {
            L2Entry::SIZE
        };
        self.cluster_bits - entry.ilog2()
    }

    /// Bytes of a subcluster, or of a cluster where it has none.
    pub(super) const fn subcluster(&self) -> Bytes {
        let cluster = self.cluster().0;
        Bytes(if self.extended_l2 {
            cluster / SUBCLUSTERS
        } else {
            cluster
        })
    }

    /// Entries of the L1 table for a disk of `size`.
    ///
    /// # Errors
    /// Unsupported, if that is a larger table than qemu reads.
    pub(super) fn l1_size(&self, size: Bytes) -> Result<u32> {
        const LIMIT: u64 = L1_LIMIT.0 / L1Entry::SIZE;
        let reach = Bytes(1 << (self.cluster_bits + self.l2_bits()));
        let entries = size.pieces(reach);
        // qemu keeps sizes in signed numbers; in a data file the guest's address stands in the entry.
        let signed = 1
            << if self.data_file.is_some() {
                OFFSET_BITS
            } else {
                62
            };
        if entries > LIMIT || size.0 > signed {
            let most = Bytes(reach.0.saturating_mul(LIMIT).min(signed));
            return Err(Error::new(
                Kind::Unsupported,
                format!(
                    "the disk has {} bytes, at most {} fit into qcow2 with clusters of {}",
                    size.0,
                    most.0,
                    self.cluster()
                ),
            )
            .with_code("qcow2_disk_too_large")
            .with_hint("use a larger --option cluster_size"));
        }
        Ok(u32::try_from(entries).unwrap_or(u32::MAX))
    }

    /// Whether the options go together. [qemu refuses the same]
    fn validate(&self) -> Result<()> {
        let refused = |what: &str| Err(Error::new(Kind::Usage, what));
        if self.version == 2 {
            if self.refcount_order != REFCOUNT_ORDER_V2 {
                return refused("refcount_bits other than 16 need compat=1.1");
            }
            if matches!(self.compression, Compression::Zstd(_)) {
                return refused("compression_type=zstd needs compat=1.1");
            }
            if self.extended_l2 {
                return refused("extended_l2=on needs compat=1.1");
            }
            if self.data_file.is_some() {
                return refused("data_file needs compat=1.1");
            }
        }
        if self.extended_l2 && self.cluster_bits < EXTENDED_CLUSTER_BITS {
            return refused("extended_l2=on needs a cluster_size of at least 16K");
        }
        if self.data_file.is_some() && self.compression != Compression::None {
            return refused("compression_type does not go with data_file");
        }
        Ok(())
    }
}

/// Whether a choice between `on` and `off` is `on`.
fn is_on(choice: &str) -> bool {
    choice == "on"
}

/// Takes `cluster_size`, as its log 2.
fn take_cluster_bits(options: &mut Options) -> Result<u32> {
    let size = options.take_size("cluster_size")?.unwrap_or(CLUSTER);
    let bits = size.0.checked_ilog2().unwrap_or_default();
    if size.0.is_power_of_two() && CLUSTER_BITS.contains(&bits) {
        return Ok(bits);
    }
    Err(Error::new(
        Kind::Usage,
        format!(
            "option cluster_size is {} bytes, a power of two from 512 to 2M is required",
            size.0
        ),
    ))
}

/// Takes `compression_type`, `compression_window` and `compression_level`.
fn take_compression(options: &mut Options) -> Result<Compression> {
    let kind = options.take_choice("compression_type", &["none", "zlib", "zstd"])?;
    let is_full = options.take_choice("compression_window", &["4K", "32K"])? == "32K";
    if is_full && kind != "zlib" {
        let message = "compression_window=32K needs compression_type=zlib";
        return Err(Error::new(Kind::Usage, message));
    }
    let level = options.take("compression_level");
    let wrong = |level: &str, range: &str| {
        Error::new(
            Kind::Usage,
            format!("option compression_level is '{level}', {range} is required"),
        )
    };
    match (kind, level) {
        ("zlib", level) if is_full => match level.map(|text| (text.parse(), text)) {
            None => Ok(Compression::ZlibFullWindow(FULL_WINDOW_LEVEL)),
            Some((Ok(level @ 1..=12), _)) => Ok(Compression::ZlibFullWindow(level)),
            Some((_, text)) => Err(wrong(&text, "1 to 12")),
        },
        ("zlib", None) => Ok(Compression::Zlib(ZLIB_LEVEL)),
        ("zstd", None) => Ok(Compression::Zstd(ZSTD_LEVEL)),
        ("zlib", Some(text)) => match text.parse() {
            Ok(level @ 1..=9) => Ok(Compression::Zlib(level)),
            _ => Err(wrong(&text, "1 to 9")),
        },
        ("zstd", Some(text)) => match text.parse() {
            Ok(level @ 1..=22) => Ok(Compression::Zstd(level)),
            _ => Err(wrong(&text, "1 to 22")),
        },
        (_, None) => Ok(Compression::None),
        (_, Some(_)) => Err(Error::new(
            Kind::Usage,
            "compression_level needs compression_type=zlib or compression_type=zstd",
        )),
    }
}

/// Takes `refcount_bits`, as its log 2.
fn take_refcount_order(options: &mut Options) -> Result<u32> {
    let Some(text) = options.take("refcount_bits") else {
        return Ok(REFCOUNT_ORDER_V2);
    };
    let bits = text.parse::<u32>().unwrap_or_default();
    if bits.is_power_of_two() && bits.ilog2() <= REFCOUNT_ORDER_LIMIT {
        return Ok(bits.ilog2());
    }
    Err(Error::new(
        Kind::Usage,
        format!("option refcount_bits is '{text}', a power of two from 1 to 64 is required"),
    ))
}

/// Takes `data_file` and `data_file_raw`.
fn take_data_file(options: &mut Options) -> Result<Option<DataFile>> {
    let name = options.take("data_file");
    let is_raw = is_on(options.take_choice("data_file_raw", &["off", "on"])?);
    let Some(name) = name else {
        return if is_raw {
            Err(Error::new(
                Kind::Usage,
                "data_file_raw=on needs data_file=NAME",
            ))
        } else {
            Ok(None)
        };
    };
    // It is opened by whoever opens the image, and so may only be a file beside it.
    if name.is_empty() || name.contains(['/', '\\', ':', '\0']) || matches!(&*name, "." | "..") {
        return Err(Error::new(
            Kind::Usage,
            format!("option data_file is '{name}', the plain name of a file is required"),
        ));
    }
    Ok(Some(DataFile { name, is_raw }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(items: &[&str]) -> Result<CreateOptions> {
        CreateOptions::take(Options::parse(items)?)
    }

    #[test]
    fn without_options_it_is_what_qemu_makes() -> Result<()> {
        let form = of(&[])?;
        assert_eq!(
            (form.version, form.cluster_bits, form.refcount_order),
            (3, 16, 4)
        );
        assert_eq!(form.compression, Compression::None);
        assert!(!form.extended_l2 && form.data_file.is_none());
        Ok(())
    }

    #[test]
    fn options_that_do_not_go_together_are_refused() {
        for items in [
            &["compat=0.10", "refcount_bits=8"][..],
            &["compat=0.10", "compression_type=zstd"],
            &["compat=0.10", "extended_l2=on"],
            &["compat=0.10", "data_file=d.raw"],
            &["cluster_size=8K", "extended_l2=on"],
            &["compression_level=3"],
            &["compression_type=none", "compression_level=3"],
            &["data_file_raw=on"],
            &["data_file=d.raw", "compression_type=zlib"],
        ] {
            let error = of(items).expect_err("qemu refuses it too");
            assert_eq!(error.kind(), Kind::Usage, "{items:?}");
        }
    }

    #[test]
    fn values_out_of_range_are_refused() {
        for item in [
            "compat=1.2",
            "cluster_size=256",
            "cluster_size=96K",
            "cluster_size=4M",
            "cluster_size=0",
            "compression_type=lzma",
            "refcount_bits=0",
            "refcount_bits=12",
            "refcount_bits=128",
            "extended_l2=yes",
            "data_file=../d.raw",
            "data_file=json:x",
            "lazy_refcounts=on",
        ] {
            let error = of(&[item]).expect_err("it is out of range");
            assert_eq!(error.kind(), Kind::Usage, "{item}");
        }
        for level in ["0", "10", "x", "-1"] {
            let level = format!("compression_level={level}");
            assert!(of(&["compression_type=zlib", &level]).is_err(), "{level}");
        }
        let full = ["compression_type=zlib", "compression_window=32K"];
        for level in ["0", "13", "x", "-1"] {
            let level = format!("compression_level={level}");
            let error = of(&[full[0], full[1], &level]).expect_err("it is out of range");
            assert_eq!(error.kind(), Kind::Usage, "{level}");
        }
        for kind in ["none", "zstd"] {
            let kind = format!("compression_type={kind}");
            let error = of(&[&kind, full[1]]).expect_err("it has no such window");
            assert_eq!(error.kind(), Kind::Usage, "{kind}");
        }
    }

    #[test]
    fn a_disk_larger_than_its_l1_table_may_be_is_refused_with_the_remedy() -> Result<()> {
        let form = of(&["cluster_size=512"])?;
        assert_eq!(form.l1_size(Bytes::gib(128))?, 4 << 20);
        let error = form
            .l1_size(Bytes(Bytes::gib(128).0 + 512))
            .expect_err("one entry too many");
        assert_eq!(error.kind(), Kind::Unsupported);
        assert!(
            error
                .hint()
                .is_some_and(|hint| hint.contains("cluster_size"))
        );
        assert_eq!(of(&[])?.l1_size(Bytes::ZERO)?, 0);
        assert!(of(&["cluster_size=2M"])?.l1_size(Bytes(u64::MAX)).is_err());
        Ok(())
    }
}
