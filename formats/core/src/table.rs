//! Tables in a file, read in pages as they are needed: memory stays small however large a table is and however long a chain.

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{BlockCache, Bytes, FileOffset, Result, Source, is_zero};

/// Bytes in a page.
pub const PAGE: usize = 4096;

/// Pages kept for one table: 256 KiB. A chain of 256 layers keeps 64 MiB.
const KEPT: usize = 64;

/// Pages that several tables keep together, the last used ones of all: an image of thousands of files takes no more than this.
#[derive(Clone)]
pub struct PageCache {
    /// By number of the table and of its page.
    pages: Arc<BlockCache<(u64, u64)>>,
    /// The number of the next table.
    next: Arc<AtomicU64>,
}

impl fmt::Debug for PageCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PageCache({:?})", self.pages)
    }
}

impl PageCache {
    /// Room for `pages` pages of [`PAGE`] bytes; for as many as one table keeps, if that is more.
    #[must_use]
    pub fn new(pages: usize) -> Self {
        Self {
            pages: Arc::new(BlockCache::new(pages.max(KEPT))),
            next: Arc::default(),
        }
    }
}

/// A part of a file that is read in pages, the last used ones kept.
pub struct PagedTable {
    source: Arc<dyn Source>,
    cache: PageCache,
    /// Its number among those that share the cache.
    number: u64,
}

impl fmt::Debug for PagedTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PagedTable({:?})", self.source)
    }
}

impl PagedTable {
    /// The tables of `source`.
    #[must_use]
    pub fn new(source: Arc<dyn Source>) -> Self {
        Self::sharing(source, &PageCache::new(KEPT))
    }

    /// The tables of `source`, whose pages are kept together with those of others.
    #[must_use]
    pub fn sharing(source: Arc<dyn Source>, cache: &PageCache) -> Self {
        Self {
            source,
            number: cache.next.fetch_add(1, Ordering::Relaxed),
            cache: cache.clone(),
        }
    }

    /// The page that holds address `at`, and where in it `at` is. The file's last page is as short as the file; beyond it there is
    /// an empty one.
    ///
    /// # Errors
    /// Host, if the host cannot read.
    pub fn page(&self, at: FileOffset) -> Result<(Arc<[u8]>, usize)> {
        let number = at.0 / PAGE as u64;
        let inside = Bytes(at.0 % PAGE as u64).in_memory();
        let key = (self.number, number);
        if let Some(page) = self.cache.pages.get(&key) {
            return Ok((page, inside));
        }
        let start = FileOffset(number * PAGE as u64);
        let len = self.source.len().0.saturating_sub(start.0).min(PAGE as u64);
        let mut room = [0; PAGE];
        let bytes = room.get_mut(..Bytes(len).in_memory()).unwrap_or_default();
        if !bytes.is_empty() {
            self.source.read_at(start, bytes)?;
        }
        let page = match bytes.len() {
            PAGE if is_zero(bytes) => Arc::clone(zero_page()),
            _ => Arc::from(&*bytes),
        };
        self.cache.pages.insert(key, Arc::clone(&page));
        Ok((page, inside))
    }

    /// `N` bytes at `at`; `at` must be a multiple of `N`, and `N` a power of two, so that they lie in one page.
    ///
    /// # Errors
    /// Corrupt, if the file ends before that; Host, if the host cannot read.
    pub fn entry<const N: usize>(&self, at: FileOffset) -> Result<[u8; N]> {
        let (page, inside) = self.page(at)?;
        match page
            .get(inside..inside.saturating_add(N))
            .and_then(|bytes| bytes.try_into().ok())
        {
            Some(bytes) => Ok(bytes),
            None => crate::read_array(&*self.source, at),
        }
    }
}

/// A page of zeros, which all that are kept share: of the tables of a long chain most say nothing of most of the disk, and memory for each would
/// cost more than reading it does.
fn zero_page() -> &'static Arc<[u8]> {
    static OF_ZEROS: OnceLock<Arc<[u8]>> = OnceLock::new();
    OF_ZEROS.get_or_init(|| Arc::new([0; PAGE]))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::MemSource;

    #[test]
    fn entries_are_read_across_a_file_larger_than_what_is_kept() -> Result<()> {
        let bytes: Vec<u8> = (0..300_000_u32).flat_map(u32::to_be_bytes).collect();
        let table = PagedTable::new(Arc::new(MemSource(bytes)));
        for number in (0..300_000_u32)
            .step_by(977)
            .chain((0..300_000).rev().step_by(1009))
        {
            let entry = table.entry::<4>(FileOffset(u64::from(number) * 4))?;
            assert_eq!(u32::from_be_bytes(entry), number);
        }
        assert!(table.entry::<4>(FileOffset(1_200_000)).is_err());
        assert_eq!(table.cache.pages.len(), KEPT);
        Ok(())
    }

    #[test]
    fn tables_that_share_a_cache_keep_their_pages_apart_and_no_more_than_one() -> Result<()> {
        let cache = PageCache::new(KEPT);
        let tables: Vec<PagedTable> = (0..100_u8)
            .map(|byte| {
                let source = Arc::new(MemSource(vec![byte; 3 * PAGE]));
                PagedTable::sharing(source, &cache)
            })
            .collect();
        for _ in 0..2 {
            for (byte, table) in (0..100_u8).zip(&tables) {
                assert_eq!(table.entry::<4>(FileOffset(8192))?, [byte; 4]);
            }
        }
        assert_eq!(cache.pages.len(), KEPT);
        Ok(())
    }

    #[test]
    fn pages_of_zeros_are_one() -> Result<()> {
        let bytes = [vec![0; 2 * PAGE], vec![1; PAGE], vec![0; 100]].concat();
        let table = PagedTable::new(Arc::new(MemSource(bytes)));
        let pages = (0..5).map(|number| table.page(FileOffset(number * PAGE as u64)));
        let pages: Vec<Arc<[u8]>> = pages.map(|page| Ok(page?.0)).collect::<Result<_>>()?;
        assert!(Arc::ptr_eq(&pages[0], &pages[1]));
        let lens: Vec<usize> = pages.iter().map(|page| page.len()).collect();
        assert_eq!(lens, [PAGE, PAGE, PAGE, 100, 0]);
        assert!(is_zero(&pages[0]) && pages[2].iter().all(|byte| *byte == 1));
        Ok(())
    }

    /// Zeros that count how often they are read.
    #[derive(Debug, Default)]
    struct Counted(AtomicUsize);

    impl Source for Counted {
        fn len(&self) -> Bytes {
            Bytes(1 << 62)
        }

        fn read_at(&self, _: FileOffset, buf: &mut [u8]) -> Result<()> {
            self.0.fetch_add(1, Ordering::Relaxed);
            buf.fill(0);
            Ok(())
        }
    }

    #[test]
    fn all_pages_that_fit_are_read_once_however_far_apart() -> Result<()> {
        for stride in [1, 3, 512, 4095, 1 << 20, 1 << 40] {
            let source = Arc::new(Counted::default());
            let table = PagedTable::new(Arc::clone(&source) as Arc<dyn Source>);
            for _ in 0..10 {
                for number in 0..KEPT as u64 {
                    table.page(FileOffset(number * stride * PAGE as u64))?;
                }
            }
            let reads = source.0.load(Ordering::Relaxed);
            assert_eq!(reads, KEPT, "every {stride} pages");
        }
        Ok(())
    }
}
