//! How the bench shows what it measured: tables, the page, the picture. The bench itself runs for minutes, and nobody's figures are a test.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "the tests know their files, and a wrong one should stop them where it is made"
)]

use std::fs;

#[path = "../../benches/peers/report/mod.rs"]
mod report;

use report::{Asked, Line, Sample, Series, Side, Spread, tables, write};

/// Runs of so many seconds.
fn side(walls: &[f64]) -> Side {
    let sample = |wall: &f64| Sample {
        wall: *wall,
        cpu: wall * 2.0,
        peak_kib: 5 * 1024,
        output: Some(3 << 20),
        sent: None,
    };
    Side {
        samples: walls.iter().map(sample).collect(),
        fault: None,
    }
}

fn line(work: &str, asked: f64, ours: &[f64], peer: &[f64]) -> Line {
    Line {
        section: "Works".into(),
        work: work.into(),
        beside: "a <tool> & more".into(),
        asked: Asked {
            times: Some(asked),
            room: None,
        },
        program: "imgdelta 1".into(),
        ours: side(ours),
        peer: Some(side(peer)),
    }
}

fn series(within: f64, cells: &[(&str, &[f64])]) -> Series {
    let cell = |(label, walls): &(&str, &[f64])| ((*label).to_owned(), side(walls));
    Series {
        section: "Larger".into(),
        work: "digest".into(),
        within: Some(within),
        program: "imgdelta 1".into(),
        cells: cells.iter().map(cell).collect(),
    }
}

fn failed(why: &str) -> Side {
    Side {
        samples: Vec::new(),
        fault: Some(why.into()),
    }
}

#[test]
fn a_ratio_is_the_median_of_those_of_the_rounds() {
    // The medians of the seconds are 2 and 4; those of the rounds are 4, 2 and 1.5.
    let line = line("make", 2.0, &[1.0, 2.0, 4.0], &[4.0, 4.0, 6.0]);
    let found = line.times_faster().unwrap();
    let expected = Spread {
        median: 2.0,
        least: 1.5,
        most: 4.0,
    };
    assert_eq!(found, expected);
    assert_eq!(Spread::of([1.0, 4.0]).unwrap().median, 2.5);
    assert_eq!(Spread::of([]), None);
}

#[test]
fn a_share_of_the_peer_s_room_is_asked_of_what_travels() {
    let mut carried = line("carry", 1.0, &[1.0], &[1.0]);
    carried.asked.room = Some(0.6);
    let travels = |side: &mut Side, bytes| side.samples[0].sent = Some(bytes);
    travels(&mut carried.ours, 60 << 20);
    travels(carried.peer.as_mut().unwrap(), 100 << 20);
    let reached = "1: reached; at most 0.6 of the room: reached";
    assert_eq!(carried.verdict().as_deref(), Some(reached));
    travels(&mut carried.ours, 61 << 20);
    let missed = "1: reached; at most 0.6 of the room: missed";
    assert_eq!(carried.verdict().as_deref(), Some(missed));
}

#[test]
fn a_table_says_what_was_reached_and_leaves_out_what_nobody_measured() {
    let reached = line("make", 2.0, &[1.0, 1.0], &[2.0, 2.5]);
    let mut missed = line("convert", 2.0, &[1.0], &[1.0]);
    missed.asked.room = Some(1.0);
    missed.peer.as_mut().unwrap().samples[0].output = Some(1 << 20);
    let mut other = line("compare", 2.0, &[1.0], &[]);
    other.peer = Some(failed("not finished in 60 s | ever"));
    let text = tables(&[reached, missed, other], &[]);
    let expected = "\
### Works

| work | beside | times faster (least to most) | asked | imgdelta s | peer s | imgdelta CPU s | peer CPU s | imgdelta MiB | peer MiB | imgdelta output MiB | peer output MiB |
|---|---|---|---|---|---|---|---|---|---|---|---|
| make | a <tool> & more | 2.25 (2.00 to 2.50) | 2: reached | 1.000 | 2.250 | 2.000 | 4.500 | 5 | 5 | 3.0 | 3.0 |
| convert | a <tool> & more | 1.00 | 2: missed; no larger: missed | 1.000 | 1.000 | 2.000 | 2.000 | 5 | 5 | 3.0 | 1.0 |
| compare | a <tool> & more | - | 2 | 1.000 | not finished in 60 s / ever | 2.000 | - | 5 | - | 3.0 | - |

";
    assert_eq!(text, expected);
}

#[test]
fn sections_are_tables_of_their_own() {
    let mut second = line("deploy", 1.0, &[1.0], &[1.0]);
    second.section = "Sites".into();
    second.ours.samples[0].sent = Some(1 << 19);
    let text = tables(&[line("make", 1.0, &[1.0], &[1.0]), second], &[]);
    let (works, sites) = text.split_once("### Sites").unwrap();
    assert!(!works.contains("sent") && sites.contains("| imgdelta sent MiB |\n"));
    assert!(sites.contains("| 0.5 |\n"), "{sites}");
}

