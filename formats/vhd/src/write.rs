//! Writes new images: the footer, which all have, and fixed ones. What they are to be is decided in `create_options`; `sparse` writes the others.

mod sparse;

use std::sync::Arc;

use imgdelta_core::{
    Bytes, Create, Encoder, Error, FileOffset, FinishParams, ImageWriter, Kind, Payload, Placement,
    PlainEncoder, Reservation, Result, Sink, Unit, WriterLayout,
};

use crate::{
    create_options::CreateOptions,
    identity,
    layout::{EPOCH, FIXED, FOOTER_COOKIE, Footer, NOWHERE, VERSION},
};

pub(crate) use sparse::LOCATOR_ROOM;
use sparse::Sparse;

/// Where the dynamic header goes: behind the footer's copy.
const HEADER_AT: u64 = 512;
/// The unit of a fixed image, which has no blocks.
const FIXED_UNIT: Bytes = Bytes::mib(1);
/// The creator's version: Windows 10, which diskpart writes.
const CREATOR_VERSION: u32 = 0x000a_0000;

/// Starts a new image.
pub(crate) fn create(create: Create<'_>) -> Result<Box<dyn ImageWriter>> {
    let sink = create.outputs.main()?;
    let plan = CreateOptions::of(create)?;
    if sink.needs_zeroing() {
        return Err(Error::new(
            Kind::Unsupported,
            "a VHD ends with its footer, and a device does not end where the image does",
        )
        .with_hint("write raw to a device, or VHD to a file"));
    }
    Ok(match plan.block_size {
        None => Box::new(Fixed {
            ahead: Reservation::new(FileOffset::ZERO, plan.size, false),
            plan,
            sink,
        }),
        Some(_) if sink.is_sequential() => {
            let message = "a dynamic VHD cannot be written to a pipe: its tables stand in front";
            return Err(Error::new(Kind::Unsupported, message));
        }
        Some(block_size) => Box::new(Sparse::start(plan, block_size, sink)),
    })
}

/// The footer of a new image.
fn footer(plan: &CreateOptions, disk_type: u32, seal: &FinishParams) -> Footer {
    let time = seal.time.unwrap_or_default().saturating_sub(EPOCH);
    Footer {
        cookie: FOOTER_COOKIE,
        features: 2,
        file_format_version: VERSION,
        data_offset: if disk_type == FIXED {
            NOWHERE
        } else {
            HEADER_AT
        },
        time_stamp: u32::try_from(time).unwrap_or(u32::MAX),
        creator_application: plan.creator,
        creator_version: CREATOR_VERSION,
        creator_host_os: *b"Wi2k",
        original_size: plan.size.0,
        current_size: plan.size.0,
        cylinders: plan.geometry.cylinders,
        heads: plan.geometry.heads,
        sectors_per_track: plan.geometry.sectors,
        disk_type,
        checksum: 0,
        unique_id: identity::from_seed(&seal.seed),
        saved_state: 0,
        hidden: 0,
        reserved: [0; 426],
    }
    .sealed()
}

/// A fixed image: the disk, then the footer.
struct Fixed {
    plan: CreateOptions,
    sink: Arc<dyn Sink>,
    ahead: Reservation,
}

impl ImageWriter for Fixed {
    fn shape(&self) -> WriterLayout {
        WriterLayout {
            size: self.plan.size,
            unit: FIXED_UNIT,
            grain: FIXED_UNIT,
            marks_zero: false,
            wants_zeros: false,
            has_ids: true,
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
        if payload == Payload::None {
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

    fn finish(self: Box<Self>, seal: &FinishParams) -> Result<()> {
        let end = self.plan.size;
        if !self.sink.is_sequential() {
            self.sink
                .set_len(Bytes(end.0.saturating_add(Footer::SIZE as u64)))?;
        }
        let footer = footer(&self.plan, FIXED, seal);
        self.sink.write_at(FileOffset(end.0), &footer.emit())
    }
}
