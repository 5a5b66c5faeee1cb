//! What fuzzing starts from: small images of every variant and all small malformed ones, made without the format crates.

mod images;

use std::{sync::Arc, time::Duration};

use images::{dmg, parallels, qcow1, qcow2, qed, vdi, vhd, vhdx, vmdk};
use imgdelta_core::{Bytes, FileOffset, Format, MemSink, MemSource, Options, read_vec};
use imgdelta_delta::{ExecContext, RunProgress};
use imgdelta_deploy::{
    bundle::DeliveryContext,
    deployment::{Deploy, Destination, deploy_many},
    wire::ClientSession,
};
use imgdelta_fixtures::{
    Recipe, broken,
    gpt::GptDisk,
    vmdk::{Layout, Stream},
};
use imgdelta_packed::{Archive, archive::ova::NewOva, ovf::machine::Machine};
use imgdelta_registry::OpenSpec;
use imgdelta_repository::catalogue::{Add, Repository, Run};

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
        "qcow1" => qcow1(),
        "qed" => qed(),
        "parallels" => parallels(),
        "dmg" => dmg(),
        "vhdx_front" => vhdx(0..1 << 20),
        "vhdx_log" => vhdx(1 << 20..2 << 20),
        "vhdx_metadata" => vhdx(2 << 20..3 << 20),
        "vhdx_bat" => vhdx(3 << 20..4 << 20),
        "record" | "inventory" | "delivery" | "leaves" => lists(target),
        "packed" => packed(),
        "archive" => vec![ova()],
        "ovf" => vec![member(".ovf")],
        "digests" => vec![member(".mf")],
        "talk" => vec![talk()],
        "recorded_path" => recorded_paths(),
        "gpt" => gpt(),
        "transport_unpack" => imgdelta_fuzz::transport_files(),
        "parity" => imgdelta_fuzz::parity_files(),
        "guest" => guest(),
        "manifest" => vec![include_bytes!("manifest.json").to_vec()],
        _ => (0..24_u64)
            .map(|seed| Recipe::scatter(160, 160, seed * 3 + 2).bytes_at(0, 160))
            .collect(),
    };
    let broken = match target {
        "vhd" => broken::vhd_cases(),
        "qcow2" => broken::qcow2_cases(),
        "vdi" => broken::vdi_cases(),
        "qcow1" => broken::qcow1_cases(),
        "qed" => broken::qed_cases(),
        "parallels" => broken::parallels_cases(),
        "dmg" => broken::dmg_cases(),
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

/// A small disk as compressors write it, and in a package.
fn packed() -> Vec<Vec<u8>> {
    vec![
        include_bytes!("packed/disk.img.gz").to_vec(),
        include_bytes!("packed/disk.img.xz").to_vec(),
        include_bytes!("packed/disk.img.zst").to_vec(),
        include_bytes!("packed/disk.img.bz2").to_vec(),
        ova(),
    ]
}

/// A package in one archive.
fn ova() -> Vec<u8> {
    let sink = Arc::new(MemSink::default());
    let machine = Machine::take(&mut Options::default(), "web").expect("it has no options");
    let ova = NewOva::new(sink.clone(), machine, "web", 0);
    let disk = vmdk(&[Layout::Stream(Stream::VMware)]).remove(0);
    ova.disk().write_at(FileOffset(0), &disk).expect("memory");
    ova.finish(Bytes::mib(1)).expect("memory");
    sink.bytes()
}

/// The file in the package whose name ends so.
fn member(end: &str) -> Vec<u8> {
    let archive = Archive::read(Arc::new(MemSource(ova()))).expect("it is one");
    let mut members = archive.members().iter();
    let member = members.find(|member| member.name.ends_with(end));
    let member = member.expect("it is there");
    let source = archive.open(member).expect("it stands in it");
    read_vec(&*source, FileOffset(0), member.len).expect("it stands in it")
}

/// Paths of all systems, each meant in every way, behind how it is meant.
fn recorded_paths() -> Vec<Vec<u8>> {
    const PATHS: [&str; 20] = [
        "base.vhd",
        "./a//b/../base.raw",
        "../../golden/base.vhdx",
        "/vms/golden/base.qcow2",
        "/etc/passwd",
        "C:\\vms\\base.vhd",
        "d:/vms/base.vhd",
        ".\\sub\\base.vhd",
        "..\\..\\base.vhd",
        "\\\\server\\share\\base.vhd",
        "\\\\?\\Volume{26a21bda-a627-11d7-9931-806e6f6e6963}\\base.vhd",
        "\\\\.\\PhysicalDrive0",
        "file:///vms/golden/b%20c.vhd",
        "file://localhost/Volumes/base.vhd",
        "file://./%2e%2e/base.vhd",
        "file:base.raw",
        "json:{\"driver\":\"file\"}",
        "nbd://host:10809/disk",
        "full-2026-11-29T10:00:00.vhd",
        "\u{dc}bung/..",
    ];
    let meant = |path: &str| {
        let kinds = [0, 1, 2, 3, 4, 0x81];
        kinds.map(|kind: u8| [&[kind], path.as_bytes()].concat())
    };
    PATHS.into_iter().flat_map(meant).collect()
}

/// Disks with partitions, behind how much their size changes.
/// Disks with small file systems as their tools made them, `seeds/guest/*.zst`: of NTFS the tables that no reader looks into were taken out.
fn guest() -> Vec<Vec<u8>> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/seeds/guest");
    let entries = std::fs::read_dir(folder).expect("the seeds are there");
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("it is read").path())
        .collect();
    paths.sort();
    let images = paths.iter().map(|path| {
        let packed = std::fs::read(path).expect("it is read");
        zstd::decode_all(&packed[..]).expect("it was packed")
    });
    let inputs = images.filter_map(|image| images::pages(&image, &(0..0)));
    // The sums of VHDX have no place here.
    let inputs = inputs.map(|mut input| {
        if let Some(seals) = input.first_mut() {
            *seals = 0;
        }
        input
    });
    inputs.collect()
}

