//! Images without parent: every option, at every size where something can go wrong.

use std::fs;

use imgdelta_fixtures::{Fill, Recipe, peers};

use crate::serial::{Bench, Job, Outcome, in_memory, reach};

/// Each kind of image: its options, bytes of its clusters, whether L2 entries are extended.
const KINDS: &[(&[&str], u64, bool)] = &[
    (&[], 64 << 10, false),
    (&["compression_type=zlib"], 64 << 10, false),
    (
        &["compression_type=zstd", "compression_level=1"],
        64 << 10,
        false,
    ),
    (&["compat=0.10"], 64 << 10, false),
    (
        &[
            "compat=0.10",
            "cluster_size=4K",
            "compression_type=zlib",
            "compression_level=9",
        ],
        4 << 10,
        false,
    ),
    (&["extended_l2=on"], 64 << 10, true),
    (
        &[
            "extended_l2=on",
            "cluster_size=16K",
            "compression_type=zlib",
            "refcount_bits=8",
        ],
        16 << 10,
        true,
    ),
    (
        &[
            "extended_l2=on",
            "cluster_size=2M",
            "compression_type=zstd",
            "refcount_bits=32",
        ],
        2 << 20,
        true,
    ),
    (&["cluster_size=512", "refcount_bits=64"], 512, false),
    (
        &[
            "cluster_size=512",
            "refcount_bits=64",
            "compression_type=zlib",
        ],
        512,
        false,
    ),
    (
        &[
            "cluster_size=512",
            "refcount_bits=2",
            "compression_type=zstd",
        ],
        512,
        false,
    ),
    (
        &[
            "cluster_size=1K",
            "refcount_bits=1",
            "compression_type=zlib",
        ],
        1 << 10,
        false,
    ),
    (
        &[
            "cluster_size=4K",
            "refcount_bits=4",
            "compression_type=zlib",
        ],
        4 << 10,
        false,
    ),
    (
        &["cluster_size=2M", "compression_type=zlib"],
        2 << 20,
        false,
    ),
    (&["data_file=data.bin"], 64 << 10, false),
    (
        &["data_file=data.raw", "data_file_raw=on", "extended_l2=on"],
        64 << 10,
        true,
    ),
];

/// A large disk with few clusters: around `marks` and at both ends, data, text and zeros, on and off any border.
fn few(size: u64, marks: &[u64]) -> Recipe {
    let mut runs = vec![(0, 1024, Fill::Text)];
    let mut end = 1024;
    for (&mark, seed) in marks.iter().zip(1..) {
        let start = (mark.saturating_sub(1536)).max(end);
        if start + 4608 > size {
            continue;
        }
        runs.push((start, 2048, Fill::Pattern(seed)));
        runs.push((start + 2048, 1024, Fill::Zero));
        runs.push((start + 3072, 1536, Fill::Text));
        end = start + 4608;
    }
    let last = (size - 512).max(end);
    runs.push((last, size.saturating_sub(last), Fill::Pattern(99)));
    Recipe::of(size, runs)
}

/// Every kind of image of the recipes that `make` gives for its cluster and its L2 tables' reach.
fn prove_all(make: impl Fn(u64, u64) -> Vec<Recipe>) -> Outcome {
    let Some(bench) = Bench::new() else {
        return Ok(());
    };
    for (options, cluster, extended) in KINDS {
        for recipe in make(*cluster, reach(*cluster, *extended)) {
            let image = bench.write("image.qcow2", &Job::whole(&recipe, options))?;
            let raw = bench.write_raw("model.raw", &recipe, None)?;
            bench
                .prove(&image, &raw, options)
                .map_err(|said| format!("{options:?}, {} bytes: {said}", recipe.size))?;
        }
    }
    Ok(())
}

#[test]
fn small_disks_of_every_kind_and_size_are_sound_and_hold_what_they_should() -> Outcome {
    prove_all(|cluster, _| {
        let mib = 1 << 20;
        let sizes = [512, mib, mib + 512, cluster - 512, cluster, cluster + 512];
        let mut recipes = vec![Recipe::empty(mib)];
        let fills = [Fill::Pattern(7), Fill::Text].into_iter().cycle();
        for (size, fill) in sizes.into_iter().filter(|size| *size > 0).zip(fills) {
            recipes.push(Recipe::of(size, [(0, size, fill)]));
        }
        recipes.push(Recipe::scatter(mib + 512, cluster.min(32 << 10), cluster));
        recipes.push(Recipe::sectors(3 * mib, cluster));
        recipes
    })
}

#[test]
fn l2_borders_are_crossed_without_a_seam() -> Outcome {
    prove_all(|cluster, reach| {
        [
            reach - 512,
            reach,
            reach + 512,
            2 * reach + cluster,
            5 * reach,
        ]
        .into_iter()
        .map(|size| few(size, &[reach, 2 * reach, 4 * reach]))
        .collect()
    })
}

#[test]
fn sparse_disks_beyond_4_gib_and_of_1_tib_cost_what_they_hold() -> Outcome {
    let marks = [1 << 31, 1 << 32, (1 << 32) + (1 << 20), 1 << 39];
    prove_all(|cluster, _| {
        let large = (cluster >= 4 << 10).then_some(1 << 40);
        [Some((4 << 30) + (8 << 20) + 512), large]
            .into_iter()
            .flatten()
            .map(|size| few(size, &marks))
            .collect()
    })
}

