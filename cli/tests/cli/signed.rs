//! Deliveries that are signed: made and verified by ssh-keygen on the other side too, and each way in which one is not what was signed is refused.

use std::{fs, process::Command};

use crate::{
    place::{Place, Said},
    repo::{headquarters, json},
};

/// Who signs.
pub(crate) const ID: &str = "images@example.org";

/// What a delivery is sent by.
pub(crate) const DEPLOY: &str = "deploy patched --repo hq --for site.inv -o stick --sign key";

/// What it is taken by.
pub(crate) const RECEIVE: &str =
    "receive stick --repo site --signers allowed --signer images@example.org";

/// Runs ssh-keygen in the place, with `input`; whether it did what it was asked for, and what it said.
fn keygen(place: &Place, words: &[&str], input: &str) -> (bool, String) {
    let mut command = Command::new("ssh-keygen");
    command.args(words).current_dir(place.path("."));
    if input.is_empty() {
        command.stdin(std::process::Stdio::null());
    } else {
        command.stdin(fs::File::open(place.path(input)).expect("it is there"));
    }
    let output = command
        .output()
        .expect("ssh-keygen: package openssh-client");
    let said = Said::of(&output);
    (said.exit == 0, said.out + &said.err)
}

/// Makes a key.
pub(crate) fn new_key(place: &Place, name: &str) {
    let words = ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", name];
    let (is_made, said) = keygen(place, &words, "");
    assert!(is_made, "{said}");
}

/// The line of a file of signers.
pub(crate) fn line(place: &Place, id: &str, options: &str, key: &str) -> String {
    let public = String::from_utf8(place.read(&format!("{key}.pub"))).expect("text");
    format!("{id} {options} {public}")
}

/// Headquarters with a key, and a site that knows it.
pub(crate) fn with_key() -> Place {
    let place = headquarters();
    place.ok("repo init site --format vhdx");
    place.ok("repo add golden.qcow2 --name GoldenDisk --repo site");
    place.ok("inventory --repo site -o site.inv");
    for key in ["key", "other"] {
        new_key(&place, key);
    }
    let allowed = line(&place, ID, "namespaces=\"imgdelta\"", "key")
        + &line(&place, "somebody@example.org", "", "other");
    place.write("allowed", allowed.as_bytes());
    place
}

/// How many images the site has.
fn count(place: &Place) -> u64 {
    json(place, "repo list --repo site")["count"]
        .as_u64()
        .expect("a number")
}

/// A delivery that is not believed: for this reason, and nothing is entered.
pub(crate) fn assert_unbelieved(place: &Place, line: &str, exit: i32, code: &str) {
    let said = place.refused(&format!("{line} --json"), exit);
    let error: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(error["code"], code, "{said}");
    assert!(error["hint"].is_string(), "{said}");
    assert_eq!(count(place), 1);
}

/// Flips a bit in the middle of a file.
pub(crate) fn flip(place: &Place, name: &str) {
    place.change(name, |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    });
}

#[test]
fn what_is_signed_is_verified_by_ssh_keygen_and_received() {
    let place = with_key();
    place.ok(DEPLOY);
    let words = [
        "-Y",
        "verify",
        "-n",
        "imgdelta",
        "-f",
        "allowed",
        "-I",
        ID,
        "-s",
        "stick/delivery.json.sig",
    ];
    let (is_good, said) = keygen(&place, &words, "stick/delivery.json");
    assert!(is_good, "{said}");
    let received = json(&place, RECEIVE);
    assert_eq!(received["signers"][0], ID);
    assert_eq!(received["images"][0]["fate"], "entered");
}

#[test]
fn what_ssh_keygen_has_signed_is_received() {
    let place = with_key();
    place.ok("deploy patched --repo hq --for site.inv -o stick");
    assert_unbelieved(&place, RECEIVE, 6, "unsigned");
    let words = [
        "-q",
        "-Y",
        "sign",
        "-n",
        "imgdelta",
        "-f",
        "key",
        "stick/delivery.json",
    ];
    let (is_signed, said) = keygen(&place, &words, "");
    assert!(is_signed, "{said}");
    place.ok(RECEIVE);
    assert_eq!(count(&place), 2);
}

