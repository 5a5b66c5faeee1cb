//! `verify --repair`: what an image lost comes back from others, or nothing is changed.

use std::{
    fs::{self, File, Permissions},
    os::unix::fs::{FileExt, MetadataExt, PermissionsExt},
    path::Path,
};

use imgdelta_core::{Kind, Options, Result};
use imgdelta_fixtures::golden;
use imgdelta_operations::{Context, Convert};
use imgdelta_registry::{OpenSpec, OutputSpec};
use imgdelta_repository::catalogue::{
    Add, MendedBy, Record, Repair, Repository, Verdict, Verified,
};

use crate::place::{Place, bytes_of, file_of, open};

const WINDOW: u64 = 65_536;

fn repair(place: &Place, repository: &Repository, names: &[&str]) -> Result<Vec<Verified>> {
    repair_from(place, repository, names, &[])
}

fn repair_from(
    place: &Place,
    repository: &Repository,
    names: &[&str],
    from: &[Repository],
) -> Result<Vec<Verified>> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let repair = Repair {
        from,
        dry_run: false,
    };
    repository.repair(&names, repair, &place.run(), |_| ())
}

/// Rots bytes of a file without a trace in its times, as a disk does.
fn rot(file: &Path, wanted: &[u8]) {
    let before = fs::metadata(file).expect("there");
    let (mode, modified) = (before.permissions(), before.modified().expect("a time"));
    fs::set_permissions(file, Permissions::from_mode(0o600)).expect("ours");
    let bytes = fs::read(file).expect("there");
    let at = bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
        .expect("the file has these bytes");
    let open = File::options().write(true).open(file).expect("there");
    open.write_all_at(&[0xee; 16], at as u64).expect("room");
    open.set_modified(modified).expect("ours");
    drop(open);
    fs::set_permissions(file, mode).expect("ours");
}

/// A disk whose windows are all different, with a hole.
fn disk(number: u8) -> Vec<u8> {
    let mut bytes = vec![0; 40 * WINDOW as usize];
    for (window, chunk) in (0_u8..).zip(bytes.chunks_mut(WINDOW as usize)) {
        if !(10..20).contains(&window) {
            chunk.fill(window ^ 0x55);
            chunk[..2].copy_from_slice(&[window, if window == 30 { number } else { 0 }]);
        }
    }
    bytes
}

/// The first bytes of a window of [`disk`].
fn first_of(window: u8, number: u8) -> Vec<u8> {
    let at = usize::from(window) * WINDOW as usize;
    disk(number)[at..at + 64].to_vec()
}

fn is_as_before(repository: &Repository, record: &Record, bytes: &[u8]) -> Result<bool> {
    Ok(bytes_of(&file_of(repository, record))? == bytes)
}

#[test]
fn damaged_windows_come_from_another_image_in_every_format() -> Result<()> {
    let place = Place::new();
    for format in ["raw", "qcow2", "vhd", "vhdx", "vmdk", "vdi"] {
        let repository = place.repository(&format!("hq-{format}"))?;
        let one = place.write("one.raw", &disk(1));
        let image = if format == "raw" {
            one
        } else {
            place.convert(&one, &format!("one.{format}"))?
        };
        let add = Add {
            image: OpenSpec::of(&image),
            golden: true,
            ..Add::default()
        };
        let record = repository.add(&add, &place.run())?.record;
        place.add(&repository, &place.write("two.raw", &disk(2)))?;
        let file = file_of(&repository, &record);
        let (names, mode) = (open(&file)?, fs::metadata(&file).expect("there").mode());
        rot(&file, &first_of(5, 1));
        rot(&file, &first_of(25, 1));
        let all = repair(&place, &repository, &[])?;
        let mending = all[0].mending.as_ref().expect("it was damaged");
        assert_eq!(mending.how, Some(MendedBy::Patching), "{format}: {all:?}");
        assert_eq!((mending.damaged, mending.from[0].windows), (2, 2));
        assert_eq!(mending.from[0].image.as_str(), "two");
        assert!(all[0].is_sound() && all[1].mending.is_none());
        assert!(is_as_before(&repository, &record, &disk(1))?, "{format}");
        assert_eq!(open(&file)?.metadata().identity, names.metadata().identity);
        assert_eq!(fs::metadata(&file).expect("there").mode(), mode);
        assert_eq!(mode & 0o222, 0, "golden images are read-only");
        let again = repository.verify(&[], &place.run(), |_| ())?;
        assert!(
            again
                .iter()
                .all(|one| matches!(one.verdict, Verdict::Sound))
        );
        let listing = repository.list()?;
        assert!(
            repository
                .presence(listing.find("one")?, &listing)
                .is_present()
        );
        // Permissions that were taken come back as ever.
        repository.set_golden("one", false, &place.run())?;
        assert_ne!(fs::metadata(&file).expect("there").mode() & 0o200, 0);
    }
    Ok(())
}

