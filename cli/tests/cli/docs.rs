//! The documents: every link leads to a file and every anchor to a heading; every command in them is typed into a shell and does what stands there;
//! every message that they explain is one of the sources.

mod page;
mod shell;

use std::{
    fs,
    path::{Path, PathBuf},
};

use page::{Page, pages};
use shell::played;

/// Most blocks of commands that no test can run: what needs another host, root, or a program that is not everywhere.
const MOST_NOT_RUN: usize = 12;

/// The workspace's folder.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
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
            let is_target = |other: &&Page| {
                root().join(&other.name).canonicalize().ok() == Some(target.clone())
            };
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
                    let is_typed = |line: &&&str| {
                        let is_dependency = line.starts_with("imgdelta = ");
                        line.starts_with("$ ") || line.starts_with("imgdelta ") && !is_dependency
                    };
                    let typed = block.lines.iter().find(is_typed);
                    assert!(
                        typed.is_none(),
                        "{}: {typed:?} in a '{kind}' block",
                        page.name
                    );
                }
            }
        }
    }
    assert!(not_run <= MOST_NOT_RUN, "{not_run} blocks are not run");
}

/// All sources of the library and the command, as one text.
fn sources() -> String {
    let mut folders = vec![
        root().join("formats"),
        root().join("engine"),
        root().join("cli/src"),
    ];
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
