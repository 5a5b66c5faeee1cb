//! What fuzzing starts from: small images of every variant and all small malformed ones, made without the format crates.

use imgdelta_fixtures::{
    Recipe, broken,
    qcow2::{Compression, DataFile, Qcow2Spec, Snapshot},
    vdi::VdiSpec,
    vhd::VhdSpec,
    vmdk::{Layout, Stream, VmdkSpec},
};

/// Inputs larger than this slow a fuzzer down more than they teach it.
const LARGEST: usize = 160 << 10;

/// The seeds of a target.
pub(crate) fn seeds(target: &str) -> Vec<Vec<u8>> {
    let mut seeds = match target {
        "vhd" => vhd(),
        "qcow2" => qcow2(),
        "vmdk_text" => vmdk(&[Layout::Flat, Layout::SplitSparse(16 << 10), Layout::Cowd]),
        "vmdk_sparse" => vmdk(&[Layout::Sparse, Layout::LoneSparse]),
        "vmdk_stream" => vmdk(&[
            Layout::Stream(Stream::VMware),
            Layout::Stream(Stream::OpenVmdk),
            Layout::Stream(Stream::Qemu),
        ]),
        "vmdk_cowd" => vmdk(&[Layout::LoneCowd]),
        "vmdk_sesparse" => vmdk(&[Layout::LoneSeSparse]),
        "vdi" => vdi(),
        "manifest" => vec![include_bytes!("manifest.json").to_vec()],
        _ => (0..24_u64)
            .map(|seed| Recipe::scatter(160, 160, seed * 3 + 2).bytes_at(0, 160))
            .collect(),
    };
    let broken = match target {
        "vhd" => broken::vhd_cases(),
        "qcow2" => broken::qcow2_cases(),
        "vdi" => broken::vdi_cases(),
        "vmdk_text" | "vmdk_sparse" | "vmdk_stream" => broken::vmdk_cases(),
        _ => Vec::new(),
    };
    seeds.extend(
        broken
            .into_iter()
            .filter_map(|case| case.files.into_iter().next())
            .map(|(_, bytes)| bytes),
    );
    seeds.retain(|seed| seed.len() <= LARGEST);
    seeds
}

fn vhd() -> Vec<Vec<u8>> {
    let recipe = || Recipe::small(64 << 10);
    let child = VhdSpec::differencing(Recipe::sectors(64 << 10, 5), 4096, [7; 16], "parent.vhd");
    vec![
        VhdSpec::fixed(Recipe::small(8 << 10)).build(),
        VhdSpec::dynamic(recipe(), 4096).build(),
        VhdSpec::dynamic(recipe(), 16 << 10).build(),
        child.build(),
    ]
}

fn vmdk(layouts: &[Layout]) -> Vec<Vec<u8>> {
    let of = |layout: &Layout| {
        let spec = VmdkSpec {
            grain: 8,
            ..VmdkSpec::new(Recipe::small(64 << 10), layout.clone())
        };
        spec.build().remove(0).1
    };
    layouts.iter().map(of).collect()
}

fn vdi() -> Vec<Vec<u8>> {
    let spec = || VdiSpec::dynamic(Recipe::small(64 << 10), 4096);
    vec![
        spec().build(),
        VdiSpec::fixed(Recipe::small(8 << 10), 512).build(),
        VdiSpec {
            old: true,
            ..spec()
        }
        .build(),
        VdiSpec {
            extra: 512,
            marks_zero: true,
            ..spec()
        }
        .build(),
        VdiSpec::differencing(Recipe::small(64 << 10), 4096, &spec()).build(),
    ]
}

fn qcow2() -> Vec<Vec<u8>> {
    let spec = |bits| Qcow2Spec::new(Recipe::small(64 << 10), bits);
    let packed = |compression| Qcow2Spec {
        compression: Some(compression),
        ..spec(12)
    };
    let snapshot = Snapshot::new("1", "before", Recipe::scatter(64 << 10, 4096, 9));
    vec![
        spec(9).build(),
        spec(12).build(),
        Qcow2Spec::version_2(Recipe::small(64 << 10), 12).build(),
        packed(Compression::deflate()).build(),
        packed(Compression::zstd(3)).build(),
        Qcow2Spec {
            snapshots: vec![snapshot],
            ..spec(10)
        }
        .build(),
        Qcow2Spec {
            data_file: Some(DataFile {
                name: Some("data".to_owned()),
                raw: false,
            }),
            ..spec(12)
        }
        .build(),
    ]
}
