//! A writer that writes nothing: a disk is read to its end as if it were written, for what that tells of it.

use std::sync::{Arc, Mutex, PoisonError};

use imgdelta_core::{
    Bytes, Encoder, ImageWriter, Payload, Placed, PlainEncoder, Result, Seal, Shape, Unit,
};

use crate::tree::WINDOW;

/// Writes nothing and keeps the seed.
pub(crate) struct NullWriter {
    pub(crate) shape: Shape,
    pub(crate) seed: Arc<Mutex<[u8; 32]>>,
}

impl NullWriter {
    /// For a disk of `size` bytes that is only proven.
    pub(crate) fn proving(size: Bytes) -> Box<Self> {
        Box::new(Self {
            shape: Shape {
                size,
                unit: WINDOW,
                grain: WINDOW,
                marks_zero: true,
                wants_zeros: false,
                has_ids: false,
            },
            seed: Arc::default(),
        })
    }
}

impl ImageWriter for NullWriter {
    fn shape(&self) -> Shape {
        self.shape
    }

    fn encoder(&self) -> Box<dyn Encoder> {
        Box::new(PlainEncoder)
    }

    fn place(
        &mut self,
        _unit: &Unit<'_>,
        _payload: Payload,
        _stored: Bytes,
    ) -> Result<Option<Placed>> {
        Ok(None)
    }

    fn finish(self: Box<Self>, seal: &Seal) -> Result<()> {
        *self.seed.lock().unwrap_or_else(PoisonError::into_inner) = seal.seed;
        Ok(())
    }
}
