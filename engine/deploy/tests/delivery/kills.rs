//! A process that is killed at any stage of a deployment: nothing is half entered, and the same call finishes the job. The process is this
//! test once more, told by its environment where to end.

use std::{
    cell::Cell,
    env, fs,
    process::{Command, Stdio},
    time::{Duration, SystemTime},
};

use imgdelta_core::{Format, Result};
use imgdelta_deploy::deployment::{Deploy, Destination, deploy_many};
use imgdelta_operations::Stage;
use imgdelta_repository::catalogue::Repository;

use crate::place::{Place, Windows, assert_sound, deploy, files_below, names, stored};

/// The folder in which the other process works.
const FOLDER: &str = "IMGDELTA_TEST_KILLED_IN";
/// At which stage it ends.
const STAGE: &str = "IMGDELTA_TEST_KILLED_AT";

#[test]
fn it_ends_where_its_environment_says() -> Result<()> {
    let (Ok(folder), Ok(stage)) = (env::var(FOLDER), env::var(STAGE)) else {
        return Ok(());
    };
    let stage: usize = stage.parse().expect("a number");
    let folder = std::path::Path::new(&folder);
    let passed = Cell::new(0);
    let told = |_: Stage<'_>| {
        if passed.get() == stage {
            // Nothing is cleaned up.
            std::process::abort();
        }
        passed.set(passed.get() + 1);
    };
    let place = Place::new();
    let hq = Repository::open(&folder.join("hq"))?;
    let all = Deploy {
        sites: vec![Destination::Folder(folder.join("site"))],
        ..deploy(&hq, &["new", "newer"])
    };
    let deployed = deploy_many(&all, &place.telling(&told))?;
    assert!(deployed.failure().is_none(), "{deployed:?}");
    Ok(())
}

/// Lets the other process run; true if it came to its end.
fn run(place: &Place, stage: usize) -> bool {
    let status = Command::new(env::current_exe().expect("it is running"))
        .args(["kills::it_ends_where_its_environment_says", "--exact"])
        .env(FOLDER, place.at(""))
        .env(STAGE, stage.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.expect("it starts").success()
}

#[test]
fn killed_at_any_stage_nothing_is_half_entered_and_the_same_call_finishes_the_job() -> Result<()> {
    let old = Windows::new(16, 1);
    let new = old.with(4..6, 2);
    let newer = new.with(8..9, 3);
    let mut stage = 0;
    loop {
        let place = Place::new();
        let hq = place.repository("hq", Format::Qcow2)?;
        let site = place.repository("site", Format::Vhd)?;
        place.add(&hq, "old", &old, Format::Raw, None)?;
        place.add(&hq, "new", &new, Format::Raw, Some("old"))?;
        place.add(&hq, "newer", &newer, Format::Raw, Some("new"))?;
        place.add(&site, "old", &old, Format::Qcow2, None)?;
        if run(&place, stage) {
            break;
        }
        let found = names(&site)?;
        let is_whole = found == ["old"] || found == ["new", "old"];
        assert!(is_whole, "stage {stage}: {found:?}");
        assert_sound(&site, &place)?;
        assert!(run(&place, usize::MAX), "stage {stage}: it is finished");
        assert_eq!(names(&site)?, ["new", "newer", "old"]);
        assert_eq!(stored(&site, "new")?, new.bytes());
        assert_eq!(stored(&site, "newer")?, newer.bytes());
        assert_sound(&site, &place)?;
        sweep(&place, &site)?;
        stage += 1;
    }
    assert_eq!(stage, 4, "each image: packed, the image itself");
    Ok(())
}

/// Makes sure that what the killed process left is swept away when it is old.
fn sweep(place: &Place, site: &Repository) -> Result<()> {
    let long_ago = SystemTime::now() - Duration::from_secs(8 * 24 * 60 * 60);
    for parcel in fs::read_dir(site.incoming()).expect("it is there") {
        let parcel = parcel.expect("it reads").path();
        for file in fs::read_dir(&parcel).expect("it is there") {
            let file = fs::File::open(file.expect("it reads").path()).expect("it opens");
            file.set_modified(long_ago).expect("it is ours");
        }
        let folder = fs::File::open(&parcel).expect("it opens");
        folder.set_modified(long_ago).expect("it is ours");
    }
    site.gc(&place.run())?;
    let left: Vec<String> = files_below(site.folder())
        .into_iter()
        .map(|(name, _)| name)
        .filter(|name| name.contains("incoming") || name.contains("tmp"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    Ok(())
}
