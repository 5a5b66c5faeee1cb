//! Windows packed anew, as a file by themselves: it travels to who has a transport file of which these are damaged.
//!
//! ```text
//! header │ index, by number │ records
//! ```
//!
//! What a window must unpack to, the damaged file itself promises; nothing is proven here but that a record is whole.

use std::sync::Arc;

use imgdelta_core::{
    Bytes, Error, FileOffset, Kind, Result, Sink, Source, read_array, read_vec, record,
};
use imgdelta_delta::{ContentId, Digest};
use sha2::{Digest as _, Sha256};

use crate::{
    entries::{WINDOW, judge_record},
    fault::Fault,
    file::TransportFile,
    layout::LONGEST_WINDOW,
    pack::Packing,
    refill::Damage,
};

/// What every such file begins with.
pub const WINDOWS_MAGIC: [u8; 8] = *b"\x89IDW\r\n\x1a\n";

/// The version of the form.
const VERSION: u32 = 1;

/// Most windows in one: 64 GiB of blocks.
pub const MOST_WINDOWS: u64 = 1 << 18;

record! {
    /// The first bytes of the file, written last.
    struct Header: LittleEndian, 128 {
        /// [`WINDOWS_MAGIC`].
        0 => magic: [u8; 8],
        /// [`VERSION`].
        8 => version: u32,
        /// Zero.
        12 => reserved: u32,
        /// How many windows there are.
        16 => count: u64,
        /// How long the file is.
        24 => file_len: u64,
        /// The digest of the base's content id.
        32 => base_id: [u8; 32],
        /// The digest of the target's content id.
        64 => target_id: [u8; 32],
        /// The SHA-256 of the index.
        96 => index_digest: [u8; 32],
    }
}

record! {
    /// A window in the index.
    struct Entry: LittleEndian, 24 {
        /// Its number.
        0 => number: u64,
        /// Where its record starts.
        8 => at: u64,
        /// How long that is.
        16 => packed: u32,
        /// Its CRC-32C.
        20 => crc: u32,
    }
}

/// Windows that are wanted anew: by their numbers, and by what they must unpack to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedWindows {
    /// Runs of numbers: the first of each, and how many. In order, none of them empty, none touching the next.
    runs: Vec<(u64, u64)>,
    /// The SHA-256 of the digests that the file promises for them, one behind the other.
    promise: Digest,
}

impl WantedWindows {
    /// Those that are damaged, if nothing else of the file is.
    ///
    /// # Errors
    /// Host, if the host cannot read.
    pub fn of(file: &TransportFile) -> Result<Option<Self>> {
        Self::within(file, &|_, _| true)
    }

