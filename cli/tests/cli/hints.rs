//! A hint can be followed as it stands: every flag that one names is a flag, every command a command with those flags; and where a hint was
//! given of options that the command has not, there is one now that leads on.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::place::Place;

/// All sources of the library and the command, tests aside.
fn sources() -> Vec<PathBuf> {
    let house = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut folders = vec![
        house.join("formats"),
        house.join("engine"),
        house.join("cli/src"),
    ];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the house") {
            let path = entry.expect("it reads").path();
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or("");
            if path.is_dir() && !matches!(name, "tests" | "benches" | "examples" | "target") {
                folders.push(path);
            } else if name.ends_with(".rs") && name != "tests.rs" {
                sources.push(path);
            }
        }
    }
    sources
}

/// The string literals of a source, its own tests and its comments aside, with the place of each.
fn literals(source: &Path) -> Vec<String> {
    let text = fs::read_to_string(source).expect("it reads");
    let text = text.split("\n#[cfg(test)]").next().unwrap_or("");
    let code = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let code = code.collect::<Vec<_>>().join("\n");
    let mut literals = Vec::new();
    let mut characters = code.chars();
    while let Some(c) = characters.next() {
        match c {
            // '"' is no string.
            '\'' => {
                let rest = characters.as_str();
                if rest.starts_with("\"'") {
                    characters.nth(1);
                }
            }
            '"' => {
                let mut literal = String::new();
                while let Some(c) = characters.next() {
                    match c {
                        '\\' => literal.extend(characters.next()),
                        '"' => break,
                        c => literal.push(c),
                    }
                }
                literals.push(literal);
            }
            _ => {}
        }
    }
    literals
}

/// The long flags in a text.
fn flags(text: &str) -> BTreeSet<String> {
    let flags = text.split(|c: char| !(c.is_ascii_lowercase() || c == '-'));
    let flags = flags.filter(|word| {
        let name = word.strip_prefix("--").unwrap_or("");
        name.len() > 1 && name.starts_with(|c: char| c.is_ascii_lowercase())
    });
    flags
        .map(|flag| flag.trim_end_matches('-').to_owned())
        .collect()
}

/// The lines that begin with `imgdelta` between quotes in a text.
fn lines(text: &str) -> Vec<String> {
    let quoted = text.split('\'').skip(1).step_by(2);
    let lines = quoted.filter_map(|line| line.strip_prefix("imgdelta "));
    lines.map(str::to_owned).collect()
}

/// What the command says of itself and of each of its commands, by their words.
struct Helps(BTreeMap<String, Option<String>>);

impl Helps {
    /// The help of the command of these words; `None`, if there is none.
    fn of(&mut self, words: &str) -> Option<&str> {
        let help = self.0.entry(words.to_owned()).or_insert_with(|| {
            let output = Command::new(env!("CARGO_BIN_EXE_imgdelta"))
                .args(words.split_whitespace())
                .arg("--help")
                .output()
                .expect("it starts");
            let text = String::from_utf8(output.stdout).expect("it is text");
            output.status.success().then_some(text)
        });
        help.as_deref()
    }
}

/// The commands, as their words.
fn commands(helps: &mut Helps) -> Vec<String> {
    let mut all = Vec::new();
    for above in ["", "repo"] {
        let help = helps.of(above).expect("it has help").to_owned();
        let list = help.split("Commands:\n").nth(1).unwrap_or("");
        let names = list.lines().take_while(|line| !line.trim().is_empty());
        // What is indented further goes on with the line above.
        let names = names.filter_map(|line| {
            line.strip_prefix("  ")?
                .split_whitespace()
                .next()
                .filter(|_| !line.starts_with("   "))
        });
        all.extend(names.map(|name| format!("{above} {name}").trim().to_owned()));
    }
    all.retain(|name| !name.ends_with("help"));
    all
}

