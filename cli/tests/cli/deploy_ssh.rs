//! Deployments to other hosts as users meet them. A script stands in for ssh: it calls the program here, as the other host's shell would;
//! that the real one leads there is tried at the end, where there is an sshd.

use std::{fs, process::Command};

use imgdelta_fixtures::golden;
use serde_json::Value;

use crate::{
    host::are_there,
    place::{Place, Said, expect},
    repo::{headquarters, json},
    sshd::{self, Sshd},
};

/// The program that the tests are of.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_imgdelta");

/// Calls what stands behind `--` by a shell.
pub(crate) const HERE: &str = "while [ \"$1\" != -- ]; do shift; done; exec /bin/sh -c \"$2\"";

/// Headquarters and a site; `ssh` is the stand-in for ssh.
fn two_hosts(ssh: &str) -> Place {
    let place = headquarters();
    place.ok("repo init site --format vhdx");
    place.ok("repo add golden.qcow2 --name GoldenDisk --repo site");
    place.write("ssh", ssh.as_bytes());
    place
}

/// Runs a line with the stand-in; `ssh://there/` in it is the folder on the other host.
pub(crate) fn over(place: &Place, line: &str) -> Said {
    Said::of(&over_command(place, line).output().expect("it starts"))
}

/// The same line as a command.
pub(crate) fn over_command(place: &Place, line: &str) -> Command {
    let folder = place.path("");
    let folder = folder.display().to_string();
    let line = line.replace("ssh://there/", &format!("ssh://there{folder}"));
    let mut command = place.command(&line);
    command
        .args(["--remote-program", PROGRAM])
        .env("PATH", "/usr/bin:/bin")
        .env("IMGDELTA_SSH", format!("/bin/sh {folder}ssh"));
    command
}

/// A repository's image as it is opened without options.
fn disk(place: &Place, repository: &str) -> Vec<u8> {
    let shown = json(place, &format!("repo show patched --repo {repository}"));
    let file = shown["files"][0]["path"].as_str().expect("text").to_owned();
    place.ok(&format!("convert {repository}/{file} -o disk.raw --force"));
    place.read("disk.raw")
}

#[test]
fn the_story_of_another_host_reads_well() {
    let place = two_hosts(HERE);
    let mut told = String::new();
    for line in [
        "imgdelta deploy patched --repo hq --to ssh://there/site -n",
        "imgdelta plan patched --repo hq --for ssh://there/site --rate 1MB/s",
        "imgdelta deploy patched --repo hq --to ssh://there/site",
        "imgdelta deploy patched --repo hq --to ssh://there/site",
        "imgdelta deploy patched --repo hq --to ssh://there/nowhere",
        "imgdelta deploy patchde --repo hq --to ssh://there/site",
        "imgdelta deploy patched --repo hq --to ssh://-oProxyCommand/site",
        "imgdelta deploy patched --repo hq --to ssh://there/site -n",
    ] {
        let Said { exit, out, err } = over(&place, line);
        told += &format!("$ {line}\n{out}{err}");
        if exit != 0 {
            told += &format!("(exit {exit})\n");
        }
    }
    expect("deploy-ssh.txt", &place.without_paths(&told));
    assert!(disk(&place, "site") == golden::patched_bytes());
    let shown = json(&place, "repo show patched --repo site");
    assert_eq!(
        (&shown["format"], &shown["how"]),
        (&"vhdx".into(), &"received".into())
    );
    place.ok("repo verify --repo site");
}

#[test]
fn a_site_that_is_busy_is_waited_for_as_long_as_headquarters_says() {
    let place = two_hosts(HERE);
    let lock = fs::File::options()
        .create(true)
        .write(true)
        .truncate(false)
        .open(place.path("site/.imgdelta/lock"))
        .expect("it opens");
    lock.lock().expect("it can be locked");
    let line = "deploy patched --repo hq --to ssh://there/site --wait 1s";
    let Said { exit, out, err } = over(&place, line);
    assert_eq!(exit, 10, "{out}{err}");
    assert!(err.contains("the repository is locked"), "{err}");
    lock.unlock().expect("it was locked");
    assert_eq!(over(&place, line).exit, 0);
    assert!(disk(&place, "site") == golden::patched_bytes());
}

#[test]
fn one_host_that_fails_does_not_stop_the_others() {
    let place = two_hosts(HERE);
    place.ok("repo init near");
    place.ok("repo add golden.vhd --repo near");
    let line = "deploy patched --repo hq --to ssh://there/nowhere --to near --to ssh://there/site --as-child --json";
    let Said { exit, out, err } = over(&place, line);
    assert_eq!(exit, 10, "{out}{err}");
    let told: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(told["sites"][0]["errors"][0]["exit"], 10);
    assert_eq!(told["sites"][1]["images"][0]["as_child"], true);
    assert_eq!(told["sites"][2]["images"][0]["fate"], "entered");
    assert_eq!(told["sites"][2]["sent"][0]["base"]["name"], "golden");
    for site in ["near", "site"] {
        let tree = place.ok(&format!("repo tree --repo {site}"));
        assert!(tree.contains("patched  (needed to read it)"), "{tree}");
        assert!(disk(&place, site) == golden::patched_bytes());
    }
}

