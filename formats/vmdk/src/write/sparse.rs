//! Sparse images, whole or split: which extent a unit belongs to, and the descriptor, which comes last.

use std::sync::Arc;

use imgdelta_core::{
    BlockState, Bytes, Encoder, Error, FileOffset, FinishParams, ImageWriter, Kind, Outputs,
    Payload, Placement, PlainEncoder, Result, SECTOR, Sink, Unit, WriterLayout,
};

use super::extent::{DESCRIPTOR_SECTORS, Extent, GRAIN};
use crate::{
    create_options::CreateOptions,
    descriptor_writer::{Ids, text},
    layout::ZEROED,
};

/// A descriptor in its room; Unsupported if it is too long for it.
pub(super) fn embedded(text: &str) -> Result<Vec<u8>> {
    let room = Bytes(DESCRIPTOR_SECTORS * SECTOR).in_memory();
    if text.len() > room {
        return Err(Error::new(
            Kind::Unsupported,
            format!("the descriptor takes {} bytes, {room} fit", text.len()),
        )
        .with_hint("put the base where a shorter path leads to it"));
    }
    let mut bytes = text.as_bytes().to_owned();
    bytes.resize(room, 0);
    Ok(bytes)
}

/// A sparse image in the making.
pub(super) struct Writer {
    plan: CreateOptions,
    main: Arc<dyn Sink>,
    extents: Vec<Extent>,
    /// The extent that is filled.
    current: usize,
}

impl Writer {
    /// Makes the files; nothing is written yet.
    pub(super) fn start(
        plan: CreateOptions,
        main: Arc<dyn Sink>,
        outputs: &dyn Outputs,
    ) -> Result<Self> {
        // What does not fit is refused before the work.
        embedded(&text(&plan, &Ids::from_seed(&[0; 32])))
            .map(drop)
            .or_else(|error| {
                if plan.subformat.is_split() {
                    Ok(())
                } else {
                    Err(error)
                }
            })?;
        let mut extents = Vec::new();
        for (number, size) in plan.extents().into_iter().enumerate() {
            extents.push(if plan.subformat.is_split() {
                let sink = outputs.other(&plan.extent_name(number))?;
                Extent::new(sink, size, false)
            } else {
                Extent::new(Arc::clone(&main), size, true)
            });
        }
        Ok(Self {
            plan,
            main,
            extents,
            current: 0,
        })
    }

    /// The extent of a unit, and which of its grains the unit is. Those that lie behind are finished.
    fn turn_to(&mut self, unit: &Unit<'_>) -> Result<(&mut Extent, u64)> {
        let (number, start) = self.plan.extent_of(unit.at);
        let number = Bytes(number).in_memory();
        while self.current < number {
            if let Some(extent) = self.extents.get_mut(self.current) {
                extent.finish()?;
            }
            self.current += 1;
        }
        let grain = unit.at.since(start).0 / GRAIN.0;
        let extent = self.extents.get_mut(number);
        extent.map(|extent| (extent, grain)).ok_or_else(|| {
            Error::new(
                Kind::Unsupported,
                format!("a unit at {} lies beyond the disk", unit.at),
            )
        })
    }
}

impl ImageWriter for Writer {
    fn shape(&self) -> WriterLayout {
        WriterLayout {
            size: self.plan.size,
            unit: GRAIN,
            grain: GRAIN,
            marks_zero: self.plan.marks_zero,
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
        stored: Bytes,
    ) -> Result<Option<Placement>> {
        let hides = self.plan.parent.is_some() && unit.grains.contains(&BlockState::Zero);
        let (extent, grain) = self.turn_to(unit)?;
        if payload == Payload::None {
            if hides {
                extent.set(grain, ZEROED)?;
            }
            return Ok(None);
        }
        Ok(Some(Placement {
            at: extent.take(grain)?,
            sink: Arc::clone(&extent.sink),
            padding: Bytes(GRAIN.0.saturating_sub(stored.0)),
        }))
    }

    /// The descriptor comes last: without it there is no image.
    fn finish(mut self: Box<Self>, seal: &FinishParams) -> Result<()> {
        for extent in self.extents.iter_mut().skip(self.current) {
            extent.finish()?;
        }
        for extent in &self.extents {
            extent.write_header(self.plan.marks_zero)?;
        }
        let text = text(&self.plan, &Ids::from_seed(&seal.seed));
        if self.plan.subformat.is_split() {
            self.main.set_len(Bytes::from(text.len()))?;
            return self.main.write_at(FileOffset::ZERO, text.as_bytes());
        }
        self.main.write_at(FileOffset(SECTOR), &embedded(&text)?)
    }
}
