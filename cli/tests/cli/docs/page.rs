//! A document in Markdown: its blocks, its links, its headings.

use std::{collections::BTreeMap, fs};

use super::root;

/// A document.
pub(super) struct Page {
    /// Its path from the workspace's folder.
    pub(super) name: String,
    pub(super) text: String,
}

/// A fenced block.
pub(super) struct Block<'a> {
    /// What stands behind the fence: `console`.
    pub(super) kind: &'a str,
    /// The line before the block.
    pub(super) before: &'a str,
    pub(super) lines: Vec<&'a str>,
}

/// All documents that people read.
pub(super) fn pages() -> Vec<Page> {
    let page = |name: String| {
        let text = fs::read_to_string(root().join(&name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        Page { name, text }
    };
    let at_the_root = [
        "README.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "CHANGELOG.md",
    ];
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
    pub(super) fn parts(&self) -> (Vec<Block<'_>>, Vec<&str>) {
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
    pub(super) fn anchors(&self) -> Vec<String> {
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
    pub(super) fn links(&self) -> Vec<String> {
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
