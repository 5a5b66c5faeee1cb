//! A writer that writes nothing: a disk is read to its end as if it were written, for what that tells of it.

use std::sync::{Arc, Mutex, PoisonError};

use imgdelta_core::{
    Bytes, Encoder, FinishParams, ImageWriter, Payload, Placement, PlainEncoder, Result, Unit,
    WriterLayout,
};

use crate::tree::WINDOW;

/// Writes nothing and keeps the seed.
pub(crate) struct NullWriter {
    pub(crate) shape: WriterLayout,
    pub(crate) seed: Arc<Mutex<[u8; 32]>>,
}

impl NullWriter {
    /// For a disk of `size` bytes that is only proven.
    pub(crate) fn proving(size: Bytes) -> Box<Self> {
        Box::new(Self {
            shape: WriterLayout {
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
    fn shape(&self) -> WriterLayout {
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
    ) -> Result<Option<Placement>> {
        Ok(None)
    }

    fn finish(self: Box<Self>, seal: &FinishParams) -> Result<()> {
        *self.seed.lock().unwrap_or_else(PoisonError::into_inner) = seal.seed;
        Ok(())
    }
}