#[test]
fn every_flag_and_every_command_that_a_text_names_is_there() {
    let mut helps = Helps(BTreeMap::new());
    let commands = commands(&mut helps);
    assert!(commands.len() > 30, "{commands:?}");
    let mut known = BTreeSet::new();
    for command in &commands {
        known.extend(flags(helps.of(command).expect("it is listed")));
    }
    known.extend(flags(helps.of("").expect("it has help")));
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for source in sources() {
        for text in literals(&source) {
            let at = source.display();
            for flag in flags(&text) {
                seen += 1;
                if !known.contains(&flag) {
                    wrong.push(format!("{at}: {flag} is no flag: {text}"));
                }
            }
            for line in lines(&text) {
                let words: Vec<&str> = line.split_whitespace().collect();
                if matches!(words.first(), Some(&("help" | "--help"))) {
                    continue;
                }
                let two = words.iter().take(2).copied().collect::<Vec<_>>().join(" ");
                let one = words.first().copied().unwrap_or("").to_owned();
                let command = [two, one]
                    .into_iter()
                    .find(|words| commands.contains(words));
                let Some(command) = command else {
                    wrong.push(format!("{at}: 'imgdelta {line}' is no command"));
                    continue;
                };
                let has = flags(helps.of(&command).expect("it is listed"));
                for flag in flags(&line).difference(&has) {
                    wrong.push(format!("{at}: 'imgdelta {line}' has no {flag}"));
                }
            }
        }
    }
    assert!(seen > 100, "only {seen} flags were seen");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn where_a_flag_is_not_had_the_hint_names_one_that_is() {
    let place = Place::golden();
    place.ok("convert golden.raw -o base.qcow2 -q");
    place.ok("make -b base.qcow2 -t patched.raw -o child.qcow2 -q");
    fs::rename(place.path("base.qcow2"), place.path("moved.qcow2")).expect("room");
    place.ok("repo init r -q");
    let err = place.refused("repo add child.qcow2 --repo r", 5);
    assert!(err.contains("--search DIR"), "{err}");
    // In 'repo add', --parent is an image of the repository: the other way is one that 'convert' has.
    let other = "'imgdelta convert child.qcow2 -o FULL --parent FILE'";
    assert!(err.contains(other), "{err}");
    place.ok("convert child.qcow2 -o full.qcow2 --parent moved.qcow2");
    place.ok("compare full.qcow2 patched.raw");

    // A base of a format that the other one's children cannot have is no way out.
    place.write("large.raw", &vec![1; 16 << 20]);
    place.ok("convert golden.raw -o base.vhd -q");
    let err = place.refused("make -b base.vhd -t large.raw -o x.vhd", 4);
    let formats = err.split("can be made as ").nth(1).expect("a way out");
    let format = formats.split([',', '\n']).next().expect("one of them");
    place.ok(&format!("make -b base.vhd -t large.raw -o x.{format} -q"));

    let err = place.refused("deploy x --repo r --to admin@host:/srv/images", 2);
    assert!(err.contains("ssh://admin@host/srv/images"), "{err}");

    fs::create_dir(place.path("s")).expect("room");
    fs::copy(place.path("golden.raw"), place.path("s/full-10:00.raw")).expect("room");
    place.ok("repo init s -q");
    let said = place.run("repo scan --repo s");
    let hint = said
        .err
        .lines()
        .find_map(|line| line.strip_prefix("hint: '"));
    let line = hint
        .and_then(|hint| hint.split('\'').next())
        .expect("a hint");
    assert!(
        line.contains("--in-place") && line.ends_with("--name NAME"),
        "{line}"
    );
    let line = line.strip_prefix("imgdelta ").expect("a line");
    place.ok(&format!(
        "{} --repo s -q",
        line.replace("NAME", "full-10-00")
    ));
}

#[test]
fn what_fails_with_one_of_several_is_told_however_silent_the_rest() {
    let place = Place::golden();
    place.ok("repo init hq -q");
    for quiet in ["", "-q", "-qq"] {
        let said = place.run(&format!("repo add no1.raw no2.raw --repo hq {quiet}"));
        assert_eq!(said.exit, 8);
        let lines: Vec<&str> = said.err.lines().collect();
        assert_eq!(lines.len(), 2, "{}", said.err);
        assert!(
            lines[0].starts_with("error: no1.raw: ") && lines[1].starts_with("error: no2.raw: ")
        );
        assert!(!said.out.contains("no1.raw"), "{}", said.out);
    }
    let said = place.run("repo add no1.raw no2.raw --repo hq --json -q");
    let lines: Vec<&str> = said.err.lines().collect();
    assert_eq!(lines.len(), 2, "{}", said.err);
    assert!(
        lines[0].starts_with("{\"schema\":\"imgdelta/error/1\"") && lines[0].contains("no1.raw")
    );
}
