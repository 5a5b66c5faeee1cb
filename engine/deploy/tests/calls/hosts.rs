//! Sites on other hosts. What stands in for ssh is a script that calls this very program, which then serves.

use std::{
    env, fs,
    fs::File,
    io,
    path::Path,
    sync::{Arc, atomic::AtomicBool, atomic::Ordering},
};

use imgdelta_core::{Format, Kind, Result};
use imgdelta_deploy::{
    calls::{Deploy, Destination, ImageOutcome, Plan, Serve},
    wire::SshUrl,
};
use imgdelta_repository::catalogue::Repository;

use crate::{
    place::{Place, names},
    world::{World, context},
};

/// The folder of the other side's root; set where this program is called as the other side.
const ROOT: &str = "IMGDELTA_TEST_ROOT";
/// Where the other side keeps what it has to tell.
const REPORT: &str = "IMGDELTA_TEST_REPORT";

/// The other side: no test of its own. The harness writes to standard output, so the line is another file.
#[test]
fn serves() {
    let Some(root) = env::var_os(ROOT) else {
        return;
    };
    let to = File::options()
        .write(true)
        .open("/dev/fd/3")
        .expect("the script opened it");
    let served = Serve::new(io::stdin(), to)
        .root(Some(root.into()))
        .run(&context());
    if let (Ok(report), Some(place)) = (served, env::var_os(REPORT)) {
        let json = serde_json::to_vec(&report).expect("it serialises");
        fs::write(place, json).expect("room");
    }
}

/// The command that stands in for ssh.
fn ssh(place: &Place, root: &Path) -> String {
    let script = place.at("ssh.sh");
    let program = env::current_exe().expect("it runs");
    let text = format!(
        "export {ROOT}='{}' {REPORT}='{}'\nexec '{}' --exact hosts::serves --nocapture 3>&1 >/dev/null\n",
        root.display(),
        place.at("served.json").display(),
        program.display(),
    );
    fs::write(&script, text).expect("room");
    format!("sh {}", script.display())
}

fn host(site: &Repository) -> Result<Destination> {
    let url = format!("ssh://op@site.example{}", site.folder().display());
    SshUrl::parse(&url).map(Destination::Ssh)
}

fn over_ssh(world: &World, deploy: Deploy) -> Deploy {
    (deploy.ssh(ssh(&world.place, &world.place.at("")))).packing_folder(world.place.at(""))
}

#[test]
fn another_host_is_a_site_like_others() -> Result<()> {
    let world = World::new()?;
    let (near, far) = (
        world.site("near", Format::Vhd)?,
        world.site("far", Format::Vmdk)?,
    );
    // In the order in which they were given, though folders are served first.
    let deploy = (world.deploy())
        .to(host(&far)?)
        .to(Destination::Folder(near.folder().to_owned()));
    let deploy = over_ssh(&world, deploy);
    let plan = deploy.plan().run(&context())?;
    assert_eq!((plan.carrier, plan.sites.len()), ("lines", 2));
    assert_eq!(plan.sites[0].legs[0].from, "there");
    assert_eq!(names(&far)?, ["old"]);

    let report = deploy.run(&context())?;
    assert!(report.failure().is_none(), "{report:?}");
    assert_eq!(report.sites[0].site, host(&far)?.to_string());
    let sent = &report.sites[0].sent[0];
    assert_eq!((sent.resumed, sent.format), (Some(0), None));
    assert_eq!(report.bytes, report.sites[0].bytes + report.sites[1].bytes);
    let there = report.sites[0].images.as_ref().expect("it was reached");
    assert_eq!(there[0].fate, ImageOutcome::Entered);
    assert!(world.has_new(&far)? && world.has_new(&near)?);
    let served = fs::read_to_string(world.place.at("served.json")).expect("it was told");
    let id = far.show("new")?.id;
    assert_eq!(served, format!("{{\"entered\":[\"{id}\"],\"refused\":[]}}"));

    let again = deploy.run(&context())?;
    assert_eq!((again.bytes, again.sites[0].there.len()), (0, 1));
    Ok(())
}

#[test]
fn a_host_that_fails_does_not_stop_the_others() -> Result<()> {
    let world = World::new()?;
    let site = world.site("site", Format::Qcow2)?;
    let nowhere = SshUrl::parse("ssh://site.example/no/such/repository")?;
    let deploy = (world.deploy())
        .to(Destination::Ssh(nowhere.clone()))
        .to(host(&site)?);
    let report = over_ssh(&world, deploy).run(&context())?;
    let failed = report.sites[0].failure().expect("nothing is there");
    assert_eq!(failed.exit, Kind::Peer.exit());
    assert!(report.sites[0].images.is_none(), "nothing is known of it");
    assert!(report.sites[1].failure().is_none());
    assert!(world.has_new(&site)?);

    let alone = over_ssh(&world, world.deploy().to(Destination::Ssh(nowhere)));
    let error = alone.run(&context()).expect_err("nothing is there");
    assert_eq!(error.kind(), Kind::Peer);
    Ok(())
}

#[test]
fn a_line_that_ends_by_the_signal_that_stops_the_call_is_an_interruption() -> Result<()> {
    let world = World::new()?;
    let site = world.site("site", Format::Qcow2)?;
    let flag = Arc::<AtomicBool>::default();
    let signalled = || {
        let set = Arc::clone(&flag);
        context()
            .stop_flag(Arc::clone(&flag))
            .on_stage(move |stage| {
                let is_line = stage.to_string().starts_with("ask ssh://");
                set.fetch_or(is_line, Ordering::Relaxed);
            })
    };
    let script = world.place.at("dies.sh");
    fs::write(&script, "kill -INT $$\n").expect("room");
    let ssh = format!("sh {}", script.display());
    let deploy = (world.deploy().to(host(&site)?).ssh(&ssh)).packing_folder(world.place.at(""));
    let error = deploy.run(&signalled()).expect_err("the line was cut");
    assert_eq!(error.kind(), Kind::Interrupted);
    assert_eq!(
        error.details(),
        ["what was sent by then is whole; the same command goes on"]
    );
    let plan = Plan::new(world.hq.folder(), ["new"])
        .site(host(&site)?)
        .ssh(&ssh);
    let error = plan.run(&signalled()).expect_err("the line was cut");
    assert_eq!(error.kind(), Kind::Interrupted);

    // Without a signal, the same end is the line's.
    let error = deploy.run(&context()).expect_err("the line was cut");
    assert_eq!(error.kind(), Kind::Peer);
    Ok(())
}
