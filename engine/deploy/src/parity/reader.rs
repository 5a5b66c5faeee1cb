//! A parity file read: which shards of its file are lost, whether they can be worked out, and what they were.

use std::collections::BTreeMap;

use imgdelta_core::{Bytes, Error, FileOffset, Kind, Result, Sink, Source, read_array, read_vec};
use imgdelta_delta::{Digest, RunProgress};
use reed_solomon_simd::ReedSolomonDecoder;

use super::{
    head::{Head, short_digest},
    shape::{DIGEST, HEAD, Shape},
    writer::failed,
};

/// A parity file, of which one of the two tables is whole.
#[derive(Debug)]
pub struct Parity<'a> {
    source: &'a dyn Source,
    shape: Shape,
    /// Of all shards, those for recovery behind the others.
    table: Vec<u8>,
}

/// What was found of a file by its parity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// The shards that are lost, in order. Where more are than could be worked out, looking ended with the last of these.
    pub lost: Vec<u64>,
    /// How many shards there are.
    pub shards: u64,
}

impl<'a> Parity<'a> {
    /// Reads what stands at the beginning of a parity file, or else what stands at its end.
    ///
    /// # Errors
    /// As of what stands at the beginning: Corrupt, if it is damaged or of another file than that of `length` and `sha256`; Unsupported, if it is of another
    /// version, or beyond the limits; Host, if the host cannot read it.
    pub fn open(source: &'a dyn Source, length: u64, sha256: &Digest) -> Result<Self> {
        let first = Self::read(source, 0, (length, sha256));
        let end = source.len().0.checked_sub(HEAD);
        match (first, end) {
            (Ok(first), _) => Ok(first),
            (Err(error), Some(end)) => Self::read(source, end, (length, sha256)).map_err(|_| error),
            (Err(error), None) => Err(error),
        }
    }

    /// Reads it by the header at `at`.
    fn read(source: &'a dyn Source, at: u64, of: (u64, &Digest)) -> Result<Self> {
        let head = Head::parse(&read_array(source, FileOffset(at))?);
        let shape = head.judge(of)?;
        let table_at = match at {
            0 => Some(HEAD),
            at => at.checked_sub(shape.table_len()),
        };
        let damaged = || {
            Error::new(Kind::Corrupt, "the table of digests is damaged")
                .with_code("parity")
                .at(FileOffset(table_at.unwrap_or_default()))
        };
        let table_at = table_at.ok_or_else(damaged)?;
        // Of a length within its limit, and held against that of the file.
        let table = read_vec(source, FileOffset(table_at), Bytes(shape.table_len()))?;
        match short_digest(&table) == head.table {
            true => Ok(Self {
                source,
                shape,
                table,
            }),
            false => Err(damaged()),
        }
    }

    /// How the file is dealt out.
    #[must_use]
    pub const fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Whether these are the bytes of a shard; those for recovery are counted on behind the others.
    fn is_right(&self, number: u64, bytes: &[u8]) -> bool {
        let at = Bytes(number.saturating_mul(DIGEST)).in_memory();
        let digest = self.table.get(at..).and_then(|rest| rest.get(..16));
        digest == Some(short_digest(bytes).as_slice())
    }

    /// Looks at each shard of its file, and passes on those that are right, with where they begin. One that cannot be read is lost.
    ///
    /// # Errors
    /// Those of `keep`; Interrupted.
    pub fn survey(
        &self,
        data: &dyn Source,
        keep: &mut dyn FnMut(u64, &[u8]) -> Result<()>,
        progress: &RunProgress,
    ) -> Result<Survey> {
        let shape = &self.shape;
        progress.begin(Bytes(shape.length()));
        let mut bytes = vec![0; Bytes(shape.shard().into()).in_memory()];
        let mut survey = Survey {
            lost: Vec::new(),
            shards: shape.shards(),
        };
        for shard in 0..shape.shards() {
            progress.go_on()?;
            let (at, there) = (shape.at(shard), shape.len(shard));
            let there = bytes.get_mut(..there).unwrap_or_default();
            let is_read = data.read_at(FileOffset(at), there).is_ok();
            progress.advance(Bytes::from(there.len()), Bytes::ZERO);
            if is_read && self.is_right(shard, there) {
                keep(at, there)?;
                continue;
            }
            survey.lost.push(shard);
            if survey.lost.len() as u64 > shape.all_recovery() {
                break;
            }
        }
        Ok(survey)
    }