#[test]
fn the_key_may_be_the_agents() {
    let place = with_key();
    let agent = Command::new("ssh-agent")
        .args(["-D", "-a"])
        .arg(place.path("agent"))
        .stdout(std::process::Stdio::null())
        .spawn();
    let mut agent = agent.expect("ssh-agent: package openssh-client");
    let until = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while !place.path("agent").exists() && std::time::Instant::now() < until {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let added = Command::new("ssh-add")
        .arg("-q")
        .arg(place.path("key"))
        .env("SSH_AUTH_SOCK", place.path("agent"))
        .status();
    fs::rename(place.path("key"), place.path("elsewhere")).expect("it is there");
    let mut deploy =
        place.command("deploy patched --repo hq --for site.inv -o stick --sign key.pub");
    let said = Said::of(
        &deploy
            .env("SSH_AUTH_SOCK", place.path("agent"))
            .output()
            .expect("it starts"),
    );
    let without =
        place.run("deploy patched --repo hq --for site.inv -o stick --sign key.pub --json");
    agent.kill().and_then(|()| agent.wait()).expect("it runs");
    assert!(added.expect("ssh-add").success());
    assert_eq!(said.exit, 0, "{}{}", said.out, said.err);
    place.ok(RECEIVE);
    // Without the agent the key does not sign, and the list keeps the signature that it has.
    assert_eq!(without.exit, 8, "{}", without.err);
    assert!(without.err.contains("not_signed"), "{}", without.err);
}

#[test]
fn whatever_is_not_what_was_signed_is_refused() {
    let place = with_key();
    place.ok(DEPLOY);
    let (list, signature) = (
        place.read("stick/delivery.json"),
        place.read("stick/delivery.json.sig"),
    );
    let again = |place: &Place| {
        place.write("stick/delivery.json", &list);
        place.write("stick/delivery.json.sig", &signature);
    };
    // A byte anywhere in the list: it is refused before it is read, JSON or not.
    for at in (0..list.len()).step_by(list.len() / 7) {
        let mut other = list.clone();
        other[at] ^= 1;
        place.write("stick/delivery.json", &other);
        assert_unbelieved(&place, RECEIVE, 6, "signature");
    }
    again(&place);
    flip(&place, "stick/delivery.json.sig");
    assert_unbelieved(&place, RECEIVE, 6, "signature");
    for other in [&b""[..], b"no signature", &[b'x'; 100_000]] {
        place.write("stick/delivery.json.sig", other);
        let said = place.refused(RECEIVE, 6);
        assert!(said.contains("hint:"), "{said}");
    }
    fs::remove_file(place.path("stick/delivery.json.sig")).expect("it is there");
    std::os::unix::fs::symlink("/dev/zero", place.path("stick/delivery.json.sig")).expect("room");
    assert_unbelieved(&place, RECEIVE, 6, "unsigned");
    fs::remove_file(place.path("stick/delivery.json.sig")).expect("it is there");
    assert_unbelieved(&place, RECEIVE, 6, "unsigned");
    again(&place);
    // Another identity, one that is not in the file, a key that is good for other things only.
    let receive = |id: &str| format!("receive stick --repo site --signers allowed --signer {id}");
    for id in [
        "somebody@example.org",
        "nobody@example.org",
        "-oProxyCommand=x",
    ] {
        assert_unbelieved(&place, &receive(id), 6, "signature");
    }
    let for_git = line(&place, ID, "namespaces=\"git\"", "key");
    place.write("allowed", for_git.as_bytes());
    assert_unbelieved(&place, RECEIVE, 6, "signature");
    let expired = line(&place, ID, "valid-before=\"20200101\"", "key");
    place.write("allowed", expired.as_bytes());
    assert_unbelieved(&place, RECEIVE, 6, "signature");
    let sound = line(&place, ID, "", "key");
    place.write("allowed", sound.as_bytes());
    // Revoked, as a list of keys and as a KRL; and by a list that revokes another one.
    assert_unbelieved(
        &place,
        &format!("{RECEIVE} --revoked key.pub"),
        6,
        "signature",
    );
    let (is_made, said) = keygen(&place, &["-q", "-k", "-f", "krl", "key.pub"], "");
    assert!(is_made, "{said}");
    assert_unbelieved(&place, &format!("{RECEIVE} --revoked krl"), 6, "signature");
    assert_unbelieved(
        &place,
        &format!("{RECEIVE} --revoked nowhere"),
        2,
        "no_signers",
    );
    place.ok(&format!("{RECEIVE} --revoked other.pub"));
}

#[test]
fn another_key_and_another_purpose_are_refused() {
    let place = with_key();
    place.ok("deploy patched --repo hq --for site.inv -o stick --sign other");
    assert_unbelieved(&place, RECEIVE, 6, "signature");
    for purpose in ["git", "file"] {
        fs::remove_file(place.path("stick/delivery.json.sig")).expect("it is there");
        let words = [
            "-q",
            "-Y",
            "sign",
            "-n",
            purpose,
            "-f",
            "key",
            "stick/delivery.json",
        ];
        assert!(keygen(&place, &words, "").0);
        assert_unbelieved(&place, RECEIVE, 6, "signature");
    }
}

#[test]
fn a_part_that_is_not_what_was_signed_is_refused() {
    // A transport file; a child and its manifest.
    for (form, count) in [("", 1), (" --native", 2)] {
        let place = with_key();
        place.ok(&format!("{DEPLOY}{form}"));
        let mut parts = Vec::new();
        for entry in fs::read_dir(place.path("stick")).expect("readable") {
            let name = entry.expect("readable").file_name();
            parts.push(name.into_string().expect("UTF-8"));
        }
        parts.retain(|name| name.starts_with("patched"));
        assert_eq!(parts.len(), count, "{form}");
        for part in parts {
            flip(&place, &format!("stick/{part}"));
            assert_unbelieved(&place, RECEIVE, 6, "delivery_damaged");
            flip(&place, &format!("stick/{part}"));
        }
        place.ok(RECEIVE);
    }
}

#[test]
fn a_list_that_changes_loses_its_signature_and_gets_a_new_one() {
    let place = with_key();
    place.ok(DEPLOY);
    let before = place.read("stick/delivery.json.sig");
    // The same list keeps its signature.
    place.ok("deploy patched --repo hq --for site.inv -o stick");
    assert_eq!(place.read("stick/delivery.json.sig"), before);
    place.ok("repo init second");
    place.ok("repo add golden.raw --repo second");
    let said = place.run("deploy patched --repo hq --for second -o stick");
    assert_eq!(said.exit, 0, "{}", said.err);
    assert!(said.err.contains("signature was deleted"), "{}", said.err);
    assert!(!place.path("stick/delivery.json.sig").exists());
    place.ok(DEPLOY);
    place.ok(RECEIVE);
    // Taking something off leaves no signature either.
    let said = place.run("deploy --drop patched -o stick");
    assert!(said.err.contains("signature was deleted"), "{}", said.err);
    assert!(!place.path("stick/delivery.json.sig").exists());
}

#[test]
fn headquarters_signs_only_its_own() {
    let place = with_key();
    place.ok("repo init others");
    place.ok("repo add golden.raw --repo others");
    place.write("stranger.raw", &[7; 1 << 20]);
    place.ok("repo add stranger.raw --repo others");
    place.ok("deploy stranger --repo others --for site.inv -o stick");
    let said = place.refused(DEPLOY, 2);
    assert!(
        said.contains("stranger") && said.contains("--drop"),
        "{said}"
    );
    assert!(!place.path("stick/delivery.json.sig").exists());
}

#[test]
fn what_cannot_be_signed_or_verified_says_what_to_do() {
    let place = with_key();
    for (line, word) in [
        (
            "deploy patched --repo hq --to site --sign key",
            "--for INVENTORY",
        ),
        (
            "deploy patched --repo hq --to ssh://nowhere/x --sign key",
            "over ssh",
        ),
        (
            "deploy patched --repo hq --for site.inv -o stick --sign golden.raw",
            "ssh-add -L",
        ),
        (
            "deploy patched --repo hq --for site.inv -o stick --sign nowhere",
            "ssh-add -L",
        ),
        ("receive stick --repo site --signers allowed", "identity"),
    ] {
        let said = place.refused(line, 2);
        assert!(said.contains(word), "{line}\n{said}");
    }
    place.ok(DEPLOY);
    for line in [DEPLOY, RECEIVE] {
        let mut command = place.command(line);
        let output = command.env("PATH", place.path("empty")).output();
        let said = Said::of(&output.expect("it starts"));
        assert_eq!(said.exit, 8, "{}", said.err);
        assert!(said.err.contains("openssh-client"), "{}", said.err);
    }
    assert_eq!(count(&place), 1);
    // A name that begins with a dash is a name.
    fs::rename(place.path("key"), place.path("-key")).expect("it is there");
    fs::rename(place.path("allowed"), place.path("-r")).expect("it is there");
    place.ok("deploy patched --repo hq --for site.inv -o stick --sign=-key");
    place.ok("receive stick --repo site --signers=-r --signer images@example.org");
}
