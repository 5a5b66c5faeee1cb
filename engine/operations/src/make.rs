//! `make`: what of a target differs from a base, as a child of the base with its manifest; both files or neither.

use std::path::Path;

use imgdelta_core::{Bytes, Driver, Error, FileOffset, Format, Kind, Result};
use imgdelta_delta::{self as delta, Manifest, manifest};
use imgdelta_registry::{
    OpenSpec, OutputSpec, check_base_format, check_child, child_rule, formats_with_children,
    needs_search,
};
use serde::Serialize;

use crate::{
    base_link::{self, UnlinkedBase},
    context::{Context, Ids, Stage},
    disk::{Disk, DiskRef, own_layers},
    left_out::{Reduced, same_note},
    output::{ImageOutput, shown},
    space::explain,
    target::{ResolvedTarget, Target},
    transport_file,
    unneeded::{Unneeded, UnusedBytes},
};

/// How a child is to be made.
#[derive(Clone, Debug)]
pub struct Make {
    base: OpenSpec,
    target: OpenSpec,
    output: Target,
    leave_out: Vec<Unneeded>,
}

/// A child that was made.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ChildReport {
    /// Its path.
    pub child: String,
    /// Its format.
    pub format: &'static str,
    /// The size of its disk in bytes.
    pub size: u64,
    /// How long its file is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_size: Option<u64>,
    /// What that takes on the host, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_disk: Option<u64>,
    /// Where its manifest stands.
    pub manifest: String,
    /// What it was made from.
    pub base: DiskRef,
    /// What it reproduces. The content id is that of the disk that the site gets.
    pub target: DiskRef,
    /// Whether base and target are the same disk, so that the child is empty.
    pub same: bool,
    /// How many of its blocks say something.
    pub blocks_changed: u64,
    /// How many blocks the disk has.
    pub blocks: u64,
    /// How long a block is, in bytes.
    pub block_size: u64,
    /// How many bytes differ, to the format's grain.
    pub bytes_changed: u64,
    /// The digest of its own layer.
    pub layer_digest: String,
    /// What nobody needs of the target and is not in the child, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_out: Option<UnusedBytes>,
    /// Whether the base's digests were remembered instead of read.
    pub base_from_memory: bool,
    /// Which folder must be searched to open the child by its link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
    /// Why the child does not open by a link, if it does not: the base is a disk that none can name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unlinked: Option<UnlinkedBase>,
    /// Whether nothing was written.
    pub dry_run: bool,
    /// What the user should know.
    pub notes: Vec<String>,
}

impl Make {
    /// A child at `output` that turns `base`, the image that the site has, into `target`.
    #[must_use]
    pub fn new(base: OpenSpec, target: OpenSpec, output: OutputSpec) -> Self {
        Self {
            base,
            target,
            output: Target::of(output),
            leave_out: Vec::new(),
        }
    }

    /// What certainly nobody needs of the target is left out, of all that is in `what`: the site's disk keeps the base's bytes there. Where a file
    /// system was not left cleanly or is not known, all of it travels, and a note says so.
    #[must_use]
    pub fn leave_out(mut self, what: impl IntoIterator<Item = Unneeded>) -> Self {
        self.leave_out = what.into_iter().collect();
        self
    }

    /// Whether all is worked out and nothing is written.
    #[must_use]
    pub const fn dry_run(mut self, dry_run: bool) -> Self {
        self.output.dry_run = dry_run;
        self
    }

    /// What the child's ids are made of.
    #[must_use]
    pub const fn ids(mut self, ids: Ids) -> Self {
        self.output.ids = ids;
        self
    }

    /// Makes the child and its manifest, durable and in their places; with any error neither is there, and what stood there still is.
    ///
    /// # Errors
    /// Usage, if the output may not be replaced or is an input; Unsupported, if the format has no such child (`no_children`,
    /// `base_format`, `base_not_linkable`, `size_differs`, `sector_size`); those of the images; Host, if an input changed meanwhile; Interrupted.
    pub fn run(&self, context: &Context) -> Result<ChildReport> {
        let output = self.resolve()?;
        let base = Disk::open(&self.base)?;
        let target = Disk::open(&self.target)?;
        self.write(&output, [&base, &target], None, context)
    }

    /// As [`run`](Self::run), of disks that are open, which must be what a manifest promises: the child has their names from it.
    ///
    /// # Errors
    /// As [`run`](Self::run); Chain, if the base is another disk; Digest, if the target is.
    pub(crate) fn run_promised(
        &self,
        (base, target): (&Disk, &Disk),
        promised: Option<&Manifest>,
        context: &Context,
    ) -> Result<ChildReport> {
        self.write(&self.resolve()?, [base, target], promised, context)
    }

    /// The output, of a format that has children.
    fn resolve(&self) -> Result<ResolvedTarget> {
        let output = self.output.resolve_image()?;
        child_rule(output.driver()).map_err(|error| {
            let formats = formats_with_children();
            let hint = format!(
                "differencing disks exist in {formats}: choose one with -f or another extension"
            );
            error.with_hint(hint).in_file(&self.output.spec.path)
        })?;
        Ok(output)
    }

