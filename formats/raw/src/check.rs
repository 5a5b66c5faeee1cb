//! What can be wrong with a raw image: nothing that its bytes could say. Its size may still surprise.

use imgdelta_core::{CheckReport, Image, Open, Result, VirtOffset};

use crate::image;

/// Counts what the host stores of the disk, and notes a size that guests cannot see to the last byte.
///
/// # Errors
/// Usage, if an option is unknown; Host, if the host cannot say where its holes are.
pub(crate) fn check(open: Open<'_>) -> Result<CheckReport> {
    let image = image::open(open)?;
    let (stored, holes) = stored_and_holes(&*image)?;
    Ok(CheckReport {
        faults: Vec::new(),
        notes: image.metadata().notes.clone(),
        counts: vec![("stored_bytes", stored), ("hole_bytes", holes)],
    })
}

/// How many bytes of the disk the host stores, and how many it does not.
fn stored_and_holes(image: &dyn Image) -> Result<(u64, u64)> {
    let (mut stored, mut holes) = (0_u64, 0_u64);
    let mut at = VirtOffset::ZERO;
    while at.0 < image.metadata().size.0 {
        let extent = image.extent_at(at)?;
        let sum = if extent.state.holds_data() {
            &mut stored
        } else {
            &mut holes
        };
        *sum = sum.saturating_add(extent.len.0);
        at = extent.end();
    }
    Ok((stored, holes))
}
