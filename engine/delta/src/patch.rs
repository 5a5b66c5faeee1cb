//! Changes to a copy of an image, which takes its name only when it is whole: a child that is linked, an image that is repaired.

use std::{path::Path, sync::Arc};

use imgdelta_core::{AtomicFile, Error, Existing, Kind, Patch, Repair, Result, Source};

use crate::watch::Watch;

/// Writes `patches` over a copy of the child and lets it take the child's place. Without any, it stays as it is.
///
/// # Errors
/// Host, if the host cannot, or if the child changed meanwhile.
pub fn relink(child: &Path, source: &Arc<dyn Source>, patches: &[Patch]) -> Result<()> {
    if patches.is_empty() {
        return AtomicFile::clear(child);
    }
    let before = source.stamp()?;
    let draft = AtomicFile::of_existing(child, &**source)?;
    write(&draft, patches)?;
    if source.stamp()? != before {
        return Err(changed(child));
    }
    draft.commit()
}

/// Writes the mended image that will stand at `place`. It is whole, but has no name yet: it is to be looked at first.
///
/// # Errors
/// Usage, if something stands there that may not be replaced; Host, if the host cannot, or if the image changed meanwhile; Interrupted.
pub fn mend(
    place: &Path,
    existing: Existing,
    repair: &Repair,
    watch: &Watch,
) -> Result<AtomicFile> {
    let before = repair.source.stamp()?;
    let draft = AtomicFile::holding(place, existing, &*repair.source)?;
    write(&draft, &repair.patches)?;
    draft.sink().set_len(repair.len)?;
    watch.go_on()?;
    if repair.source.stamp()? != before {
        return Err(changed(place));
    }
    Ok(draft)
}

fn write(draft: &AtomicFile, patches: &[Patch]) -> Result<()> {
    let sink = draft.sink();
    patches
        .iter()
        .try_for_each(|patch| sink.write_at(patch.at, &patch.bytes))
}

fn changed(file: &Path) -> Error {
    Error::new(
        Kind::Host,
        "changed while it was read; the result is discarded",
    )
    .with_code("input_changed")
    .in_file(file)
}
