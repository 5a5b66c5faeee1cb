//! `make --form transport`: what of a target differs from a base, as one small file that is read over the base alone.

use std::sync::Arc;

use imgdelta_core::{Error, Existing, Format, Kind, Outputs, Result, Sink};
use imgdelta_delta::{Chain, Manifest, manifest::ImageName};
use imgdelta_registry::{AtomicFileSet, OpenSpec, OutputSpec, package_file};
use imgdelta_transport::{DRIVER, IndexBudget, LEVEL, Pack, Packing, Written, layout::layer_size};
use serde::Serialize;

use crate::{
    context::{Context, Stage},
    disk::{Disk, DiskRef, own_layers},
    left_out::{Reduced, same_note},
    nowhere::Measure,
    output::shown,
    space::explain,
    target::Target,
    unneeded::{Unneeded, UnusedBytes},
};

/// How a transport file is to be made.
#[derive(Clone, Debug)]
pub struct MakeTransport {
    base: OpenSpec,
    target: OpenSpec,
    output: Target,
    level: i32,
    leave_out: Vec<Unneeded>,
}

/// A transport file that was made.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct TransportReport {
    /// Its path.
    pub output: String,
    /// Its format.
    pub format: &'static str,
    /// The size of the disk that comes out, in bytes.
    pub size: u64,
    /// How long the file is.
    pub file_size: u64,
    /// What it was made from.
    pub base: DiskRef,
    /// What it reproduces. The content id is that of the disk that the site gets.
    pub target: DiskRef,
    /// Whether base and target are the same disk.
    pub same: bool,
    /// How many bytes differ, to the block of 4 KiB.
    pub bytes_changed: u64,
    /// How many of them became zero.
    pub bytes_zero: u64,
    /// How many stand elsewhere in the base.
    pub bytes_copied: u64,
    /// How many stand more than once in the target, and are stored once.
    pub bytes_repeated: u64,
    /// How many are stored, before they are packed.
    pub bytes_stored: u64,
    /// In how many windows.
    pub windows: u64,
    /// What the windows take in the file.
    pub windows_size: u64,
    /// The digest of the file's own layer.
    pub layer_digest: String,
    /// What nobody needs of the target and is not in the file, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_out: Option<UnusedBytes>,
    /// Whether the base's digests were remembered instead of read.
    pub base_from_memory: bool,
    /// Whether nothing was written.
    pub dry_run: bool,
    /// What the user should know.
    pub notes: Vec<String>,
}

impl MakeTransport {
    /// A file at `output` that turns `base`, the image that the site has, into `target`.
    #[must_use]
    pub fn new(base: OpenSpec, target: OpenSpec, output: OutputSpec) -> Self {
        Self {
            base,
            target,
            output: Target::of(output),
            level: LEVEL,
            leave_out: Vec::new(),
        }
    }

    /// As [`Make::leave_out`](crate::Make::leave_out).
    #[must_use]
    pub fn leave_out(mut self, what: impl IntoIterator<Item = Unneeded>) -> Self {
        self.leave_out = what.into_iter().collect();
        self
    }

    /// The level of zstd: 1 to 19.
    #[must_use]
    pub const fn level(mut self, level: i32) -> Self {
        self.level = level;
        self
    }

    /// Whether all is worked out and nothing is written.
    #[must_use]
    pub const fn dry_run(mut self, dry_run: bool) -> Self {
        self.output.dry_run = dry_run;
        self
    }

    /// Makes the file, durable and in its place; with any error it is not there, and what stood there still is.
    ///
    /// # Errors
    /// Usage, if the output may not be replaced, is an input or is called as an image of another format; those of the images; Host, if an input
    /// changed meanwhile; Interrupted.
    pub fn run(&self, context: &Context) -> Result<TransportReport> {
        let path = &self.output.spec.path;
        self.check_name()?;
        let base = Disk::open(&self.base)?;
        let target = Disk::open(&self.target)?;
        let place = Place::begin(&self.output, &[&base, &target], context)?;
        context.begin(Stage::Make(path));
        let reduced = Reduced::of(&self.leave_out, &base, &target)?;
        let reduced = reduced.as_ref();
        let sent = reduced.map_or(&target.chain, |reduced| &reduced.disk.chain);
        let explained = |error| explain(error, sent);
        let packing = self
            .pack(&base.chain, sent, context)?
            .prepare()
            .map_err(explained)?;
        let mut manifest = self.manifest(&packing, &base, &target)?;
        if let Some(reduced) = reduced {
            reduced.describe(&mut manifest);
        }
        let written = packing.write(&*place.sink, &manifest).map_err(explained)?;
        let mut report = self.report([&base, &target], &packing, (&manifest, reduced), written);
        let (below, above) = own_layers(&base.chain, &target.chain);
        report.notes.extend(base.passed_over(below, context)?);
        report.notes.extend(target.passed_over(above, context)?);
        place.commit()?;
        Ok(report)
    }

