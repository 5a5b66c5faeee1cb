//! Looks for what opening does not ask: entries that lead nowhere, clusters and tables that share bytes, clusters that belong to nobody.
//! Parents are not looked at.

use std::{fmt, sync::Arc};

use imgdelta_core::{CheckReport, Claimed, Error, FileOffset, Open, Result, Source, overlaps};

use crate::{
    fault::Fault,
    info,
    map::{BlockTable, Mapping, TableVisit},
    open_options::require_none,
    validate::ValidatedHeader,
};

/// Whose a run of the file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Owner {
    /// The L2 table of that number.
    BlockTable(u64),
    /// The cluster of that number.
    Cluster(u64),
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BlockTable(number) => write!(f, "L2 table {number}"),
            Self::Cluster(number) => write!(f, "cluster {number}"),
        }
    }
}

/// Checks an image.
pub(crate) fn check(open: Open<'_>) -> Result<CheckReport> {
    require_none(open.options)?;
    let source = open.source;
    let meta = ValidatedHeader::read(&*source)?;
    let table = BlockTable::new(&meta, Arc::clone(&source));
    look(&meta, &table, &*source)
}

/// Looks at all tables.
pub(crate) fn look(
    meta: &ValidatedHeader,
    table: &BlockTable,
    source: &dyn Source,
) -> Result<CheckReport> {
    let mut report = CheckReport {
        notes: info::notes(meta),
        ..CheckReport::default()
    };
    check_entries(meta, table, source, &mut report)?;
    check_shared(table, source, &mut report)?;
    Ok(report)
}

/// Each entry leads somewhere, and each cluster of the file is somebody's.
fn check_entries(
    meta: &ValidatedHeader,
    table: &BlockTable,
    source: &dyn Source,
    report: &mut CheckReport,
) -> Result<()> {
    let (mut allocated, mut zero, mut tables) = (0_u64, 0_u64, 0_u64);
    table.each(source, |seen| match seen {
        TableVisit::BlockTable(..) => tables += 1,
        TableVisit::Cluster(_, Mapping::Zero) => zero += 1,
        TableVisit::Cluster(..) => allocated += 1,
        TableVisit::Fault(error) => report.fault(error),
    })?;
    let of_table = u64::from(meta.header.table_size);
    let used = u64::from(meta.header.header_size)
        .saturating_add(of_table.saturating_mul(tables.saturating_add(1)))
        .saturating_add(allocated);
    let leaked = source.len().pieces(table.cluster()).saturating_sub(used);
    if leaked > 0 {
        report.notes.push(format!(
            "{leaked} clusters are leaked: they belong to nothing"
        ));
    }
    report.counts.extend([
        ("clusters", table.clusters()),
        ("allocated", allocated),
        ("zero", zero),
        ("tables", tables),
        ("leaked", leaked),
    ]);
    Ok(())
}

/// Nothing counts references here, so no two things may share a cluster.
fn check_shared(table: &BlockTable, source: &dyn Source, report: &mut CheckReport) -> Result<()> {
    let walk = |tell: &mut dyn FnMut(Claimed<Owner>)| {
        table.each(source, |seen| {
            let (owner, at, len) = match seen {
                TableVisit::BlockTable(number, at) => {
                    (Owner::BlockTable(number), at, table.table_len())
                }
                TableVisit::Cluster(number, Mapping::Plain(at)) => {
                    (Owner::Cluster(number), at, table.cluster())
                }
                TableVisit::Cluster(..) | TableVisit::Fault(_) => return,
            };
            tell(Claimed {
                start: at.0,
                end: at.saturating_add(len).0,
                owner,
            });
        })
    };
    overlaps(walk, |first, second, at| {
        let fault = Fault::Shared {
            first: first.to_string(),
            second: second.to_string(),
        };
        report.fault(Error::from(fault).at(FileOffset(at)));
    })
}
