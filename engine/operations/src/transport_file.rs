//! Transport files where images are opened: they are known by their first bytes, and none is a disk without its base.

use std::{fs::File, io::Read, path::Path, sync::Arc};

use imgdelta_core::{Bytes, Error, FileSource, Kind, LayerId, Result, Source};
use imgdelta_delta::{Chain, ExecContext, Manifest};
use imgdelta_registry::{OpenSpec, Opened};
use imgdelta_transport::{DRIVER, TransportFile, TransportImage, is_transport};

/// What the workers of a run over a transport file take together.
const SITE_MEMORY: Bytes = Bytes::mib(8);

/// Whether a transport file is meant: one that says so itself, and of which no format was said.
pub(crate) fn is_meant(spec: &OpenSpec) -> bool {
    spec.format.is_none() && stands_at(&spec.path)
}

fn stands_at(path: &Path) -> bool {
    let mut start = [0; 8];
    // What a pipe holds would be gone.
    let is_file = std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
    let mut read = || File::open(path).and_then(|mut file| file.read_exact(&mut start));
    is_file && read().is_ok() && is_transport(&start)
}

/// Opens the file alone.
pub(crate) fn file_at(path: &Path) -> Result<TransportFile> {
    file_in(Arc::new(FileSource::open(path)?), path)
}

/// Opens the file in `bytes`, which is called `path`, alone.
pub(crate) fn file_in(bytes: Arc<dyn Source>, path: &Path) -> Result<TransportFile> {
    TransportFile::open(bytes).map_err(|error| error.in_file(path))
}

/// Opens the file in `bytes` as a layer over `base`, with the manifest that travels in it.
pub(crate) fn open_over(
    bytes: Arc<dyn Source>,
    path: &Path,
    base: &Chain,
) -> Result<(Opened, Manifest)> {
    let file = file_in(bytes, path)?;
    let manifest = file.manifest().clone();
    Ok((layer(file, path, Some(base)), manifest))
}

/// Opens it as a layer over `base`; without one it tells its extents alone.
pub(crate) fn open(path: &Path, base: Option<&Chain>) -> Result<Opened> {
    Ok(layer(file_at(path)?, path, base))
}

fn layer(file: TransportFile, path: &Path, base: Option<&Chain>) -> Opened {
    let stamp = file.source().opened().cloned();
    let image = Arc::new(TransportImage::new(file, base));
    Opened {
        id: LayerId::of(&*image),
        image,
        driver: &DRIVER,
        path: path.to_owned(),
        stamp,
        within: Vec::new(),
        notes: Vec::new(),
    }
}

/// How a run over a transport file is to be done: unpacking one takes less memory than other runs, as sites are small.
pub(crate) fn at_site(work: ExecContext<'_>) -> ExecContext<'_> {
    ExecContext {
        memory: work.memory.min(SITE_MEMORY),
        ..work
    }
}

/// It was given where a disk is needed.
pub(crate) fn refused(path: &Path) -> Error {
    Error::new(
        Kind::Chain,
        "is a transport file: it is a disk only together with its base",
    )
    .with_code("transport_base")
    .with_hint(format!(
        "'imgdelta apply {} -b BASE -o IMAGE' makes the disk",
        path.display()
    ))
    .in_file(path)
}

/// Whether an error may come of a base that is not the one that the file was made against.
pub(crate) fn may_be_of_base(error: &Error) -> bool {
    let codes = ["transport_digest", "transport_frame", "transport_page"];
    codes.contains(&error.code())
}

/// It is no transport file, and only one can be expanded.
pub(crate) fn not_one(path: &Path) -> Error {
    Error::new(
        Kind::Usage,
        "is no transport file, so there is no child to make of it",
    )
    .with_code("not_transport")
    .with_hint("'imgdelta attach' links a child to its base")
    .in_file(path)
}
