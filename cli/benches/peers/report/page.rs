//! The page of the documents that is made of what was measured, and the picture beside it.

use std::{collections::BTreeSet, fs, path::Path};

use super::{Line, Series, picture, tables};

/// What stands around the part of a page that is made by the command.
const AROUND: [&str; 2] = [
    "<!-- made by the bench -->\n",
    "<!-- end of what it made -->",
];

/// Puts all that was measured into `page`, in the place of what stood there, and the picture beside it under the page's name.
pub(crate) fn write(
    page: &Path,
    machine: &str,
    lines: &[Line],
    series: &[Series],
) -> Result<(), String> {
    let text = fs::read_to_string(page).map_err(|cause| told(page, &cause))?;
    let [begin, end] = AROUND;
    let (before, rest) = text
        .split_once(begin)
        .ok_or_else(|| told(page, &begin.trim()))?;
    let (_, after) = rest.split_once(end).ok_or_else(|| told(page, &end))?;
    let picture = page.with_extension("svg");
    let name = picture.file_name().unwrap_or_default().to_string_lossy();
    let made = format!(
        "{}\n\n![How many times faster than its peers imgdelta is]({name})\n\n{}",
        facts(machine, lines, series),
        tables(lines, series)
    );
    let whole = format!("{before}{begin}\n{made}{end}{after}");
    fs::write(page, whole).map_err(|cause| told(page, &cause))?;
    fs::write(&picture, picture::svg(lines)).map_err(|cause| told(&picture, &cause))
}

fn told(file: &Path, why: &dyn std::fmt::Display) -> String {
    format!("{}: {why}", file.display())
}

/// What was measured, how often, on what, and the memory that all of it took.
fn facts(machine: &str, lines: &[Line], series: &[Series]) -> String {
    let programs: BTreeSet<&str> = lines
        .iter()
        .map(|line| line.program.as_str())
        .chain(series.iter().map(|one| one.program.as_str()))
        .collect();
    let programs: Vec<&str> = programs.into_iter().collect();
    let sides = || {
        let cells = series.iter().flat_map(|one| &one.cells);
        let lines = lines.iter().map(|line| &line.ours);
        lines.chain(cells.map(|(_, side)| side))
    };
    let counts = sides().map(|side| side.samples.len()).filter(|&n| n > 0);
    let (least, most) = (counts.clone().min(), counts.max());
    let runs = match least.zip(most) {
        Some((least, most)) if least < most => format!("{least} to {most} runs"),
        Some((_, 1)) => "1 run".to_owned(),
        Some((_, most)) => format!("{most} runs"),
        None => "no runs".to_owned(),
    };
    let peak = sides().filter_map(super::Side::peak_kib).max();
    let peak = peak.map_or(0, |kib| kib.div_ceil(1024));
    let said = if peak <= 64 { "reached" } else { "missed" };
    format!(
        "{}; medians of {runs} in turn; {machine}. The most memory that imgdelta took in any row: {peak} MiB (asked: at most 64, {said}).",
        programs.join("; ")
    )
}
