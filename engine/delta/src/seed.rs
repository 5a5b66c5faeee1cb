//! What ids will be made of, before anything is written: for formats whose ids stand in front of all data, on the way to a pipe.
//!
//! It costs a reading of the disk. What a writer learns at its end is the same, see [`Seal::seed`].

use std::sync::{Arc, Mutex, PoisonError};

use imgdelta_core::{
    Bytes, Encoder, ImageWriter, Payload, Placed, PlainEncoder, Result, Seal, Shape, Unit,
};

use crate::convert::Convert;

impl Convert<'_> {
    /// What [`Seal::seed`] will say to a writer of that shape.
    ///
    /// # Errors
    /// Those of the chain; Host, if an input changed meanwhile; Interrupted.
    pub fn seed(&self, shape: Shape) -> Result<[u8; 32]> {
        if let Some(seed) = self.work.new_ids {
            return Ok(seed);
        }
        let seed = Arc::new(Mutex::default());
        let copy = Convert {
            proves: false,
            ..*self
        };
        copy.run(Box::new(Listener {
            shape,
            seed: Arc::clone(&seed),
        }))?;
        Ok(*seed.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A writer that writes nothing and keeps the seed.
struct Listener {
    shape: Shape,
    seed: Arc<Mutex<[u8; 32]>>,
}

impl ImageWriter for Listener {
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
