//! Writes raw images: each unit at its own address, what is zero nowhere. Files and pipes come out exactly as long as the disk.
//!
//! Holes that are left between units are the host's work, or a pipe's. Nothing here remembers what was placed.

use std::sync::Arc;

use imgdelta_core::{
    Bytes, Create, Encoder, Error, FileOffset, FinishParams, ImageWriter, Kind, Payload, Placement,
    PlainEncoder, Reservation, Result, Sink, Unit, WriterLayout,
};

use crate::DRIVER;

/// The piece in which the disk is handed over: large enough that direct writes are cheap.
const UNIT: Bytes = Bytes::mib(1);

/// The least hole.
const GRAIN: Bytes = Bytes::kib(4);

/// Starts a raw image.
///
/// # Errors
/// Usage, if an option is asked for; Unsupported, if it is to be a child; Host, if the host cannot make the file or the device
/// is smaller than the disk.
pub(crate) fn create(create: Create<'_>) -> Result<Box<dyn ImageWriter>> {
    create.options.finish("raw", DRIVER.create_options)?;
    if create.parent.is_some() {
        return Err(Error::new(
            Kind::Unsupported,
            "a raw image names no parent, so it cannot be a child",
        )
        .with_code("raw_child")
        .with_hint("write the child as qcow2, which hangs on a base of any format"));
    }
    let sink = create.outputs.main()?;
    if let Some(room) = sink.capacity().filter(|room| *room < create.disk.size) {
        return Err(Error::new(
            Kind::Host,
            format!(
                "the device holds {} bytes, the disk has {}",
                room.0, create.disk.size.0
            ),
        )
        .with_code("device_too_small"));
    }
    // A file that has its length is not extended by each write: ext4 then lets several threads write at once.
    if !sink.is_sequential() {
        sink.set_len(create.disk.size)?;
    }
    Ok(Box::new(RawWriter {
        sink,
        size: create.disk.size,
        ahead: Reservation::new(FileOffset::ZERO, create.disk.size, true),
    }))
}

/// A raw image in the making.
struct RawWriter {
    /// The only file.
    sink: Arc<dyn Sink>,
    /// The size of the disk, to the byte.
    size: Bytes,
    ahead: Reservation,
}

impl ImageWriter for RawWriter {
    fn shape(&self) -> WriterLayout {
        WriterLayout {
            size: self.size,
            unit: UNIT,
            grain: GRAIN,
            marks_zero: false,
            wants_zeros: self.sink.needs_zeroing(),
            has_ids: false,
        }
    }

    fn encoder(&self) -> Box<dyn Encoder> {
        Box::new(PlainEncoder)
    }

    fn place(
        &mut self,
        unit: &Unit<'_>,
        payload: Payload,
        _stored: Bytes,
    ) -> Result<Option<Placement>> {
        // Zeros are written only where old bytes stand.
        if payload == Payload::None && !self.sink.needs_zeroing() {
            return Ok(None);
        }
        let at = FileOffset(unit.at.0);
        self.ahead.reserve(&*self.sink, at, unit);
        Ok(Some(Placement {
            sink: Arc::clone(&self.sink),
            at,
            padding: Bytes::ZERO,
        }))
    }

    fn finish(self: Box<Self>, _seal: &FinishParams) -> Result<()> {
        self.sink.set_len(self.size)
    }
}