#[test]
fn a_host_opens_only_what_its_root_holds() {
    let place = two_hosts(&HERE.replace("\"$2\"", "\"$2 --root $ROOT\""));
    let folder = place.path("");
    for (root, exit) in [("hq", 10), ("", 0)] {
        let root = folder.join(root);
        place.write(
            "ssh",
            format!(
                "ROOT={}\n{}",
                root.display(),
                HERE.replace("\"$2\"", "\"$2 --root $ROOT\"")
            )
            .as_bytes(),
        );
        let said = over(&place, "deploy patched --repo hq --to ssh://there/site");
        assert_eq!(said.exit, exit, "{}{}", said.out, said.err);
    }
}

#[test]
fn a_program_that_is_not_there_or_not_ours_is_told() {
    let place = two_hosts("echo welcome to this host; cat >/dev/null");
    let said = over(&place, "deploy patched --repo hq --to ssh://there/site");
    assert_eq!(said.exit, 10, "{}{}", said.out, said.err);
    place.write("ssh", b"exit 127");
    let said = over(&place, "deploy patched --repo hq --to ssh://there/site");
    assert_eq!(said.exit, 10);
    assert!(said.err.contains("--remote-program"), "{}", said.err);
    place.write("ssh", b"exit 255");
    let said = over(&place, "deploy patched --repo hq --to ssh://there/site");
    assert_eq!(said.exit, 10);
    assert!(said.err.contains("did not reach"), "{}", said.err);
    // The other end, called by a hand that does not know the protocol.
    place.refused("serve", 2);
    assert_eq!(place.run("serve --stdio").exit, 10);
}

#[test]
fn the_difference_travels_through_a_real_sshd() {
    let place = two_hosts("");
    if !are_there(&sshd::PROGRAMS) {
        return;
    }
    let sshd = Sshd::on_loopback(&place);
    let url = sshd.url(&place, "site");
    for told in ["patched: proven and entered", "patched: is there already"] {
        let output = place
            .command("deploy patched --repo hq --remote-program")
            .args([PROGRAM, "--to", &url])
            .env("PATH", "/usr/bin:/bin")
            .env("IMGDELTA_SSH", sshd.ssh(&place))
            .output();
        let said = Said::of(&output.expect("it starts"));
        assert_eq!(said.exit, 0, "{}{}", said.out, said.err);
        assert!(said.out.contains(told), "{}", said.out);
    }
    assert!(disk(&place, "site") == golden::patched_bytes());
}

#[test]
fn a_repository_is_started_on_another_host() {
    let place = two_hosts(HERE);
    let init = "repo init ssh://there/new/site --format vhdx";
    let said = over(&place, &format!("{init} --dry-run"));
    assert_eq!(said.exit, 0, "{}{}", said.out, said.err);
    assert!(!place.path("new").exists());
    let said = over(&place, &format!("{init} --json"));
    assert_eq!(said.exit, 0, "{}{}", said.out, said.err);
    let told: Value = serde_json::from_str(&said.out).expect("JSON");
    assert_eq!(told["schema"], "imgdelta/repo-init/1");
    assert_eq!(told["default_format"], "vhdx");
    assert!(told["id"].is_string(), "{told}");
    let listed = json(&place, "inventory --repo new/site");
    assert_eq!(listed["repository"], told["id"]);
    let said = over(&place, "deploy patched --repo hq --to ssh://there/new/site");
    assert_eq!(said.exit, 0, "{}{}", said.out, said.err);
    assert_eq!(
        json(&place, "repo show patched --repo new/site")["format"],
        "vhdx"
    );
    // Where one stands it is left as it is.
    for line in [init.to_owned(), format!("{init} --dry-run")] {
        let said = over(&place, &line);
        assert_eq!(said.exit, 10, "{line}: {}{}", said.out, said.err);
        assert!(said.err.contains("is a repository already"), "{}", said.err);
    }
    assert_eq!(
        json(&place, "inventory --repo new/site")["repository"],
        told["id"]
    );
}

#[test]
fn a_repository_is_started_only_below_the_root() {
    let place = two_hosts(HERE);
    let folder = place.path("");
    fs::create_dir(folder.join("served")).expect("room");
    std::os::unix::fs::symlink(&folder, folder.join("served/out")).expect("room");
    let script = HERE.replace("\"$2\"", "\"$2 --root $ROOT\"");
    let script = format!("ROOT={}\n{script}", folder.join("served").display());
    place.write("ssh", script.as_bytes());
    for outside in [
        "new",
        "served/out/new",
        "served/../new",
        "served/x/../../new",
    ] {
        let said = over(&place, &format!("repo init ssh://there/{outside}"));
        assert_eq!(said.exit, 10, "{outside}: {}{}", said.out, said.err);
        assert!(!place.path("new").exists(), "{outside}");
    }
    let said = over(&place, "repo init ssh://there/served/a/b");
    assert_eq!(said.exit, 0, "{}{}", said.out, said.err);
    place.ok("repo list --repo served/a/b");
}
