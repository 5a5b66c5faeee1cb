//! The sets of options of each format, generated: whole images and children.

/// The file of guest data beside an image that keeps them there.
pub(super) const DATA_FILE: &str = "data.bin";

/// What an image is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Whole,
    Child,
}

/// One set of options.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Set {
    pub(super) format: &'static str,
    pub(super) role: Role,
    /// `name=value`, in order.
    pub(super) options: Vec<String>,
    /// How the base is made from raw, as a part of a command line; nothing: it is the raw one.
    pub(super) base: String,
    /// Whether the target may have another size than the base.
    pub(super) may_resize: bool,
}

impl std::fmt::Debug for Set {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:?} {} over {:?}",
            self.role,
            self.options.join(","),
            self.base
        )
    }
}

impl Set {
    /// Whether an option whose text begins so is among them.
    pub(super) fn has(&self, start: &str) -> bool {
        self.options.iter().any(|one| one.starts_with(start))
    }

    /// The options as a part of a command line.
    pub(super) fn line(&self) -> String {
        let options = self.options.iter();
        options.map(|one| format!("--option {one} ")).collect()
    }
}

/// The sets of a format: all, or those that meet each value.
pub(super) fn of(format: &'static str, all: bool) -> Vec<Set> {
    let (whole, children) = match format {
        "raw" => (vec![Vec::new()], Vec::new()),
        "qcow2" => qcow2(all),
        "vhd" => vhd(),
        "vhdx" => vhdx(all),
        "vmdk" => vmdk(),
        _ => vdi(),
    };
    let set = |role, options, base: String| Set {
        format,
        role,
        options,
        base,
        may_resize: matches!(format, "qcow2" | "vhdx" | "vdi"),
    };
    let whole = whole.into_iter();
    let whole = whole.map(|options| set(Role::Whole, options, String::new()));
    let children = children.into_iter();
    let children = children.map(|(options, base)| set(Role::Child, options, base));
    whole.chain(children).collect()
}

/// Whole images, and children with how their bases are made.
type Sets = (Vec<Vec<String>>, Vec<(Vec<String>, String)>);

/// Every choice of one value for each option; an empty value leaves the option out.
fn product(options: &[(&str, &[&str])]) -> Vec<Vec<String>> {
    options
        .iter()
        .fold(vec![Vec::new()], |sets, (name, values)| {
            let with = |set: &Vec<String>, value: &&str| {
                let mut set = set.clone();
                if !value.is_empty() {
                    set.push(format!("{name}={value}"));
                }
                set
            };
            let sets = sets.iter();
            sets.flat_map(|set| values.iter().map(move |value| with(set, value)))
                .collect()
        })
}

fn qcow2(all: bool) -> Sets {
    const PLAIN: &[&str] = &["512", "4K", "64K", "2M"];
    const EXTENDED: &[&str] = &["16K", "64K", "128K", "2M"];
    const COMPRESSION: (&str, &[&str]) = ("compression_type", &["", "zlib", "zstd"]);
    const REFCOUNTS: &[&str] = &["", "1", "2", "4", "8", "32", "64"];
    const DATA: (&str, &[&str]) = ("data_file", &[DATA_FILE]);
    let mut sets = Vec::new();
    for (extended, clusters) in [("", PLAIN), ("on", EXTENDED)] {
        let form = [("extended_l2", &[extended][..]), ("cluster_size", clusters)];
        let mut some = product(&[form[0], form[1], COMPRESSION]);
        if all {
            some = product(&[form[0], form[1], COMPRESSION, ("refcount_bits", REFCOUNTS)]);
        } else {
            let widths = REFCOUNTS.iter().cycle().filter(|width| !width.is_empty());
            for (set, width) in some.iter_mut().skip(1).step_by(2).zip(widths) {
                set.push(format!("refcount_bits={width}"));
            }
        }
        sets.extend(some);
        let clusters = if all { clusters } else { &clusters[1..3] };
        sets.extend(product(&[DATA, form[0], ("cluster_size", clusters)]));
    }
    let old = ("compat", &["0.10"][..]);
    let zlib = ("compression_type", &["", "zlib"][..]);
    sets.extend(product(&[
        old,
        ("cluster_size", if all { PLAIN } else { &PLAIN[1..3] }),
        zlib,
    ]));
    sets.extend(product(&[
        ("compression_type", &["zlib"]),
        ("compression_level", &["1", "9"]),
    ]));
    sets.extend(product(&[
        ("compression_type", &["zstd"]),
        ("compression_level", &["1", "19"]),
    ]));
    let children = sets.iter().cloned().map(|set| (set, String::new()));
    let children = children.collect();
    sets.extend(product(&[DATA, ("data_file_raw", &["on"])]));
    (sets, children)
}

