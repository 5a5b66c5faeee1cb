//! What a killed process leaves behind, and how the next one finds it.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, SystemTime},
};

use imgdelta_core::Result;
use imgdelta_fixtures::golden;
use imgdelta_registry::OpenSpec;
use imgdelta_repository::catalogue::{Add, Repository, Verdict, Verified, gc::KEPT};

use crate::{
    place::{Place, file_of, files_below},
    under_way::entered,
};

#[test]
fn a_removal_that_was_cut_short_is_finished_by_the_same_command() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("hq")?;
    let record = entered(&place, &repository)?;
    fs::remove_file(file_of(&repository, &record)).expect("it is there");
    let removed = repository.remove("golden", &place.run())?;
    assert!(removed.deleted.is_empty() && removed.kept.is_empty());
    assert_eq!(
        files_below(&place.at("hq")),
        [".imgdelta/lock", ".imgdelta/repository.json"]
    );
    Ok(())
}

#[test]
fn an_init_that_was_cut_short_can_be_repeated() -> Result<()> {
    let place = Place::new();
    fs::create_dir_all(place.at("hq/.imgdelta/images")).expect("room");
    fs::write(
        place.at("hq/.imgdelta/.repository.json.imgdelta-tmp"),
        "half",
    )
    .expect("room");
    assert_eq!(
        Repository::open(&place.at("hq"))
            .expect_err("it is none yet")
            .code(),
        "no_repository"
    );
    place.repository("hq")?;
    Repository::open(&place.at("hq"))?;
    Ok(())
}

/// Tells the process that is to be killed where to work; without it there is nothing to do.
const VICTIM: &str = "IMGDELTA_TEST_VICTIM";

/// What the process does that is killed: adds, tags, sets ids, removes, for ever.
#[test]
fn a_victim_works_until_it_is_killed() -> Result<()> {
    let Some(folder) = std::env::var_os(VICTIM) else {
        return Ok(());
    };
    let folder = Path::new(&folder);
    let repository = Repository::open(&folder.join("hq"))?;
    let place = Place::new();
    loop {
        for name in ["a", "b", "c"] {
            let add = Add {
                image: OpenSpec::of(folder.join(format!("{name}.raw"))),
                parent: (name != "a").then(|| "a".to_owned()),
                ..Add::default()
            };
            repository.add(&add, &place.run())?;
        }
        repository.set_id("a", &"another".parse()?, &place.run())?;
        repository.tag("b", &["new".parse()?], &place.run())?;
        for name in ["b", "a", "c"] {
            repository.remove(name, &place.run())?;
        }
    }
}

#[test]
fn killed_anywhere_it_is_a_repository_and_the_same_commands_finish() -> Result<()> {
    let place = Place::new();
    place.repository("hq")?;
    for (number, name) in ["a", "b", "c"].iter().enumerate() {
        let mut bytes = golden::base_bytes();
        bytes[5 << 20] = number as u8;
        place.write(&format!("{name}.raw"), &bytes);
    }
    let program = std::env::current_exe().expect("this test");
    for round in 0..16_u64 {
        let mut victim = Command::new(&program)
            .args(["--exact", "crashes::a_victim_works_until_it_is_killed"])
            .env(VICTIM, place.at(""))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        thread::sleep(Duration::from_millis(100 + round * 37));
        assert!(
            victim.try_wait().expect("a child").is_none(),
            "it works until it is killed"
        );
        victim.kill().expect("it lives");
        victim.wait().expect("a child");
        let repository = Repository::open(&place.at("hq"))?;
        let listing = repository.list()?;
        assert!(listing.faults().is_empty(), "{:?}", listing.faults());
        repository.gc(&place.run())?;
        // What is entered is whole, but for a removal that was cut short.
        let missing = repository
            .verify(&[], &place.run(), |_| ())?
            .into_iter()
            .filter(|one| !one.is_sound())
            .map(|one| match one.verdict {
                Verdict::Unreadable(error) => assert_eq!(error.code(), "image_missing", "{error}"),
                other => panic!("it is whole or gone: {other:?}"),
            });
        assert!(missing.count() <= 1);
        for name in ["a", "b", "c"] {
            place.add(&repository, &place.at(&format!("{name}.raw")))?;
        }
        assert!(
            repository
                .verify(&[], &place.run(), |_| ())?
                .iter()
                .all(Verified::is_sound)
        );
        assert_eq!(repository.list()?.len(), 3);
        for name in ["c", "b", "a"] {
            repository.remove(name, &place.run())?;
        }
        repository.gc(&place.run())?;
        let left = files_below(&place.at("hq"));
        assert_eq!(
            left,
            [".imgdelta/lock", ".imgdelta/repository.json"],
            "round {round}"
        );
    }
    Ok(())
}

