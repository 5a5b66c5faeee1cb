//! The documents: every link leads to a file and every anchor to a heading; every command in them is typed into a shell and does what stands there;
//! every message that they explain is one of the sources.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use imgdelta_fixtures::golden;

use crate::place::{Place, Said};

/// Most blocks of commands that no test can run: what needs another host, root, or a program that is not everywhere.
const MOST_NOT_RUN: usize = 14;

/// The workspace's folder.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A document: its path from the workspace's folder, and its text.
struct Page {
    name: String,
    text: String,
}

/// A fenced block.
struct Block<'a> {
    /// What stands behind the fence: `console`.
    kind: &'a str,
    /// The line before the block.
    before: &'a str,
    lines: Vec<&'a str>,
}

/// All documents that people read.
fn pages() -> Vec<Page> {
    let page = |name: String| {
        let text = fs::read_to_string(root().join(&name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        Page { name, text }
    };
    let at_the_root = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"];
    let mut pages: Vec<_> = at_the_root.map(|name| page(name.to_owned())).into();
    for entry in fs::read_dir(root().join("docs")).expect("there are documents") {
        let name = entry.expect("it reads").file_name();
        let name = name.to_str().expect("UTF-8");
        if name.ends_with(".md") {
            pages.push(page(format!("docs/{name}")));
        }
    }
    pages
}

impl Page {
    /// Its fenced blocks, and its lines outside of them.
    fn parts(&self) -> (Vec<Block<'_>>, Vec<&str>) {
        let (mut blocks, mut prose) = (Vec::<Block<'_>>::new(), Vec::new());
        let mut is_open = false;
        for line in self.text.lines() {
            match (line.trim_start().strip_prefix("```"), is_open) {
                (Some(_), true) => is_open = false,
                (Some(kind), false) => {
                    let before = prose.last().copied().unwrap_or_default();
                    blocks.push(Block {
                        kind,
                        before,
                        lines: Vec::new(),
                    });
                    is_open = true;
                }
                (None, true) => blocks.last_mut().expect("open").lines.push(line),
                (None, false) => prose.push(line),
            }
        }
        assert!(!is_open, "{}: a block has no end", self.name);
        (blocks, prose)
    }

    /// The anchors of its headings, as GitHub and mdbook make them.
    fn anchors(&self) -> Vec<String> {
        let mut seen = BTreeMap::<String, usize>::new();
        let headings = self.parts().1.into_iter().filter(|l| l.starts_with('#'));
        let anchors = headings.map(|heading| {
            let heading = heading.trim_start_matches('#').trim().to_lowercase();
            let kept = heading.chars().filter_map(|c| match c {
                ' ' => Some('-'),
                c if c.is_alphanumeric() || matches!(c, '-' | '_') => Some(c),
                _ => None,
            });
            let anchor: String = kept.collect();
            let before = seen.entry(anchor.clone()).or_default();
            *before += 1;
            match *before {
                1 => anchor,
                n => format!("{anchor}-{}", n - 1),
            }
        });
        anchors.collect()
    }

    /// Where its links lead, those to other hosts aside.
    fn links(&self) -> Vec<String> {
        let mut links = Vec::new();
        for line in self.parts().1 {
            // What stands between backticks is code.
            let text: String = line.split('`').step_by(2).collect::<Vec<_>>().join("_");
            for part in text.split("](").skip(1) {
                let link = part.split(')').next().unwrap_or_default();
                if !link.contains("://") {
                    links.push(link.to_owned());
                }
            }
        }
        links
    }
}

#[test]
fn every_link_leads_to_a_file_and_every_anchor_to_a_heading() {
    let pages = pages();
    let mut lost = Vec::new();
    for page in &pages {
        for link in page.links() {
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let at = root().join(&page.name);
            let target = match file {
                "" => at,
                file => at.parent().expect("a folder").join(file),
            };
            let Ok(target) = target.canonicalize() else {
                lost.push(format!("{}: {link}", page.name));
                continue;
            };
            let is_target =
                |other: &&Page| root().join(&other.name).canonicalize().ok() == Some(target.clone());
            let has_anchor = |page: &Page| page.anchors().iter().any(|one| one == anchor);
            if !anchor.is_empty() && !pages.iter().find(is_target).is_some_and(has_anchor) {
                lost.push(format!("{}: {link}: no such heading", page.name));
            }
        }
    }
    assert!(lost.is_empty(), "{lost:#?}");
}

#[test]
fn every_page_stands_in_the_book() {
    let pages = pages();
    let summary = pages.iter().find(|page| page.name == "docs/SUMMARY.md");
    let listed = summary.expect("the book has a summary").links();
    for page in &pages {
        let name = page.name.strip_prefix("docs/").unwrap_or("SUMMARY.md");
        assert!(
            name == "SUMMARY.md" || listed.iter().any(|link| link == name),
            "{name} is not in SUMMARY.md"
        );
    }
}

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
fn typed(line: &str, place: &Place, cache: &Path) -> Said {
    let program = Path::new(env!("CARGO_BIN_EXE_imgdelta"));
    let folder = program.parent().expect("a folder").display();
    let shell = Command::new("bash")
        .args(["-c", &format!("exec 2>&1; set -o pipefail\n{line}")])
        .current_dir(place.path(""))
        .env_clear()
        .env("PATH", format!("{folder}:/usr/local/bin:/usr/bin:/bin"))
        .env("IMGDELTA_CACHE", cache)
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
fn played(page: &Page) -> Vec<String> {
    let (blocks, prose) = page.parts();
    let blocks: Vec<_> = blocks.iter().filter(|b| b.kind == "console").collect();
    if blocks.is_empty() {
        return Vec::new();
    }
    let mut wrong = Vec::new();
    if !prose.iter().any(|line| line.starts_with("<!-- scene: ")) {
        wrong.push(format!("{}: no comment says what its scene is", page.name));
    }
    let (place, cache) = (scene(), tempfile::tempdir().expect("room"));
    for step in blocks.into_iter().flat_map(steps) {
        let said = typed(&step.line, &place, cache.path());
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
fn every_command_does_what_the_documents_say() {
    let pages = pages();
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let runs: Vec<_> = pages.iter().map(|p| scope.spawn(|| played(p))).collect();
        let ended = runs.into_iter().map(|run| run.join().expect("it runs"));
        ended.flatten().collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn few_commands_are_not_run_and_each_says_why() {
    let mut not_run = 0;
    for page in &pages() {
        for block in page.parts().0 {
            match block.kind {
                "console" => {}
                "console,ignore" => {
                    not_run += 1;
                    let says_why = block.before.starts_with("<!-- not run: ");
                    assert!(says_why, "{}: {:?}: why?", page.name, block.lines);
                }
                kind => {
                    let is_typed = |line: &&&str| line.starts_with("$ ") || line.starts_with("imgdelta ");
                    let typed = block.lines.iter().find(is_typed);
                    assert!(typed.is_none(), "{}: {typed:?} in a '{kind}' block", page.name);
                }
            }
        }
    }
    assert!(not_run <= MOST_NOT_RUN, "{not_run} blocks are not run");
}

/// All sources of the library and the command, as one text.
fn sources() -> String {
    let mut folders = vec![root().join("formats"), root().join("engine"), root().join("cli/src")];
    let mut text = String::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("it reads").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs" || e == "txt") {
                text += &fs::read_to_string(&path).unwrap_or_default();
            }
        }
    }
    text
}

#[test]
fn the_messages_that_are_explained_are_those_of_the_program() {
    let sources = sources();
    let page = fs::read_to_string(root().join("docs/troubleshooting.md")).expect("it is there");
    let mut rows = 0;
    for line in page.lines().filter(|line| line.starts_with("| `")) {
        let mut cells = line.split('|').skip(1);
        let mut next = || cells.next().unwrap_or_default().trim();
        let (message, codes) = (next(), next());
        let codes = codes.split('`').skip(1).step_by(2);
        for code in codes {
            // As a literal, or in a format's list of its codes.
            let is_code = [format!("\"{code}\""), format!("\n{code} ")];
            let is_known = is_code.iter().any(|one| sources.contains(one));
            assert!(is_known, "no error has the code {code}");
        }
        for message in message.split('`').skip(1).step_by(2) {
            for words in message.split('…').map(str::trim) {
                assert!(sources.contains(words), "nothing says '{words}'");
            }
        }
        rows += 1;
    }
    assert!(rows >= 40, "{rows} messages are explained");
}

#[test]
fn dots_stand_for_any_text_and_for_any_lines() {
    assert!(fits(&["a ... c", "...", "z"], &["a bb c", "1", "2", "z"]));
    assert!(!fits(&["a ... c"], &["a bb d"]));
    assert!(!fits(&["a"], &["a", "b"]));
    assert!(!fits(&["a", "b"], &["a"]));
}
