//! Looks for what opening does not ask: whether every chunk decodes, and to what the checksums say.

use std::sync::Arc;

use imgdelta_core::{Bytes, CheckReport, Error, Kind, Open, Result, Source};

use crate::{
    checksum::Sum,
    chunk::{Chunk, Codec},
    codec::Decoder,
    fault::Fault,
    fork_checks,
    image::OPTIONS,
    map::{ChunkTable, TableSum},
    trailer::ValidatedTrailer,
};

/// Checks an image.
pub(crate) fn check(open: Open<'_>) -> Result<CheckReport> {
    open.options.finish("dmg input", OPTIONS)?;
    let source = open.source;
    let meta = ValidatedTrailer::read(&*source)?;
    let table = ChunkTable::read(&meta, &*source)?;
    let largest = table.largest_compressed().unwrap_or_default();
    let mut report = CheckReport::default();
    fork_checks::data_fork(&meta, &*source)?
        .into_iter()
        .for_each(|fault| report.fault(fault));
    let mut walk = Walk {
        decoder: Decoder::new(Arc::clone(&source), largest),
        source: &*source,
        buf: vec![0; largest.in_memory()],
        sums: table.sums().iter().map(TableWalk::of).collect(),
    };
    let (mut compressed, mut stored) = (0_u64, Bytes::ZERO);
    for chunk in table.chunks() {
        stored = Bytes(stored.0.saturating_add(chunk.size.0));
        compressed += u64::from(chunk.codec.is_compressed());
        walk.see(chunk, &mut report)?;
    }
    walk.end(&mut report);
    fork_checks::master(&meta, &table)
        .into_iter()
        .for_each(|fault| report.fault(fault));
    report.counts.extend([
        ("chunks", table.chunks().len() as u64),
        ("compressed", compressed),
        ("stored_bytes", stored.0),
    ]);
    Ok(report)
}

/// A walk through all chunks in order.
struct Walk<'a> {
    decoder: Decoder,
    source: &'a dyn Source,
    /// As long as the largest chunk that is decoded.
    buf: Vec<u8>,
    /// Of each table.
    sums: Vec<TableWalk>,
}

/// How far one table has come.
struct TableWalk {
    required: Option<u32>,
    sum: Sum,
    /// The sector that comes next.
    next: u64,
    state: Summed,
}

/// Whether a table's checksum says something.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Summed {
    /// Of all so far.
    Whole,
    /// Some of its sectors are in no chunk: nobody says how those count.
    Gap,
    /// A chunk does not decode, which is told already.
    Garbage,
}

impl TableWalk {
    fn of(sum: &TableSum) -> Self {
        Self {
            required: sum.required,
            sum: Sum::default(),
            next: sum.first,
            state: Summed::Whole,
        }
    }
}

impl Walk<'_> {
    /// Decodes a chunk and counts it.
    fn see(&mut self, chunk: &Chunk, report: &mut CheckReport) -> Result<()> {
        let Some(table) = self.sums.get_mut(chunk.table) else {
            return Ok(());
        };
        if chunk.sector != table.next {
            table.state = Summed::Gap;
        }
        table.next = chunk.end();
        let is_summed = chunk.is_summed && table.required.is_some() && table.state == Summed::Whole;
        match chunk.codec {
            Codec::Zero if is_summed => table.sum.add_zeros(chunk.len()),
            Codec::Raw if is_summed => table.sum.add_file(self.source, chunk.at, chunk.size)?,
            Codec::Zero | Codec::Raw => {}
            _ => {
                let room = self
                    .buf
                    .get_mut(..chunk.len().in_memory())
                    .unwrap_or_default();
                match self.decoder.decode(chunk, room) {
                    Ok(()) if is_summed => table.sum.add(room),
                    Ok(()) => {}
                    Err(error) if error.kind() == Kind::Corrupt => {
                        table.state = Summed::Garbage;
                        report.fault(error);
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    /// Holds the sums against what the tables say.
    fn end(self, report: &mut CheckReport) {
        for (number, table) in self.sums.into_iter().enumerate() {
            let Some(required) = table.required else {
                continue;
            };
            match table.state {
                Summed::Garbage => {}
                Summed::Gap => report.notes.push(format!(
                    "the checksum of table {number} is not checked: some of its sectors are in no chunk"
                )),
                Summed::Whole => {
                    let found = table.sum.end();
                    if found != required {
                        let fault = Fault::TableChecksum {
                            number,
                            required,
                            found,
                        };
                        report.fault(Error::from(fault).in_structure("table of chunks"));
                    }
                }
            }
        }
    }
}
