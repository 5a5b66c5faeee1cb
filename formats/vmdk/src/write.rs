//! Writes new images. What they are to be is decided in `create_options`, what their descriptors say in `descriptor_writer`; `sparse`, `flat` and `stream` write one
//! kind each, `extent` is a part of a sparse one.

mod extent;
mod flat;
mod sparse;
mod stream;

use imgdelta_core::{Create, Error, ImageWriter, Kind, Result};

use crate::create_options::{CreateOptions, Subformat};

/// Starts a new image.
pub(crate) fn create(create: Create<'_>) -> Result<Box<dyn ImageWriter>> {
    let (outputs, seed) = (create.outputs, create.seed);
    let main = outputs.main()?;
    let plan = CreateOptions::of(create)?;
    if main.needs_zeroing() {
        return Err(Error::new(
            Kind::Unsupported,
            "a VMDK is a file: on a device old bytes would show in what it does not write",
        )
        .with_hint("write raw to a device, or VMDK to a file"));
    }
    if main.is_sequential() && plan.subformat != Subformat::Stream {
        return Err(Error::new(
            Kind::Unsupported,
            format!(
                "a {} VMDK cannot be written to a pipe: its tables are known last",
                plan.subformat.name()
            ),
        )
        .with_code("not_a_stream")
        .with_hint("--option subformat=streamOptimized is made for that"));
    }
    Ok(match plan.subformat {
        Subformat::Stream => Box::new(stream::Writer::start(plan, main, seed)?),
        Subformat::Flat | Subformat::Vmfs | Subformat::SplitFlat => {
            Box::new(flat::Writer::start(plan, main, outputs)?)
        }
        Subformat::Sparse | Subformat::SplitSparse => {
            Box::new(sparse::Writer::start(plan, main, outputs)?)
        }
    })
}
