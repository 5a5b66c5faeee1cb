//! Transport files where images are opened: they are known by their first bytes, and none is a disk without its base.

use std::{fs::File, io::Read, path::Path, sync::Arc};

use imgdelta_core::{Error, FileSource, Kind, LayerId, Result, Source};
use imgdelta_delta::Chain;
use imgdelta_registry::{OpenSpec, Opened};
use imgdelta_transport::{DRIVER, TransportFile, TransportImage, is_transport};

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
    let source: Arc<dyn Source> = Arc::new(FileSource::open(path)?);
    TransportFile::open(source).map_err(|error| error.in_file(path))
}

/// Opens it as a layer over `base`; without one it tells its extents alone.
pub(crate) fn open(path: &Path, base: Option<&Chain>) -> Result<Opened> {
    let file = file_at(path)?;
    let stamp = file.source().opened().cloned();
    let image = Arc::new(TransportImage::new(file, base));
    Ok(Opened {
        id: LayerId::of(&*image),
        image,
        driver: &DRIVER,
        path: path.to_owned(),
        stamp,
        within: Vec::new(),
        notes: Vec::new(),
    })
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