#[test]
fn what_is_nowhere_changes_nothing_until_another_repository_has_it() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("hq")?;
    let record = place
        .add(&repository, &place.write("one.raw", &disk(1)))?
        .record;
    place.add(&repository, &place.write("two.raw", &disk(2)))?;
    let file = file_of(&repository, &record);
    rot(&file, &first_of(5, 1));
    rot(&file, &first_of(30, 1));
    let before = fs::read(&file).expect("there");
    let all = repair(&place, &repository, &[])?;
    let mending = all[0].mending.as_ref().expect("it was damaged");
    assert_eq!(mending.how, None);
    let error = mending.error.as_ref().expect("it is said why");
    assert_eq!(
        (error.kind(), error.code()),
        (Kind::Digest, "windows_missing")
    );
    assert_eq!((mending.damaged, mending.missing_windows), (2, 1));
    assert_eq!(mending.missing.len(), 1);
    assert_eq!(mending.missing[0], 30 * WINDOW..31 * WINDOW);
    assert!(!all[0].is_sound());
    assert!(
        fs::read(&file).expect("there") == before,
        "nothing was changed"
    );
    let other = place.repository("backup")?;
    place.add(&other, &place.convert(&place.at("one.raw"), "copy.qcow2")?)?;
    let all = repair_from(&place, &repository, &[], &[other])?;
    let mending = all[0].mending.as_ref().expect("it was damaged");
    assert!(all[0].is_sound(), "{all:?}");
    assert!(mending.from.iter().any(|one| one.repository.is_some()));
    assert!(is_as_before(&repository, &record, &disk(1))?);
    Ok(())
}

#[test]
fn what_is_compressed_or_cut_is_written_anew_in_its_own_form() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("hq")?;
    let one = place.write("one.raw", &disk(1));
    let small = OutputSpec {
        options: Options::parse(&["compression_type=zstd,cluster_size=32K"])?,
        ..OutputSpec::of(place.at("small.qcow2"))
    };
    Convert::new(OpenSpec::of(&one), small).run(&Context::new())?;
    let packed = place.add(&repository, &place.at("small.qcow2"))?.record;
    place.add(&repository, &place.write("two.raw", &disk(2)))?;
    let other = place.repository("backup")?;
    place.add(&other, &one)?;
    let file = file_of(&repository, &packed);
    let facts = open(&file)?.metadata().details.clone();
    let length = fs::metadata(&file).expect("there").len();
    // The first compressed cluster.
    let modified = fs::metadata(&file)
        .and_then(|found| found.modified())
        .expect("there");
    let image = open(&file)?.top.image;
    let imgdelta_core::State::Compressed { at, .. } =
        image.extent_at(imgdelta_core::VirtOffset::ZERO)?.state
    else {
        panic!("it is compressed");
    };
    let open_file = File::options().write(true).open(&file).expect("there");
    open_file.write_all_at(&[0xff; 40], at.0).expect("room");
    open_file.set_modified(modified).expect("ours");
    let all = repair_from(&place, &repository, &[], std::slice::from_ref(&other))?;
    let mending = all[0].mending.as_ref().expect("it was damaged");
    assert_eq!(mending.how, Some(MendedBy::Rewriting), "{all:?}");
    assert!(is_as_before(&repository, &packed, &disk(1))?);
    let after = open(&file)?.metadata().details.clone();
    assert_eq!(after, facts);
    assert!(fs::metadata(&file).expect("there").len() <= length + (64 << 10));
    // A file that was cut, and one whose header is gone.
    let two = repository.show("two")?;
    let place_of_two = file_of(&repository, &two);
    let cut = File::options()
        .write(true)
        .open(&place_of_two)
        .expect("there");
    cut.set_len(33 * WINDOW).expect("room");
    let from = place.repository("backup-2")?;
    place.add(&from, &place.at("two.raw"))?;
    let left = repair_from(&place, &repository, &[], std::slice::from_ref(&from))?;
    let why = left[1].mending.as_ref().and_then(|one| one.error.as_ref());
    assert_eq!(why.map(|why| why.code()), Some("image_changed"), "{left:?}");
    let all = repair_from(&place, &repository, &["two"], &[from])?;
    assert!(all[0].is_sound(), "{all:?}");
    assert!(is_as_before(&repository, &two, &disk(2))?);
    let header = File::options().write(true).open(&file).expect("there");
    header.write_all_at(&[0; 104], 0).expect("room");
    let all = repair_from(&place, &repository, &["small"], &[other])?;
    assert!(all[0].is_sound(), "{all:?}");
    assert!(is_as_before(&repository, &packed, &disk(1))?);
    Ok(())
}

