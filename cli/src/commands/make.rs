//! `make`: the child and its manifest, both or neither.

use imgdelta_core::{Bytes, ChildRule, Driver, Error, FileOffset, Kind, Result, SECTOR, Sectors};
use imgdelta_delta::{self as delta, LayerDigest, Manifest, manifest};
use imgdelta_registry::{DRIVERS, driver_for, needs_search, new_parent};
use serde::Serialize;

use super::{
    Outcome, Run,
    disk::{Disk, Named},
    writing::{Writing, Written, shown},
};
use crate::job::{self, Goal};

/// A child that was made.
#[derive(Debug, Serialize)]
pub(crate) struct Made {
    /// Its path.
    pub(crate) child: String,
    /// Its format.
    pub(crate) format: &'static str,
    /// The size of its disk in bytes.
    pub(crate) size: u64,
    /// How long its file is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) file_size: Option<u64>,
    /// What that takes on the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) on_disk: Option<u64>,
    /// Where its manifest stands.
    pub(crate) manifest: String,
    /// What it was made from.
    pub(crate) base: Named,
    /// What it reproduces.
    pub(crate) target: Named,
    /// Whether base and target are the same disk, so that the child is empty.
    pub(crate) same: bool,
    /// How many of its blocks say something.
    pub(crate) blocks_changed: u64,
    /// How many blocks the disk has.
    pub(crate) blocks: u64,
    /// How long a block is, in bytes.
    pub(crate) block_size: u64,
    /// How many bytes differ, to the format's grain.
    pub(crate) bytes_changed: u64,
    /// The digest of its own layer.
    pub(crate) layer_digest: String,
    /// Whether the base's digests were remembered instead of read.
    pub(crate) base_from_memory: bool,
    /// Which folder must be searched to open the child by its link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) search: Option<String>,
    /// Whether nothing was written.
    pub(crate) dry_run: bool,
    /// What the user should know.
    pub(crate) notes: Vec<String>,
}

impl Outcome for Made {
    const SCHEMA: &'static str = "imgdelta/make/1";

    fn notes(&self) -> &[String] {
        &self.notes
    }
}

/// Writes what of the target differs from the base as a child of the base.
pub(crate) fn make(job: &job::Make, run: &Run<'_>) -> Result<Made> {
    let goal = &job.goal;
    job::refuse_stream(&goal.output.path, "a child")?;
    job::refuse_stream(&job.base.path, "a base")?;
    job::refuse_stream(&job.target.path, "a target")?;
    let driver = driver_for(&goal.output)?;
    let rule = child_rule(driver, goal)?;
    let base = Disk::open(&job.base)?;
    let target = Disk::open(&job.target)?;
    require_fit(driver, rule, &base, target.chain.size(), goal)?;
    require_sectors(driver, &base, &target, goal)?;

    let parent = new_parent(&base.top, &goal.output.path)?;
    let writing = Writing::begin(
        goal,
        target.chain.disk(),
        Some(parent),
        &[&base, &target],
        run,
    )?;
    let size = writing.writer.shape().size;
    let (writer, written) = writing.split();
    let place = manifest::place_of(&goal.output.path);
    let sink = written.beside(&place.file_name().unwrap_or_default().to_string_lossy())?;

    run.showing
        .phase(format!("make {}", goal.output.path.display()));
    let made = delta::Make {
        base: &base.chain,
        target: &target.chain,
        proves: true,
        memory: &run.memory(job.remembers),
        work: run.work(goal.ids)?,
    }
    .run(writer)?;
    let manifest = describe(goal, size, &base, &target, &made)?;
    sink.write_at(FileOffset::ZERO, &manifest.to_json()?)?;
    let mut outcome = tell(job, &base, &target, &made, &manifest, &written);
    outcome.notes.extend(written.commit()?);
    Ok(outcome)
}

/// What the format demands of a child's parent.
fn child_rule(driver: &Driver, goal: &Goal) -> Result<ChildRule> {
    driver.child.ok_or_else(|| {
        Error::new(
            Kind::Unsupported,
            format!("{} has no differencing disks", driver.format),
        )
        .with_code("no_children")
        .with_hint(format!(
            "differencing disks exist in {}: choose one with -f or another extension",
            formats(|driver| driver.child.is_some())
        ))
        .in_file(&goal.output.path)
    })
}

/// Makes sure that the base can be the parent of such a child.
fn require_fit(
    driver: &Driver,
    rule: ChildRule,
    base: &Disk,
    target: Bytes,
    goal: &Goal,
) -> Result<()> {
    require_format(driver, rule, base)?;
    let have = base.chain.size();
    // Disks are counted in sectors: a raw file of odd length is held rounded up.
    if rule.same_size && have != target && have != target.round_up(Bytes(SECTOR)) {
        let others = formats(|driver| driver.child.is_some_and(|rule| !rule.same_size));
        return Err(Error::new(
            Kind::Unsupported,
            format!(
                "the target has {} bytes, the base has {}; a {} child must have its base's size",
                target.0, have.0, driver.format
            ),
        )
        .with_code("size_differs")
        .with_hint(format!("a child of another size can be made as {others}"))
        .in_file(&goal.output.path));
    }
    Ok(())
}

