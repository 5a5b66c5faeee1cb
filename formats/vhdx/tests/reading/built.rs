//! Small images drawn byte by byte, to be damaged at one place, and log entries to be put into them.

use imgdelta_vhdx::layout::{
    BAT_REGION, DATA_DESCRIPTOR, DATA_PAGE, ENTRY_SIGNATURE, FILE_PARAMETERS, HEADER_AT,
    HEADER_SIGNATURE, Header, LOCATOR_TYPE, LOGICAL_SECTOR_SIZE, LocatorEntry, LocatorHead,
    LogEntry, METADATA_REGION, METADATA_SIGNATURE, MetadataEntry, MetadataHead, PAGE_83_DATA,
    PARENT_LOCATOR, PHYSICAL_SECTOR_SIZE, REGION_AT, REGION_LEN, REGION_SIGNATURE, RegionEntry,
    RegionHead, VIRTUAL_DISK_SIZE, ZERO_DESCRIPTOR, checksum,
};

/// A MiB, as an index.
pub(crate) const M: usize = 1 << 20;
/// Where the log stands, of 1 MiB.
pub(crate) const LOG: usize = M;
/// Where the metadata stand.
pub(crate) const META: usize = 2 * M;
/// Where the BAT stands.
pub(crate) const BAT: usize = 3 * M;
/// Where the items stand.
pub(crate) const ITEMS: usize = META + (64 << 10);
/// Where the parent locator stands, behind the other items.
pub(crate) const LOCATOR: usize = ITEMS + 40;
/// Blocks of 1 MiB with sectors of 512 bytes that share a bitmap.
pub(crate) const RATIO: usize = 4096;
/// The GUID of a log in use.
pub(crate) const LOG_GUID: [u8; 16] = [9; 16];
/// What the child of [`child`] names as its parent.
pub(crate) const PARENT: [u8; 16] = [7; 16];
/// The same as text.
pub(crate) const PARENT_TEXT: &str = "07070707-0707-0707-0707-070707070707";

/// An image as bytes.
#[derive(Clone)]
pub(crate) struct Built(pub(crate) Vec<u8>);

/// What stands in a block, by its place on the disk.
pub(crate) fn pattern(block: usize) -> Vec<u8> {
    (0..M)
        .map(|at| (at / 512 * 31 + at * 7 + block * 101 + 1) as u8)
        .collect()
}

/// A disk of 8 MiB in blocks of 1 MiB: block 0 and 2 are stored, 1 is zero, the others are not there.
pub(crate) fn dynamic() -> Built {
    Built::new(&items(0), 6)
        .bat(0, 0x40_0006)
        .bat(1, 2)
        .bat(2, 0x50_0006)
        .put(4 * M, &pattern(0))
        .put(5 * M, &pattern(2))
}

/// A child of the same size: of block 0 the first sector and sectors 8 to 15, block 1 is zero, block 3 is stored.
pub(crate) fn child() -> Built {
    child_of(&[
        ("parent_linkage", "{07070707-0707-0707-0707-070707070707}"),
        ("relative_path", r".\base.vhdx"),
    ])
}

/// The same with another locator.
pub(crate) fn child_of(pairs: &[(&str, &str)]) -> Built {
    let mut all = items(2);
    all.push((PARENT_LOCATOR, 4, locator(pairs)));
    Built::new(&all, 7)
        .bat(0, 0x40_0007)
        .bat(1, 2)
        .bat(3, 0x60_0006)
        .bat(RATIO, 0x50_0006)
        .put(4 * M, &pattern(0))
        .put(5 * M, &[0x01, 0xff])
        .put(6 * M, &pattern(3))
}

fn items(flags: u32) -> Vec<([u8; 16], u32, Vec<u8>)> {
    let parameters = [(M as u32).to_le_bytes(), flags.to_le_bytes()].concat();
    vec![
        (FILE_PARAMETERS, 4, parameters),
        (VIRTUAL_DISK_SIZE, 6, (8 * M as u64).to_le_bytes().to_vec()),
        (PAGE_83_DATA, 6, vec![3; 16]),
        (LOGICAL_SECTOR_SIZE, 6, 512_u32.to_le_bytes().to_vec()),
        (PHYSICAL_SECTOR_SIZE, 6, 4096_u32.to_le_bytes().to_vec()),
    ]
}

