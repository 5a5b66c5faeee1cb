//! What stands in front of a new image: file type identifier, headers, region tables, metadata. What they say is decided in `create_options`.

use imgdelta_core::{Bytes, FileOffset, FinishParams, Result, Sink};

use crate::{
    create_options::{CreateOptions, PHYSICAL_SECTOR},
    identity,
    layout::{
        BAT_REGION, FILE_PARAMETERS, FILE_SIGNATURE, FileId, FileParameters, HAS_PARENT, HEADER_AT,
        HEADER_SIGNATURE, Header, IS_REQUIRED, IS_VIRTUAL_DISK, LEAVE_BLOCKS_ALLOCATED,
        LOG_VERSION, LOGICAL_SECTOR_SIZE, METADATA_REGION, METADATA_SIGNATURE, METADATA_TABLE_LEN,
        MetadataEntry, MetadataHead, NO_GUID, PAGE_83_DATA, PARENT_LOCATOR, PHYSICAL_SECTOR_SIZE,
        REGION_AT, REGION_LEN, REGION_REQUIRED, REGION_SIGNATURE, RegionEntry, RegionHead, VERSION,
        VIRTUAL_DISK_SIZE, checksum,
    },
};

/// Who made the file, as it says.
const CREATOR: &str = concat!("imgdelta ", env!("CARGO_PKG_VERSION"));

/// Writes all of it, the file type identifier last: what stopped before that is no image.
pub(super) fn write(plan: &CreateOptions, seal: &FinishParams, sink: &dyn Sink) -> Result<()> {
    let [data_write, file_write, page_83] = identity::from_seed(&seal.seed);
    let (at, _) = plan.metadata();
    let (table, items) = metadata(plan, page_83);
    sink.write_at(FileOffset(at), &table)?;
    let skipped = Bytes::from(METADATA_TABLE_LEN);
    sink.write_at(FileOffset(at).saturating_add(skipped), &items)?;
    let regions = regions(plan);
    for at in REGION_AT {
        sink.write_at(FileOffset(at), &regions)?;
    }
    for (at, sequence_number) in HEADER_AT.into_iter().zip(1..) {
        let header = Header {
            signature: HEADER_SIGNATURE,
            checksum: 0,
            sequence_number,
            file_write_guid: file_write,
            data_write_guid: data_write,
            log_guid: NO_GUID,
            log_version: LOG_VERSION,
            version: VERSION,
            log_length: plan.log_size,
            log_offset: plan.log_at(),
            reserved: [0; 4016],
        };
        sink.write_at(FileOffset(at), &header.sealed().emit())?;
    }
    sink.write_at(FileOffset::ZERO, &file_id().emit())
}

fn file_id() -> FileId {
    let mut creator = [0; 512];
    let (places, _) = creator.as_chunks_mut::<2>();
    for (place, unit) in places.iter_mut().zip(CREATOR.encode_utf16()) {
        *place = unit.to_le_bytes();
    }
    FileId {
        signature: FILE_SIGNATURE,
        creator,
    }
}

/// A region table, in the order of Windows.
fn regions(plan: &CreateOptions) -> Vec<u8> {
    let places = [(BAT_REGION, plan.bat()), (METADATA_REGION, plan.metadata())];
    let head = |checksum| RegionHead {
        signature: REGION_SIGNATURE,
        checksum,
        entry_count: places.len() as u32,
        reserved: 0,
    };
    let mut rest = Vec::with_capacity(REGION_LEN);
    for (guid, (file_offset, len)) in places {
        let entry = RegionEntry {
            guid,
            file_offset,
            length: u32::try_from(len).unwrap_or(u32::MAX),
            flags: REGION_REQUIRED,
        };
        rest.extend(entry.emit());
    }
    rest.resize(REGION_LEN.saturating_sub(RegionHead::SIZE), 0);
    let sum = checksum(&[&head(0).emit()[..], &rest].concat());
    [&head(sum).emit()[..], &rest].concat()
}

/// The metadata table and the items, packed in its order.
fn metadata(plan: &CreateOptions, page_83: [u8; 16]) -> (Vec<u8>, Vec<u8>) {
    let all = items(plan, page_83);
    let mut table = MetadataHead {
        signature: METADATA_SIGNATURE,
        reserved: 0,
        entry_count: u16::try_from(all.len()).unwrap_or(u16::MAX),
        reserved_tail: [0; 20],
    }
    .emit()
    .to_vec();
    let mut bytes = Vec::new();
    let small = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
    for (item_id, flags, item) in all {
        let entry = MetadataEntry {
            item_id,
            offset: small(METADATA_TABLE_LEN.saturating_add(bytes.len())),
            length: small(item.len()),
            flags,
            reserved: 0,
        };
        table.extend(entry.emit());
        bytes.extend(item);
    }
    (table, bytes)
}

/// Id, flags and bytes of each item.
fn items(plan: &CreateOptions, page_83: [u8; 16]) -> Vec<([u8; 16], u32, Vec<u8>)> {
    let of_disk = IS_VIRTUAL_DISK | IS_REQUIRED;
    let mut flags = 0;
    if plan.is_fixed {
        flags |= LEAVE_BLOCKS_ALLOCATED;
    }
    if plan.parent.is_some() {
        flags |= HAS_PARENT;
    }
    let parameters = FileParameters {
        block_size: u32::try_from(plan.block_size.0).unwrap_or(u32::MAX),
        flags,
    };
    // A chain is one disk: its serial number stays.
    let page_83 = plan
        .parent
        .as_ref()
        .and_then(|link| link.page_83)
        .unwrap_or(page_83);
    let (size, sector) = (plan.size.0.to_le_bytes(), plan.sector.to_le_bytes());
    let physical = PHYSICAL_SECTOR.to_le_bytes();
    let mut all = vec![
        (FILE_PARAMETERS, IS_REQUIRED, parameters.emit().to_vec()),
        (VIRTUAL_DISK_SIZE, of_disk, size.to_vec()),
        (PAGE_83_DATA, of_disk, page_83.to_vec()),
        (LOGICAL_SECTOR_SIZE, of_disk, sector.to_vec()),
        (PHYSICAL_SECTOR_SIZE, of_disk, physical.to_vec()),
    ];
    if let Some(link) = &plan.parent {
        all.push((PARENT_LOCATOR, IS_REQUIRED, link.locator(None).emit()));
    }
    all
}