#[test]
fn a_parent_is_mended_before_its_children_which_still_fit() -> Result<()> {
    let place = Place::new();
    for format in ["qcow2", "vhd", "vhdx", "vmdk", "vdi"] {
        let repository = place.repository(&format!("hq-{format}"))?;
        let one = place.write("one.raw", &disk(1));
        let base = place.convert(&one, &format!("base.{format}"))?;
        let base = place.add(&repository, &base)?.record;
        let mut changed = disk(1);
        changed[7 * WINDOW as usize] ^= 0xff;
        changed[12 * WINDOW as usize] ^= 0xff;
        let target = place.write("target.raw", &changed);
        let dedup = Add {
            image: OpenSpec::of(&target),
            dedup: true,
            ..Add::default()
        };
        let child = repository.add(&dedup, &place.run())?.record;
        assert_eq!(child.linked_parent(), Some(&base.id), "{format}");
        let other = place.repository(&format!("backup-{format}"))?;
        place.add(&other, &one)?;
        place.add(&other, &target)?;
        rot(&file_of(&repository, &base), &first_of(5, 1));
        let first = changed[7 * WINDOW as usize..][..64].to_vec();
        rot(&file_of(&repository, &child), &first);
        let all = repair_from(&place, &repository, &["target"], &[other])?;
        let names: Vec<&str> = all.iter().map(|one| one.record.name.as_str()).collect();
        assert_eq!(names, ["base", "target"]);
        assert!(all.iter().all(Verified::is_sound), "{format}: {all:?}");
        assert!(is_as_before(&repository, &child, &changed)?, "{format}");
        assert!(is_as_before(&repository, &base, &disk(1))?, "{format}");
        assert!(repository.show("target")?.linked_parent().is_some());
    }
    Ok(())
}

#[test]
fn leaves_of_a_sound_image_are_made_anew() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("hq")?;
    let record = place.add(&repository, &place.golden("golden.raw"))?.record;
    let leaves = place.at(&format!(
        "hq/.imgdelta/leaves/{}.leaves",
        record.content_id.0
    ));
    let kept = fs::read(&leaves).expect("there");
    let mut torn = kept.clone();
    torn[40] ^= 1;
    for damage in [Some(&torn), None] {
        match damage {
            Some(torn) => fs::write(&leaves, torn).expect("room"),
            None => fs::remove_file(&leaves).expect("there"),
        }
        let all = repair(&place, &repository, &[])?;
        let mending = all[0].mending.as_ref().expect("they were damaged");
        assert_eq!(mending.how, Some(MendedBy::Leaves));
        assert!(fs::read(&leaves).expect("there") == kept);
    }
    Ok(())
}

#[test]
fn what_is_sound_though_it_was_touched_or_marked_is_counted_on_again() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("hq")?;
    let record = place.add(&repository, &place.golden("golden.raw"))?.record;
    let images = || Ok::<_, imgdelta_core::Error>(repository.inventory()?.images.len());
    let file = file_of(&repository, &record);
    let touched = File::options().write(true).open(&file).expect("there");
    touched
        .set_modified(std::time::SystemTime::UNIX_EPOCH)
        .expect("ours");
    assert_eq!(images()?, 0);
    let all = repository.verify(&[], &place.run(), |_| ())?;
    assert!(all[0].is_sound() && all[0].notes[0].contains("only touched"));
    assert_eq!(images()?, 1);
    assert!(repository.show("golden")?.owned);
    repository.refute(&record.id, &place.run())?;
    assert_eq!(images()?, 0);
    let all = repository.verify(&[], &place.run(), |_| ())?;
    assert!(all[0].notes[0].contains("mark was taken off"), "{all:?}");
    assert_eq!(images()?, 1);
    // What really is another disk stays marked.
    touched.write_all_at(b"x", 9).expect("room");
    repository.refute(&record.id, &place.run())?;
    let all = repository.verify(&[], &place.run(), |_| ())?;
    assert!(!all[0].is_sound());
    assert_eq!(images()?, 0);
    assert_eq!(golden::SIZE, record.size);
    Ok(())
}

#[test]
fn a_child_whose_parent_was_moved_is_told_of() -> Result<()> {
    let place = Place::new();
    for format in ["qcow2", "vhd"] {
        let repository = place.repository(&format!("hq-{format}"))?;
        let base = place.convert(&place.golden("golden.raw"), &format!("base.{format}"))?;
        let base = place.add(&repository, &base)?.record;
        let dedup = Add {
            image: OpenSpec::of(place.golden("patched.raw")),
            dedup: true,
            ..Add::default()
        };
        repository.add(&dedup, &place.run())?;
        fs::create_dir(repository.folder().join("old")).expect("room");
        let moved = repository.folder().join(format!("old/base.{format}"));
        fs::rename(file_of(&repository, &base), &moved).expect("room");
        let all = repository.verify(&["patched".to_owned()], &place.run(), |_| ())?;
        let note = all[0]
            .notes
            .iter()
            .find(|note| note.contains("link is stale"));
        let note = note.unwrap_or_else(|| panic!("{format}: {all:?}"));
        assert!(note.contains("old/base.") && note.contains("'imgdelta repo scan'"));
        repository.scan(&place.run())?;
        let all = repository.verify(&[], &place.run(), |_| ())?;
        assert!(
            all.iter().all(|one| one.is_sound() && one.notes.is_empty()),
            "{all:?}"
        );
    }
    Ok(())
}