/// A parent locator: entries first, then keys and values in turn.
pub(crate) fn locator(pairs: &[(&str, &str)]) -> Vec<u8> {
    let utf16 =
        |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    let head = LocatorHead {
        locator_type: LOCATOR_TYPE,
        reserved: 0,
        key_value_count: pairs.len() as u16,
    };
    let (mut item, mut texts) = (head.emit().to_vec(), Vec::new());
    for (key, value) in pairs {
        let (key, value) = (utf16(key), utf16(value));
        let at = (20 + 12 * pairs.len() + texts.len()) as u32;
        let entry = LocatorEntry {
            key_offset: at,
            value_offset: at + key.len() as u32,
            key_length: key.len() as u16,
            value_length: value.len() as u16,
        };
        item.extend(entry.emit());
        texts.extend([key, value].concat());
    }
    item.extend(texts);
    item
}

impl Built {
    fn new(items: &[([u8; 16], u32, Vec<u8>)], mib: usize) -> Self {
        let mut built = Self(vec![0; mib * M]).put(0, b"vhdxfilet\0e\0s\0t\0");
        for (slot, at) in HEADER_AT.into_iter().enumerate() {
            let header = Header {
                signature: HEADER_SIGNATURE,
                checksum: 0,
                sequence_number: 5 + slot as u64,
                file_write_guid: [1; 16],
                data_write_guid: [2 + slot as u8; 16],
                log_guid: [0; 16],
                log_version: 0,
                version: 1,
                log_length: M as u32,
                log_offset: LOG as u64,
                reserved: [0; 4016],
            };
            built = built.put(at as usize, &header.sealed().emit());
        }
        let region = |guid, at: usize| RegionEntry {
            guid,
            file_offset: at as u64,
            length: M as u32,
            flags: 1,
        };
        let head = RegionHead {
            signature: REGION_SIGNATURE,
            checksum: 0,
            entry_count: 2,
            reserved: 0,
        };
        let entries = [region(METADATA_REGION, META), region(BAT_REGION, BAT)];
        let table: Vec<u8> = entries.iter().flat_map(RegionEntry::emit).collect();
        built = built.region(0, &[&head.emit()[..], &table].concat());
        built.with_items(items)
    }

    fn with_items(self, items: &[([u8; 16], u32, Vec<u8>)]) -> Self {
        let head = MetadataHead {
            signature: METADATA_SIGNATURE,
            reserved: 0,
            entry_count: items.len() as u16,
            reserved_tail: [0; 20],
        };
        let mut built = self.put(META, &head.emit());
        let mut at = ITEMS;
        for (number, (item_id, flags, bytes)) in items.iter().enumerate() {
            let entry = MetadataEntry {
                item_id: *item_id,
                offset: (at - META) as u32,
                length: bytes.len() as u32,
                flags: *flags,
                reserved: 0,
            };
            built = built.entry(number, 0, &entry.emit()).put(at, bytes);
            at += bytes.len();
        }
        built
    }

    /// Bytes changed.
    pub(crate) fn put(mut self, at: usize, bytes: &[u8]) -> Self {
        let end = at + bytes.len();
        if self.0.len() < end {
            self.0.resize(end, 0);
        }
        self.0[at..end].copy_from_slice(bytes);
        self
    }

    /// The file longer, or cut.
    pub(crate) fn long(mut self, len: usize) -> Self {
        self.0.resize(len, 0);
        self
    }

    /// One header changed and sealed.
    pub(crate) fn one_header(self, slot: usize, field: &str, bytes: &[u8]) -> Self {
        let at = HEADER_AT[slot] as usize;
        let mut built = self.put(at + Header::at(field) as usize, bytes);
        seal(&mut built.0[at..at + 4096]);
        built
    }

    /// Both headers changed and sealed.
    pub(crate) fn header(self, field: &str, bytes: &[u8]) -> Self {
        self.one_header(0, field, bytes).one_header(1, field, bytes)
    }

    /// Both region tables changed and sealed.
    pub(crate) fn region(self, at: usize, bytes: &[u8]) -> Self {
        let mut built = self;
        for table in REGION_AT {
            let table = table as usize;
            built = built.put(table + at, bytes);
            seal(&mut built.0[table..table + REGION_LEN]);
        }
        built
    }

    /// Region `number` changed: 0 is the metadata, 1 the BAT.
    pub(crate) fn region_entry(self, number: usize, field: &str, bytes: &[u8]) -> Self {
        let at = 16 + 32 * number + RegionEntry::at(field) as usize;
        self.region(at, bytes)
    }

    /// A third region.
    pub(crate) fn third_region(self, entry: &RegionEntry) -> Self {
        self.region(8, &[3, 0, 0, 0]).region(16 + 64, &entry.emit())
    }

