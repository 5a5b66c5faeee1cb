//! Markdown tables, one a section: medians of seconds, the ratio of each round, memory, room, and of deliveries how much travelled.

use std::fmt::Write;

use super::{Line, Series, Side};

/// What stands where there is nothing to say; a column of nothing else is left out.
const NOTHING: &str = "-";

/// The tables of all sections, each under its heading.
pub(crate) fn tables(lines: &[Line], series: &[Series]) -> String {
    let mut text = String::new();
    for section in lines.chunk_by(|one, other| one.section == other.section) {
        let heading = section.first().map_or("", |line| &line.section);
        let rows = section.iter().map(row).collect();
        table(&mut text, heading, LINE_HEAD.map(String::from).into(), rows);
    }
    for section in series.chunk_by(|one, other| one.section == other.section) {
        let heading = section.first().map_or("", |series| &series.section);
        let labels = labels(section);
        let rows = section.iter().map(|one| series_row(one, &labels)).collect();
        let head = ["work".to_owned()]
            .into_iter()
            .chain(labels.iter().map(|label| format!("{label}: s")))
            .chain(["most", "asked", "peak MiB"].map(String::from));
        table(&mut text, heading, head.collect(), rows);
    }
    text
}

const LINE_HEAD: [&str; 14] = [
    "work",
    "beside",
    "times faster (least to most)",
    "asked",
    "imgdelta s",
    "peer s",
    "imgdelta CPU s",
    "peer CPU s",
    "imgdelta MiB",
    "peer MiB",
    "imgdelta output MiB",
    "peer output MiB",
    "imgdelta sent MiB",
    "peer sent MiB",
];

fn row(line: &Line) -> Vec<String> {
    let none = Side {
        samples: Vec::new(),
        fault: Some("no tool does it".into()),
    };
    let (ours, peer) = (&line.ours, line.peer.as_ref().unwrap_or(&none));
    let faster = line.times_faster().map(|found| {
        let figure = |value: f64| format!("{value:.2}");
        let (median, least, most) = (found.median, found.least, found.most);
        if least < most {
            let (least, most) = (figure(least), figure(most));
            format!("{} ({least} to {most})", figure(median))
        } else {
            figure(median)
        }
    });
    let beside = (!line.beside.is_empty()).then(|| line.beside.clone());
    vec![
        line.work.clone(),
        shown(beside),
        shown(faster),
        shown(line.verdict()),
        wall(ours),
        wall(peer),
        seconds(ours.median(|sample| sample.cpu)),
        seconds(peer.median(|sample| sample.cpu)),
        memory(ours.peak_kib()),
        memory(peer.peak_kib()),
        mebibytes(ours.output()),
        mebibytes(peer.output()),
        mebibytes(ours.sent()),
        mebibytes(peer.sent()),
    ]
}

/// What the series of a section were done on: the same, or some of them fewer.
fn labels(section: &[Series]) -> Vec<String> {
    let longest = section.iter().max_by_key(|series| series.cells.len());
    longest.map_or_else(Vec::new, |series| {
        let labels = series.cells.iter().map(|(label, _)| label.clone());
        labels.collect()
    })
}

fn series_row(series: &Series, labels: &[String]) -> Vec<String> {
    let growth = series.growth();
    let cell = |label: &String| {
        let mut cells = series.cells.iter().zip(&growth);
        let Some(((_, side), grown)) = cells.find(|((name, _), _)| name == label) else {
            return NOTHING.to_owned();
        };
        grown.map_or_else(|| wall(side), |by| format!("{} ({by:.2})", wall(side)))
    };
    let most = series.most();
    let asked = series.within.map(|within| {
        let said = match most.map(|most| (most * 100.0).round() / 100.0 <= within) {
            Some(true) => ": reached",
            Some(false) => ": missed",
            None => "",
        };
        format!("{within}{said}")
    });
    let peak = series.cells.iter().filter_map(|(_, side)| side.peak_kib());
    [series.work.clone()]
        .into_iter()
        .chain(labels.iter().map(cell))
        .chain([
            shown(most.map(|most| format!("{most:.2}"))),
            shown(asked),
            memory(peak.max()),
        ])
        .collect()
}

fn shown(text: Option<String>) -> String {
    text.unwrap_or_else(|| NOTHING.to_owned())
}

fn seconds(seconds: Option<f64>) -> String {
    shown(seconds.map(|seconds| format!("{seconds:.3}")))
}

/// The seconds of a side, or why it has none.
fn wall(side: &Side) -> String {
    match &side.fault {
        Some(why) => why.replace('|', "/"),
        None => seconds(side.median(|sample| sample.wall)),
    }
}

fn memory(kib: Option<u64>) -> String {
    shown(kib.map(|kib| kib.div_ceil(1024).to_string()))
}

fn mebibytes(bytes: Option<u64>) -> String {
    shown(bytes.map(|bytes| format!("{:.1}", bytes as f64 / f64::from(1 << 20))))
}

/// Appends a table, of whose columns those are left out that say nothing.
fn table(text: &mut String, heading: &str, head: Vec<String>, rows: Vec<Vec<String>>) {
    let says = |column: usize| {
        let mut cells = rows.iter().filter_map(|row| row.get(column));
        cells.any(|cell| cell != NOTHING)
    };
    let kept: Vec<usize> = (0..head.len()).filter(|&column| says(column)).collect();
    let line = |cells: &[String]| {
        let cells: Vec<&str> = kept
            .iter()
            .filter_map(|&column| cells.get(column).map(String::as_str))
            .collect();
        format!("| {} |", cells.join(" | "))
    };
    // Writing to a String does not fail.
    let _ = writeln!(text, "### {heading}\n\n{}", line(&head));
    let _ = writeln!(text, "|{}", "---|".repeat(kept.len()));
    for row in &rows {
        let _ = writeln!(text, "{}", line(row));
    }
    text.push('\n');
}
