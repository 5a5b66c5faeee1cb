//! Each call as another program makes it: built, run, its report as data; stopped, it leaves nothing.

use std::{
    fs,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use imgdelta_core::{Bytes, Existing, Kind, MemSource, Options, Result, VirtOffset};
use imgdelta_delta::RunProgress;
use imgdelta_operations::{
    Apply, Attach, Check, Compare, Context, Convert, Digest, Disk, Evidence, Ids, Info, Make, Map,
    MapLayers, ProvenBy, Stage,
};
use imgdelta_registry::{OpenSpec, OutputSpec};
use serde_json::Value;
use tempfile::TempDir;

/// A folder with a golden disk of 1 MiB and a patched one.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(TempDir::new().expect("a place"));
        let golden: Vec<u8> = (0..1_u32 << 20)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
            .collect();
        let mut patched = golden.clone();
        patched.splice(500_000..500_005, *b"fixed");
        fs::write(place.at("golden.raw"), golden).expect("room");
        fs::write(place.at("patched.raw"), patched).expect("room");
        place
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn open(&self, name: &str) -> OpenSpec {
        OpenSpec::of(self.at(name))
    }

    fn output(&self, name: &str) -> OutputSpec {
        OutputSpec::of(self.at(name))
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.at(name)).expect("it is there")
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).expect("readable").flatten();
        let mut names: Vec<String> = entries
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    fn make(&self, child: &str) -> Make {
        Make::new(
            self.open("golden.raw"),
            self.open("patched.raw"),
            self.output(child),
        )
    }
}

fn json(report: &impl serde::Serialize) -> Value {
    serde_json::to_value(report).expect("a report is data")
}

#[test]
fn a_child_is_made_applied_and_attached() -> Result<()> {
    let place = Place::new();
    let context = Context::new().threads(2);
    let made = place.make("child.qcow2").run(&context)?;
    let report = json(&made);
    assert_eq!(report["format"], "qcow2");
    assert_eq!(report["blocks_changed"], 1);
    assert_eq!(report["base"]["size"], 1 << 20);
    assert!(place.at("child.qcow2.manifest.json").is_file());

    let apply = Apply::new(
        place.open("child.qcow2"),
        place.open("golden.raw"),
        place.output("full.raw"),
    );
    let applied = apply.run(&context)?;
    assert_eq!(json(&applied)["content_id"], report["target"]["content_id"]);
    assert_eq!(applied.proven_by, ProvenBy::Content);
    assert_eq!(place.bytes("full.raw"), place.bytes("patched.raw"));

    let attached =
        Attach::new(place.open("child.qcow2"), place.open("golden.raw")).run(&context)?;
    assert_eq!(attached.recorded.as_deref(), Some("golden.raw"));
    let same = Compare::new(place.open("child.qcow2"), place.open("patched.raw"));
    assert!(same.run(&context)?.same);
    Ok(())
}

#[test]
fn another_base_is_refused_and_nothing_is_left() -> Result<()> {
    let place = Place::new();
    let context = Context::new();
    place.make("child.qcow2").run(&context)?;
    let before = place.names();
    let wrong = Apply::new(
        place.open("child.qcow2"),
        place.open("patched.raw"),
        place.output("wrong.raw"),
    );
    let error = wrong.run(&context).expect_err("it is the target");
    assert_eq!(
        (error.kind(), error.code()),
        (Kind::Chain, "base_is_result")
    );
    let by_identity = Attach::new(place.open("child.qcow2"), place.open("golden.raw"))
        .evidence(Evidence::Identity)
        .run(&context)
        .expect_err("qcow2 records none");
    assert_eq!(by_identity.kind(), Kind::Chain);
    assert_eq!(place.names(), before);
    Ok(())
}

#[test]
fn a_dry_run_says_what_would_be_and_writes_nothing() -> Result<()> {
    let place = Place::new();
    let context = Context::new();
    let before = place.names();
    let foreseen = place.make("child.vmdk").dry_run(true);
    let error = foreseen.run(&context).expect_err("its base is raw");
    assert_eq!(error.code(), "base_format");
    let foreseen = place.make("child.qcow2").dry_run(true).run(&context)?;
    assert!(foreseen.dry_run);
    let converted = Convert::new(place.open("golden.raw"), place.output("golden.vhdx"))
        .dry_run(true)
        .run(&context)?;
    assert_eq!(place.names(), before);
    let made = place.make("child.qcow2").run(&context)?;
    assert_eq!(foreseen.file_size, made.file_size);
    let written = Convert::new(place.open("golden.raw"), place.output("golden.vhdx"));
    assert_eq!(converted.file_size, written.run(&context)?.file_size);
    Ok(())
}

#[test]
fn what_stands_there_is_replaced_only_if_it_may_be_and_an_input_never() -> Result<()> {
    let place = Place::new();
    let context = Context::new();
    fs::write(place.at("full.raw"), "somebody's work").expect("room");
    let convert = Convert::new(place.open("golden.raw"), place.output("full.raw"));
    let error = convert.run(&context).expect_err("it exists");
    assert_eq!((error.kind(), error.code()), (Kind::Usage, "exists"));
    assert_eq!(place.bytes("full.raw"), b"somebody's work");
    let over = |name: &str| OutputSpec {
        existing: Existing::Replace,
        ..place.output(name)
    };
    Convert::new(place.open("golden.raw"), over("full.raw")).run(&context)?;
    assert_eq!(place.bytes("full.raw"), place.bytes("golden.raw"));
    let onto_itself = Convert::new(place.open("golden.raw"), over("golden.raw"));
    let error = onto_itself.run(&context).expect_err("it is an input");
    assert_eq!(error.code(), "output_is_input");
    Ok(())
}