    /// The table entry of item `number` changed, from byte `at` of it on.
    pub(crate) fn entry(self, number: usize, at: u64, bytes: &[u8]) -> Self {
        self.put(META + 32 + 32 * number + at as usize, bytes)
    }

    /// A sixth item, behind the others.
    pub(crate) fn sixth_item(self, entry: &MetadataEntry) -> Self {
        self.put(META + 10, &[6, 0]).entry(5, 0, &entry.emit())
    }

    /// The BAT's entry `index` changed.
    pub(crate) fn bat(self, index: usize, value: u64) -> Self {
        self.put(BAT + 8 * index, &value.to_le_bytes())
    }

    /// A log in use that holds `bytes` from `at` on, taken round.
    pub(crate) fn log(self, at: usize, bytes: &[u8]) -> Self {
        let mut built = self.header("log_guid", &LOG_GUID);
        for (number, page) in bytes.chunks(4096).enumerate() {
            let place = (at + number * 4096) % M;
            built = built.put(LOG + place, page);
        }
        built
    }
}

fn seal(bytes: &mut [u8]) {
    let sum = checksum(bytes);
    bytes[4..8].copy_from_slice(&sum.to_le_bytes());
}

/// What a log entry writes.
#[derive(Clone)]
pub(crate) enum Write {
    /// A page.
    Data(u64, Box<[u8; 4096]>),
    /// Zeros.
    Zero(u64, u64),
}

/// A page that is the same byte all over.
pub(crate) fn page(at: usize, byte: u8) -> Write {
    Write::Data(at as u64, Box::new([byte; 4096]))
}

/// A log entry.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) sequence: u64,
    pub(crate) tail: usize,
    pub(crate) guid: [u8; 16],
    pub(crate) flushed: u64,
    pub(crate) last: u64,
    pub(crate) writes: Vec<Write>,
}

impl Entry {
    /// One that stands alone at the start of the log of a file of `len` bytes.
    pub(crate) fn alone(len: usize, writes: Vec<Write>) -> Self {
        Self {
            sequence: 77,
            tail: 0,
            guid: LOG_GUID,
            flushed: len as u64,
            last: len as u64,
            writes,
        }
    }

    /// Its bytes, sealed.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let (mut descriptors, mut pages) = (Vec::new(), Vec::new());
        for write in &self.writes {
            match write {
                Write::Data(at, bytes) => {
                    descriptors.extend(DATA_DESCRIPTOR);
                    descriptors.extend(&bytes[4092..]);
                    descriptors.extend(&bytes[..8]);
                    descriptors.extend(at.to_le_bytes());
                    pages.extend(DATA_PAGE);
                    pages.extend(((self.sequence >> 32) as u32).to_le_bytes());
                    pages.extend(&bytes[8..4092]);
                    pages.extend((self.sequence as u32).to_le_bytes());
                }
                Write::Zero(at, len) => {
                    descriptors.extend(ZERO_DESCRIPTOR);
                    descriptors.extend([0; 4]);
                    descriptors.extend(len.to_le_bytes());
                    descriptors.extend(at.to_le_bytes());
                }
            }
            descriptors.extend(self.sequence.to_le_bytes());
        }
        let head_len = (64 + descriptors.len()).next_multiple_of(4096);
        let head = LogEntry {
            signature: ENTRY_SIGNATURE,
            checksum: 0,
            entry_length: (head_len + pages.len()) as u32,
            tail: self.tail as u32,
            sequence_number: self.sequence,
            descriptor_count: self.writes.len() as u32,
            reserved: 0,
            log_guid: self.guid,
            flushed_file_offset: self.flushed,
            last_file_offset: self.last,
        };
        let mut bytes = head.emit().to_vec();
        bytes.extend(descriptors);
        bytes.resize(head_len, 0);
        bytes.extend(pages);
        seal(&mut bytes);
        bytes
    }

    /// What it writes, written: the plain way.
    pub(crate) fn applied(&self, mut file: Vec<u8>) -> Vec<u8> {
        let len = (self.last as usize).next_multiple_of(M).max(file.len());
        file.resize(len, 0);
        for write in &self.writes {
            match write {
                Write::Data(at, bytes) => {
                    let at = *at as usize;
                    file[at..at + 4096].copy_from_slice(&bytes[..]);
                }
                Write::Zero(at, len) => file[*at as usize..(*at + *len) as usize].fill(0),
            }
        }
        file
    }
}
