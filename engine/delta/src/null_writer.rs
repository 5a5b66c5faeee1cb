//! A writer that writes nothing: a disk is read to its end as if it were written, for what ids are made of.

use std::sync::{Arc, Mutex, PoisonError};

use imgdelta_core::{
    Bytes, Encoder, FinishParams, ImageWriter, Payload, Placement, PlainEncoder, Result, Unit,
    WriterLayout,
};

/// Writes nothing and keeps the seed.
pub(crate) struct NullWriter {
    pub(crate) shape: WriterLayout,
    pub(crate) seed: Arc<Mutex<[u8; 32]>>,
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