    fn pack<'a>(
        &self,
        base: &'a Chain,
        target: &'a Chain,
        context: &'a Context,
    ) -> Result<Pack<'a>> {
        Ok(Pack {
            base,
            target,
            level: self.level,
            budget: IndexBudget::default(),
            memory: context.digest_cache(),
            work: context.exec(self.output.ids)?,
        })
    }

    /// A name that promises an image is refused, and so are a format and options of one.
    fn check_name(&self) -> Result<()> {
        let spec = &self.output.spec;
        let own = spec.path.extension().and_then(|name| name.to_str());
        let is_own = own.is_some_and(|own| DRIVER.extensions.contains(&own));
        let refused = |what: &str| Err(Error::new(Kind::Usage, what).with_code("transport_name"));
        if spec.format.is_some() {
            return refused("a transport file has no format of images: -f is for a child");
        }
        spec.options.clone().finish("transport files", &[])?;
        if is_own || spec.existing == Existing::Replace {
            return Ok(());
        }
        refused("a transport file ends in .imgdelta").map_err(|error: Error| {
            error
                .with_hint("call it so, or say --force")
                .in_file(&spec.path)
        })
    }

    /// The manifest that travels in it.
    fn manifest(&self, packing: &Packing<'_>, base: &Disk, target: &Disk) -> Result<Manifest> {
        let name = self.output.spec.path.file_name().unwrap_or_default();
        let named = |name: String, format| ImageName {
            name,
            format,
            identity: None,
        };
        Manifest::describe(
            packing.made(),
            &ImageName {
                identity: base.metadata().identity.as_ref(),
                ..named(base.name(), base.top.driver.format)
            },
            &named(target.name(), target.top.driver.format),
            &named(shown(name.as_ref()), Format::Transport),
            layer_size(target.size()),
        )
    }

    fn report(
        &self,
        [base, target]: [&Disk; 2],
        packing: &Packing<'_>,
        (manifest, reduced): (&Manifest, Option<&Reduced>),
        written: Written,
    ) -> TransportReport {
        let same = manifest.base.content_id == manifest.result.content_id;
        let counts = packing.counts();
        let mut notes = base.notes();
        notes.extend(target.notes());
        let left_out = reduced.map(|reduced| reduced.bytes);
        notes.extend(
            reduced
                .into_iter()
                .flat_map(|reduced| reduced.notes.clone()),
        );
        if same {
            notes.push(same_note(left_out, "the file says only that"));
        }
        TransportReport {
            output: shown(&self.output.spec.path),
            format: Format::Transport.name(),
            size: manifest.result.size,
            file_size: written.len.0,
            base: base.named(Some(manifest.base.content_id.clone())),
            target: target.named(Some(manifest.result.content_id.clone())),
            same,
            bytes_changed: packing.made().changed.0,
            bytes_zero: counts.zero.0,
            bytes_copied: counts.copied.0,
            bytes_repeated: counts.repeated.0,
            bytes_stored: counts.fresh.0,
            windows: packing.windows(),
            windows_size: written.windows.0,
            layer_digest: manifest.child.layer_digest.clone(),
            left_out,
            base_from_memory: packing.made().remembered,
            dry_run: self.output.dry_run,
            notes,
        }
    }
}

/// Where the file goes: a place that it gets at the end, or nowhere.
struct Place {
    sink: Arc<dyn Sink>,
    file: Option<AtomicFileSet>,
}

impl Place {
    fn begin(output: &Target, inputs: &[&Disk], context: &Context) -> Result<Self> {
        output.check_place(inputs)?;
        if output.is_in_place() {
            let message = "a transport file is a file, and this is a device";
            return Err(Error::new(Kind::Usage, message).in_file(&output.spec.path));
        }
        if output.dry_run {
            let sink = Arc::<Measure>::default();
            return Ok(Self { sink, file: None });
        }
        context.begin(Stage::Write(&output.spec.path));
        let read: Vec<_> = inputs.iter().flat_map(|disk| disk.versions()).collect();
        let file = package_file(&output.spec, &read)?;
        Ok(Self {
            sink: file.main()?,
            file: Some(file),
        })
    }

    fn commit(self) -> Result<()> {
        let Some(file) = self.file else {
            return Ok(());
        };
        self.sink.sync()?;
        file.commit()
    }
}
