//! Damaged windows, put in anew: each is known by its number and by what it unpacks to, whatever it was packed to this time.

use imgdelta_core::{Error, Kind, Result, Sink};
use imgdelta_delta::{Chain, Digest};

use crate::{
    file::TransportFile,
    file_writer::{FileWriter, Written},
    layout::LONGEST_WINDOW,
    plan::PackedSegment,
    window::{self, PackedWindow},
};

/// Which parts of a file that opens are damaged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    /// The numbers of windows, in order: they can be refilled.
    pub windows: Vec<u64>,
    /// The numbers of segments of the map, in order: the file must be sent again.
    pub segments: Vec<u64>,
}

impl Damage {
    /// Looks at every record of a file; nothing is unpacked against the base.
    ///
    /// # Errors
    /// Host, if the host cannot read.
    pub fn of(file: &TransportFile) -> Result<Self> {
        Self::within(file, &|_, _| true)
    }

    /// As [`of`](Self::of), of a file that is not all here: only at records that are, by where each begins in the file and how long it is.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub fn within(file: &TransportFile, is_here: &dyn Fn(u64, u64) -> bool) -> Result<Self> {
        let mut damage = Self::default();
        for number in 0..file.head().windows() {
            let entry = file.window_entry(number);
            let is_looked_at = entry.map_or(true, |entry| is_here(entry.at, entry.packed.into()));
            if is_looked_at && is_damaged(file.window_record(number))? {
                damage.windows.push(number);
            }
        }
        for (place, entry) in file.segments().iter().enumerate() {
            let is_looked_at = is_here(entry.at, entry.packed.into());
            if is_looked_at && is_damaged(file.runs(place))? {
                damage.segments.push(entry.number);
            }
        }
        Ok(damage)
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.windows.is_empty() && self.segments.is_empty()
    }
}

fn is_damaged<T>(read: Result<T>) -> Result<bool> {
    match read {
        Ok(_) => Ok(false),
        Err(error) if matches!(error.kind(), Kind::Corrupt | Kind::Digest) => Ok(true),
        Err(error) => Err(error),
    }
}

/// A damaged file, its base, and where its windows come from anew.
pub struct Refill<'a> {
    /// The file.
    pub file: &'a TransportFile,
    /// Its base.
    pub base: &'a Chain,
    /// The record of a window that came anew; `None` where the file's own is to stay.
    pub anew: &'a dyn Fn(u64) -> Result<Option<Vec<u8>>>,
}

impl std::fmt::Debug for Refill<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Refill")
            .field("file", self.file)
            .finish_non_exhaustive()
    }
}

impl Refill<'_> {
    /// Writes the whole file to `sink`. What came anew is unpacked and held against the digest that the file itself promises.
    ///
    /// # Errors
    /// Digest, if what came unpacks to something else; Corrupt, if a window is damaged that did not come anew; those of `anew`, base and sink.
    pub fn write(&self, sink: &dyn Sink) -> Result<Written> {
        let head = self.file.head();
        let base = self.base.resized(head.base_size());
        let mut writer = FileWriter::begin(sink);
        for number in 0..head.windows() {
            writer.window(&self.window(number, &base)?)?;
        }
        for (place, entry) in self.file.segments().iter().enumerate() {
            self.file.runs(place)?;
            writer.segment(&PackedSegment {
                number: entry.number,
                fresh_before: entry.fresh_before,
                frame: self.file.segment_record(place)?,
                len: entry.len as usize,
                digest: Digest(entry.digest),
            })?;
        }
        writer.finish(self.file.manifest(), head.fields().fresh_blocks)
    }

    fn window(&self, number: u64, base: &Chain) -> Result<PackedWindow> {
        let Some(record) = (self.anew)(number)? else {
            let (entry, record) = self.file.window_record(number)?;
            let digest = Digest(entry.digest);
            return Ok(PackedWindow {
                number,
                digest,
                record,
            });
        };
        if record.len() as u64 > LONGEST_WINDOW.0 {
            let message = format!("what came for window {number} is too long");
            return Err(Error::new(Kind::Corrupt, message).with_code("window_too_long"));
        }
        let digest = Digest(self.file.window_entry(number)?.digest);
        let blocks = self.file.head().blocks_in(number);
        window::unpack(number, &record, (blocks, &digest), base)?;
        Ok(PackedWindow {
            number,
            digest,
            record,
        })
    }
}
