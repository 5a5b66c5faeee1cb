//! Golden images are read-only files, as long as they are golden.

use std::{
    fs::{self, File, Permissions},
    os::unix::fs::{FileExt, PermissionsExt},
    path::Path,
    time::Duration,
};

use imgdelta_core::{Kind, Result};
use imgdelta_registry::OpenSpec;
use imgdelta_repository::catalogue::{Add, Edit, Repair, Verdict};

use crate::place::{Place, file_of};

fn mode(file: &Path) -> u32 {
    let found = fs::metadata(file).expect("it is there");
    found.permissions().mode() & 0o777
}

#[test]
fn a_golden_image_is_read_only_until_it_is_none() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("hq")?;
    for in_place in [false, true] {
        let name = if in_place {
            "hq/patched.raw"
        } else {
            "golden.raw"
        };
        let image = place.write(name, &[7 + u8::from(in_place); 1 << 20]);
        fs::set_permissions(&image, Permissions::from_mode(0o640)).expect("it is ours");
        let add = Add {
            image: OpenSpec::of(&image),
            golden: true,
            in_place,
            ..Add::default()
        };
        let record = repository.add(&add, &place.run())?.record;
        let file = file_of(&repository, &record);
        let given = record.files[0].mode.expect("it could be written to");
        assert_eq!(mode(&file), given & !0o222);
        let name = record.name.as_str();
        repository.set_golden(name, false, &place.run())?;
        assert_eq!(mode(&file), given, "it was given back");
        repository.set_golden(name, true, &place.run())?;
        repository.set_golden(name, true, &place.run())?;
        assert_eq!(mode(&file), given & !0o222);
        assert!(
            repository
                .verify(&[], &place.run(), |_| ())?
                .iter()
                .all(|one| one.is_sound())
        );
        let removed = repository.remove(name, &place.run())?;
        assert_eq!(file.exists(), in_place, "{removed:?}");
        if in_place {
            assert_eq!(mode(&file), 0o640);
        }
    }
    Ok(())
}

#[test]
fn verify_says_when_what_is_golden_was_written_to() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("hq")?;
    let add = Add {
        image: OpenSpec::of(place.golden("golden.raw")),
        golden: true,
        ..Add::default()
    };
    let record = repository.add(&add, &place.run())?.record;
    let file = file_of(&repository, &record);
    fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("it is ours");
    let opened = File::options().write(true).open(&file).expect("there");
    opened.write_all_at(b"guest", 4096).expect("room");
    let time = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    opened.set_modified(time).expect("it can be set");
    let all = repository.verify(&[], &place.run(), |_| ())?;
    assert!(matches!(all[0].verdict, Verdict::Changed { .. }));
    let note = "its file was written to at 2023-11-14T22:13:20Z, though it is golden";
    assert_eq!(all[0].notes, [note]);
    Ok(())
}

/// Whether the host lets a file here be made immutable, and it is then.
fn is_immutable(file: &Path) -> bool {
    let file = File::open(file).expect("it is there");
    rustix::fs::ioctl_getflags(&file)
        .is_ok_and(|flags| flags.contains(rustix::fs::IFlags::IMMUTABLE))
}

fn set_immutable(file: &Path, on: bool) {
    let file = File::open(file).expect("there");
    let mut flags = rustix::fs::ioctl_getflags(&file).expect("known");
    flags.set(rustix::fs::IFlags::IMMUTABLE, on);
    rustix::fs::ioctl_setflags(&file, flags).expect("it was let before");
}

#[test]
fn an_immutable_image_is_written_to_by_nobody_and_still_goes_and_is_mended() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("hq")?;
    let record = place.add(&repository, &place.golden("golden.raw"))?.record;
    let file = file_of(&repository, &record);
    let mode = || fs::metadata(&file).expect("there").permissions().mode() & 0o777;
    let before = mode();
    if let Err(error) = repository.edit("golden", &Edit::Immutable, &place.run()) {
        // Not root, or a file system that has no such attribute: nothing was changed.
        assert_eq!((error.kind(), error.code()), (Kind::Host, "immutable"));
        assert!(
            error
                .hint()
                .is_some_and(|hint| hint.contains("--immutable"))
        );
        assert_eq!(mode(), before);
        assert!(!repository.show("golden")?.golden && !is_immutable(&file));
        return Ok(());
    }
    let record = repository.show("golden")?;
    assert!(record.golden && record.immutable && is_immutable(&file));
    let open = || File::options().write(true).open(&file);
    assert!(open().is_err() && fs::remove_file(&file).is_err());
    // Its name is no file's matter; tags neither.
    repository.rename("golden", &"win".parse()?, &place.run())?;
    // Taken off, it is as it was.
    repository.set_golden("win", false, &place.run())?;
    assert!(!is_immutable(&file) && mode() == before);
    assert!(!repository.show("win")?.immutable);
    repository.edit("win", &Edit::Immutable, &place.run())?;
    // A damaged one is mended, and immutable again.
    let other = place.repository("backup")?;
    place.add(&other, &place.at("golden.raw"))?;
    set_immutable(&file, false);
    let bytes = fs::read(&file).expect("there");
    fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("ours");
    FileExt::write_all_at(&open().expect("ours"), b"rot!", 5).expect("room");
    set_immutable(&file, true);
    let from = [other];
    let repair = Repair {
        from: &from,
        dry_run: false,
    };
    let all = repository.repair(&[], repair, &place.run(), |_| ())?;
    assert!(all[0].is_sound(), "{all:?}");
    assert!(fs::read(&file).expect("there") == bytes);
    assert!(is_immutable(&file) && mode() & 0o222 == 0);
    repository.gc(&place.run())?;
    let removed = repository.remove("win", &place.run())?;
    assert_eq!(removed.deleted.len(), 1);
    assert!(!file.exists());
    // And from the start.
    let add = Add {
        image: OpenSpec::of(place.at("golden.raw")),
        golden: true,
        immutable: true,
        ..Add::default()
    };
    let record = repository.add(&add, &place.run())?.record;
    let file = file_of(&repository, &record);
    assert!(record.immutable && is_immutable(&file));
    // One that is lost and comes back by itself is as it was.
    set_immutable(&file, false);
    fs::remove_file(&file).expect("ours");
    let again = place.add(&repository, &place.at("golden.raw"))?;
    let file = file_of(&repository, &again.record);
    assert!(again.is_new && again.record.golden && again.record.immutable);
    assert!(is_immutable(&file) && repository.show("golden")?.immutable);
    // Under another name, because something stands in its place: that is let go.
    set_immutable(&file, false);
    fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("ours");
    fs::write(&file, "another").expect("ours");
    set_immutable(&file, true);
    let moved = place.add(&repository, &place.at("golden.raw"))?.record;
    let new = file_of(&repository, &moved);
    assert!(new != file && moved.immutable && is_immutable(&new));
    assert!(!is_immutable(&file), "its user may delete it");
    repository.remove("golden", &place.run())?;
    assert!(!new.exists());
    Ok(())
}