    /// The lost shards by their groups.
    fn by_group(&self, survey: &Survey) -> BTreeMap<u64, Vec<u64>> {
        let mut groups: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        for shard in &survey.lost {
            let group = groups.entry(self.shape.group_of(*shard));
            group.or_default().push(*shard);
        }
        groups
    }

    /// The recovery shards of a group that are whole, with their places in it, at most so many.
    fn recovery(&self, group: u64, most: usize) -> Vec<(usize, Vec<u8>)> {
        let shape = &self.shape;
        let mut found = Vec::new();
        for place in 0..shape.recovery(group) {
            if found.len() >= most {
                break;
            }
            let number = shape.recovery_before(group).saturating_add(place);
            let at = FileOffset(shape.recovery_at(number));
            let Ok(bytes) = read_vec(self.source, at, Bytes(shape.shard().into())) else {
                continue;
            };
            if self.is_right(shape.shards().saturating_add(number), &bytes) {
                found.push((Bytes(place).in_memory(), bytes));
            }
        }
        found
    }

    /// Whether all of its own recovery shards are whole.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let mut groups = 0..self.shape.groups();
        groups.all(|group| {
            let found = self.recovery(group, usize::MAX).len();
            found as u64 == self.shape.recovery(group)
        })
    }

    /// Why what is lost cannot be worked out, in words; `None`, if it can.
    ///
    /// # Errors
    /// Interrupted.
    pub fn shortage(&self, survey: &Survey, progress: &RunProgress) -> Result<Option<String>> {
        let all = self.shape.all_recovery();
        if survey.lost.len() as u64 > all {
            return Ok(Some(format!(
                "more than {all} of {} shards are lost, and {all} can be worked out",
                survey.shards
            )));
        }
        for (group, lost) in self.by_group(survey) {
            progress.go_on()?;
            let whole = self.recovery(group, lost.len()).len();
            if whole < lost.len() {
                return Ok(Some(format!(
                    "of the {} shards of group {} of {} {} are lost, and {whole} can be worked out",
                    self.shape.members(group),
                    group.saturating_add(1),
                    self.shape.groups(),
                    lost.len()
                )));
            }
        }
        Ok(None)
    }

    /// Writes the shards that are lost to `sink`, worked out from the others of their groups, which `right` holds in their places.
    ///
    /// # Errors
    /// Corrupt, if that cannot be done, see [`shortage`](Self::shortage); Host; Interrupted. That what was written is what was lost is not proven by it.
    pub fn restore(
        &self,
        survey: &Survey,
        right: &dyn Source,
        sink: &dyn Sink,
        progress: &RunProgress,
    ) -> Result<()> {
        if let Some(shortage) = self.shortage(survey, progress)? {
            return Err(Error::new(Kind::Corrupt, shortage).with_code("parity"));
        }
        for (group, lost) in self.by_group(survey) {
            self.restore_group(group, &lost, right, sink, progress)?;
        }
        Ok(())
    }

    fn restore_group(
        &self,
        group: u64,
        lost: &[u64],
        right: &dyn Source,
        sink: &dyn Sink,
        progress: &RunProgress,
    ) -> Result<()> {
        let shape = &self.shape;
        let (members, recovery) = (shape.members(group), shape.recovery(group));
        let counts =
            [members, recovery, shape.shard().into()].map(|count| Bytes(count).in_memory());
        let [originals, recoveries, len] = counts;
        let mut decoder =
            ReedSolomonDecoder::new(originals, recoveries, len).map_err(|error| failed(&error))?;
        let mut bytes = vec![0; len];
        for place in 0..members {
            let shard = shape.shard_of(group, place);
            if lost.binary_search(&shard).is_ok() {
                continue;
            }
            progress.go_on()?;
            bytes.fill(0);
            let there = bytes.get_mut(..shape.len(shard)).unwrap_or_default();
            right.read_at(FileOffset(shape.at(shard)), there)?;
            decoder
                .add_original_shard(Bytes(place).in_memory(), &bytes)
                .map_err(|error| failed(&error))?;
        }
        for (place, bytes) in self.recovery(group, lost.len()) {
            decoder
                .add_recovery_shard(place, &bytes)
                .map_err(|error| failed(&error))?;
        }
        let decoded = decoder.decode().map_err(|error| failed(&error))?;
        for shard in lost {
            let place = Bytes(shape.place_of(*shard)).in_memory();
            let bytes = decoded.restored_original(place).unwrap_or_default();
            let there = bytes.get(..shape.len(*shard)).unwrap_or_default();
            sink.write_at(FileOffset(shape.at(*shard)), there)?;
        }
        Ok(())
    }
}