fn age(path: &Path) {
    let long_ago = SystemTime::now() - KEPT - Duration::from_secs(60);
    let file = fs::File::open(path).expect("it is there");
    file.set_modified(long_ago).expect("it can be set");
}

#[test]
fn what_the_dead_left_is_swept_away_and_nothing_else() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("hq")?;
    let record = entered(&place, &repository)?;
    let at = |name: &str| place.at(&format!("hq/{name}"));
    let orphan = format!(".imgdelta/leaves/{}.leaves", "0f".repeat(32));
    let orphan = orphan.as_str();
    let draft = ".imgdelta/leaves/.new.imgdelta-tmp-3";
    let short = ".imgdelta-0123456789abcdef-1.tmp";
    let old = ".imgdelta/incoming/base-image/frames";
    let young = ".imgdelta/incoming/young/frames";
    let others = [
        ".notes.imgdelta-tmp.txt",
        "mine.leaves",
        ".imgdelta/leaves/readme",
        ".imgdelta/leaves/00ff.leaves",
    ];
    let strange = format!(".imgdelta/leaves/{}.leaves", "f0".repeat(32));

    for name in [orphan, draft, short, old, young, ".other.vhd.imgdelta-tmp"]
        .iter()
        .chain(&others)
    {
        place.write(&format!("hq/{name}"), b"12345678");
    }
    // Called as leaves are, and not beginning as such.
    place.write(&format!("hq/{strange}"), b"12345678");
    place.write(&format!("hq/{orphan}"), b"imgdelta leaves2");
    age(&at(old));
    age(&at(".imgdelta/incoming/base-image"));
    // In a folder whose conversation goes on, for however long, all stays.
    let held = ".imgdelta/incoming/long/frames";
    place.write(&format!("hq/{held}"), b"12345678");
    let lock = place.write("hq/.imgdelta/incoming/long/.lock", b"");
    let lock = fs::File::options().write(true).open(lock).expect("there");
    lock.lock().expect("nobody holds it");
    for name in [held, ".imgdelta/incoming/long/.lock"] {
        age(&at(name));
    }
    place.write("hq/.imgdelta/lock.0badcafe", b"12345678");
    age(&at(".imgdelta/lock.0badcafe"));
    let alive = imgdelta_core::AtomicFile::create(&at("alive.vhd"), imgdelta_core::Existing::Keep)?;
    let swept = repository.gc(&place.run())?;
    let mut removed: Vec<String> = swept
        .removed
        .iter()
        .map(|path| {
            path.strip_prefix(place.at("hq"))
                .expect("below")
                .display()
                .to_string()
        })
        .collect();
    removed.sort();
    assert_eq!(
        removed,
        [
            short,
            old,
            draft,
            orphan,
            ".imgdelta/lock.0badcafe",
            ".other.vhd.imgdelta-tmp"
        ]
    );
    assert_eq!(swept.bytes, 56);
    assert!(alive.written_at().exists() && at(young).exists() && at(held).exists());
    assert!(!at(".imgdelta/incoming/base-image").exists());
    assert!(others.iter().all(|name| at(name).exists()));
    assert!(at(&strange).exists());
    assert!(repository.leaves(&record)?.is_some());
    drop(alive);
    assert!(
        repository.gc(&place.run())?.removed.is_empty(),
        "twice is harmless"
    );
    Ok(())
}
