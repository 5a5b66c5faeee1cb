//! Standard input, kept in a file without a name while it is read: a disk is read out of order.

use std::{
    fs::File,
    io::{self, IsTerminal, Read, Seek, SeekFrom, Write},
    path::Path,
    sync::Arc,
};

use imgdelta::core::{Error, FileSource, Kind, MemSource, ProbeWindow, Result, Source};
use imgdelta::registry::refuse_packed;

use super::Run;

/// What a disk from standard input is called.
pub(super) const NAME: &str = "standard input";

/// Reads standard input to its end. `is_probed`: whether its bytes are to say what it is.
pub(super) fn keep(run: &Run<'_>, is_probed: bool) -> Result<Arc<dyn Source>> {
    if io::stdin().is_terminal() {
        return Err(Error::new(
            Kind::Usage,
            "standard input is a terminal, and an image is not text",
        ));
    }
    let file = spool(&run.settings.temporary.value, run, is_probed)?;
    Ok(Arc::new(FileSource::of(file, Path::new(NAME))?))
}

/// Standard input as a file that has no name and is gone with its last user.
fn spool(folder: &Path, run: &Run<'_>, is_probed: bool) -> Result<File> {
    let failed = |cause| {
        Error::host("cannot keep standard input", cause)
            .in_file(folder)
            .with_hint("IMGDELTA_TMPDIR says where it is kept")
    };
    let mut file = tempfile::tempfile_in(folder).map_err(failed)?;
    run.display.phase("read standard input");
    // It may wait for ever, and leaves nothing behind.
    run.signals.may_end_at_once(true);
    let mut input = io::stdin().lock();
    let mut buffer = vec![0; 1 << 20];
    let mut len: u64 = 0;
    // What is no disk is refused before a long stream is read.
    let mut start = Some(Vec::new());
    loop {
        let read = match input.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => continue,
            Err(cause) => return Err(Error::host("cannot read standard input", cause)),
        };
        let bytes = buffer.get(..read).unwrap_or_default();
        len = len.saturating_add(read as u64);
        if is_probed && let Some(mut first) = start.take() {
            first.extend_from_slice(bytes);
            if first.len() < ProbeWindow::REACH.in_memory() {
                start = Some(first);
            } else {
                refuse_packed(&MemSource(first), Path::new(NAME))
                    .map_err(|error| error.in_file(Path::new(NAME)))?;
            }
        }
        // What is zero is left out: a raw disk is mostly that.
        if bytes.iter().all(|byte| *byte == 0) {
            file.seek(SeekFrom::Start(len)).map_err(failed)?;
        } else {
            file.write_all(bytes).map_err(failed)?;
        }
    }
    file.set_len(len).map_err(failed)?;
    run.signals.may_end_at_once(false);
    Ok(file)
}
