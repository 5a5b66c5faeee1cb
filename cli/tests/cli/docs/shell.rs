//! The commands of a document, typed into a shell that stands in a scene.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    sync::OnceLock,
};

use imgdelta_fixtures::golden;

use super::page::{Block, Page};
use crate::place::{Place, Said};

/// The images of the story, made once.
fn images() -> &'static [(&'static str, Vec<u8>)] {
    static IMAGES: OnceLock<Vec<(&str, Vec<u8>)>> = OnceLock::new();
    IMAGES.get_or_init(golden::files)
}

/// Headquarters with the golden and the patched image, a site with the golden one, an empty stick.
fn scene() -> Place {
    let place = Place::empty();
    for (name, bytes) in images() {
        place.write(&format!("hq/{name}"), bytes);
        if matches!(*name, "golden.vhd" | "golden.qcow2") {
            place.write(&format!("site/{name}"), bytes);
        }
    }
    fs::create_dir(place.path("stick")).expect("room");
    place
}

/// Types a line into a shell that stands in the scene; what it said on either stream, in order.
fn typed(line: &str, place: &Place) -> Said {
    let program = Path::new(env!("CARGO_BIN_EXE_imgdelta"));
    let folder = program.parent().expect("a folder").display();
    let shell = Command::new("bash")
        .args(["-c", &format!("exec 2>&1; set -o pipefail\n{line}")])
        .current_dir(place.path(""))
        .env_clear()
        .env("PATH", format!("{folder}:/usr/local/bin:/usr/bin:/bin"))
        // Nothing is remembered: what is printed does not depend on how fast the page was played.
        .env("IMGDELTA_CACHE", "/dev/null/none")
        .env("IMGDELTA_THREADS", "2")
        .env("SOURCE_DATE_EPOCH", "1700000000")
        .stdin(Stdio::null())
        .output();
    Said::of(&shell.expect("bash starts"))
}

/// A command of a block: the line, how it must end, and what must be read then, if that stands there.
struct Step<'a> {
    line: String,
    exit: i32,
    expected: Vec<&'a str>,
}

/// The commands of a block.
fn steps<'a>(block: &Block<'a>) -> Vec<Step<'a>> {
    let mut steps = Vec::<Step<'a>>::new();
    for line in &block.lines {
        match (line.strip_prefix("$ "), steps.last_mut()) {
            (Some(line), _) => steps.push(Step {
                line: line.to_owned(),
                exit: line
                    .rsplit_once("# exit ")
                    .map_or(0, |(_, exit)| exit.trim().parse().expect("an exit status")),
                expected: Vec::new(),
            }),
            (None, Some(step)) if step.line.ends_with('\\') && step.expected.is_empty() => {
                step.line += "\n";
                step.line += line;
            }
            (None, Some(step)) => step.expected.push(line),
            (None, None) => panic!("a block begins with '{line}', not with '$ '"),
        }
    }
    steps
}

/// Whether a line is as expected; `...` stands for any text.
fn line_fits(expected: &str, found: &str) -> bool {
    let Some((head, rest)) = expected.split_once("...") else {
        return expected == found;
    };
    let Some(found) = found.strip_prefix(head) else {
        return false;
    };
    let ends = found.char_indices().map(|(at, _)| at).chain([found.len()]);
    ends.into_iter().any(|at| line_fits(rest, &found[at..]))
}

/// Whether lines are as expected; `...` alone in a line stands for any lines.
fn fits(expected: &[&str], found: &[&str]) -> bool {
    match (expected.split_first(), found.split_first()) {
        (None, _) => found.is_empty(),
        (Some((&"...", rest)), _) => (0..=found.len()).any(|at| fits(rest, &found[at..])),
        (Some((line, rest)), Some((one, others))) => line_fits(line, one) && fits(rest, others),
        (Some(_), None) => false,
    }
}

/// Runs the commands of a page in one scene, in order; what went otherwise than it says.
pub(super) fn played(page: &Page) -> Vec<String> {
    let (blocks, prose) = page.parts();
    let blocks: Vec<_> = blocks.iter().filter(|b| b.kind == "console").collect();
    if blocks.is_empty() {
        return Vec::new();
    }
    let mut wrong = Vec::new();
    if !prose.iter().any(|line| line.starts_with("<!-- scene: ")) {
        wrong.push(format!("{}: no comment says what its scene is", page.name));
    }
    let place = scene();
    for step in blocks.into_iter().flat_map(steps) {
        let said = typed(&step.line, &place);
        let found: Vec<_> = said.out.trim_end().lines().collect();
        let is_told = step.expected.is_empty() || fits(&step.expected, &found);
        if said.exit != step.exit || !is_told {
            wrong.push(format!(
                "{}: $ {}\n{}\nexit {}, expected was {}",
                page.name, step.line, said.out, said.exit, step.exit
            ));
        }
    }
    wrong
}

#[test]
fn dots_stand_for_any_text_and_for_any_lines() {
    assert!(fits(&["a ... c", "...", "z"], &["a bb c", "1", "2", "z"]));
    assert!(!fits(&["a ... c"], &["a bb d"]));
    assert!(!fits(&["a"], &["a", "b"]));
    assert!(!fits(&["a", "b"], &["a"]));
}