#[test]
fn a_disk_is_read_from_bytes_and_written_to_a_pipe() -> Result<()> {
    let place = Place::new();
    let context = Context::new();
    let bytes = Arc::new(MemSource(place.bytes("golden.raw")));
    let spec = OpenSpec {
        format: Some(imgdelta_core::Format::Raw),
        ..OpenSpec::of("what came")
    };
    let from_bytes = Convert::new(spec, place.output("golden.vdi")).from_bytes(bytes);
    assert_eq!(from_bytes.run(&context)?.source_format, "raw");

    let pipe = Arc::new(imgdelta_core::MemSink::default());
    let stream = OutputSpec {
        options: Options::parse(&["subformat=streamOptimized"])?,
        ..OutputSpec::of("what goes.vmdk")
    };
    let streamed = Convert::new(place.open("golden.vdi"), stream).to_pipe(pipe.clone());
    assert_eq!(streamed.run(&context)?.file_size, None);
    fs::write(place.at("came.vmdk"), pipe.bytes()).expect("room");
    let same = Compare::new(place.open("came.vmdk"), place.open("golden.raw"));
    assert!(same.run(&context)?.same);
    Ok(())
}

#[test]
fn what_an_image_is_comes_as_data() -> Result<()> {
    let place = Place::new();
    let context = Context::new();
    place.make("child.qcow2").run(&context)?;
    let info = Info::new(place.open("child.qcow2")).chain(true).run()?;
    assert_eq!(json(&info)["parents"][0]["format"], "raw");
    let references = Info::new(place.open("child.qcow2")).references()?;
    assert_eq!(json(&references)["parent"]["format"], "raw");

    let mut runs = Vec::new();
    let map = Map::new(place.open("child.qcow2")).layers(MapLayers::Own);
    let report = map.run(&context, &mut |run| {
        runs.push((run.start, run.length, run.state));
        Ok(())
    })?;
    assert_eq!(report.layers, 1);
    let window = 500_000 / 65536 * 65536;
    assert_eq!(
        runs,
        [
            (0, window, "absent"),
            (window, 65536, "data"),
            (window + 65536, (1 << 20) - window - 65536, "absent")
        ]
    );
    let checked = Check::new(place.open("child.qcow2")).run(&context)?;
    assert!(checked.sound, "{:?}", checked.faults);

    let digest = |name: &str| Digest::new(place.open(name)).run(&context);
    assert_eq!(digest("child.qcow2")?.digest, digest("patched.raw")?.digest);
    let plain = Digest::new(place.open("golden.raw"))
        .plain(true)
        .run(&context)?;
    assert!(plain.digest.starts_with("sha256:"));

    let mut differing = Vec::new();
    let compare = Compare::new(place.open("golden.raw"), place.open("patched.raw"));
    let found = compare.run_listing(&context, &mut |run| {
        differing.push((run.start, run.length));
        Ok(())
    })?;
    assert_eq!((found.same, found.bytes), (false, Some(512)));
    assert_eq!(differing, [(500_000 / 512 * 512, 512)]);
    Ok(())
}

#[test]
fn a_chain_is_read_at_any_address() -> Result<()> {
    let place = Place::new();
    place.make("child.qcow2").run(&Context::new())?;
    let disk = Disk::open(&place.open("child.qcow2"))?;
    assert_eq!(disk.size(), Bytes(1 << 20));
    let mut bytes = vec![0; 100];
    disk.read_at(VirtOffset(499_990), &mut bytes)?;
    assert_eq!(bytes, place.bytes("patched.raw")[499_990..500_090]);
    Ok(())
}

#[test]
fn stages_are_heard_and_a_stopped_run_leaves_nothing() {
    let place = Place::new();
    let before = place.names();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let progress = Arc::new(RunProgress::default());
    let (listener, stopper) = (Arc::clone(&heard), Arc::clone(&progress));
    let context = Context::new()
        .with_progress(progress)
        .on_stage(move |stage| {
            listener.lock().expect("whole").push(stage.to_string());
            if matches!(stage, Stage::Make(_)) {
                stopper.stop();
            }
        });
    let error = place
        .make("child.qcow2")
        .run(&context)
        .expect_err("it was stopped");
    assert_eq!(error.kind(), Kind::Interrupted);
    assert_eq!(place.names(), before);
    let child = place.at("child.qcow2");
    let expected = [
        format!("write {}", child.display()),
        format!("make {}", child.display()),
    ];
    assert_eq!(*heard.lock().expect("whole"), expected);
}

#[test]
fn ids_are_of_the_content_unless_chance_is_asked_for() -> Result<()> {
    let place = Place::new();
    let context = Context::new();
    let write = |name: &str, ids: Ids| {
        Convert::new(place.open("golden.raw"), place.output(name))
            .ids(ids)
            .run(&context)
    };
    for name in ["a.vhdx", "b.vhdx"] {
        write(name, Ids::OfContent)?;
    }
    for name in ["c.vhdx", "d.vhdx"] {
        write(name, Ids::Random)?;
    }
    assert_eq!(place.bytes("a.vhdx"), place.bytes("b.vhdx"));
    assert_ne!(place.bytes("a.vhdx"), place.bytes("c.vhdx"));
    assert_ne!(place.bytes("c.vhdx"), place.bytes("d.vhdx"));
    Ok(())
}
