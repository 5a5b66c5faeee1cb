//! Flat images, whole or split: the bytes of the disk, and a descriptor that comes last.

use std::sync::Arc;

use imgdelta_core::{
    Bytes, Encoder, Error, FileOffset, FinishParams, ImageWriter, Kind, Outputs, Payload,
    Placement, PlainEncoder, Reservation, Result, Sink, Unit, WriterLayout,
};

use crate::{
    create_options::CreateOptions,
    descriptor_writer::{Ids, text},
};

/// The unit in which bytes come.
const UNIT: Bytes = Bytes::mib(1);

/// A flat image in the making.
pub(super) struct Writer {
    plan: CreateOptions,
    main: Arc<dyn Sink>,
    extents: Vec<Extent>,
}

/// One of its files.
struct Extent {
    sink: Arc<dyn Sink>,
    size: Bytes,
    ahead: Reservation,
}

impl Writer {
    /// Makes the files; each has its length at once, so that writes do not extend it.
    pub(super) fn start(
        plan: CreateOptions,
        main: Arc<dyn Sink>,
        outputs: &dyn Outputs,
    ) -> Result<Self> {
        let mut extents = Vec::new();
        let mut end = Bytes::ZERO;
        for (number, size) in plan.extents().into_iter().enumerate() {
            let sink = outputs.other(&plan.extent_name(number))?;
            sink.set_len(size)?;
            end = Bytes(end.0.saturating_add(size.0));
            extents.push(Extent {
                sink,
                size,
                // Of the disk no more will come into this file than up to its end.
                ahead: Reservation::new(FileOffset::ZERO, end, false),
            });
        }
        Ok(Self {
            plan,
            main,
            extents,
        })
    }
}

impl ImageWriter for Writer {
    fn shape(&self) -> WriterLayout {
        WriterLayout {
            size: self.plan.size,
            unit: UNIT,
            grain: UNIT,
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
        // An extent of a split disk is a whole number of units.
        let (number, start) = self.plan.extent_of(unit.at);
        let Some(extent) = self.extents.get_mut(Bytes(number).in_memory()) else {
            return Err(Error::new(
                Kind::Unsupported,
                format!("byte {} lies beyond the disk", unit.at.0),
            ));
        };
        let at = FileOffset(unit.at.since(start).0);
        extent.ahead.reserve(&*extent.sink, at, unit);
        Ok(Some(Placement {
            sink: Arc::clone(&extent.sink),
            at,
            padding: Bytes::ZERO,
        }))
    }

    fn finish(self: Box<Self>, seal: &FinishParams) -> Result<()> {
        // A host may have made more room than was asked for, and readers hold the length against the line.
        for extent in &self.extents {
            extent.sink.set_len(extent.size)?;
        }
        let text = text(&self.plan, &Ids::from_seed(&seal.seed));
        self.main.set_len(Bytes::from(text.len()))?;
        self.main.write_at(FileOffset::ZERO, text.as_bytes())
    }
}
