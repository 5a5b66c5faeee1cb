//! The metadata: the items that say what the disk is. Where they are, `table` judges; who the parent is, is read in `locator`.

mod table;

use std::ops::Range;

use imgdelta_core::{Bytes, Error, FileOffset, Result, Source, read_array, read_vec};

use crate::{
    fault::Fault,
    layout::{
        FILE_PARAMETERS, FileParameters, HAS_PARENT, IS_USER, LEAVE_BLOCKS_ALLOCATED,
        LOGICAL_SECTOR_SIZE, MIB, MetadataEntry, MetadataHead, PAGE_83_DATA, PARENT_LOCATOR,
        PHYSICAL_SECTOR_SIZE, VIRTUAL_DISK_SIZE,
    },
};

pub(crate) use table::MAX_ITEM;

/// The largest disk. [VHDX] 3.1.2.5, Hyper-V and qemu
pub(crate) const MAX_SIZE: u64 = 64 << 40;
/// The largest block. [VHDX] 3.1.2.4
const MAX_BLOCK: u64 = 256 << 20;

/// What the metadata say, judged.
#[derive(Clone, Debug)]
pub(crate) struct Metadata {
    /// Where the region stands.
    pub(crate) region: Range<u64>,
    /// The head of its table.
    pub(crate) head: MetadataHead,
    /// All items in the table's order, also those that nobody here knows.
    pub(crate) entries: Vec<MetadataEntry>,
    /// Block size and flags.
    pub(crate) parameters: FileParameters,
    /// The size of the disk.
    pub(crate) size: Bytes,
    /// The sector that the guest sees.
    pub(crate) sector: u32,
    /// The sector that the guest had better use, if the file says.
    pub(crate) physical: Option<u32>,
    /// The disk's serial number, if the file says.
    pub(crate) page_83: Option<[u8; 16]>,
}

impl Metadata {
    /// Reads and judges the metadata in `region`.
    ///
    /// # Errors
    /// Corrupt or Unsupported, if what they say cannot be.
    pub(crate) fn read(source: &dyn Source, region: &Range<u64>) -> Result<Self> {
        let (head, entries) = table::read(source, region)?;
        table::validate(&entries, region)?;
        let items = Items {
            source,
            region,
            entries: &entries,
        };
        let parameters = items.required(FILE_PARAMETERS, "File Parameters")?;
        let parameters = FileParameters::parse(&parameters);
        let sector =
            u32::from_le_bytes(items.required(LOGICAL_SECTOR_SIZE, "Logical Sector Size")?);
        let size = u64::from_le_bytes(items.required(VIRTUAL_DISK_SIZE, "Virtual Disk Size")?);
        let physical = items.optional(PHYSICAL_SECTOR_SIZE, "Physical Sector Size")?;
        let physical = physical.map(u32::from_le_bytes);
        let page_83 = items.optional(PAGE_83_DATA, "Page 83 Data")?;
        items.validate_block(&parameters)?;
        items.validate_sector(LOGICAL_SECTOR_SIZE, "Logical Sector Size", sector)?;
        if let Some(physical) = physical {
            items.validate_sector(PHYSICAL_SECTOR_SIZE, "Physical Sector Size", physical)?;
        }
        items.validate_size(size, sector)?;
        items.validate_parent(&parameters)?;
        Ok(Self {
            region: region.clone(),
            head,
            parameters,
            size: Bytes(size),
            sector,
            physical,
            page_83,
            entries,
        })
    }

    /// Bytes of a block: a power of two.
    pub(crate) fn block_size(&self) -> Bytes {
        Bytes(u64::from(self.parameters.block_size))
    }

    /// Whether the layer is one over a parent.
    pub(crate) const fn is_child(&self) -> bool {
        self.parameters.flags & HAS_PARENT != 0
    }

    /// Whether the image is a fixed one. In a child the flag means nothing.
    pub(crate) const fn is_fixed(&self) -> bool {
        self.parameters.flags & LEAVE_BLOCKS_ALLOCATED != 0 && !self.is_child()
    }

