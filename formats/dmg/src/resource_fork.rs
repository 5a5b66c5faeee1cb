//! The resource fork of older images: an offset, a length, then resources one behind the other, each behind its length. Those that are no
//! tables are passed over; the map behind them is not needed.

use crate::{fault::Fault, layout::MISH, raw_table::RawTable};

/// The tables of a resource fork, in its order.
pub(crate) fn tables(bytes: &[u8]) -> Result<Vec<RawTable>, Fault> {
    let start = number(bytes, 0)?;
    let len = number(bytes, 8)?;
    let fork_end = start.saturating_add(len);
    let data = part(bytes, start, fork_end)?;
    let mut tables = Vec::new();
    let mut at = 0;
    while at < data.len() as u64 {
        let begin = at.saturating_add(4);
        let end = begin.saturating_add(number(data, at)?);
        let resource = part(data, begin, end)?;
        if resource.starts_with(&MISH) {
            tables.push(RawTable {
                bytes: resource.to_vec(),
                name: None,
            });
        }
        at = end;
    }
    if tables.is_empty() {
        return Err(Fault::NoTables);
    }
    Ok(tables)
}

fn number(bytes: &[u8], at: u64) -> Result<u64, Fault> {
    let four = part(bytes, at, at.saturating_add(4))?;
    let four = four.first_chunk().copied().unwrap_or_default();
    Ok(u64::from(u32::from_be_bytes(four)))
}

/// The bytes from `start` to `end`.
fn part(bytes: &[u8], start: u64, end: u64) -> Result<&[u8], Fault> {
    let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
    let found = range.and_then(|(start, end)| bytes.get(start..end));
    found.ok_or(Fault::ResourceFork {
        part_end: end,
        end: bytes.len() as u64,
    })
}
