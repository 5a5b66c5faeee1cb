//! What ids will be made of, before anything is written: for formats whose ids stand in front of all data, on the way to a pipe.
//!
//! It costs a reading of the disk. What a writer learns at its end is the same, see [`FinishParams::seed`](imgdelta_core::FinishParams::seed).

use std::sync::{Arc, Mutex, PoisonError};

use imgdelta_core::{Result, WriterLayout};

use crate::{convert::Convert, null_writer::NullWriter};

impl Convert<'_> {
    /// What [`FinishParams::seed`](imgdelta_core::FinishParams::seed) will say to a writer of that shape.
    ///
    /// # Errors
    /// Those of the chain; Host, if an input changed meanwhile; Interrupted.
    pub fn seed(&self, shape: WriterLayout) -> Result<[u8; 32]> {
        if let Some(seed) = self.work.new_ids {
            return Ok(seed);
        }
        let seed = Arc::new(Mutex::default());
        let copy = Convert {
            proves: false,
            ..*self
        };
        copy.run(Box::new(NullWriter {
            shape,
            seed: Arc::clone(&seed),
        }))?;
        Ok(*seed.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
