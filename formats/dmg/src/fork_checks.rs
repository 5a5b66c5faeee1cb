//! What the trailer says of the data fork and of all tables, held against them.

use imgdelta_core::{Bytes, Error, FileOffset, Result, Source};

use crate::{
    checksum::{Sum, crc32},
    fault::Fault,
    layout::Trailer,
    map::ChunkTable,
    trailer::ValidatedTrailer,
};

/// What is wrong with the checksum of the data fork.
///
/// # Errors
/// Those of reading.
pub(crate) fn data_fork(meta: &ValidatedTrailer, source: &dyn Source) -> Result<Option<Error>> {
    let Trailer {
        data_fork_offset: at,
        data_fork_size: len,
        ..
    } = meta.trailer;
    let kind = (meta.trailer.checksum_type, meta.trailer.checksum_size);
    let Some(required) = crc32(kind, &meta.trailer.checksum) else {
        return Ok(None);
    };
    let fork_end = at.saturating_add(len);
    if fork_end > meta.end {
        let end = meta.end;
        let fault = Fault::DataForkPastEnd { fork_end, end };
        return Ok(Some(meta.placed(fault, "data_fork_size")));
    }
    let mut sum = Sum::default();
    sum.add_file(source, FileOffset(at), Bytes(len))?;
    let found = sum.end();
    let fault = Fault::DataForkChecksum { required, found };
    Ok((found != required).then(|| meta.placed(fault, "checksum")))
}

/// What is wrong with the checksum of the tables' checksums.
pub(crate) fn master(meta: &ValidatedTrailer, table: &ChunkTable) -> Option<Error> {
    let kind = (meta.trailer.master_type, meta.trailer.master_size);
    let required = crc32(kind, &meta.trailer.master)?;
    let found = table.master_sum()?;
    let fault = Fault::MasterChecksum { required, found };
    (found != required).then(|| meta.placed(fault, "master"))
}
