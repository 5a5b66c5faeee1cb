//! Children: data, zeros and silence over parents of other formats and sizes.

use imgdelta_core::Format;
use imgdelta_fixtures::{Fill, Recipe, peers};

use crate::serial::{Bench, Job, Outcome, beside, read_from};

/// Each kind of child: its options and its grain.
const KINDS: &[(&[&str], u64)] = &[
    (&[], 64 << 10),
    (&["cluster_size=4K"], 4 << 10),
    (&["cluster_size=512", "refcount_bits=64"], 512),
    (&["compression_type=zlib", "cluster_size=8K"], 8 << 10),
    (&["compression_type=zstd"], 64 << 10),
    (&["extended_l2=on"], 2 << 10),
    (&["extended_l2=on", "cluster_size=16K"], 512),
    (&["extended_l2=on", "compression_type=zlib"], 2 << 10),
    (&["extended_l2=on", "cluster_size=2M"], 64 << 10),
    (&["compat=0.10", "cluster_size=4K"], 4 << 10),
    (&["data_file=child.data"], 64 << 10),
    (&["data_file=child.data", "extended_l2=on"], 2 << 10),
];

/// The parent's disk.
fn parent(size: u64, seed: u64) -> Recipe {
    Recipe::of(size, [(0, size, Fill::Pattern(seed))])
}

#[test]
fn data_zeros_and_silence_over_a_parent_of_any_size_are_the_target() -> Outcome {
    let Some(bench) = Bench::new() else {
        return Ok(());
    };
    let size = (2 << 20) + 512;
    for (options, grain) in KINDS {
        for parent_size in [size, 1 << 20, (1 << 20) + 512, 3 << 20] {
            let base = parent(parent_size, 1);
            bench.write_raw("base.raw", &base, None)?;
            let below = base.expected(None);
            for recipe in [
                Recipe::scatter(size, 4 * grain, *grain),
                Recipe::sectors(size, 3),
                Recipe::empty(size),
                Recipe::of(size, [(0, size, Fill::Zero)]),
            ] {
                let job = Job {
                    recipe: &recipe,
                    options,
                    parent: Some(beside("base.raw", Format::Raw, parent_size)),
                    below: &read_from(&below),
                };
                let child = bench.write("child.qcow2", &job)?;
                let raw = bench.write_raw("model.raw", &recipe, Some(&below))?;
                bench
                    .prove(&child, &raw, options)
                    .map_err(|said| format!("{options:?} over {parent_size}: {said}"))?;
            }
        }
    }
    Ok(())
}

#[test]
fn silence_shows_whatever_the_parent_holds_and_zeros_hide_it() -> Outcome {
    let Some(bench) = Bench::new() else {
        return Ok(());
    };
    let size = 4 << 20;
    for (options, grain) in KINDS {
        let recipe = Recipe::scatter(size, *grain, 17);
        let first = parent(size, 1).expected(None);
        let job = Job {
            recipe: &recipe,
            options,
            parent: Some(beside("base.raw", Format::Raw, size)),
            below: &read_from(&first),
        };
        let child = bench.write("child.qcow2", &job)?;
        // Another disk under the same name: a grain that was written though it should be silent would not change with it.
        let second = parent(size, 2);
        bench.write_raw("base.raw", &second, None)?;
        let raw = bench.write_raw("model.raw", &recipe, Some(&second.expected(None)))?;
        bench
            .prove(&child, &raw, options)
            .map_err(|said| format!("{options:?}: {said}"))?;
    }
    Ok(())
}

#[test]
fn a_chain_of_three_is_the_disk_that_its_layers_say() -> Outcome {
    let Some(bench) = Bench::new() else {
        return Ok(());
    };
    let sizes = [2 << 20, 1 << 20, 3 << 20];
    let options: [&[&str]; 3] = [
        &["compression_type=zlib"],
        &["extended_l2=on", "cluster_size=32K"],
        &["cluster_size=4K"],
    ];
    let mut below: Option<Vec<u8>> = None;
    for (number, (size, options)) in sizes.into_iter().zip(options).enumerate() {
        let recipe = Recipe::sectors(size, number as u64);
        let bytes = below.clone().unwrap_or_default();
        let link = number
            .checked_sub(1)
            .map(|lower| beside(&format!("{lower}.qcow2"), Format::Qcow2, bytes.len() as u64));
        let job = Job {
            recipe: &recipe,
            options,
            parent: link,
            below: &read_from(&bytes),
        };
        let image = bench.write(&format!("{number}.qcow2"), &job)?;
        let raw = bench.write_raw("model.raw", &recipe, below.as_deref())?;
        bench.prove(&image, &raw, options)?;
        below = Some(recipe.expected(below.as_deref()));
    }
    Ok(())
}

#[test]
fn the_parent_is_named_with_its_format_as_qemu_calls_it() -> Outcome {
    let Some(bench) = Bench::new() else {
        return Ok(());
    };
    for (format, name) in [
        (Format::Raw, "raw"),
        (Format::Qcow2, "qcow2"),
        (Format::Vhd, "vpc"),
        (Format::Vhdx, "vhdx"),
        (Format::Vmdk, "vmdk"),
        (Format::Vdi, "vdi"),
    ] {
        for compat in ["compat=1.1", "compat=0.10"] {
            let recipe = Recipe::empty(1 << 20);
            let options = [compat];
            let job = Job {
                parent: Some(beside("c:base", format, 1 << 20)),
                ..Job::whole(&recipe, &options)
            };
            let child = bench.write("child.qcow2", &job)?;
            let said = peers::qemu_info_json(&child, "qcow2")?;
            let wanted = format!("\"backing-filename-format\": \"{name}\"");
            assert!(said.contains(&wanted), "no {wanted} in {said}");
            assert!(
                said.contains("\"backing-filename\": \"./c:base\""),
                "{said}"
            );
        }
    }
    Ok(())
}

#[test]
fn zeros_over_a_parent_are_marks_and_take_no_clusters() -> Outcome {
    let size = 64 << 20;
    let recipe = Recipe::of(size, [(0, size, Fill::Zero)]);
    for options in [&[][..], &["extended_l2=on"], &["compression_type=zlib"]] {
        let job = Job {
            parent: Some(beside("base.raw", Format::Raw, size)),
            ..Job::whole(&recipe, options)
        };
        let bytes = crate::serial::in_memory(&job, false)?;
        // Header, L2 table, L1 table, refcount block, refcount table.
        assert_eq!(bytes.len(), 5 << 16, "{options:?}");
    }
    Ok(())
}
