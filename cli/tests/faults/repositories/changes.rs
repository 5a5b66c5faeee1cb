//! What changes a repository: made, added to, renamed, removed from, swept.

use std::{fs, fs::File, io, time::SystemTime};

use super::{
    points::{Again, sweep},
    world::World,
};
use crate::Outcome;

/// Headquarters with one image.
const HQ: [&str; 2] = [
    "repo init W/hq",
    "repo add IN/base.qcow2 --name base --repo W/hq",
];

/// A world of headquarters with `base` and these lines more.
fn headquarters(more: &[&str]) -> io::Result<World> {
    World::after(&[&HQ, more].concat())
}

#[test]
fn a_repository_is_made_or_is_not_there() -> Outcome {
    let world = World::after(&[])?.doing("repo init W/hq", &[])?;
    sweep(&world, Again::Refuses)
}

#[test]
fn a_copied_image_is_entered_or_is_not_there() -> Outcome {
    let line = "repo add IN/target.raw --name patched --parent base --repo W/hq";
    sweep(&headquarters(&[])?.doing(line, &[])?, Again::Succeeds)
}

#[test]
fn an_image_that_stays_where_it_is_is_entered_or_is_not() -> Outcome {
    let world = headquarters(&[])?;
    fs::copy(world.input("target.raw"), world.at("hq/patched.raw"))?;
    let line = "repo add W/hq/patched.raw --in-place --repo W/hq";
    let inputs = ["hq/patched.raw", "hq/base.qcow2"];
    sweep(&world.doing(line, &inputs)?, Again::Succeeds)
}

#[test]
fn an_image_that_is_stored_as_a_difference_is_entered_or_is_not_there() -> Outcome {
    let line = "repo add IN/target.raw --name patched --dedup --repo W/hq";
    let world = headquarters(&[])?.doing(line, &["hq/base.qcow2"])?;
    sweep(&world, Again::Succeeds)
}

#[test]
fn a_child_that_is_copied_to_its_parent_is_entered_or_is_not_there() -> Outcome {
    let world =
        headquarters(&["make --no-cache -b IN/base.qcow2 -t IN/target.raw -o IN/child.qcow2"])?;
    let line = "repo add IN/child.qcow2 --name patched --repo W/hq";
    let world = world.doing(line, &["hq/base.qcow2"])?;
    assert!(fs::metadata(world.at("hq/patched.qcow2"))?.len() < 1 << 20);
    sweep(&world, Again::Succeeds)
}

#[test]
fn of_several_images_each_is_entered_or_is_not() -> Outcome {
    let world = World::after(&["repo init W/hq"])?;
    for name in ["base.raw", "target.qcow2"] {
        fs::copy(world.input(name), world.at("hq").join(name))?;
    }
    let line = "repo scan --repo W/hq --threads 1";
    let world = world.doing(line, &["hq/base.raw", "hq/target.qcow2"])?;
    sweep(&world.in_parts(), Again::Succeeds)
}

#[test]
fn a_record_that_is_changed_is_the_old_one_or_the_new_one() -> Outcome {
    let id = id_of_base()?;
    for line in [
        "repo tag base november --repo W/hq".to_owned(),
        format!("repo rename {id} golden --repo W/hq"),
    ] {
        let world = headquarters(&[])?.doing(&line, &["hq/base.qcow2"])?;
        sweep(&world, Again::Succeeds)?;
    }
    Ok(())
}

#[test]
fn an_id_that_is_set_is_the_old_one_or_the_new_one_and_the_children_follow() -> Outcome {
    let child = "repo add IN/target.raw --name patched --dedup --repo W/hq";
    let line = "repo set-id base win11 --repo W/hq";
    let inputs = ["hq/base.qcow2", "hq/patched.qcow2"];
    let world = headquarters(&[child])?.doing(line, &inputs)?;
    sweep(&world, Again::Succeeds)
}

#[test]
fn an_image_that_is_removed_is_there_or_gone_or_its_record_says_that_it_goes() -> Outcome {
    let child = "repo add IN/target.raw --name patched --dedup --repo W/hq";
    let line = "repo remove patched --yes --repo W/hq";
    let world = headquarters(&[child])?.doing(line, &["hq/base.qcow2"])?;
    sweep(&world, Again::Refuses)
}

#[test]
fn the_children_of_an_image_that_is_removed_are_adopted_by_its_parent() -> Outcome {
    let world = headquarters(&["repo add IN/target.raw --parent base --repo W/hq"])?;
    // Another disk, its first byte.
    let mut bytes = fs::read(world.input("target.raw"))?;
    bytes[0] ^= 1;
    fs::write(world.input("grandchild.raw"), bytes)?;
    world.must_do("repo add IN/grandchild.raw --parent target --repo W/hq")?;
    let line = "repo remove target --yes --repo W/hq";
    let world = world.doing(line, &["hq/base.qcow2", "hq/grandchild.raw"])?;
    // A child that is adopted already stays so, and the same command finishes it.
    sweep(&world.in_parts(), Again::Refuses)
}

#[test]
fn what_is_swept_away_takes_nothing_with_it() -> Outcome {
    let world = headquarters(&[])?;
    // Leaves of no image, the draft of a dead process, what came eight days ago.
    let parcel = world.at("hq/.imgdelta/incoming/base-image");
    fs::create_dir(&parcel)?;
    for place in [
        world.at("hq/.imgdelta/leaves/00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff.leaves"),
        world.at("hq/.patched.raw.imgdelta-tmp"),
        world.at("hq/.imgdelta/images/.a.json.imgdelta-tmp"),
        parcel.join("frames"),
    ] {
        fs::write(place, "imgdelta leaves2")?;
    }
    let long_ago = SystemTime::now() - std::time::Duration::from_secs(8 * 24 * 60 * 60);
    for old in [parcel.join("frames"), parcel] {
        File::open(old)?.set_modified(long_ago)?;
    }
    let world = world.doing("repo gc --repo W/hq", &["hq/base.qcow2"])?;
    sweep(&world, Again::Succeeds)
}

/// The content id of `base`.
fn id_of_base() -> Result<String, Box<dyn std::error::Error>> {
    let told = World::after(&[])?.must_do("digest --no-cache IN/base.qcow2")?;
    let id = told.said.split_whitespace().next().ok_or("no id")?;
    Ok(id.to_owned())
}
