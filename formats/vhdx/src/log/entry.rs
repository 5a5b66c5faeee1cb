//! The entries of a log: which are whole. Which of them count is decided in `log`.

use imgdelta_core::{FileOffset, OnDisk, Result, Source, byteorder::LittleEndian, read_array};

use crate::layout::{
    DATA_DESCRIPTOR, DATA_PAGE, DataPage, Descriptor, ENTRY_SIGNATURE, FIRST_DESCRIPTORS, LogEntry,
    PAGE, ZERO_DESCRIPTOR,
};

/// Bytes of a page, as an array's length.
const PAGE_LEN: usize = 4096;
/// Where the checksum of an entry stands in its first page.
const CHECKSUM: std::ops::Range<usize> = 4..8;

/// The ring of pages that a log is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ring<'a> {
    /// The file.
    pub(super) source: &'a dyn Source,
    /// Where the log starts there.
    pub(super) at: u64,
    /// Its bytes, a multiple of 1 MiB.
    pub(super) len: u64,
    /// The GUID of the entries that count.
    pub(super) guid: [u8; 16],
}

/// A valid entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SelectedFooter {
    /// Where it starts in the log.
    pub(super) at: u64,
    /// Its head.
    pub(super) head: LogEntry,
}

impl SelectedFooter {
    /// Pages that head and descriptors take.
    pub(super) const fn descriptor_pages(&self) -> u64 {
        descriptor_pages(self.head.descriptor_count)
    }
}

/// Pages that an entry's head and `count` descriptors take.
const fn descriptor_pages(count: u32) -> u64 {
    (LogEntry::SIZE as u64 + count as u64 * Descriptor::SIZE as u64).div_ceil(PAGE)
}

impl Ring<'_> {
    /// An address in the log, taken round where it passes the end.
    pub(super) const fn wrapped(&self, at: u64) -> u64 {
        match at.checked_rem(self.len) {
            Some(at) => at,
            None => 0,
        }
    }

    /// The page of the log at `at`, taken round.
    pub(super) fn page(&self, at: u64) -> Result<[u8; PAGE_LEN]> {
        let at = self.at.saturating_add(self.wrapped(at));
        read_array(self.source, FileOffset(at))
    }

    /// All valid entries, in order of address.
    pub(super) fn entries(&self) -> Result<Vec<SelectedFooter>> {
        let mut found = Vec::new();
        let mut at = 0;
        while at < self.len {
            let valid = self.entry(at)?;
            let len = valid
                .as_ref()
                .map(|entry| u64::from(entry.head.entry_length));
            found.extend(valid);
            at = at.saturating_add(len.unwrap_or(PAGE));
        }
        Ok(found)
    }

    /// The entry at `at`, if one is there and it is whole.
    fn entry(&self, at: u64) -> Result<Option<SelectedFooter>> {
        let mut page = self.page(at)?;
        let head = page.first_chunk().map(LogEntry::parse);
        let Some(head) = head.filter(|head| self.is_sound(head)) else {
            return Ok(None);
        };
        let (pages, first_data) = (
            u64::from(head.entry_length) / PAGE,
            descriptor_pages(head.descriptor_count),
        );
        let (mut left, mut data) = (head.descriptor_count, 0);
        if let Some(place) = page.get_mut(CHECKSUM) {
            place.fill(0);
        }
        let mut sum = crc32c::crc32c(&page);
        for number in 0..pages {
            if number > 0 {
                page = self.page(at.saturating_add(number.saturating_mul(PAGE)))?;
                sum = crc32c::crc32c_append(sum, &page);
            }
            let is_sound = if number < first_data {
                let seen = data_descriptors(&page, number == 0, left, head.sequence_number);
                left = left.saturating_sub(FIRST_DESCRIPTORS + if number == 0 { 0 } else { 2 });
                data += seen.unwrap_or_default();
                seen.is_some()
            } else {
                is_data_page(&page, head.sequence_number)
            };
            if !is_sound {
                return Ok(None);
            }
        }
        let is_whole = sum == head.checksum && first_data.saturating_add(data) == pages;
        Ok(is_whole.then_some(SelectedFooter { at, head }))
    }

    /// Whether the head of an entry can be one.
    fn is_sound(&self, head: &LogEntry) -> bool {
        let (len, tail) = (u64::from(head.entry_length), u64::from(head.tail));
        head.signature == ENTRY_SIGNATURE
            && head.log_guid == self.guid
            && head.sequence_number != 0
            && len.is_multiple_of(PAGE)
            && (PAGE..=self.len).contains(&len)
            && tail.is_multiple_of(PAGE)
            && tail < self.len
            && descriptor_pages(head.descriptor_count).saturating_mul(PAGE) <= len
    }

    /// Shows `see` every descriptor of an entry, and the page of the log that holds its data, as an address in the file.
    pub(super) fn descriptors(
        &self,
        entry: &SelectedFooter,
        mut see: impl FnMut(&Descriptor, u64) -> Result<()>,
    ) -> Result<()> {
        let mut left = entry.head.descriptor_count;
        let mut data = entry.descriptor_pages();
        for number in 0..entry.descriptor_pages() {
            let page = self.page(entry.at.saturating_add(number.saturating_mul(PAGE)))?;
            for descriptor in in_page(&page, number == 0).take(left as usize) {
                left -= 1;
                let at = entry.at.saturating_add(data.saturating_mul(PAGE));
                see(&descriptor, self.at.saturating_add(self.wrapped(at)))?;
                data += u64::from(descriptor.signature == DATA_DESCRIPTOR);
            }
        }
        Ok(())
    }
}

/// The descriptors that a page has room for.
fn in_page(page: &[u8; PAGE_LEN], is_first: bool) -> impl Iterator<Item = Descriptor> {
    let skipped = if is_first { LogEntry::SIZE } else { 0 };
    page.get(skipped..)
        .unwrap_or_default()
        .chunks_exact(Descriptor::SIZE)
        .map(<Descriptor as OnDisk<LittleEndian>>::take)
}

/// How many of the first `count` descriptors of a page are followed by data; `None` if one is none of the entry's.
fn data_descriptors(
    page: &[u8; PAGE_LEN],
    is_first: bool,
    count: u32,
    sequence: u64,
) -> Option<u64> {
    let mut data = 0;
    for descriptor in in_page(page, is_first).take(count as usize) {
        let is_data = descriptor.signature == DATA_DESCRIPTOR;
        if descriptor.sequence_number != sequence
            || !is_data && descriptor.signature != ZERO_DESCRIPTOR
        {
            return None;
        }
        data += u64::from(is_data);
    }
    Some(data)
}

fn is_data_page(page: &[u8; PAGE_LEN], sequence: u64) -> bool {
    let page = DataPage::parse(page);
    let found = u64::from(page.sequence_high) << 32 | u64::from(page.sequence_low);
    page.signature == DATA_PAGE && found == sequence
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_take_the_pages_of_the_sheet() {
        for (count, pages) in [(0, 1), (126, 1), (127, 2), (254, 2), (255, 3)] {
            assert_eq!(descriptor_pages(count), pages, "{count} descriptors");
        }
    }
}