fn gpt() -> Vec<Vec<u8>> {
    let disks = [
        GptDisk::new(100 << 10, 512, &[(40, 60), (61, 90)]),
        GptDisk::new(128 << 10, 4096, &[(7, 9)]),
    ];
    let changes = [[1, 0], [40, 0], [8, 1], [255, 1]];
    let both = disks.iter().flat_map(|disk| {
        let bytes = disk.build();
        changes.map(|change| [&change[..], &bytes].concat())
    });
    both.collect()
}

/// What a repository with an image and its child says of itself, and the delivery of that child.
fn lists(target: &str) -> Vec<Vec<u8>> {
    let place = tempfile::tempdir().expect("a place");
    let at = |name: &str| place.path().join(name);
    let progress = RunProgress::default();
    let context = DeliveryContext::quiet(run(&progress));
    let headquarters = Repository::init(&at("hq"), Format::Qcow2).expect("it begins");
    let site = Repository::init(&at("site"), Format::Vhd).expect("it begins");
    let base = Recipe::scatter(1 << 20, 64 << 10, 3).expected(None);
    let mut patched = base.clone();
    patched.splice(700_000..700_004, *b"news");
    for (name, bytes) in [("golden", base), ("patched", patched)] {
        let file = at(&format!("{name}.raw"));
        std::fs::write(&file, bytes).expect("room");
        let add = Add {
            image: OpenSpec::of(&file),
            ..Add::default()
        };
        headquarters.add(&add, &context.run).expect("it comes in");
        if name == "golden" {
            site.add(&add, &context.run).expect("it comes in");
        }
    }
    let listing = headquarters.list().expect("it is there");
    match target {
        "record" => {
            let records = listing.records();
            let json = records.iter().map(|record| record.to_json());
            json.collect::<Result<_, _>>().expect("it is written")
        }
        "leaves" => {
            let folder = headquarters.folder().join(".imgdelta/leaves");
            let files = std::fs::read_dir(folder).expect("it is there");
            let read = |file: std::io::Result<std::fs::DirEntry>| {
                std::fs::read(file.expect("it is there").path()).expect("it is there")
            };
            let files: Vec<_> = files.map(read).collect();
            let old: Vec<_> = files.iter().map(|file| leaves_of_version_1(file)).collect();
            [files, old].concat()
        }
        "inventory" => {
            let inventory = headquarters.inventory().expect("it is there");
            vec![inventory.to_json().expect("it is written")]
        }
        _ => {
            let deploy = Deploy {
                images: vec!["patched".into()],
                sites: vec![Destination::Carried(site.inventory().expect("it is there"))],
                bundle: Some(at("stick")),
                ..Deploy::from(&headquarters)
            };
            deploy_many(&deploy, &context).expect("it is packed");
            vec![std::fs::read(at("stick").join("delivery.json")).expect("it is there")]
        }
    }
}

/// How a catalogue works.
fn run(progress: &RunProgress) -> Run<'_> {
    let work = ExecContext::new(1, progress);
    Run {
        work,
        wait: Duration::ZERO,
    }
}

/// What headquarters says first: the greeting.
fn talk() -> Vec<u8> {
    let mut said = Vec::new();
    let progress = RunProgress::default();
    // Nobody answers.
    let heard = ClientSession::open(std::io::empty(), &mut said, "/repository", &progress);
    assert!(heard.is_err(), "nobody answers");
    said
}

/// The same leaves as repositories of earlier versions hold them: without a checksum behind each part.
fn leaves_of_version_1(file: &[u8]) -> Vec<u8> {
    let mut old = [b"imgdelta leaves1", file.get(16..24).unwrap_or_default()].concat();
    let mut at = 28;
    while at < file.len() {
        let count = file
            .get(at + 1..at + 9)
            .and_then(|count| count.try_into().ok());
        let len = match (file.get(at), count.map(u64::from_le_bytes)) {
            (Some(0), _) => 9,
            (Some(1), Some(count)) => 9 + 32 * count as usize,
            _ => 33,
        };
        old.extend_from_slice(file.get(at..at + len).unwrap_or_default());
        at += len + 4;
    }
    old
}