    /// The parent locator of a child and where it stands.
    ///
    /// # Errors
    /// Host, if the host cannot read.
    pub(crate) fn locator(&self, source: &dyn Source) -> Result<Option<(Vec<u8>, FileOffset)>> {
        let Some(entry) = system(&self.entries, PARENT_LOCATOR) else {
            return Ok(None);
        };
        let at = item_at(&self.region, entry);
        let bytes = read_vec(source, at, Bytes(u64::from(entry.length)))?;
        Ok(Some((bytes, at)))
    }
}

/// The system's item of that name.
fn system(entries: &[MetadataEntry], id: [u8; 16]) -> Option<&MetadataEntry> {
    entries
        .iter()
        .find(|entry| entry.item_id == id && entry.flags & IS_USER == 0)
}

fn item_at(region: &Range<u64>, entry: &MetadataEntry) -> FileOffset {
    FileOffset(region.start).saturating_add(Bytes(u64::from(entry.offset)))
}

/// The items of a judged table.
struct Items<'a> {
    source: &'a dyn Source,
    region: &'a Range<u64>,
    entries: &'a [MetadataEntry],
}

impl Items<'_> {
    fn entry(&self, id: [u8; 16]) -> Option<&MetadataEntry> {
        system(self.entries, id)
    }

    /// The bytes of an item of fixed length.
    fn optional<const N: usize>(
        &self,
        id: [u8; 16],
        name: &'static str,
    ) -> Result<Option<[u8; N]>> {
        let Some(entry) = self.entry(id) else {
            return Ok(None);
        };
        let (found, required) = (entry.length, u32::try_from(N).unwrap_or(u32::MAX));
        if found != required {
            let fault = Fault::ItemLength {
                name,
                found,
                required,
            };
            return Err(self.in_item(fault, id, "length"));
        }
        read_array(self.source, item_at(self.region, entry)).map(Some)
    }

    /// The bytes of an item that every file must have.
    fn required<const N: usize>(&self, id: [u8; 16], name: &'static str) -> Result<[u8; N]> {
        self.optional(id, name)?.ok_or_else(|| {
            Error::from(Fault::ItemMissing { name })
                .in_structure("metadata table")
                .at(FileOffset(self.region.start))
        })
    }

    fn validate_block(&self, parameters: &FileParameters) -> Result<()> {
        let found = parameters.block_size;
        if found.is_power_of_two() && (MIB..=MAX_BLOCK).contains(&u64::from(found)) {
            Ok(())
        } else {
            Err(self.in_item(Fault::BlockSize { found }, FILE_PARAMETERS, "block_size"))
        }
    }

    fn validate_sector(&self, id: [u8; 16], name: &'static str, found: u32) -> Result<()> {
        if matches!(found, 512 | 4096) {
            Ok(())
        } else {
            Err(self.in_item(Fault::SectorSize { name, found }, id, "size"))
        }
    }

    fn validate_size(&self, found: u64, sector: u32) -> Result<()> {
        let fault = if found > MAX_SIZE {
            let most = MAX_SIZE;
            Fault::SizeTooLarge { found, most }
        } else if found == 0 || !found.is_multiple_of(u64::from(sector)) {
            Fault::Size { found, sector }
        } else {
            return Ok(());
        };
        Err(self.in_item(fault, VIRTUAL_DISK_SIZE, "size"))
    }

    fn validate_parent(&self, parameters: &FileParameters) -> Result<()> {
        let has_parent = parameters.flags & HAS_PARENT != 0;
        let fault = match self.entry(PARENT_LOCATOR) {
            None if has_parent => Fault::NoLocator,
            Some(_) if !has_parent => Fault::UnusedLocator,
            _ => return Ok(()),
        };
        Err(self.in_item(fault, FILE_PARAMETERS, "flags"))
    }

    /// Places a fault at an item.
    fn in_item(&self, fault: Fault, id: [u8; 16], field: &'static str) -> Error {
        let at = self
            .entry(id)
            .map_or(FileOffset(self.region.start), |entry| {
                item_at(self.region, entry)
            });
        Error::from(fault).in_field("metadata item", field).at(at)
    }
}