    /// As [`of`](Self::of), of a file that is not all here: of the records that are, by where each begins in the file and how long it is.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub fn within(
        file: &TransportFile,
        is_here: &dyn Fn(u64, u64) -> bool,
    ) -> Result<Option<Self>> {
        let damage = Damage::within(file, is_here)?;
        let count = damage.windows.len() as u64;
        if !damage.segments.is_empty() || !(1..=MOST_WINDOWS).contains(&count) {
            return Ok(None);
        }
        let (mut runs, mut promise) = (Vec::<(u64, u64)>::new(), Sha256::new());
        for number in damage.windows {
            promise.update(file.window_entry(number)?.digest);
            match runs.last_mut() {
                Some((first, count)) if first.saturating_add(*count) == number => *count += 1,
                _ => runs.push((number, 1)),
            }
        }
        let promise = Digest(promise.finalize().into());
        Ok(Some(Self { runs, promise }))
    }

    /// Such runs, with that promise.
    ///
    /// # Errors
    /// Corrupt, if they are not in order, touch, or are too many.
    pub fn new(runs: Vec<(u64, u64)>, promise: Digest) -> Result<Self> {
        let (mut least, mut sum) = (0_u64, 0_u64);
        for (first, count) in &runs {
            let end = first.checked_add(*count);
            let Some(end) = end.filter(|_| *count > 0 && *first >= least) else {
                return Err(faulty("the windows are not in order"));
            };
            least = end.saturating_add(1);
            sum = sum.saturating_add(*count);
        }
        if !(1..=MOST_WINDOWS).contains(&sum) {
            return Err(faulty(&format!(
                "{sum} windows, 1 to {MOST_WINDOWS} are possible"
            )));
        }
        Ok(Self { runs, promise })
    }

    /// The runs: the first number of each, and how many.
    #[must_use]
    pub fn runs(&self) -> &[(u64, u64)] {
        &self.runs
    }

    /// The SHA-256 of the digests that are promised for them.
    #[must_use]
    pub const fn promise(&self) -> Digest {
        self.promise
    }

    /// How many they are.
    #[must_use]
    pub fn count(&self) -> u64 {
        let counts = self.runs.iter().map(|(_, count)| *count);
        counts.fold(0, u64::saturating_add)
    }

    fn contains(&self, number: u64) -> bool {
        let behind = self.runs.partition_point(|(first, _)| *first <= number);
        let run = behind.checked_sub(1).and_then(|place| self.runs.get(place));
        run.is_some_and(|(first, count)| number - first < *count)
    }
}

/// Writes those windows of a packing to `sink`. The file is complete, but neither durable nor in its place.
///
/// # Errors
/// As [`Packing::each_window`]; Unsupported (`windows_differ`), if the packing has other windows than were promised: another release made the file,
/// and all of it is to be sent again; Host, if the packing was made without proofs.
pub fn write_windows(packing: &Packing<'_>, wanted: &WantedWindows, sink: &dyn Sink) -> Result<()> {
    let made = packing.made();
    let (Some(base), Some(target)) = (&made.base, &made.target) else {
        return Err(Error::new(Kind::Host, "the disks were not proven"));
    };
    let index_len = Bytes(wanted.count().saturating_mul(Entry::SIZE as u64));
    let mut at = FileOffset(Header::SIZE as u64).saturating_add(index_len);
    let (mut index, mut found, mut count) = (Vec::new(), Sha256::new(), 0_u64);
    packing.each_window(&|number| wanted.contains(number), |window| {
        found.update(window.digest.0);
        count += 1;
        sink.write_at(at, &window.record)?;
        let entry = Entry {
            number: window.number,
            at: at.0,
            packed: window.record.len() as u32,
            crc: crc32c::crc32c(&window.record),
        };
        index.extend_from_slice(&entry.emit());
        at = at.saturating_add(Bytes::from(window.record.len()));
        Ok(())
    })?;
    if (count, Digest(found.finalize().into())) != (wanted.count(), wanted.promise) {
        let message = "the windows of the damaged file are not those that this release makes";
        return Err(Error::new(Kind::Unsupported, message).with_code("windows_differ"));
    }
    sink.write_at(FileOffset(Header::SIZE as u64), &index)?;
    let header = Header {
        magic: WINDOWS_MAGIC,
        version: VERSION,
        reserved: 0,
        count,
        file_len: at.0,
        base_id: base.id.0.0,
        target_id: target.id.0.0,
        index_digest: Digest::plain(&index).0,
    };
    sink.write_at(FileOffset::ZERO, &header.emit())
}

/// Such a file, open: its index in memory.
#[derive(Debug)]
pub struct WindowsFile {
    source: Arc<dyn Source>,
    header: Header,
    entries: Vec<Entry>,
}

