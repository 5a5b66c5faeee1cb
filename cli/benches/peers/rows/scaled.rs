//! The same data on larger disks, in longer chains, and by more threads, beside the smallest of each.

use super::{Cell, Series, names};
use crate::bench::Bench;
use crate::job::Job;

/// How many times longer than the smallest the slowest may take.
const WITHIN: f64 = 1.2;

/// The disks that `make.sh` makes; a raw file of the last is too long for ext4.
const SIZES: [(&str, &str); 5] = [
    ("8 GiB", "8G"),
    ("64 GiB", "64G"),
    ("1 TiB", "1T"),
    ("16 TiB", "16T"),
    ("64 TiB", "64T"),
];

/// The chains that `make.sh` makes.
const DEPTHS: [(&str, usize); 5] = [
    ("1 layer", 1),
    ("2 layers", 2),
    ("10 layers", 10),
    ("50 layers", 50),
    ("200 layers", 200),
];

pub(super) fn all(bench: &Bench<'_>) -> Vec<Series> {
    let mut series = sizes(bench);
    series.extend(chains(bench));
    series.extend(threads(bench));
    series
}

/// A work on disks of all sizes in a form; `line` is its command, given the size.
fn on_sizes(
    bench: &Bench<'_>,
    work: &'static str,
    form: &str,
    output: Option<&str>,
    line: &dyn Fn(&str) -> String,
) -> Series {
    let fits = SIZES
        .iter()
        .filter(|(_, size)| form != "raw" || *size != "64T");
    let cell = |(label, size): &(&'static str, &str)| {
        let mut inputs = vec![format!("scaled/{size}.{form}")];
        if line(size).contains("-new") {
            inputs.push(format!("scaled/{size}-new.{form}"));
        }
        Cell::new(label, &inputs, bench.job(output, &[&line(size)]))
    };
    Series {
        section: "The same data on larger disks",
        work,
        within: Some(WITHIN),
        workloads: &["scaled"],
        cells: fits.map(cell).collect(),
    }
}

fn sizes(bench: &Bench<'_>) -> Vec<Series> {
    let digest = |work, form: &str| {
        let line = |size: &str| format!("imgdelta digest @scaled/{size}.{form} --no-cache");
        on_sizes(bench, work, form, None, &line)
    };
    let make = |work, form: &str| {
        let line = |size: &str| {
            let (base, target) = (format!("{size}.{form}"), format!("{size}-new.{form}"));
            format!(
                "imgdelta make -b @scaled/{base} -t @scaled/{target} -o %child.qcow2 --no-cache"
            )
        };
        on_sizes(bench, work, form, Some("child.qcow2"), &line)
    };
    let convert = |work, from: &str, to: &str| {
        let line = |size: &str| format!("imgdelta convert @scaled/{size}.{from} -o %out.{to}");
        on_sizes(bench, work, from, Some(&format!("out.{to}")), &line)
    };
    vec![
        digest("digest of raw", "raw"),
        digest("digest of qcow2", "qcow2"),
        digest("digest of vhdx", "vhdx"),
        make("make of raw", "raw"),
        make("make of qcow2", "qcow2"),
        convert("convert raw to qcow2, larger", "raw", "qcow2"),
        convert("convert qcow2 to vhdx, larger", "qcow2", "vhdx"),
        convert("convert vhdx to qcow2, larger", "vhdx", "qcow2"),
    ]
}

fn chains(bench: &Bench<'_>) -> Vec<Series> {
    let series = |work, within, output: Option<&str>, line: &dyn Fn(&str) -> String| {
        let cell = |(label, depth): &(&'static str, usize)| {
            let layer = |number| format!("depths/{depth}/{number:03}.qcow2");
            let again = "depths/again.qcow2".to_owned();
            let layers: Vec<String> = (0..*depth).map(layer).chain([again]).collect();
            let job = bench.job(output, &[&line(&layer(depth - 1))]);
            Cell::new(label, &layers, job)
        };
        Series {
            section: "The same data in longer chains",
            work,
            within,
            workloads: &["depths"],
            cells: DEPTHS.iter().map(cell).collect(),
        }
    };
    let within = Some(WITHIN);
    let convert = |top: &str| format!("imgdelta convert @{top} -o %out.qcow2");
    let compare = |top: &str| format!("imgdelta compare @{top} @depths/again.qcow2");
    let digest = |top: &str| format!("imgdelta digest @{top} --no-cache");
    // What is told of each layer grows with their number.
    let info = |top: &str| format!("imgdelta info @{top} --chain");
    vec![
        series(
            "convert chain to qcow2",
            within,
            Some("out.qcow2"),
            &convert,
        ),
        series("compare chain with one layer", within, None, &compare),
        series("digest of chain", within, None, &digest),
        series("info --chain", None, None, &info),
    ]
}

fn threads(bench: &Bench<'_>) -> Vec<Series> {
    let series = |work, workloads, inputs: &[&str], output: Option<&str>, line: &str| {
        let cell = |(label, count)| {
            let job: Job = bench.job(output, &[&format!("{line} --threads {count}")]);
            Cell::new(label, &names(inputs), job)
        };
        Series {
            section: "By more threads",
            work,
            within: None,
            workloads,
            cells: [("1 thread", 1), ("2 threads", 2)].map(cell).into(),
        }
    };
    let pair = ["base.raw", "copy.raw"];
    let one = ["base.raw"];
    let qcow2 = Some("out.qcow2");
    let make = "imgdelta make -b @base.raw -t @small.raw -o %child.qcow2 --no-cache";
    let compare = "imgdelta compare @base.raw @copy.raw";
    let digest = "imgdelta digest @base.raw --no-cache";
    let copy = "imgdelta convert @base.raw -o %out.qcow2";
    let pack = "imgdelta convert @base.raw -o %out.qcow2 --option compression_type=zstd";
    let made = ["base.raw", "small.raw"];
    vec![
        series(
            "make small by threads",
            &["small"],
            &made,
            Some("child.qcow2"),
            make,
        ),
        series("compare by threads", &["copy"], &pair, None, compare),
        series("digest by threads", &["base"], &one, None, digest),
        series(
            "convert raw to qcow2 by threads",
            &["base"],
            &one,
            qcow2,
            copy,
        ),
        series(
            "convert raw to qcow2, zstd, by threads",
            &["base"],
            &one,
            qcow2,
            pack,
        ),
    ]
}
