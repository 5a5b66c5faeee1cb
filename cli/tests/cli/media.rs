//! Media that hold so much and no more: what does not fit, several that are signed, several that are asked for on a terminal; and hosts that take no long files.

use std::{
    fs,
    io::{Read, Write},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use crate::{
    far::{add_site, headquarters, must_be_without, must_have},
    host::are_there,
    place::{Place, Said},
    repo::json,
    signed::{ID, line, new_key},
    survives::limited,
};

const DEPLOY: &str = "deploy patched --repo hq --for site.inv";

/// The file of signers, and who of them must have signed.
const SIGNED: &str = "--signers allowed --signer images@example.org";

/// Longer than any answer may take.
const LONGEST: Duration = Duration::from_secs(120);

/// Headquarters, and a site that is 4.5 MiB behind.
fn world() -> Place {
    let place = headquarters();
    add_site(&place, "site");
    place.ok("inventory --repo site -o site.inv");
    place
}

/// All files of a folder, with what is in them.
fn files(place: &Place, folder: &str) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(place.path(folder)).expect("readable");
    let files = entries.map(|entry| {
        let path = entry.expect("readable").path();
        let name = path.file_name().expect("a name").to_string_lossy();
        (name.into_owned(), fs::read(&path).expect("readable"))
    });
    let mut files: Vec<_> = files.collect();
    files.sort();
    files
}