#[test]
fn a_disk_of_no_bytes_and_an_odd_one_are_sound() -> Outcome {
    let Some(bench) = Bench::new() else {
        return Ok(());
    };
    for size in [0, 1, 513, 65537] {
        let recipe = Recipe::of(size, [(0, size, Fill::Pattern(5))]);
        let image = bench.write("image.qcow2", &Job::whole(&recipe, &[]))?;
        let raw = bench.write_raw("model.raw", &recipe, None)?;
        bench.prove(&image, &raw, &[])?;
    }
    Ok(())
}

#[test]
fn many_small_clusters_fill_many_refcount_blocks_and_a_longer_refcount_table() -> Outcome {
    let Some(bench) = Bench::new() else {
        return Ok(());
    };
    // A refcount block of 64 counts, a refcount table of 64 blocks a cluster: 2 MiB fill one cluster of table.
    let recipe = Recipe::scatter(12 << 20, 1536, 11);
    for compression in ["none", "zlib", "zstd"] {
        for bits in [64, 32, 16, 1] {
            let options = [
                "cluster_size=512".to_owned(),
                format!("refcount_bits={bits}"),
                format!("compression_type={compression}"),
            ];
            let options: Vec<&str> = options.iter().map(String::as_str).collect();
            let image = bench.write("image.qcow2", &Job::whole(&recipe, &options))?;
            let raw = bench.write_raw("model.raw", &recipe, None)?;
            bench
                .prove(&image, &raw, &options)
                .map_err(|said| format!("{options:?}: {said}"))?;
        }
    }
    Ok(())
}

#[test]
fn an_l1_table_that_many_refcount_blocks_count_is_sound() -> Outcome {
    let Some(bench) = Bench::new() else {
        return Ok(());
    };
    // 32 MiB of L1 table, 32 KiB a refcount block.
    let recipe = few(127 << 30, &[1 << 32]);
    let options = ["cluster_size=512", "refcount_bits=64"];
    let image = bench.write("image.qcow2", &Job::whole(&recipe, &options))?;
    let raw = bench.write_raw("model.raw", &recipe, None)?;
    bench.prove(&image, &raw, &options)?;
    Ok(())
}

#[test]
fn what_compresses_becomes_smaller_and_what_does_not_grows_by_its_tables_only() -> Outcome {
    let size = 8 << 20;
    let text = Recipe::of(size, [(0, size, Fill::Text)]);
    let noise = Recipe::of(size, [(0, size, Fill::Pattern(1))]);
    for kind in ["zlib", "zstd"] {
        let option = format!("compression_type={kind}");
        let options = [option.as_str()];
        let small = in_memory(&Job::whole(&text, &options), false)?;
        assert!(small.len() < 2 << 20, "{kind}: {}", small.len());
        let large = in_memory(&Job::whole(&noise, &options), false)?;
        assert_eq!(large.len() as u64, size + 5 * (64 << 10), "{kind}");
    }
    Ok(())
}

#[test]
fn the_file_is_the_same_whoever_writes_its_bytes_when() -> Outcome {
    let recipe = Recipe::scatter(3 << 20, 24 << 10, 5);
    for (options, _, _) in KINDS {
        if options.iter().any(|option| option.starts_with("data_file")) {
            continue;
        }
        let job = Job::whole(&recipe, options);
        assert!(
            in_memory(&job, false)? == in_memory(&job, true)?,
            "{options:?}"
        );
    }
    Ok(())
}

#[test]
fn old_bytes_on_a_device_do_not_show() -> Outcome {
    let Some(bench) = Bench::new() else {
        return Ok(());
    };
    let old = vec![0xa5; 16 << 20];
    for (options, cluster, _) in KINDS {
        if options.iter().any(|option| option.starts_with("data_file")) {
            continue;
        }
        let recipe = few((4 << 20) + 512, &[1 << 20, 3 << 20, *cluster]);
        let image = bench.write_stale("image.qcow2", &Job::whole(&recipe, options), &old)?;
        let raw = bench.write_raw("model.raw", &recipe, None)?;
        bench
            .prove(&image, &raw, options)
            .map_err(|said| format!("{options:?}: {said}"))?;
    }
    Ok(())
}

#[test]
fn a_raw_data_file_is_the_disk() -> Outcome {
    let Some(bench) = Bench::new() else {
        return Ok(());
    };
    let recipe = Recipe::small((1 << 20) + 512);
    let options = ["data_file=disk.raw", "data_file_raw=on"];
    bench.write("image.qcow2", &Job::whole(&recipe, &options))?;
    assert!(fs::read(bench.path("disk.raw"))? == recipe.expected(None));
    Ok(())
}

#[test]
fn qemu_reads_the_options_back() -> Outcome {
    let Some(bench) = Bench::new() else {
        return Ok(());
    };
    let recipe = Recipe::small(1 << 20);
    for (options, words) in [
        (
            &["compat=0.10"][..],
            &["\"compat\": \"0.10\"", "\"refcount-bits\": 16"][..],
        ),
        (
            &["compression_type=zstd", "extended_l2=on"],
            &["\"compression-type\": \"zstd\"", "\"extended-l2\": true"],
        ),
        (
            &["cluster_size=2M", "refcount_bits=1"],
            &["\"cluster-size\": 2097152", "\"refcount-bits\": 1"],
        ),
        (
            &["data_file=data.raw", "data_file_raw=on"],
            &["\"data-file\": \"data.raw\"", "\"data-file-raw\": true"],
        ),
    ] {
        let image = bench.write("image.qcow2", &Job::whole(&recipe, options))?;
        let said = peers::qemu_info_json(&image, "qcow2")?;
        for word in words {
            assert!(said.contains(word), "{options:?}: no {word} in {said}");
        }
    }
    Ok(())
}
