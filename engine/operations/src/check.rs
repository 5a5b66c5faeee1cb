//! `check`: is an image sound? A repair writes one that is, as far as nothing needs to be guessed.

use std::path::{Path, PathBuf};

use imgdelta_core::{
    AtomicFile, Attributes, CheckReport, Driver, Error, Existing, Kind, Ownership, Result,
};
use imgdelta_delta::{Replaced, mend, mend_in_place};
use imgdelta_registry::{
    OpenSpec, OpenedRepair, check_image, check_name, driver_of_image, refuse_inputs, repair_image,
};
use imgdelta_transport::check as check_transport;
use serde::Serialize;

use crate::{
    check_chain::{ChainFindings, LinkInfo, check_chain},
    check_table::table_notes,
    child_pair::{ChildPair, Evidence},
    context::{Context, Ids, Stage},
    output::{lost_note, shown},
    transport_file,
};

/// Which image is to be checked, and what is to become of a damaged one.
#[derive(Clone, Debug)]
pub struct Check {
    image: OpenSpec,
    repair: Option<RepairInto>,
    chain: bool,
    base: Option<OpenSpec>,
}

/// Where a mended image goes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RepairInto {
    /// To a file of its own.
    File {
        /// That file.
        output: PathBuf,
        /// Whether what stands there may be replaced.
        existing: Existing,
        /// Owner, group and permissions, where they are not to be those of what is replaced, or of any new file.
        ownership: Ownership,
    },
    /// Where the damaged one stands. Whether it must keep its owner and the like.
    Place(Attributes),
}

/// What a check found.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct CheckedImage {
    /// The image.
    pub path: String,
    /// Its format.
    pub format: &'static str,
    /// Whether no rule is broken.
    pub sound: bool,
    /// Rules that are broken, at most [`CheckReport::LIMIT`].
    pub faults: Vec<FaultInfo>,
    /// Whether there may be more than are listed.
    pub more: bool,
    /// What was counted.
    pub counts: Vec<Count>,
    /// What was mended. All else is then said of the mended image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repair: Option<RepairReport>,
    /// The links of its chain, its own first; `None` if they were not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub links: Option<Vec<LinkInfo>>,
    /// What is not as it should be but harms no content, and what of the guest's partition table is not.
    pub notes: Vec<String>,
    /// Whether `--repair` could mend something of it.
    #[serde(skip)]
    pub can_repair: bool,
}

/// An image that was mended.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct RepairReport {
    /// Where the mended image stands.
    pub output: String,
    /// What was done, a line each.
    pub mended: Vec<String>,
}

/// A broken rule.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct FaultInfo {
    /// Stable.
    pub code: &'static str,
    /// Not stable.
    pub message: String,
    /// In which structure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub structure: Option<&'static str>,
    /// In which field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<&'static str>,
    /// Where in the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// All of it in one line, for people.
    #[serde(skip)]
    pub line: String,
}

/// What was counted.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Count {
    /// Of what.
    pub name: &'static str,
    /// How many.
    pub count: u64,
}

impl Check {
    /// An image, its parents apart.
    #[must_use]
    pub const fn new(image: OpenSpec) -> Self {
        Self {
            image,
            repair: None,
            chain: false,
            base: None,
        }
    }

    /// Whether its parents are checked too, and whether each child of the chain still stands on its base: by the manifest beside it, which has both
    /// read, else by what it records.
    #[must_use]
    pub const fn chain(mut self, chain: bool) -> Self {
        self.chain = chain;
        self
    }

    /// The base of a transport file, over which all of it is unpacked.
    #[must_use]
    pub fn base(mut self, base: OpenSpec) -> Self {
        self.base = Some(base);
        self
    }

    /// A mended image is written, and checked before it gets its name.
    #[must_use]
    pub fn repair(mut self, into: RepairInto) -> Self {
        self.repair = Some(into);
        self
    }

    /// Looks for faults; with a repair, all is then said of the mended image.
    ///
    /// # Errors
    /// Those of an image that does not open; Unsupported, if nothing can be mended in its format; Usage, if the output may not be replaced; Host, if
    /// the image changed meanwhile; Interrupted.
    pub fn run(&self, context: &Context) -> Result<CheckedImage> {
        let spec = &self.image;
        if matches!(self.repair, Some(RepairInto::Place(_))) {
            AtomicFile::settle(&spec.path)?;
        }
        if transport_file::is_meant(spec) {
            return self.check_transport(context);
        }
        if self.base.is_some() {
            let message = "only a transport file is checked against a base that is named";
            return Err(Error::new(Kind::Usage, message)
                .with_code("not_transport")
                .with_hint("--chain checks a child together with its parents")
                .in_file(&spec.path));
        }
        let driver = driver_of_image(spec)?;
        match &self.repair {
            None => {
                let exec = context.exec(Ids::OfContent)?;
                let report = exec.install(|| check_image(spec))??;
                let mut checked = self.report(driver, report, None);
                if checked.sound {
                    checked.notes.extend(table_notes(spec, self.chain));
                }
                if self.chain {
                    Ok(with_chain(checked, check_chain(spec, context)?))
                } else {
                    Ok(checked)
                }
            }
            Some(into) => self.mend(into, driver, context),
        }
    }

