//! Kinds that differ in their files: ESXi's words for a flat one, split disks of other sizes, files as long as their lines say.

use imgdelta_core::FileOffset;

use super::*;

#[test]
fn a_vmfs_image_is_what_esxi_wants() -> Outcome {
    let disk = Recipe::scatter(3 * MIB, 100 * KIB, 9).expected(None);
    let files = write(&disk, &of_kind(&["subformat=VMFS"]))?;
    assert_eq!(files.len(), 2);
    assert_eq!(files[1].0, "disk-flat.vmdk");
    assert!(files[1].1 == disk);
    let text = String::from_utf8(files[0].1.clone())?;
    for line in [
        "# Disk DescriptorFile",
        "version=1",
        "parentCID=ffffffff",
        "createType=\"vmfs\"",
        "RW 6144 VMFS \"disk-flat.vmdk\"",
        "ddb.adapterType = \"lsilogic\"",
        "ddb.geometry.heads = \"255\"",
        "ddb.geometry.sectors = \"63\"",
        "ddb.virtualHWVersion = \"4\"",
    ] {
        assert!(text.lines().any(|one| one == line), "{line}: {text}");
    }
    let image = open(&files)?;
    assert_eq!(image.metadata().variant, "vmfs");
    let chosen = write(
        &disk,
        &of_kind(&["subformat=vmfs", "adapter_type=pvscsi", "hwversion=13"]),
    )?;
    let text = String::from_utf8(chosen[0].1.clone())?;
    assert!(
        text.contains("ddb.adapterType = \"pvscsi\"") && text.contains("\"13\""),
        "{text}"
    );
    Ok(())
}

#[test]
fn virtualbox_reads_a_vmfs_image() -> Outcome {
    if peers::find(Peer::VirtualBox).is_none() {
        return Ok(());
    }
    let disk = Recipe::scatter(3 * MIB, 100 * KIB, 9).expected(None);
    let folder = tempfile::tempdir()?;
    let image = put(folder.path(), &write(&disk, &of_kind(&["subformat=vmfs"]))?)?;
    assert!(peers::virtualbox_raw(&image, &[])? == disk);
    Ok(())
}

#[test]
fn split_disks_have_extents_of_the_size_that_is_asked_for() -> Outcome {
    let has = |peer| peers::find(peer).is_some();
    let (qemu, libyal) = (has(Peer::QemuImg), has(Peer::Libyal));
    for size in [3 * MIB, 3 * MIB + 512, 5 * MIB - 512, 700 * KIB] {
        let disk = Recipe::scatter(size, 100 * KIB, size).expected(None);
        for (kind, letter) in [("twoGbMaxExtentSparse", 's'), ("twoGbMaxExtentFlat", 'f')] {
            for split in ["1M", "2M", "4095M"] {
                let options = [format!("subformat={kind}"), format!("split_size={split}")];
                let options: Vec<&str> = options.iter().map(String::as_str).collect();
                let files = write(&disk, &of_kind(&options))?;
                let each = split.trim_end_matches('M').parse::<u64>()? * MIB;
                let count = size.div_ceil(each) as usize;
                assert_eq!(files.len(), count + 1, "{options:?}, {size}");
                assert_eq!(files[count].0, format!("disk-{letter}{count:03}.vmdk"));
                let text = String::from_utf8(files[0].1.clone())?;
                let lines = text.lines().filter(|line| line.starts_with("RW "));
                let sectors = lines.filter_map(|line| line.split(' ').nth(1)?.parse::<u64>().ok());
                let sectors: Vec<u64> = sectors.collect();
                assert_eq!(sectors.iter().sum::<u64>() * 512, size);
                assert!(sectors[..count - 1].iter().all(|one| one * 512 == each));
                assert!(
                    read_over(&*open(&files)?, &[])? == disk,
                    "{options:?}, {size}"
                );
                let report = check(&files)?;
                assert!(
                    report.faults.is_empty() && report.notes.is_empty(),
                    "{report:?}"
                );
                let folder = tempfile::tempdir()?;
                let image = put(folder.path(), &files)?;
                let raw = folder.path().join("expected.raw");
                std::fs::write(&raw, &disk)?;
                if qemu {
                    peers::qemu_compare(&image, "vmdk", &raw, "raw")?;
                }
                if libyal {
                    assert!(
                        peers::libyal("vmdk", &image, &[])? == disk,
                        "libvmdk, {options:?}"
                    );
                }
            }
        }
    }
    Ok(())
}

#[test]
fn a_split_child_has_extents_of_the_size_that_is_asked_for() -> Outcome {
    let below = Recipe::scatter(5 * MIB, 100 * KIB, 3).expected(None);
    let base = open(&write(&below, &Job::default())?)?;
    let mut target = below.clone();
    target[3 * MIB as usize + 5] ^= 1;
    let job = Job {
        options: &["subformat=twoGbMaxExtentSparse", "split_size=2M"],
        parent: Some((parent_of(&*base, "base.vmdk"), &below)),
        seed: None,
    };
    let files = write(&target, &job)?;
    assert_eq!(files.len(), 4);
    assert!(read_over(&*open(&files)?, &below)? == target);
    Ok(())
}

/// Files that grow where room is made in them, as hosts' files do.
#[derive(Default)]
struct Roomy(Mutex<BTreeMap<String, Arc<RoomySink>>>);

#[derive(Debug, Default)]
struct RoomySink(MemSink);

impl Sink for RoomySink {
    fn write_at(&self, at: FileOffset, bytes: &[u8]) -> Result<()> {
        self.0.write_at(at, bytes)
    }

    fn reserve(&self, at: FileOffset, len: Bytes) {
        let end = Bytes(at.0 + len.0);
        if end > Bytes::from(self.0.bytes().len()) {
            self.0.set_len(end).expect("memory");
        }
    }

    fn set_len(&self, len: Bytes) -> Result<()> {
        self.0.set_len(len)
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }
}

impl Outputs for Roomy {
    fn main(&self) -> Result<Arc<dyn Sink>> {
        self.other("disk.vmdk")
    }

    fn other(&self, name: &str) -> Result<Arc<dyn Sink>> {
        let sink = Arc::new(RoomySink::default());
        self.0
            .lock()
            .expect("not poisoned")
            .insert(name.into(), Arc::clone(&sink));
        Ok(sink)
    }

    fn name(&self) -> Option<String> {
        Some("disk.vmdk".into())
    }
}

#[test]
fn flat_files_are_as_long_as_their_lines_say_whatever_room_the_host_makes() -> Outcome {
    // Long rows of data, so that room is asked for.
    let disk = vec![7; 37 * MIB as usize + 512];
    for options in [
        &["subformat=monolithicFlat"][..],
        &["subformat=vmfs"],
        &["subformat=twoGbMaxExtentFlat", "split_size=16M"],
    ] {
        let outputs = Roomy::default();
        write_to(&outputs, &disk, &of_kind(options))?;
        let sinks = outputs.0.lock().expect("not poisoned");
        let mut files: Files = sinks
            .iter()
            .map(|(name, sink)| (name.clone(), sink.0.bytes()))
            .collect();
        files.sort_by_key(|(name, _)| name != "disk.vmdk");
        let whole: usize = files[1..].iter().map(|(_, bytes)| bytes.len()).sum();
        assert_eq!(whole, disk.len(), "{options:?}");
        let report = check(&files)?;
        assert!(
            report.faults.is_empty() && report.notes.is_empty(),
            "{options:?}: {report:?}"
        );
    }
    Ok(())
}