/// Makes sure that the target's sectors are the base's, where the child says how large they are. A target whose format does not say is
/// taken to have them.
fn require_sectors(driver: &Driver, base: &Disk, target: &Disk, goal: &Goal) -> Result<()> {
    let (have, wanted) = (base.chain.disk().sector, target.chain.disk().sector);
    let says = target.top.driver.sectors == Sectors::Recorded || wanted != Bytes(SECTOR);
    if driver.sectors != Sectors::Recorded || !says || have == wanted {
        return Ok(());
    }
    Err(Error::new(
        Kind::Unsupported,
        format!(
            "the target has sectors of {} bytes, the base of {}; a {} child has its base's",
            wanted.0, have.0, driver.format
        ),
    )
    .with_code("sector_size")
    .in_file(&goal.output.path))
}

/// Makes sure that the base has the format that such a child demands, or says how it gets it.
pub(crate) fn require_format(driver: &Driver, rule: ChildRule, base: &Disk) -> Result<()> {
    let found = base.facts().format;
    if !rule.same_format || found == driver.format {
        return Ok(());
    }
    let path = &base.top.path;
    let extension = driver.extensions.first().copied().unwrap_or_default();
    Err(Error::new(
        Kind::Unsupported,
        format!(
            "the base is {found}, but a {0} child needs a {0} base",
            driver.format
        ),
    )
    .with_code("base_format")
    .with_hint(format!(
        "'imgdelta convert {} -o {}' makes one",
        path.display(),
        path.with_extension(extension).display()
    ))
    .in_file(path))
}

/// The names of the formats of which this is true.
fn formats(is: impl Fn(&Driver) -> bool) -> String {
    let names = DRIVERS.iter().filter(|driver| is(driver));
    names
        .map(|driver| driver.format.name())
        .collect::<Vec<_>>()
        .join(", ")
}

/// The manifest of the child.
fn describe(
    goal: &Goal,
    size: Bytes,
    base: &Disk,
    target: &Disk,
    made: &delta::Made,
) -> Result<Manifest> {
    let (Some(base_proof), Some(target_proof), Some(layer)) =
        (&made.base, &made.target, &made.layer)
    else {
        return Err(Error::new(Kind::Host, "the child was made without proofs"));
    };
    let format = base.facts().format.name();
    let identity = base.facts().identity.as_ref();
    Ok(Manifest {
        schema: manifest::SCHEMA.to_owned(),
        tool: format!("imgdelta {}", env!("CARGO_PKG_VERSION")),
        base: Manifest::base_of(base_proof, base.name(), format, identity),
        result: manifest::Outcome {
            content_id: target_proof.id.to_string(),
            size: target_proof.size.0,
            name: target.name(),
            format: target.facts().format.name().to_owned(),
        },
        child: manifest::Child {
            name: shown(goal.output.path.file_name().unwrap_or_default().as_ref()),
            format: driver_for(&goal.output)?.format.name().to_owned(),
            size: size.0,
            layer_digest: LayerDigest(*layer).to_string(),
            blocks_changed: made.units,
            block_size: made.unit.0,
            bytes_changed: made.changed.0,
        },
    })
}

/// The result.
fn tell(
    job: &job::Make,
    base: &Disk,
    target: &Disk,
    made: &delta::Made,
    manifest: &Manifest,
    written: &Written,
) -> Made {
    let goal = &job.goal;
    let same = manifest.base.content_id == manifest.result.content_id;
    let mut notes = base.notes();
    notes.extend(target.notes());
    if same {
        notes.push("base and target are the same disk: the child is empty".to_owned());
    }
    if job.base.snapshot.is_some() {
        notes.push(
            "the base is a snapshot inside its file, which no link can name: use the child with 'apply' and --base-snapshot"
                .to_owned(),
        );
    }
    Made {
        child: shown(&goal.output.path),
        format: driver_for(&goal.output).map_or("", |driver| driver.format.name()),
        size: manifest.child.size,
        file_size: written.file_size(),
        on_disk: written.on_disk(),
        manifest: shown(&manifest::place_of(&goal.output.path)),
        base: base.named(Some(manifest.base.content_id.clone())),
        target: target.named(Some(manifest.result.content_id.clone())),
        same,
        blocks_changed: made.units,
        blocks: Bytes(manifest.child.size).pieces(made.unit),
        block_size: made.unit.0,
        bytes_changed: made.changed.0,
        layer_digest: manifest.child.layer_digest.clone(),
        base_from_memory: made.remembered,
        search: needs_search(&goal.output.path, &base.top.path).map(|folder| shown(&folder)),
        dry_run: goal.dry_run,
        notes,
    }
}