#[test]
fn a_series_is_held_against_its_first() {
    let cells: [(&str, &[f64]); 3] = [
        ("8 GiB", &[1.0, 2.0]),
        ("1 TiB", &[1.1, 2.0]),
        ("16 TiB", &[1.3, 2.8]),
    ];
    let mut grown = series(1.2, &cells);
    let steady = series(1.2, &cells[..2]);
    assert_eq!(grown.most().map(|most| (most * 100.0).round()), Some(135.0));
    grown.cells.push(("64 TiB".into(), failed("no room")));
    let text = tables(&[], &[grown, steady]);
    let expected = "\
### Larger

| work | 8 GiB: s | 1 TiB: s | 16 TiB: s | 64 TiB: s | most | asked | peak MiB |
|---|---|---|---|---|---|---|---|
| digest | 1.500 | 1.550 (1.05) | 2.050 (1.35) | no room | 1.35 | 1.2: missed | 5 |
| digest | 1.500 | 1.550 (1.05) | - | - | 1.05 | 1.2: reached | 5 |

";
    assert_eq!(text, expected);
}

#[test]
fn a_page_keeps_what_people_wrote_and_is_otherwise_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.md");
    let around = |made: &str| {
        format!("before\n<!-- made by the bench -->\n{made}<!-- end of what it made -->\nafter\n")
    };
    fs::write(&page, around("old figures\n")).unwrap();
    let lines = [line("make", 2.0, &[1.0, 1.0], &[2.0, 2.0])];
    let many = [series(1.2, &[("1", &[1.0])])];
    write(&page, "a machine", &lines, &many).unwrap();
    let text = fs::read_to_string(&page).unwrap();
    let facts = "imgdelta 1; medians of 1 to 2 runs in turn; a machine. The most memory that imgdelta took in any row: 5 MiB (asked: at most 64, reached).";
    let picture = "![How many times faster than its peers imgdelta is](page.svg)";
    let made = format!("\n{facts}\n\n{picture}\n\n{}", tables(&lines, &many));
    assert_eq!(text, around(&made));
    assert!(folder.path().join("page.svg").exists());
    // Once more gives the same: nothing of the last time is left.
    write(&page, "a machine", &lines, &many).unwrap();
    assert_eq!(fs::read_to_string(&page).unwrap(), text);
    fs::write(&page, "no marks").unwrap();
    let refused = write(&page, "a machine", &lines, &many).unwrap_err();
    assert!(
        refused.ends_with("page.md: <!-- made by the bench -->"),
        "{refused}"
    );
}

/// The picture of some rows.
fn picture(lines: &[Line]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.md");
    fs::write(
        &page,
        "<!-- made by the bench -->\n<!-- end of what it made -->",
    )
    .unwrap();
    write(&page, "", lines, &[]).unwrap();
    fs::read_to_string(page.with_extension("svg")).unwrap()
}

/// An attribute of the elements of one class, as numbers.
fn places(svg: &str, class: &str, attribute: &str) -> Vec<f64> {
    let is_of = |line: &&str| line.contains(&format!("class=\"{class}\""));
    let value = |line: &str| {
        let (_, rest) = line.split_once(&format!(" {attribute}=\"")).unwrap();
        rest.split('"').next().unwrap().parse().unwrap()
    };
    svg.lines().filter(is_of).map(value).collect()
}

#[test]
fn bars_of_the_picture_have_a_scale_of_powers() {
    let svg = picture(&[
        line("twice", 2.0, &[1.0], &[2.0]),
        line("eight", 2.0, &[1.0], &[8.0]),
        line("half", 0.5, &[2.0], &[1.0]),
    ]);
    let (faster, slower) = (
        places(&svg, "faster", "width"),
        places(&svg, "slower", "width"),
    );
    assert!((faster[1] - 3.0 * faster[0]).abs() < 0.2, "{faster:?}");
    assert!((slower[0] - faster[0]).abs() < 0.2, "{slower:?} {faster:?}");
    // Bars to either side begin at the line of 1.
    let one = places(&svg, "one", "x1")[0];
    assert!((places(&svg, "faster", "x")[0] - one).abs() < 0.2);
    assert!((places(&svg, "slower", "x")[0] + slower[0] - one).abs() < 0.2);
    // What was asked stands where a bar of that length ends.
    assert!((places(&svg, "asked", "x1")[0] - one - faster[0]).abs() < 0.2);
}

#[test]
fn the_picture_is_xml_and_shows_what_is_asked_or_delivered() {
    let mut unasked = line("unasked", 1.0, &[1.0], &[1.0]);
    unasked.asked = Asked::default();
    let mut delivered = unasked.clone();
    delivered.work = "delivered".into();
    delivered.ours.samples[0].sent = Some(1);
    let mut called = line("called", 1.0, &[1.0], &[1.0]);
    called.beside = "qemu-img convert -t none, sync".into();
    let mut faulty = line("faulty", 1.0, &[1.0], &[]);
    faulty.peer = Some(failed("skipped"));
    let svg = picture(&[unasked, delivered, called, faulty]);
    assert!(
        svg.contains("delivered, beside a &lt;tool&gt; &amp; more"),
        "{svg}"
    );
    // Room is for the tool, not for how it is called.
    assert!(svg.contains(">called, beside qemu-img</text>"), "{svg}");
    assert!(!svg.contains("unasked") && !svg.contains("faulty"));
    assert!(svg.contains("prefers-color-scheme: dark") && !svg.contains("<script"));
    for element in ["svg", "text", "style", "title"] {
        let (open, close) = (format!("<{element}"), format!("</{element}>"));
        assert_eq!(svg.matches(&open).count(), svg.matches(&close).count());
    }
    assert!(picture(&[]).contains("nothing is measured yet"));
}
