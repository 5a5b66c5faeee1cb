use std::{cell::RefCell, fs};

use imgdelta_core::FileOffset;
use imgdelta_delta::{RunProgress, digest::prove};
use imgdelta_registry::OpenSpec;
use tempfile::TempDir;

use super::*;

const MIB: usize = 1 << 20;

/// Two raw disks of 2 MiB in a folder, one with a byte changed.
fn two_disks() -> Result<(TempDir, Disk, Disk)> {
    let place = TempDir::new().expect("a place");
    let mut bytes = vec![7_u8; 2 * MIB];
    fs::write(place.path().join("base.raw"), &bytes).expect("room");
    bytes.splice(MIB..=MIB, [8]);
    fs::write(place.path().join("target.raw"), &bytes).expect("room");
    let open = |name: &str| Disk::open(&OpenSpec::of(place.path().join(name)));
    let (base, target) = (open("base.raw")?, open("target.raw")?);
    Ok((place, base, target))
}

fn names(place: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(place.path()).expect("it reads").flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn a_whole_image_is_raw_where_its_format_can_only_hold_a_rounded_size() -> Result<()> {
    let place = TempDir::new().expect("a place");
    let asked = RefCell::new(Vec::new());
    let begin = |size: Bytes| {
        WholeImage::begin(Format::Vhdx, DiskSpec::from(size), |format| {
            asked.borrow_mut().push(format);
            let name = format!("disk.{format}");
            let path = place.path().join(&name);
            Ok((name, path))
        })
    };
    let whole = begin(Bytes::mib(3))?;
    assert_eq!((&*whole.place, whole.format), ("disk.vhdx", Format::Vhdx));
    drop(whole);
    let odd = begin(Bytes(1000))?;
    assert_eq!((&*odd.place, odd.format), ("disk.raw", Format::Raw));
    assert_eq!(odd.output.writer.shape().size, Bytes(1000));
    assert_eq!(*asked.borrow(), [Format::Vhdx, Format::Vhdx, Format::Raw]);
    drop(odd);
    assert_eq!(names(&place), [""; 0]);
    Ok(())
}

#[test]
fn a_child_to_be_kept_is_readable_at_once_and_has_no_name_yet() -> Result<()> {
    let (place, base, target) = two_disks()?;
    let progress = RunProgress::default();
    let exec = ExecContext::new(1, &progress);
    let at = |name: &str| place.path().join(name);
    let whole = create(
        &new_image(&at("base.vhdx"), Format::Vhdx),
        base.chain.disk(),
        None,
    )?;
    whole_copy(&base.chain, exec).run(whole.writer)?;
    whole.drafts.commit()?;
    let base = Disk::open(&OpenSpec::of(at("base.vhdx")))?;
    let before = names(&place);
    let child = NewChild {
        base: &base.chain,
        parent: &base.top,
        target: &target.chain,
        target_format: Format::Raw,
        exec,
    };
    let child = child.write(|| Ok(("kept", at("child.vhdx"))))?;
    let child = child.map_err(|why| Error::new(Kind::Usage, why.to_string()))?;
    assert_eq!(child.place, "kept");
    assert!(!at("child.vhdx").exists());
    let read = Disk::open(&OpenSpec {
        format: Some(Format::Vhdx),
        ..OpenSpec::of(child.drafts.written_at())
    })?;
    let none = DigestCache::none();
    let ids = [&read, &target].map(|disk| prove(&disk.chain, &none, exec));
    let [found, wanted] = ids;
    assert_eq!(found?.id, wanted?.id);
    assert!(room_on_disk(child.drafts.written_at())? > Bytes::ZERO);
    drop((read, child));
    assert_eq!(names(&place), before);
    Ok(())
}

#[test]
fn a_base_whose_format_has_no_children_is_refused_before_a_place_is_asked_for() -> Result<()> {
    let (place, base, target) = two_disks()?;
    let progress = RunProgress::default();
    let child = NewChild {
        base: &base.chain,
        parent: &base.top,
        target: &target.chain,
        target_format: Format::Raw,
        exec: ExecContext::new(1, &progress),
    };
    let never = || -> Result<((), PathBuf)> { Err(Error::new(Kind::Usage, "nobody asks for it")) };
    let refused = child.write(never)?;
    assert!(
        matches!(&refused, Err(NoChild::Rule(error)) if error.code() == "no_children"),
        "{refused:?}"
    );
    assert_eq!(names(&place), ["base.raw", "target.raw"]);
    Ok(())
}

#[test]
fn a_child_to_be_sent_is_described_by_the_names_that_its_sender_gives() -> Result<()> {
    let (place, base, target) = two_disks()?;
    let progress = RunProgress::default();
    let path = place.path().join("child.qcow2");
    let sent = SentChild {
        base: ("golden", &base),
        target: ("patched", &target),
        exec: ExecContext::new(1, &progress),
    };
    let link = new_parent(&base.top, &path)?;
    let child = sent.write(&new_image(&path, Format::Qcow2), link, None)?;
    let manifest = sent.manifest("child", Format::Qcow2, &child)?;
    assert_eq!(
        [
            &manifest.base.name,
            &manifest.result.name,
            &manifest.child.name
        ],
        ["golden", "patched", "child"]
    );
    assert_eq!(manifest.child.format, "qcow2");
    assert_eq!(
        manifest.result.content_id,
        prove(&target.chain, &DigestCache::none(), sent.exec)?
            .id
            .to_string()
    );
    let beside = child.drafts.other("child.manifest.json")?;
    beside.write_at(FileOffset::ZERO, &manifest.to_json()?)?;
    child.drafts.commit()?;
    assert_eq!(
        names(&place),
        [
            "base.raw",
            "child.manifest.json",
            "child.qcow2",
            "target.raw"
        ]
    );
    Ok(())
}
