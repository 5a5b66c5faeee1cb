//! What travels without a line: inventories, sticks, folders of other repositories.

use std::io;

use super::{
    points::{Again, sweep},
    world::World,
};
use crate::Outcome;

/// Headquarters with both images, the site with the base, its inventory.
const BOTH: [&str; 6] = [
    "repo init W/hq",
    "repo add IN/base.raw --name base --repo W/hq",
    "repo add IN/target.qcow2 --name patched --parent base --repo W/hq",
    "repo init W/site",
    "repo add IN/base.qcow2 --name golden --repo W/site",
    "inventory --repo W/site -o W/site.inv",
];

/// Onto the stick.
pub(super) const OUT: &str = "deploy patched --repo W/hq --for W/site.inv -o W/stick";

/// Both repositories, and these lines more.
pub(super) fn both(more: &[&str]) -> io::Result<World> {
    World::after(&[&BOTH, more].concat())
}

#[test]
fn an_inventory_is_whole_or_not_there() -> Outcome {
    let line = "inventory --repo W/hq -o W/hq.inv";
    sweep(&both(&[])?.doing(line, &["hq/", "site/"])?, Again::Refuses)
}

#[test]
fn a_stick_lists_what_is_whole_on_it_and_nothing_else() -> Outcome {
    let inputs = ["hq/", "site/", "site.inv"];
    sweep(&both(&[])?.doing(OUT, &inputs)?, Again::Succeeds)
}

#[test]
fn what_is_received_is_entered_or_is_not_there() -> Outcome {
    let line = "receive W/stick --repo W/site";
    let inputs = ["hq/", "stick/", "site/golden.qcow2"];
    sweep(&both(&[OUT])?.doing(line, &inputs)?, Again::Succeeds)
}

#[test]
fn what_is_deployed_into_a_folder_is_entered_or_is_not_there() -> Outcome {
    let line = "deploy patched --repo W/hq --to W/site";
    let inputs = ["hq/", "site/golden.qcow2"];
    sweep(&both(&[])?.doing(line, &inputs)?, Again::Succeeds)
}

#[test]
fn what_is_kept_as_a_child_is_entered_or_is_not_there() -> Outcome {
    let line = "receive W/stick --repo W/site --as-child";
    let inputs = ["hq/", "stick/", "site/golden.qcow2"];
    let world = both(&[OUT])?.doing(line, &inputs)?;
    sweep(&world, Again::Succeeds)
}

#[test]
fn of_several_images_for_several_sites_each_is_entered_or_is_not() -> Outcome {
    let world = both(&["repo init W/other"])?;
    let line = "deploy base patched --repo W/hq --to W/other --to W/site";
    let world = world.doing(line, &["hq/", "site/golden.qcow2"])?;
    sweep(&world.in_parts(), Again::Succeeds)
}