    /// A transport file: its own structure, and over its base, which is proven then, all that it unpacks to.
    fn check_transport(&self, context: &Context) -> Result<CheckedImage> {
        let path = &self.image.path;
        if self.repair.is_some() {
            let message =
                "a transport file cannot be mended: its windows come anew from where it was made";
            return Err(Error::new(Kind::Unsupported, message).in_file(path));
        }
        let work = context.exec(Ids::OfContent)?;
        let report = match &self.base {
            None => check_transport(&transport_file::file_at(path)?, None, work)?,
            Some(base) => {
                let pair = ChildPair::open(&self.image, base, &Evidence::ManifestBeside)?;
                pair.prove_base(context)
                    .map_err(|error| pair.explain(error, &self.image))?;
                let file = transport_file::file_at(path)?;
                check_transport(&file, Some(&pair.base.chain), work)?
            }
        };
        Ok(self.report(&imgdelta_transport::DRIVER, report, None))
    }

    /// Writes the mended image, and checks it before it gets its name.
    fn mend(&self, into: &RepairInto, driver: &Driver, context: &Context) -> Result<CheckedImage> {
        let opened = repair_image(&self.image)?;
        let output = match into {
            RepairInto::File {
                output, existing, ..
            } => {
                let versions: Vec<_> = opened.stamp.iter().cloned().collect();
                refuse_inputs(output, &versions)?;
                check_name(driver, output, *existing)?;
                shown(output)
            }
            RepairInto::Place(_) => shown(&self.image.path),
        };
        if opened.repair.done.is_empty() && matches!(into, RepairInto::Place(_)) {
            AtomicFile::clear(&self.real_path()?)?;
            let mended = Vec::new();
            let report = check_image(&self.image)?;
            return Ok(self.report(driver, report, Some(RepairReport { output, mended })));
        }
        let path = Path::new(&output);
        context.begin(Stage::Write(path));
        context.begin(Stage::Repair(path));
        let (draft, lost) = self.mended(into, &opened, context)?;
        // The log, which it may have been asked to ignore, is empty now.
        let report = check_image(&OpenSpec {
            format: Some(driver.format),
            ..OpenSpec::of(draft.written_at())
        })?;
        draft.commit()?;
        let mended = opened.repair.done;
        let mut report = self.report(driver, report, Some(RepairReport { output, mended }));
        report.notes.extend(lost_note(&self.image.path, &lost));
        Ok(report)
    }

    /// The mended image, which has no name yet, and what it could not keep of the damaged one beside the bytes.
    fn mended(
        &self,
        into: &RepairInto,
        opened: &OpenedRepair,
        context: &Context,
    ) -> Result<(AtomicFile, Vec<String>)> {
        let OpenedRepair {
            repair,
            file,
            stamp,
        } = opened;
        let progress = context.progress();
        match into {
            RepairInto::File {
                output,
                existing,
                ownership,
            } => {
                let draft = mend(output, *existing, repair, progress)?;
                Ok((draft.owned(*ownership), Vec::new()))
            }
            RepairInto::Place(attributes) => {
                let opened = stamp.as_ref().ok_or_else(|| {
                    Error::new(Kind::Unsupported, "is no file").in_file(&self.image.path)
                })?;
                let image = Replaced {
                    place: &self.real_path()?,
                    file,
                    opened,
                    attributes: *attributes,
                };
                mend_in_place(image, repair, progress)
            }
        }
    }

    /// The image's own path: the file itself, not a link to it, gets the new bytes.
    fn real_path(&self) -> Result<PathBuf> {
        let path = &self.image.path;
        std::fs::canonicalize(path).map_err(|cause| Error::host("cannot find", cause).in_file(path))
    }

    fn report(
        &self,
        driver: &Driver,
        report: CheckReport,
        repair: Option<RepairReport>,
    ) -> CheckedImage {
        let CheckReport {
            faults,
            notes,
            counts,
        } = report;
        CheckedImage {
            path: shown(&self.image.path),
            format: driver.format.name(),
            can_repair: driver.repair.is_some(),
            repair,
            sound: faults.is_empty(),
            links: None,
            more: faults.len() >= CheckReport::LIMIT,
            faults: faults.iter().map(fault).collect(),
            counts: counts
                .into_iter()
                .map(|(name, count)| Count { name, count })
                .collect(),
            notes,
        }
    }
}

/// What was found of the image, and what of its chain.
fn with_chain(mut checked: CheckedImage, found: ChainFindings) -> CheckedImage {
    checked.sound &= found.faults.is_empty();
    checked.faults.extend(found.faults.iter().map(fault));
    checked.notes.extend(found.notes);
    checked.links = Some(found.links);
    checked
}

fn fault(error: &Error) -> FaultInfo {
    let place = error.location();
    FaultInfo {
        code: error.code(),
        message: error.message().to_owned(),
        structure: place.structure,
        field: place.field,
        offset: place.offset.map(|offset| offset.0),
        line: error.to_string(),
    }
}