#[test]
fn what_a_medium_does_not_hold_is_refused_before_anything_is_written() {
    let place = world();
    let said = place.refused(&format!("{DEPLOY} -o stick --media 4MB"), 8);
    for words in [
        "what is carried needs",
        "the medium holds 3.8 MiB",
        "--media once more",
        "--leave-out",
        "a larger medium",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(!place.path("stick").exists());
    // A folder that was there stays.
    fs::create_dir(place.path("stick")).expect("room");
    let said = place.refused(&format!("{DEPLOY} -o stick --media 4MB --json"), 8);
    assert!(files(&place, "stick").is_empty());
    assert!(said.contains("\"no_space\""), "{said}");
    // What it says that is needed is enough, and a byte less is not.
    let needed = said.split_once("needed ").expect("it is said").1;
    let needed: u64 = needed
        .split(' ')
        .next()
        .and_then(|word| word.parse().ok())
        .expect("a number");
    place.refused(&format!("{DEPLOY} -o stick --media {}", needed - 1), 8);
    place.ok(&format!("{DEPLOY} -o stick --media {needed}"));
    place.ok("verify stick");
    // What is to lie beside it counts, and nothing that is there is touched.
    let there = files(&place, "stick");
    let more = format!("{DEPLOY} -o stick --media {needed} --parity 10");
    let said = place.refused(&more, 8);
    assert!(said.contains("with what lies there already"), "{said}");
    assert!(files(&place, "stick") == there);
    // The same line again has nothing to do.
    place.ok(&format!("{DEPLOY} -o stick --media {needed}"));
    assert!(files(&place, "stick") == there);
    place.ok(&format!("{DEPLOY} -o stick --media 64MB --parity 10"));
    place.ok("verify stick");
    assert!(files(&place, "stick").len() > there.len());
    place.ok("receive stick --repo site");
    must_have(&place, "site", "it fitted");
}

#[test]
fn a_damaged_file_is_written_anew_on_a_medium_that_holds_so_much_and_the_rest_is_kept() {
    let place = world();
    let deploy = format!("{DEPLOY} -o stick --media 64MB --piece 1MiB --sign key");
    new_key(&place, "key");
    place.ok(&deploy);
    let there = files(&place, "stick");
    let piece = there.iter().find(|(name, _)| name.ends_with(".002"));
    let (piece, _) = piece.expect("a second piece");
    place.change(&format!("stick/{piece}"), |bytes| bytes[7] ^= 1);
    place.ok(&deploy);
    let is_list = |name: &str| name.ends_with(".sig");
    let again = files(&place, "stick").into_iter();
    assert!(
        again
            .filter(|(name, _)| !is_list(name))
            .eq(there.into_iter().filter(|(name, _)| !is_list(name)))
    );
    place.ok("receive stick --repo site");
    must_have(&place, "site", "mended");
}

#[test]
fn a_host_that_takes_no_long_files_is_an_error_that_says_what_helps() {
    let place = world();
    // 2 MiB: what is packed is longer, here and where it is to be cut.
    for options in [
        "",
        "--piece 1MiB",
        "--native",
        "--media 64MB",
        "-o two -o three --media 4MB",
    ] {
        let line = format!("{DEPLOY} -o stick {options}");
        let said = limited(&place, &line, 4096);
        assert_eq!(said.exit, 8, "{line}: {}", said.err);
        for words in ["File too large", "--piece", "ulimit -f"] {
            assert!(said.err.contains(words), "{line}: {}", said.err);
        }
        let left = place.path("stick");
        let left = fs::read_dir(left).map_or(0, Iterator::count);
        assert_eq!(left, 0, "{line}: nothing half is left");
    }
    let said = limited(&place, "deploy patched --repo hq --to site", 4096);
    assert_eq!(said.exit, 8, "{}", said.err);
    must_be_without(&place, "site", "too long");
    // 6 MiB: what is packed, its pieces and their parity are shorter. The image at the site is not.
    let said = limited(
        &place,
        &format!("{DEPLOY} -o stick --piece 1MiB --parity 5"),
        12_288,
    );
    assert_eq!(said.exit, 0, "{}", said.err);
    let receive = "receive stick --repo site";
    let said = limited(&place, receive, 12_288);
    assert_eq!(said.exit, 8, "{}", said.err);
    assert!(said.err.contains("File too large"), "{}", said.err);
    must_be_without(&place, "site", "too long");
    place.ok(receive);
    must_have(&place, "site", "in pieces that are taken");
}

#[test]
fn each_of_several_media_is_signed_and_none_is_taken_for_another() {
    let place = world();
    for key in ["key", "other"] {
        new_key(&place, key);
    }
    let allowed = line(&place, ID, "namespaces=\"imgdelta\"", "key");
    place.write("allowed", allowed.as_bytes());
    let deploy = format!("{DEPLOY} -o one -o two -o three -o four --media 4MB");
    place.ok(&format!("{deploy} --sign key"));
    for folder in ["one", "two", "three"] {
        let told = place.ok(&format!("verify {folder} {SIGNED}"));
        assert!(told.contains("signed by images@example.org"), "{told}");
    }
    // The list of another medium is signed as well: what lies here is not what it says.
    let own = [
        "delivery.json",
        "delivery.json.sig",
        "HOWTO.txt",
        "SHA256SUMS",
    ];
    let of_three = own.map(|name| place.read(&format!("three/{name}")));
    for name in own {
        place.write(
            &format!("three/{name}"),
            &place.read(&format!("one/{name}")),
        );
    }
    let receive = |folder: &str| format!("receive {folder} --repo site {SIGNED}");
    let said = place.run(&receive("three"));
    assert_eq!(said.exit, 3, "{}", said.err);
    assert!(
        said.err.contains("is listed, but not there"),
        "{}",
        said.err
    );
    for (name, bytes) in own.iter().zip(&of_three) {
        place.write(&format!("three/{name}"), bytes);
    }
    let [_, signature, ..] = own;
    for (signed, code) in [(None, "unsigned"), (Some("other"), "signature")] {
        let _ = fs::remove_file(place.path(&format!("three/{signature}")));
        if let Some(key) = signed {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-Y", "sign", "-n", "imgdelta", "-f"])
                .arg(place.path(key))
                .arg(place.path("three/delivery.json"))
                .output();
            assert!(made.expect("openssh-client").status.success());
        }
        let said = place.refused(&format!("{} --json", receive("three")), 6);
        assert!(said.contains(&format!("\"{code}\"")), "{said}");
    }
    place.write(&format!("three/{signature}"), &of_three[1]);
    let told = json(&place, &receive("three"));
    assert_eq!(told["signers"][0], ID, "{told}");
    assert_eq!(
        told["media"]["missing"],
        serde_json::json!([1, 2]),
        "{told}"
    );
    place.ok(&receive("one"));
    place.ok(&receive("two"));
    must_have(&place, "site", "signed on three media");
}

/// A command on a pseudo-terminal.
struct Terminal {
    child: Child,
    typed: ChildStdin,
    said: String,
    coming: Receiver<Vec<u8>>,
}

impl Terminal {
    fn begin(place: &Place, line: &str) -> Self {
        let inner = place.command(line);
        let words = [inner.get_program()].into_iter().chain(inner.get_args());
        let words: Vec<String> = words
            .map(|word| format!("'{}'", word.to_string_lossy()))
            .collect();
        let settings = inner.get_envs();
        let mut child = Command::new("script")
            .args(["-q", "-e", "-c", &words.join(" "), "/dev/null"])
            .current_dir(place.path("."))
            .envs(settings.filter_map(|(name, value)| Some((name, value?))))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("script: package bsdutils");
        let mut out = child.stdout.take().expect("it is piped");
        let (to, coming) = mpsc::channel();
        thread::spawn(move || {
            let mut part = [0; 4096];
            while let Ok(len @ 1..) = out.read(&mut part) {
                if to.send(part[..len].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self {
            typed: child.stdin.take().expect("it is piped"),
            child,
            said: String::new(),
            coming,
        }
    }

    /// Waits until it says so.
    fn wait_for(&mut self, words: &str) {
        while !self.said.contains(words) {
            let Ok(part) = self.coming.recv_timeout(LONGEST) else {
                let _ = self.child.kill();
                panic!("{words}: {}", self.said);
            };
            self.said += &String::from_utf8_lossy(&part);
        }
    }

    fn answer(&mut self, typed: &[u8]) {
        self.typed.write_all(typed).expect("it listens");
    }

    /// What it said in all, and how it ended.
    fn end(mut self) -> Said {
        while let Ok(part) = self.coming.recv_timeout(LONGEST) {
            self.said += &String::from_utf8_lossy(&part);
        }
        let ended = self.child.wait().expect("it ends");
        Said {
            exit: ended.code().unwrap_or(-1),
            out: self.said,
            err: String::new(),
        }
    }
}

#[test]
fn media_in_one_folder_are_asked_for_on_the_terminal_one_after_another() {
    if !are_there(&[("script", "bsdutils")]) {
        return;
    }
    let place = world();
    let line = format!("{DEPLOY} -o stick --media 4MB --media 4MB --media 4MB");
    // Without a terminal nobody can be asked.
    place.refused(&line, 2);
    let mut terminal = Terminal::begin(&place, &line);
    let moved = |number: u32| {
        let to = place.path(&format!("medium-{number}"));
        fs::rename(place.path("stick"), to).expect("it was written");
    };
    for next in [2, 3] {
        terminal.wait_for(&format!("Put in medium {next} of 3, so that it is stick"));
        moved(next - 1);
        terminal.answer(b"\n");
    }
    let said = terminal.end();
    assert_eq!(said.exit, 0, "{}", said.out);
    moved(3);
    for number in [2, 3, 1] {
        place.ok(&format!("verify medium-{number}"));
        place.ok(&format!("receive medium-{number} --repo site"));
    }
    must_have(&place, "site", "from three media");
}

#[test]
fn who_has_no_further_medium_keeps_those_that_are_finished() {
    if !are_there(&[("script", "bsdutils")]) {
        return;
    }
    let place = world();
    let line = format!("{DEPLOY} -o stick --media 4MB --media 4MB --media 4MB");
    let mut terminal = Terminal::begin(&place, &line);
    terminal.wait_for("Put in medium 2 of 3");
    // The end of what is typed.
    terminal.answer(b"\x04");
    let said = terminal.end();
    assert_eq!(said.exit, 2, "{}", said.out);
    assert!(said.out.contains("no further medium came"), "{}", said.out);
    let told = place.ok("verify stick");
    assert!(told.contains("all are what was put there"), "{told}");
}