/// A base whose size is the child's.
fn base_of(options: &str) -> String {
    format!("-q {options}")
}

fn vhd() -> Sets {
    const BLOCKS: (&str, &[&str]) = ("block_size", &["4K", "64K", "512K", ""]);
    let mut whole = product(&[("subformat", &["dynamic"]), ("size", &["", "chs"]), BLOCKS]);
    whole.extend(product(&[
        ("subformat", &["fixed"]),
        ("size", &["", "chs", "azure"]),
    ]));
    whole.extend(product(&[
        ("size", &["chs"]),
        ("creator", &["vpc", "qemu", "vbox"]),
    ]));
    let children = product(&[BLOCKS, ("creator", &["", "vbox"])]);
    let dynamic = children.into_iter().map(|set| (set, base_of("")));
    let fixed = (Vec::new(), base_of("--option subformat=fixed"));
    (whole, dynamic.chain([fixed]).collect())
}

fn vhdx(all: bool) -> Sets {
    let blocks: &[&str] = if all {
        &["1M", "2M", "4M", "8M", "32M", "256M", ""]
    } else {
        &["1M", "2M", "32M", ""]
    };
    let sectors = ("logical_sector_size", &["", "4096"][..]);
    let mut whole = product(&[
        ("subformat", &["", "fixed"]),
        ("block_size", blocks),
        sectors,
    ]);
    whole.extend(product(&[("log_size", &["2M"])]));
    let mut children = Vec::new();
    for sector in ["512", "4096"] {
        let base = base_of(&format!("--option logical_sector_size={sector}"));
        let sets = product(&[("block_size", blocks)]).into_iter();
        children.extend(sets.map(|set| (set, base.clone())));
    }
    children.push((Vec::new(), base_of("--option subformat=fixed")));
    children.push((vec!["log_size=2M".to_owned()], base_of("")));
    (whole, children)
}

fn vmdk() -> Sets {
    const SPARSE: (&str, &[&str]) = ("subformat", &["monolithicSparse", "twoGbMaxExtentSparse"]);
    const ZEROED: (&str, &[&str]) = ("zeroed_grain", &["", "on"]);
    const FLAT: &[&str] = &[
        "monolithicFlat",
        "twoGbMaxExtentFlat",
        "streamOptimized",
        "vmfs",
    ];
    const SPLIT: &[&str] = &["twoGbMaxExtentSparse", "twoGbMaxExtentFlat"];
    let mut whole = product(&[SPARSE, ZEROED]);
    whole.extend(product(&[("subformat", FLAT)]));
    whole.extend(product(&[("subformat", SPLIT), ("split_size", &["1M"])]));
    whole.extend(product(&[
        ("adapter_type", &["lsilogic"]),
        ("hwversion", &["", "10"]),
    ]));
    let mut children = Vec::new();
    for base in ["monolithicSparse", "monolithicFlat", "streamOptimized"] {
        let base = base_of(&format!("--option subformat={base}"));
        let sets = product(&[SPARSE, ZEROED]).into_iter();
        children.extend(sets.map(|set| (set, base.clone())));
    }
    (whole, children)
}

fn vdi() -> Sets {
    const BLOCKS: (&str, &[&str]) = ("block_size", &["4K", "64K", "", "2M"]);
    let mut whole = product(&[("subformat", &["", "fixed"]), BLOCKS]);
    whole.extend(product(&[("static", &["on"])]));
    let mut children = Vec::new();
    for set in product(&[BLOCKS]) {
        children.push((set.clone(), base_of("")));
        children.push((set, base_of("--option subformat=fixed")));
    }
    (whole, children)
}
