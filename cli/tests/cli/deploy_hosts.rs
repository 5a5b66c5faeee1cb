//! Deployment between two hosts with a slow line between them: what crosses it is the difference, and what was cut with the line goes on
//! when that is mended. What stands for ssh elsewhere is the real one here.

use std::{
    fs::{self, File},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{
    deploy_ssh::PROGRAM,
    far::{self, FRAME, add_site, headquarters, must_be_without, must_have, sent},
    host::are_there,
    network::Network,
    place::{Place, Said},
    repo::json,
    sshd::{self, Sshd},
};

/// Headquarters on one host, a site on the other, and what leads there.
struct Hosts {
    sshd: Sshd,
    place: Place,
    network: Network,
}

impl Hosts {
    /// `None`, loudly, where there can be none.
    fn with_line(rate: &str) -> Option<Self> {
        if !are_there(&sshd::PROGRAMS) {
            return None;
        }
        let network = Network::limited(rate)?;
        let place = headquarters();
        add_site(&place, "site");
        Some(Self {
            sshd: Sshd::on(&network, &place),
            place,
            network,
        })
    }

    /// The command that deploys an image to the other host.
    fn deploy(&self, image: &str) -> Command {
        let line = format!("deploy {image} --repo hq --json --to");
        let mut command = self.place.command(&line);
        command
            .arg(self.sshd.url(&self.place, "site"))
            .args(["--remote-program", PROGRAM])
            .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
            .env("IMGDELTA_SSH", self.sshd.ssh(&self.place))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Deploys it to the end; what was said, and how many bytes crossed the line.
    fn deployed(&self, image: &str) -> (Said, u64) {
        let before = self.network.sent();
        let said = Said::of(&self.deploy(image).output().expect("it starts"));
        (said, self.network.sent() - before)
    }

    /// The file in the site's incoming folder that ends so, if there is one.
    fn coming(&self, end: &str) -> Option<File> {
        let incoming = self.place.path("site/.imgdelta/incoming");
        let folders = fs::read_dir(incoming).ok()?.flatten();
        let mut files = folders
            .filter_map(|folder| fs::read_dir(folder.path()).ok())
            .flat_map(|files| files.flatten().map(|file| file.path()));
        let found = files.find(|path| path.to_string_lossy().ends_with(end))?;
        File::open(found).ok()
    }
}

/// Waits until something is so.
fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < until, "never: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn only_the_difference_crosses_the_line() {
    let Some(hosts) = Hosts::with_line("20mbit") else {
        return;
    };
    let place = &hosts.place;
    let mut disk = far::patched();
    let whole = disk.len() as u64;
    disk[6 << 20..][..300 << 10].reverse();
    place.write("november.raw", &disk);
    place.ok("repo add november.raw --repo hq");
    let (said, patched) = hosts.deployed("patched");
    let (now, _) = sent(&said, "patched");
    let (said, november) = hosts.deployed("november");
    let (later, _) = sent(&said, "november");
    for (crossed, bytes) in [(patched, now), (november, later)] {
        // What the protocols below say goes with it.
        let most = bytes + bytes / 6 + (64 << 10);
        assert!((bytes..most).contains(&crossed), "{crossed} for {bytes}");
    }
    assert!(november < whole / 16, "{november} of {whole}");
    let id = |repository: &str| {
        let shown = json(place, &format!("repo show november --repo {repository}"));
        shown["content_id"].clone()
    };
    assert_eq!(id("site"), id("hq"));
    place.ok("repo verify --repo site");
    let (said, again) = hosts.deployed("november");
    assert_eq!(said.exit, 0, "{}", said.err);
    assert!(again < 64 << 10, "{again} for nothing");
}

#[test]
fn what_was_cut_with_the_line_goes_on_when_that_is_mended() {
    let Some(hosts) = Hosts::with_line("8mbit") else {
        return;
    };
    let place = &hosts.place;
    let running = hosts.deploy("patched").spawn().expect("it starts");
    wait_until("the first frames", || {
        let coming = hosts.coming(".imgdelta");
        coming.is_some_and(|file| file.metadata().is_ok_and(|about| about.len() >= FRAME))
    });
    hosts.network.cut();
    let said = Said::of(&running.wait_with_output().expect("it ends"));
    assert_eq!((said.exit, &*said.out), (10, ""), "{}", said.err);
    assert!(
        said.err.contains("the same command run again"),
        "{}",
        said.err
    );
    must_be_without(place, "site", "the line was cut");
    hosts.network.mend();
    // The site's end hears of it by its own clock.
    wait_until("the site let go", || {
        let lock = hosts.coming(".lock");
        lock.is_some_and(|file| file.try_lock().is_ok())
    });
    let (said, crossed) = hosts.deployed("patched");
    let (now, before) = sent(&said, "mended");
    assert!(before >= FRAME, "{before}");
    assert!(crossed < now + now / 6 + (64 << 10), "{crossed} for {now}");
    must_have(place, "site", "mended");
}
