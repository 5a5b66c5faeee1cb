//! Which format an output has, and what becomes of its files.

use std::os::unix::fs::symlink;

use imgdelta_core::{FileOffset, FinishParams, MemSink};

use super::*;
use crate::refuse_inputs;

fn spec(path: impl Into<PathBuf>) -> OutputSpec {
    OutputSpec::of(path)
}

#[test]
fn the_format_is_what_is_asked_for_else_what_the_extension_says() -> Result<()> {
    for (name, format) in [
        ("a.raw", Format::Raw),
        ("a.IMG", Format::Raw),
        ("a.vhd", Format::Vhd),
        ("a.b.qcow2", Format::Qcow2),
        ("a.avhdx", Format::Vhdx),
    ] {
        assert_eq!(driver_for(&spec(name))?.format, format, "{name}");
    }
    let asked = OutputSpec {
        format: Some(Format::Vhd),
        ..spec("a.img")
    };
    assert_eq!(driver_for(&asked)?.format, Format::Vhd);
    for name in ["a", "a.xyz", "raw", ".raw"] {
        let error = driver_for(&spec(name)).expect_err("it says nothing");
        assert_eq!(error.kind(), Kind::Usage, "{name}");
        assert_eq!(
            error.hint(),
            Some("say one with -f: vhd, vhdx, qcow2, vmdk, vdi, raw")
        );
    }
    let error = driver_for(&spec("a.qed")).expect_err("it is only read");
    assert_eq!(
        (error.kind(), error.code(), error.hint()),
        (
            Kind::Unsupported,
            Driver::ONLY_READ,
            Some(
                "vhd, vhdx, qcow2, vmdk, vdi, raw are written: choose one with -f or another extension"
            )
        )
    );
    Ok(())
}

#[test]
fn a_name_and_a_format_that_contradict_each_other_are_refused() -> Result<()> {
    let place = tempfile::tempdir().expect("a place");
    let spec_of = |format, name: &str, existing| OutputSpec {
        format: Some(format),
        existing,
        ..spec(place.path().join(name))
    };
    let owners = [
        ("vhd", Some(Format::Vhd)),
        ("AVHD", Some(Format::Vhd)),
        ("vhdx", Some(Format::Vhdx)),
        ("vmdk", Some(Format::Vmdk)),
        ("vdi", Some(Format::Vdi)),
        ("qcow2", Some(Format::Qcow2)),
        ("raw", Some(Format::Raw)),
        ("gz", None),
        ("zip", None),
        ("xz", None),
    ];
    for driver in DRIVERS.iter().filter(|driver| driver.create.is_some()) {
        for (extension, owner) in owners {
            let name = format!("a.b.{extension}");
            let asked = driver_for(&spec_of(driver.format, &name, Existing::Keep));
            if owner == Some(driver.format) {
                assert_eq!(asked?.format, driver.format);
                continue;
            }
            let error = asked.expect_err(&name);
            assert_eq!(
                (error.kind(), error.code()),
                (Kind::Usage, "name_and_format"),
                "{driver:?} {name}"
            );
            let hint = error.hint().unwrap_or_default();
            assert!(hint.contains("--force"), "{hint}");
            assert_eq!(hint.contains("--input-format"), owner.is_some(), "{hint}");
            driver_for(&spec_of(driver.format, &name, Existing::Replace))?;
        }
        // These names say nothing.
        for name in [
            "a",
            "a.img",
            "a.bin",
            "a.dd",
            "a.iso",
            "a.foo",
            "web.example.org",
        ] {
            driver_for(&spec_of(driver.format, name, Existing::Keep))?;
        }
    }
    Ok(())
}

#[test]
fn an_image_has_its_name_when_it_is_committed_and_not_before() -> Result<()> {
    let folder = tempfile::tempdir().expect("a place");
    let path = folder.path().join("disk.raw");
    let output = create(&spec(&path), Bytes(1000).into(), None)?;
    output.writer.finish(&FinishParams::default())?;
    assert!(!path.exists());
    output.drafts.commit()?;
    assert_eq!(fs::read(&path).expect("it is there"), [0; 1000]);
    let error = create(&spec(&path), Bytes(1000).into(), None).expect_err("it exists");
    assert_eq!(error.kind(), Kind::Usage);
    Ok(())
}