impl WindowsFile {
    /// Opens it.
    ///
    /// # Errors
    /// Corrupt, if it is damaged or none; Unsupported, if it is of another version or has too many; Host, if the host cannot read.
    pub fn open(source: Arc<dyn Source>) -> Result<Self> {
        let bytes: [u8; Header::SIZE] = read_array(&*source, FileOffset::ZERO)?;
        let header = Header::parse(&bytes);
        judge(&header, source.len())?;
        let len = Bytes(header.count.saturating_mul(Entry::SIZE as u64));
        let index = read_vec(&*source, FileOffset(Header::SIZE as u64), len)?;
        if Digest::plain(&index).0 != header.index_digest {
            let part = "index of windows";
            return Err(Fault::PartDigest { part }.into());
        }
        let entries = index.chunks_exact(Entry::SIZE);
        let entries: Vec<Entry> = entries
            .filter_map(|entry| Some(Entry::parse(entry.try_into().ok()?)))
            .collect();
        let mut least = 0;
        let area = ((Header::SIZE as u64).saturating_add(len.0), header.file_len);
        for entry in &entries {
            judge_record(
                (WINDOW, entry.number),
                (entry.at, entry.packed),
                area,
                LONGEST_WINDOW,
            )?;
            if entry.number < least {
                return Err(faulty("the windows are not in order"));
            }
            least = entry.number.saturating_add(1);
        }
        Ok(Self {
            source,
            header,
            entries,
        })
    }

    /// Whether they are windows of that file.
    #[must_use]
    pub fn is_of(&self, file: &TransportFile) -> bool {
        let (base, target) = (file.head().base_id(), file.head().target_id());
        let own = (
            ContentId(Digest(self.header.base_id)),
            ContentId(Digest(self.header.target_id)),
        );
        own == (base, target)
    }

    /// The record of a window, if it is there.
    ///
    /// # Errors
    /// Corrupt, if it is damaged; Host, if the host cannot read.
    pub fn record(&self, number: u64) -> Result<Option<Vec<u8>>> {
        let place = self
            .entries
            .binary_search_by_key(&number, |entry| entry.number);
        let Some(entry) = place.ok().and_then(|place| self.entries.get(place)) else {
            return Ok(None);
        };
        let at = FileOffset(entry.at);
        let record = read_vec(&*self.source, at, Bytes(entry.packed.into()))?;
        let (found, required) = (crc32c::crc32c(&record), entry.crc);
        if found == required {
            return Ok(Some(record));
        }
        let part = WINDOW;
        Err(Error::from(Fault::Crc {
            part,
            number,
            found,
            required,
        })
        .at(at))
    }
}

/// The header, judged; the file has `len` bytes.
fn judge(header: &Header, len: Bytes) -> Result<(), Fault> {
    if header.magic != WINDOWS_MAGIC {
        let found = header.magic;
        return Err(Fault::Magic { found });
    }
    if header.version != VERSION {
        let found = header.version;
        return Err(Fault::Version { found });
    }
    if header.count > MOST_WINDOWS {
        let (field, found, most) = ("count", header.count, MOST_WINDOWS);
        return Err(Fault::TooLarge { field, found, most });
    }
    let (found, required) = (len.0, header.file_len);
    if found != required {
        return Err(Fault::Length { found, required });
    }
    Ok(())
}

fn faulty(what: &str) -> Error {
    Error::new(Kind::Corrupt, format!("windows: {what}")).with_code("transport_windows")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_in_order_and_do_not_touch() -> Result<()> {
        let wanted = WantedWindows::new(vec![(0, 2), (5, 1), (9, 3)], Digest::default())?;
        let found: Vec<u64> = (0..20).filter(|number| wanted.contains(*number)).collect();
        assert_eq!(found, [0, 1, 5, 9, 10, 11]);
        assert_eq!(wanted.count(), 6);
        for runs in [
            vec![],
            vec![(3, 0)],
            vec![(5, 1), (3, 1)],
            vec![(0, 2), (2, 1)],
            vec![(0, MOST_WINDOWS + 1)],
            vec![(u64::MAX, 2)],
        ] {
            let error = WantedWindows::new(runs, Digest::default()).expect_err("they are none");
            assert_eq!(error.kind(), Kind::Corrupt);
        }
        Ok(())
    }
}
