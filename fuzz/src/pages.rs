//! A large file from a small input: the pages that are not zero, and where they stand. For formats whose structures lie MiB apart.
//!
//! ```text
//! | seals : 1 | length in MiB : 1 | pages : 1 | of each its number : u16 | of each its 4096 bytes |
//! ```

use std::{collections::BTreeMap, sync::Arc};

use imgdelta_core::{AllocatedRange, Bytes, Error, FileOffset, Kind, Result, Source};
use imgdelta_vhdx::layout::checksum;

/// Bytes of a page.
const PAGE: usize = 4096;
/// Pages that two headers and two region tables take: what the checksum of each is over.
const SUMMED: [(u16, u16); 4] = [(16, 1), (32, 1), (48, 16), (64, 16)];
/// Most pages that an entry of the log has a sum over.
const ENTRY: usize = 32;

/// The file.
#[derive(Debug)]
pub(crate) struct Pages {
    pages: BTreeMap<u64, [u8; PAGE]>,
    len: u64,
}

impl Pages {
    /// The file that `bytes` describe. If they say so, its checksums are right: they then keep nobody from what lies behind them.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let (head, rest) = bytes.split_at(bytes.len().min(3));
        let &[seals, mib, count] = head else {
            return Self {
                pages: BTreeMap::new(),
                len: 0,
            };
        };
        let (numbers, rest) = rest.split_at(rest.len().min(usize::from(count) * 2));
        let (numbers, _) = numbers.as_chunks::<2>();
        let pages = rest.chunks(PAGE).map(|part| {
            let mut page = [0; PAGE];
            if let Some(start) = page.get_mut(..part.len()) {
                start.copy_from_slice(part);
            }
            page
        });
        let numbers = numbers.iter().map(|bytes| u16::from_le_bytes(*bytes));
        let mut file = Self {
            pages: numbers.map(u64::from).zip(pages).collect(),
            len: u64::from(mib) << 20,
        };
        if seals & 1 == 1 {
            file.seal();
        }
        file
    }

    /// Puts the right sums into headers, region tables and log entries.
    fn seal(&mut self) {
        for (first, count) in SUMMED {
            self.seal_run(first.into(), count.into());
        }
        let entries: Vec<(u64, usize)> = self
            .pages
            .iter()
            .filter(|(_, page)| page.starts_with(b"loge"))
            .map(|(number, page)| {
                let len = page.get(8..12).and_then(|len| len.first_chunk()).copied();
                let len = u32::from_le_bytes(len.unwrap_or_default()) as usize;
                (*number, len.div_ceil(PAGE).clamp(1, ENTRY))
            })
            .collect();
        for (number, count) in entries {
            self.seal_run(number, count);
        }
    }

    fn seal_run(&mut self, first: u64, count: usize) {
        if !self.pages.contains_key(&first) {
            return;
        }
        let mut bytes = vec![0; count * PAGE];
        for (number, part) in (first..).zip(bytes.chunks_mut(PAGE)) {
            if let Some(page) = self.pages.get(&number) {
                part.copy_from_slice(page);
            }
        }
        let sum = checksum(&bytes).to_le_bytes();
        let place = self.pages.get_mut(&first);
        if let Some(place) = place.and_then(|page| page.get_mut(4..8)) {
            place.copy_from_slice(&sum);
        }
    }
}

impl Source for Pages {
    fn len(&self) -> Bytes {
        Bytes(self.len)
    }

    fn read_at(&self, at: FileOffset, buf: &mut [u8]) -> Result<()> {
        let end = at.saturating_add(Bytes::from(buf.len()));
        if end.0 > self.len {
            return Err(Error::new(Kind::Corrupt, "the file ends before that").at(at));
        }
        let mut at = at.0;
        let mut rest = buf;
        while !rest.is_empty() {
            let skip = (at % PAGE as u64) as usize;
            let (part, later) = rest.split_at_mut(rest.len().min(PAGE - skip));
            let page = self.pages.get(&(at / PAGE as u64));
            match page.and_then(|page| page.get(skip..skip + part.len())) {
                Some(bytes) => part.copy_from_slice(bytes),
                None => part.fill(0),
            }
            at += part.len() as u64;
            rest = later;
        }
        Ok(())
    }

    fn stored_at(&self, at: FileOffset) -> Result<AllocatedRange> {
        let number = at.0 / PAGE as u64;
        let is_data = self.pages.contains_key(&number);
        let next = if is_data {
            number + 1
        } else {
            let behind = self.pages.range(number..).next();
            behind.map_or(u64::MAX / PAGE as u64, |(next, _)| *next)
        };
        Ok(AllocatedRange {
            is_data,
            end: FileOffset((next * PAGE as u64).min(self.len)),
        })
    }
}

/// The file as a source.
pub(crate) fn source(bytes: &[u8]) -> Arc<dyn Source> {
    Arc::new(Pages::of(bytes))
}