#[test]
fn what_the_driver_refuses_leaves_nothing_and_names_the_output() {
    let folder = tempfile::tempdir().expect("a place");
    let path = folder.path().join("disk.raw");
    let error = create(
        &spec(&path),
        Bytes(1000).into(),
        Some(ParentSpec::default()),
    )
    .expect_err("raw has no children");
    assert_eq!(error.location().file.as_deref(), Some(path.as_path()));
    assert_eq!(fs::read_dir(folder.path()).expect("it is there").count(), 0);
}

#[test]
fn sectors_that_a_format_does_not_hold_are_refused_before_anything_is_made() -> Result<()> {
    let folder = tempfile::tempdir().expect("a place");
    let at = |name: &str| spec(folder.path().join(name));
    let disk = DiskSpec {
        size: Bytes::mib(4),
        sector: Bytes(4096),
    };
    for name in ["a.vhd", "a.vmdk", "a.vdi"] {
        let error = create(&at(name), disk, None).expect_err("it has 512 only");
        assert_eq!(
            (error.kind(), error.code(), error.hint()),
            (
                Kind::Unsupported,
                "sector_size",
                Some("write it as vhdx, qcow2, raw")
            )
        );
    }
    assert_eq!(fs::read_dir(folder.path()).expect("it is there").count(), 0);
    for name in ["a.vhdx", "a.qcow2", "a.raw"] {
        drop(create(&at(name), disk, None)?);
    }
    Ok(())
}

#[test]
fn only_a_format_that_is_written_in_order_goes_through_a_pipe() -> Result<()> {
    let sink = Arc::new(MemSink::default());
    let writer =
        ResolvedOutput::of(spec("x.raw"))?.create_stream(sink.clone(), Bytes(700).into(), None)?;
    writer.finish(&FinishParams::default())?;
    assert_eq!(sink.bytes().len(), 700);
    sink.write_at(FileOffset::ZERO, b"untouched")?;
    let error = ResolvedOutput::of(spec("x.vhd"))?
        .create_stream(sink.clone(), Bytes(700).into(), None)
        .err();
    let error = error.expect("a VHD has its tables in front");
    assert_eq!(error.code(), "not_a_stream");
    assert_eq!(&sink.bytes()[..9], b"untouched");
    Ok(())
}

#[test]
fn an_output_that_is_an_input_is_refused_by_whatever_name() -> Result<()> {
    let folder = tempfile::tempdir().expect("a place");
    let at = |name: &str| folder.path().join(name);
    fs::write(at("base.vhd"), "base").expect("room");
    fs::write(at("other.vhd"), "other").expect("room");
    fs::create_dir(at("deep")).expect("room");
    symlink(at("base.vhd"), at("link.vhd")).expect("links");
    fs::hard_link(at("base.vhd"), at("hard.vhd")).expect("links");
    let inputs = [FileVersion::at(&at("base.vhd")).expect("it is there")];
    for name in ["base.vhd", "link.vhd", "hard.vhd", "deep/../base.vhd"] {
        let error = refuse_inputs(&at(name), &inputs).expect_err("it is an input");
        assert_eq!(error.kind(), Kind::Usage, "{name}");
        assert_eq!(error.code(), "output_is_input", "{name}");
    }
    refuse_inputs(&at("other.vhd"), &inputs)?;
    refuse_inputs(&at("new.vhd"), &inputs)
}

#[test]
fn no_file_is_renamed_over_a_pipe_or_a_terminal() {
    let folder = tempfile::tempdir().expect("a place");
    let link = folder.path().join("null.raw");
    symlink("/dev/null", &link).expect("links");
    let output = OutputSpec {
        existing: Existing::Replace,
        ..spec(&link)
    };
    let error = create(&output, Bytes(512).into(), None).expect_err("it is no place for an image");
    assert_eq!((error.kind(), error.code()), (Kind::Usage, "not_a_file"));
    assert!(
        fs::symlink_metadata(&link)
            .expect("it is there")
            .is_symlink()
    );
}
