//! The form as a table, as formats are one: for who opens images. It is in no registry, since it is read over a base alone.

use std::sync::Arc;

use imgdelta_core::{
    CheckReport, Driver, Format, Image, Open, ProbeResult, ProbeWindow, References, Result,
    Sectors, Source,
};
use imgdelta_delta::{ExecContext, RunProgress};

use crate::{
    check::check,
    file::{TransportFile, is_transport},
    image::TransportImage,
};

/// The form: opened without a base, it tells its extents alone.
pub static DRIVER: Driver = Driver {
    format: Format::Transport,
    extensions: &["imgdelta"],
    exclusive_extensions: &["imgdelta"],
    folder_file: None,
    create_options: &[],
    open_options: &[],
    streams: false,
    sectors: Sectors::Unsaid,
    probe,
    open,
    create: None,
    check: check_alone,
    repair: None,
    child: None,
    relink: None,
    references,
};

fn probe(window: &ProbeWindow) -> ProbeResult {
    if is_transport(window.start()) {
        ProbeResult::Yes
    } else {
        ProbeResult::No
    }
}

fn open(open: Open<'_>) -> Result<Arc<dyn Image>> {
    open.options.finish("transport files", &[])?;
    let file = TransportFile::open(open.source)?;
    Ok(Arc::new(TransportImage::new(file, None)))
}

fn check_alone(open: Open<'_>) -> Result<CheckReport> {
    let file = TransportFile::open(open.source)?;
    let progress = RunProgress::default();
    check(&file, None, ExecContext::new(1, &progress))
}

/// The base is known by its content alone.
fn references(_: &Arc<dyn Source>) -> Result<References> {
    Ok(References::default())
}
