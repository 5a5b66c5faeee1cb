//! Random layers in random forms, seen by qemu.

use imgdelta_core::Format;
use imgdelta_fixtures::{Fill, Recipe};
use proptest::{prelude::*, test_runner::TestCaseError};

use crate::serial::{Bench, Job, beside, read_from};

/// Options that go together.
fn options() -> impl Strategy<Value = Vec<String>> {
    let compression = prop_oneof![Just("none"), Just("zlib"), Just("zstd")];
    (9_u32..=17, 0_u32..=6, compression, any::<bool>(), 0_u8..6).prop_map(
        |(cluster_bits, order, compression, extended, old)| {
            let is_old = old == 0;
            let mut all = vec![format!("cluster_size={}", 1_u64 << cluster_bits)];
            if is_old {
                all.push("compat=0.10".to_owned());
            } else {
                all.push(format!("refcount_bits={}", 1 << order));
            }
            if !(is_old && compression == "zstd") {
                all.push(format!("compression_type={compression}"));
            }
            if extended && !is_old && cluster_bits >= 14 {
                all.push("extended_l2=on".to_owned());
            }
            all
        },
    )
}

/// Runs on a disk of up to 600 KiB: sectors from its start on, in order.
fn layer() -> impl Strategy<Value = Recipe> {
    let fill = prop_oneof![
        2 => Just(Fill::Absent),
        1 => Just(Fill::Zero),
        2 => any::<u64>().prop_map(Fill::Pattern),
        2 => Just(Fill::Text),
    ];
    let runs = prop::collection::vec((1_u64..120, fill), 1..20);
    (runs, 1_u64..1200).prop_map(|(runs, sectors)| {
        let mut at = 0;
        let runs = runs.into_iter().map(|(len, fill)| {
            let run = (at, len * 512, fill);
            at += len * 512;
            run
        });
        Recipe::of(sectors * 512, runs.collect::<Vec<_>>())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn any_layer_in_any_form_over_any_parent_is_the_disk_that_it_says(
        options in options(),
        base in layer(),
        top in layer(),
        is_child in any::<bool>(),
    ) {
        let Some(bench) = Bench::new() else {
            return Ok(());
        };
        let failed = |said: String| TestCaseError::fail(format!("{options:?}: {said}"));
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let below = base.expected(None);
        let job = Job {
            recipe: &top,
            options: &options,
            parent: is_child.then(|| beside("base.raw", Format::Raw, base.size)),
            below: if is_child { &read_from(&below) } else { &|_, _| {} },
        };
        bench.write_raw("base.raw", &base, None).map_err(|e| failed(e.to_string()))?;
        let parent = is_child.then_some(below.as_slice());
        let raw = bench.write_raw("model.raw", &top, parent).map_err(|e| failed(e.to_string()))?;
        let image = bench.write("image.qcow2", &job).map_err(|e| failed(e.to_string()))?;
        bench.prove(&image, &raw, &options).map_err(failed)?;
    }
}
