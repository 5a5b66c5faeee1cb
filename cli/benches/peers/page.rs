//! The page of the documents that the rows are written to.

use std::{fs, path::Path};

/// What stands around the part of a page that is made by the command.
const AROUND: [&str; 2] = [
    "<!-- made by the bench -->\n",
    "<!-- end of what it made -->",
];

/// Puts the rows of `table` into `page`: rows of the same name are replaced, the others stay, each as it was measured.
pub(crate) fn write(page: &Path, machine: &str, runs: usize, table: &str) -> Result<(), String> {
    let told = |why: &dyn std::fmt::Display| format!("{}: {why}", page.display());
    let text = fs::read_to_string(page).map_err(|cause| told(&cause))?;
    let [begin, end] = AROUND;
    let (before, rest) = text.split_once(begin).ok_or_else(|| told(&begin.trim()))?;
    let (old, after) = rest.split_once(end).ok_or_else(|| told(&end))?;
    let rows = rows_of(old, table);
    let head = table.lines().take(2).collect::<Vec<_>>().join("\n");
    let made = format!(
        "Medians of {runs} runs in turn; {machine}.\n\n{head}\n{}\n",
        rows.join("\n")
    );
    fs::write(page, format!("{before}{begin}\n{made}\n{end}{after}")).map_err(|cause| told(&cause))
}

/// The rows of both, the new ones in the place of the old.
fn rows_of<'a>(old: &'a str, new: &'a str) -> Vec<&'a str> {
    let rows = |text: &'a str| {
        let rows = text.lines().filter(|line| line.starts_with("| "));
        rows.filter(|line| !line.starts_with("| work |"))
            .collect::<Vec<_>>()
    };
    let mut all = rows(old);
    for row in rows(new) {
        match all.iter_mut().find(|line| name_of(line) == name_of(row)) {
            Some(place) => *place = row,
            None => all.push(row),
        }
    }
    all
}

fn name_of(row: &str) -> Option<&str> {
    row.split('|').nth(1).map(str::trim)
}
