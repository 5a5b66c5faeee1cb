//! What a file says of itself, read and judged: what leaves here is true of it. Each structure is judged in its own file, blocks in `map`.

use std::{ops::Range, sync::Arc};

use imgdelta_core::{FileOffset, ParentLink, Result, Source};

use crate::{
    fault::Fault,
    header::{self, Headers},
    identity,
    layout::{BatShape, MIB},
    locator::Locator,
    log,
    map::{Tables, validate::FileRanges},
    metadata::Metadata,
    open_options::OpenOptions,
    region::{self, Regions},
};

/// What is known of an image before its blocks are looked at.
#[derive(Clone, Debug)]
pub(crate) struct ValidatedHeader {
    /// The file, its log replayed: all that is read after the headers is read here.
    pub(crate) source: Arc<dyn Source>,
    /// Who made it.
    pub(crate) creator: String,
    /// Both headers.
    pub(crate) headers: Headers,
    /// Where the regions stand.
    pub(crate) regions: Regions,
    /// What the metadata say.
    pub(crate) metadata: Metadata,
    /// Who the parent is, in a child.
    pub(crate) locator: Option<Locator>,
    /// How the child names its parent.
    pub(crate) link: Option<ParentLink>,
    /// What the user should know.
    pub(crate) notes: Vec<String>,
}

impl ValidatedHeader {
    /// Reads and judges what `source` says of itself.
    pub(crate) fn read(source: &Arc<dyn Source>, reading: OpenOptions) -> Result<Self> {
        let creator = header::creator(&**source)?;
        let headers = header::read(&**source)?;
        headers.validate(source.len().0, !reading.ignores_log)?;
        let mut notes: Vec<String> = headers.flaw.clone().into_iter().collect();
        let source = replayed(source, &headers, reading, &mut notes)?;
        let regions = region::read(&*source, &headers.log())?;
        notes.extend(regions.flaw.clone());
        let metadata = Metadata::read(&*source, &regions.metadata)?;
        let (locator, link) = match metadata.locator(&*source)? {
            Some((item, at)) => {
                let locator = Locator::read(&item, at)?;
                let link = locator.link(at)?;
                (Some(locator), Some(link))
            }
            None => (None, None),
        };
        let meta = Self {
            source,
            creator,
            headers,
            regions,
            metadata,
            locator,
            link,
            notes,
        };
        meta.tables().validate_room()?;
        Ok(meta.noted())
    }

    /// With what is odd and does no harm.
    fn noted(mut self) -> Self {
        let len = self.source.len().0;
        if !len.is_multiple_of(MIB) {
            self.notes.push(format!(
                "the file is {len} bytes long, Hyper-V wants a multiple of 1 MiB"
            ));
        }
        if self.metadata.page_83.is_none() {
            self.notes.push("the metadata have no Page 83 Data".into());
        }
        if self.metadata.physical.is_none() {
            self.notes
                .push("the metadata have no Physical Sector Size".into());
        }
        self
    }

    /// Where the blocks are.
    pub(crate) fn tables(&self) -> Tables {
        let metadata = &self.metadata;
        let (size, block_size) = (metadata.size, metadata.block_size());
        let sector = u64::from(metadata.sector);
        Tables {
            bat: self.regions.bat.clone(),
            shape: BatShape::new(size.0, block_size.0, sector),
            block_size,
            size,
            sector,
            is_child: metadata.is_child(),
        }
    }

    /// What stands in the file beside blocks and bitmaps.
    pub(crate) fn structures(&self) -> Vec<(Range<u64>, &'static str)> {
        let mut all = vec![(0..MIB, "the headers"), (self.headers.log(), "the log")];
        all.extend(self.regions.entries.iter().map(|entry| {
            let range = region::range_of(entry);
            let name = match () {
                () if range == self.regions.bat => "the BAT",
                () if range == self.regions.metadata => "the metadata",
                () => "another region",
            };
            (range, name)
        }));
        all
    }

    /// Judges where all blocks are.
    pub(crate) fn validate_blocks(&self, ranges: FileRanges) -> Result<()> {
        self.tables()
            .validate(&*self.source, &self.structures(), ranges)
    }

    /// Which kind of VHDX it is.
    pub(crate) const fn variant(&self) -> &'static str {
        match () {
            () if self.metadata.is_child() => "differencing",
            () if self.metadata.is_fixed() => "fixed",
            () => "dynamic",
        }
    }
}

/// The file with its log replayed, if its log is in use.
fn replayed(
    source: &Arc<dyn Source>,
    headers: &Headers,
    reading: OpenOptions,
    notes: &mut Vec<String>,
) -> Result<Arc<dyn Source>> {
    if !headers.has_log() {
        return Ok(Arc::clone(source));
    }
    if reading.ignores_log {
        notes.push("the log was ignored: what was written last may be missing".into());
        return Ok(Arc::clone(source));
    }
    let replayed = log::replay(source, headers)?;
    notes.push(format!(
        "the file was not closed: its log was replayed in memory, entries: {}",
        replayed.entries
    ));
    Ok(replayed.source)
}

/// The parent link alone. Blocks are not looked at, and a log that cannot be replayed is passed over: what an image names can be asked of
/// a damaged one too.
pub(crate) fn references(source: &Arc<dyn Source>) -> Result<imgdelta_core::References> {
    header::creator(&**source)?;
    let headers = header::read(&**source)?;
    let replay = |headers: &Headers| {
        headers.validate(source.len().0, true)?;
        log::replay(source, headers).map(|replayed| replayed.source)
    };
    let source = match headers.has_log().then(|| replay(&headers)) {
        Some(Ok(replayed)) => replayed,
        _ => Arc::clone(source),
    };
    let regions = region::read(&*source, &headers.log())?;
    let metadata = Metadata::read(&*source, &regions.metadata)?;
    let parent = match metadata.locator(&*source)? {
        Some((item, at)) => Some(Locator::read(&item, at)?.link(at)?),
        None => None,
    };
    Ok(imgdelta_core::References {
        parent,
        aux_files: Vec::new(),
    })
}

/// What a child names, as text.
pub(crate) fn data_write_guid(headers: &Headers) -> String {
    identity::text(headers.current.data_write_guid)
}

/// Places a fault at the start of the metadata.
pub(crate) fn in_locator(fault: Fault, metadata: &Metadata) -> imgdelta_core::Error {
    imgdelta_core::Error::from(fault)
        .in_structure("parent locator")
        .at(FileOffset(metadata.region.start))
}
