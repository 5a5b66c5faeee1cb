//! One expanding file as a layer. What it does not hold is zero: only a descriptor knows of files below it.

use std::sync::Arc;

use imgdelta_core::{
    AuxFiles, CheckReport, Error, Extent, Image, ImageMetadata, Result, Source, State, VirtOffset,
};

use crate::{
    descriptor::{Descriptor, NAME},
    fault::Fault,
    file_check, info,
    map::BlockTable,
    validate::ValidatedHeader,
};

/// An open file.
#[derive(Debug)]
struct Expanding {
    facts: ImageMetadata,
    table: BlockTable,
    /// All that is known of it, for who looks closer.
    meta: ValidatedHeader,
}

/// Opens a file that is a disk by itself.
pub(crate) fn open(source: Arc<dyn Source>) -> Result<Arc<dyn Image>> {
    let meta = ValidatedHeader::read(&*source)?;
    Ok(Arc::new(Expanding {
        facts: info::of_file(&meta, &source),
        table: BlockTable::new(&meta, source),
        meta,
    }))
}

/// Refuses a file that a descriptor beside it calls one of several: a snapshot's blocks over nothing are another disk.
pub(crate) fn refuse_part(source: &dyn Source, aux_files: &dyn AuxFiles) -> Result<()> {
    let Some(name) = source.path().and_then(|path| path.file_name()) else {
        return Ok(());
    };
    // One that cannot be opened or read says nothing of it.
    let Ok(descriptor) = aux_files
        .open(NAME)
        .and_then(|file| Descriptor::read(&*file))
    else {
        return Ok(());
    };
    if descriptor.needs_others(&name.to_string_lossy()) {
        return Err(Error::from(Fault::Part { descriptor: NAME }));
    }
    Ok(())
}

impl Image for Expanding {
    fn metadata(&self) -> &ImageMetadata {
        &self.facts
    }

    fn extent_at(&self, at: VirtOffset) -> Result<Extent> {
        let (len, place) = self.table.run(at.0)?;
        let state = match place {
            Some(at) => State::Data { file: 0, at },
            None => State::Absent,
        };
        Ok(Extent { at, len, state })
    }

    fn passed_over(&self) -> Result<Vec<String>> {
        let mut report = CheckReport::default();
        if let Some(source) = self.facts.files.first() {
            file_check::check_file(&self.meta, &self.table, &**source, &mut report)?;
        }
        Ok(report.summary(file_check::NOTED))
    }
}
