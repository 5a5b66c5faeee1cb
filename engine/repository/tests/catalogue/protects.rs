//! Golden images are read-only files, as long as they are golden.

use std::{
    fs::{self, File, Permissions},
    os::unix::fs::{FileExt, PermissionsExt},
    path::Path,
    time::Duration,
};

use imgdelta_core::Result;
use imgdelta_registry::OpenSpec;
use imgdelta_repository::catalogue::{Add, Verdict};

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
