//! Flat images, whole or split: the bytes of the disk, and a descriptor that comes last.

use std::sync::Arc;

use imgdelta_core::{
    Ahead, Bytes, Encoder, Error, FileOffset, ImageWriter, Kind, Outputs, Payload, Placed,
    PlainEncoder, Result, Seal, Shape, Sink, Unit,
};

use crate::{
    plan::{Plan, SPLIT},
    text::{Ids, text},
};

/// The unit in which bytes come.
const UNIT: Bytes = Bytes::mib(1);

/// A flat image in the making.
pub(super) struct Writer {
    plan: Plan,
    main: Arc<dyn Sink>,
    extents: Vec<Extent>,
}

/// One of its files.
struct Extent {
    sink: Arc<dyn Sink>,
    ahead: Ahead,
}

impl Writer {
    /// Makes the files; each has its length at once, so that writes do not extend it.
    pub(super) fn start(plan: Plan, main: Arc<dyn Sink>, outputs: &dyn Outputs) -> Result<Self> {
        let mut extents = Vec::new();
        for (number, size) in plan.extents().into_iter().enumerate() {
            let sink = outputs.other(&plan.extent_name(number))?;
            sink.set_len(size)?;
            extents.push(Extent {
                sink,
                ahead: Ahead::new(FileOffset::ZERO, plan.size, false),
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
    fn shape(&self) -> Shape {
        Shape {
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
    ) -> Result<Option<Placed>> {
        if payload == Payload::None {
            return Ok(None);
        }
        // An extent of a split disk is a whole number of units.
        let number = if self.plan.subformat.is_split() {
            unit.at.0 / SPLIT.0
        } else {
            0
        };
        let start = number.saturating_mul(SPLIT.0);
        let Some(extent) = self.extents.get_mut(Bytes(number).in_memory()) else {
            return Err(Error::new(
                Kind::Unsupported,
                format!("byte {} lies beyond the disk", unit.at.0),
            ));
        };
        let at = FileOffset(unit.at.0.saturating_sub(start));
        extent.ahead.reserve(&*extent.sink, at, unit);
        Ok(Some(Placed {
            sink: Arc::clone(&extent.sink),
            at,
            padding: Bytes::ZERO,
        }))
    }

    fn finish(self: Box<Self>, seal: &Seal) -> Result<()> {
        let text = text(&self.plan, &Ids::from_seed(&seal.seed));
        self.main.set_len(Bytes::from(text.len()))?;
        self.main.write_at(FileOffset::ZERO, text.as_bytes())
    }
}
