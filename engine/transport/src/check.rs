//! Is a transport file sound? Without its base: every record, every number, every run. With it: every window, unpacked.

use imgdelta_core::{Bytes, CheckReport, Error, FileOffset, Kind, Result, parallel};
use imgdelta_delta::{Chain, Digest, ExecContext};

use crate::{entries::WINDOW, fault::Fault, file::TransportFile, map::Content, window};

/// Most windows that are in memory at once.
const AHEAD: usize = 32;

/// Looks at all of an open file, over `base` if it is there, which is taken for the right one.
///
/// # Errors
/// Host, if the host cannot read; those of the base; Interrupted.
pub fn check(
    file: &TransportFile,
    base: Option<&Chain>,
    work: ExecContext<'_>,
) -> Result<CheckReport> {
    let base = base.map(|base| base.resized(file.head().base_size()));
    let mut report = CheckReport::default();
    let mut counts = Counts::default();
    for place in 0..file.segments().len() {
        work.progress.go_on()?;
        match file.runs(place) {
            Ok(runs) => runs
                .iter()
                .for_each(|run| counts.add(run.content, run.count)),
            Err(error) => note(&mut report, error)?,
        }
    }
    check_windows(file, base.as_ref(), work, &mut report)?;
    report.counts = vec![
        ("windows", file.head().windows()),
        ("segments", file.segments().len() as u64),
        ("fresh blocks", counts.fresh),
        ("copied blocks", counts.copied),
        ("repeated blocks", counts.repeated),
        ("zero blocks", counts.zero),
    ];
    if base.is_none() {
        let line =
            "windows were held against their checksums; only with the base can they be unpacked";
        report.notes.push(line.to_owned());
    }
    Ok(report)
}

/// Blocks by what they are.
#[derive(Default)]
struct Counts {
    zero: u64,
    copied: u64,
    fresh: u64,
    repeated: u64,
}

impl Counts {
    fn add(&mut self, content: Content, count: u64) {
        let place = match content {
            Content::Same => return,
            Content::Zero => &mut self.zero,
            Content::Copy { .. } => &mut self.copied,
            Content::Fresh { .. } => &mut self.fresh,
            Content::Repeat { .. } => &mut self.repeated,
        };
        *place = place.saturating_add(count);
    }
}

/// What is wrong with the file is noted; anything else ends the check.
fn note(report: &mut CheckReport, error: Error) -> Result<()> {
    match error.kind() {
        Kind::Corrupt | Kind::Digest | Kind::Unsupported => {
            report.fault(error);
            Ok(())
        }
        _ => Err(error),
    }
}

fn check_windows(
    file: &TransportFile,
    base: Option<&Chain>,
    work: ExecContext<'_>,
    report: &mut CheckReport,
) -> Result<()> {
    let header = file.head().fields();
    work.progress.begin(Bytes(header.map_at));
    let numbers = (0..file.head().windows()).map(|number| work.progress.go_on().map(|()| number));
    let look = |number: &u64| Ok((*number, look_at(file, *number, base)));
    let mut at = header.windows_at;
    let take = |(number, found): (u64, Result<(u64, u64)>)| {
        match found {
            Ok((found, len)) => {
                if found != at {
                    let (part, found, required) = (WINDOW, FileOffset(found), FileOffset(at));
                    report.fault(Fault::Place {
                        part,
                        number,
                        found,
                        required,
                    });
                }
                at = found.saturating_add(len);
                work.progress.advance(Bytes(len), Bytes::ZERO);
            }
            Err(error) => {
                note(report, error)?;
                let entry = file.window_entry(number);
                at = entry.map_or(at, |entry| entry.at.saturating_add(entry.packed.into()));
            }
        }
        Ok(())
    };
    work.install(|| parallel::in_order(numbers, AHEAD, look, take))??;
    if at != header.map_at {
        report.fault(Fault::Contradiction {
            field: "map_at",
            found: header.map_at,
            required: at,
        });
    }
    Ok(())
}

/// Looks at one window; where its record stands, and how long it is.
fn look_at(file: &TransportFile, number: u64, base: Option<&Chain>) -> Result<(u64, u64)> {
    let (entry, record) = file.window_record(number)?;
    let head = file.head();
    match base {
        Some(base) => {
            let promised = (head.blocks_in(number), &Digest(entry.digest));
            window::unpack(number, &record, promised, base).map(drop)
        }
        None => window::parse(number, &record, head.base_size().0).map(drop),
    }
    .map_err(|error| error.at(FileOffset(entry.at)))?;
    Ok((entry.at, entry.packed.into()))
}