    fn write(
        &self,
        output: &ResolvedTarget,
        [base, target]: [&Disk; 2],
        promised: Option<&Manifest>,
        context: &Context,
    ) -> Result<ChildReport> {
        let path = &self.output.spec.path;
        let driver = output.driver();
        require_base_format(driver, base)?;
        check_child(driver, &base.traits(), &target.traits())
            .map_err(|error| error.in_file(path))?;

        let (parent, unlinked) = base_link::of_child(driver, &self.base, base, path, context)?;
        let inputs = [base, target];
        let disk = target.chain.disk();
        let output = ImageOutput::begin(output, disk, Some(parent), &inputs, context)?;
        let size = output.writer.shape().size;
        let (writer, written) = output.split();
        let place = manifest::place_of(path);
        let sink = written.beside(&place.file_name().unwrap_or_default().to_string_lossy())?;

        context.begin(Stage::Make(path));
        let reduced = Reduced::of(&self.leave_out, base, target)?;
        let sent = reduced.as_ref().map_or(target, |reduced| &reduced.disk);
        let exec = context.exec(self.output.ids)?;
        // What was promised comes out of a transport file.
        let work = promised.map_or(exec, |_| transport_file::at_site(exec));
        let made = delta::Make {
            base: &base.chain,
            target: &sent.chain,
            proves: true,
            memory: context.digest_cache(),
            work,
        }
        .run(writer)
        .map_err(|error| explain(error, &sent.chain))?;
        let child = shown(path.file_name().unwrap_or_default().as_ref());
        let mut manifest = describe(
            &made,
            (&base.name(), base),
            (&target.name(), target),
            (&child, driver.format),
            size,
        )?;
        if let Some(promised) = promised {
            keep_promise(promised, &made, &mut manifest)?;
        }
        if let Some(reduced) = &reduced {
            reduced.describe(&mut manifest);
        }
        sink.write_at(FileOffset::ZERO, &manifest.to_json()?)?;
        let told = (&manifest, reduced);
        let mut report = self.report(driver, inputs, &made, told, unlinked);
        report.file_size = written.file_size();
        report.on_disk = written.on_disk()?;
        let (below, above) = own_layers(&base.chain, &target.chain);
        report.notes.extend(base.passed_over(below, context)?);
        report.notes.extend(target.passed_over(above, context)?);
        report.notes.extend(written.commit()?);
        Ok(report)
    }

    /// What was made.
    fn report(
        &self,
        driver: &Driver,
        [base, target]: [&Disk; 2],
        made: &delta::Made,
        (manifest, reduced): (&Manifest, Option<Reduced>),
        unlinked: Option<UnlinkedBase>,
    ) -> ChildReport {
        let path = &self.output.spec.path;
        let same = manifest.base.content_id == manifest.result.content_id;
        let mut notes = base.notes();
        notes.extend(target.notes());
        let left_out = reduced.as_ref().map(|reduced| reduced.bytes);
        notes.extend(reduced.into_iter().flat_map(|reduced| reduced.notes));
        if same {
            notes.push(same_note(left_out, "the child is empty"));
        }
        notes.extend(unlinked.iter().map(|why| why.note(&base.top.path)));
        let search = match unlinked {
            Some(_) => None,
            None => needs_search(path, &base.top.path).map(|folder| shown(&folder)),
        };
        ChildReport {
            child: shown(path),
            format: driver.format.name(),
            size: manifest.child.size,
            file_size: None,
            on_disk: None,
            manifest: shown(&manifest::place_of(path)),
            base: base.named(Some(manifest.base.content_id.clone())),
            target: target.named(Some(manifest.result.content_id.clone())),
            same,
            blocks_changed: made.units,
            blocks: Bytes(manifest.child.size).pieces(made.unit),
            block_size: made.unit.0,
            bytes_changed: made.changed.0,
            layer_digest: manifest.child.layer_digest.clone(),
            left_out,
            base_from_memory: made.remembered,
            search,
            unlinked,
            dry_run: self.output.dry_run,
            notes,
        }
    }
}

/// Makes sure that both disks are those that are promised; the target is then called as it was where it was made.
fn keep_promise(promised: &Manifest, made: &delta::Made, found: &mut Manifest) -> Result<()> {
    if let Some(base) = &made.base {
        promised.base.proof()?.require(base)?;
    }
    if promised.result.content_id != found.result.content_id {
        let message = "the result is not what the manifest promises; the file is damaged";
        return Err(Error::new(Kind::Digest, message)
            .with_code("result_mismatch")
            .with_detail(format!("promised {}", promised.result.content_id))
            .with_detail(format!("found    {}", found.result.content_id)));
    }
    found.result = promised.result.clone();
    found.left_out.clone_from(&promised.left_out);
    Ok(())
}

/// Makes sure that the base has the format that such a child demands, or says how it gets it.
pub(crate) fn require_base_format(driver: &Driver, base: &Disk) -> Result<()> {
    let path = &base.top.path;
    let extension = driver.extensions.first().copied().unwrap_or_default();
    // Beside a device nobody keeps files.
    let is_device = base.top_versions().iter().any(|file| file.is_device);
    let beside = if is_device {
        path.file_name().map(Path::new).unwrap_or(path)
    } else {
        path
    };
    check_base_format(driver, base.top.driver.format).map_err(|error: Error| {
        error
            .with_hint(format!(
                "'imgdelta convert {} -o {}' makes one",
                path.display(),
                beside.with_extension(extension).display()
            ))
            .in_file(path)
    })
}

/// The manifest of a child that was made with proofs, of a disk of `size` bytes. Each image is called as its caller says.
pub(crate) fn describe(
    made: &delta::Made,
    (base_name, base): (&str, &Disk),
    (target_name, target): (&str, &Disk),
    (child_name, format): (&str, Format),
    size: Bytes,
) -> Result<Manifest> {
    let named = |name: &str, format| manifest::ImageName {
        name: name.to_owned(),
        format,
        identity: None,
    };
    let base = manifest::ImageName {
        identity: base.metadata().identity.as_ref(),
        ..named(base_name, base.top.driver.format)
    };
    let target = named(target_name, target.top.driver.format);
    Manifest::describe(made, &base, &target, &named(child_name, format), size)
}
