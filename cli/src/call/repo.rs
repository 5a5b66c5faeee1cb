//! `repo` and `inventory`: a job becomes a call of the library.

use std::path::Path;

use imgdelta::core::{Error, Kind, Result};
use imgdelta::deploy::{InitSite, SshUrl};
use imgdelta::repository::{
    Add, AddReport, AddTags, EditReport, Gc, GcReport, Init, InitReport, InventoryReport, List,
    ListSummary, Remove, RemoveReport, RemoveTags, Rename, RequireSigner, RequireSignerReport,
    Scan, ScanReport, SetGolden, SetId, Show, ShowReport, Tree, TreeImage, TreeSummary,
    VerifiedImage, Verify, VerifySummary, WriteInventory,
    catalogue::{self, Repository},
    left_out, unreadable,
};

use super::Run;
use crate::job::{self, Edit, Manner, Memory};

pub(crate) use imgdelta::repository::{Failed, Image};

impl Run<'_> {
    /// The repository that is meant.
    pub(super) fn repository(&self) -> Result<Repository> {
        Repository::open(&self.settings.repository.value)
    }

    /// Lets the exit status of what was stopped say which signal it was.
    fn tell_signal(&self, failed: &mut Failed) {
        if failed.kind == Kind::Interrupted {
            failed.exit = self.signals.exit();
        }
    }

    /// The folder of the repository that is meant.
    pub(super) fn folder(&self) -> &Path {
        &self.settings.repository.value
    }
}

/// Makes a folder a repository.
pub(crate) fn init(job: &job::Init, run: &Run<'_>) -> Result<InitReport> {
    let settings = run.settings;
    let word = settings.repository.value.to_str();
    if let Some(word) = word.filter(|word| SshUrl::is_meant(word)) {
        refuse_elsewhere(job)?;
        return InitSite::new(SshUrl::parse(word)?)
            .format(job.format)
            .dry_run(job.dry_run)
            .ssh(&settings.ssh.value)
            .remote_program(&job.remote_program)
            .run(&run.context(Memory::Unused));
    }
    Init::new(run.folder())
        .format(job.format)
        .signer(job.signer.clone())
        .dry_run(job.dry_run)
        .run(&run.context(Memory::Unused))
}

/// The files of keys are those of the host that the repository is on.
fn refuse_elsewhere(job: &job::Init) -> Result<()> {
    if job.signer.is_none() {
        return Ok(());
    }
    let message = "who must have signed is said on the host of the repository";
    Err(Error::new(Kind::Usage, message)
        .with_hint("there, 'imgdelta repo require-signer ID --signers FILE --repo FOLDER' says it"))
}

/// Says who must have signed what is received from a medium.
pub(crate) fn require_signer(
    job: &job::RequireSigner,
    run: &Run<'_>,
) -> Result<RequireSignerReport> {
    RequireSigner::new(run.folder(), job.signer.clone())
        .wait(job.manner.wait)
        .dry_run(job.manner.dry_run)
        .run(&run.context(Memory::Unused))
}

/// Adds images.
pub(crate) fn add(job: &job::Add, run: &Run<'_>) -> Result<AddReport> {
    for add in &job.images {
        job::refuse_stream(&add.image.path, "an image to be added")?;
    }
    let images = job.images.iter().map(|add| catalogue::Add {
        image: run.unpacked_in(&add.image, run.folder()),
        ..add.clone()
    });
    let mut report = Add::new(run.folder(), images)
        .wait(job.manner.wait)
        .dry_run(job.manner.dry_run)
        .run(&run.context(Memory::Unused))?;
    let failed = report
        .images
        .iter_mut()
        .filter_map(|one| one.error.as_mut());
    failed.for_each(|failed| run.tell_signal(failed));
    Ok(report)
}

/// Takes in what stands in the repository's folder.
pub(crate) fn scan(manner: Manner, run: &Run<'_>) -> Result<ScanReport> {
    Scan::new(run.folder())
        .wait(manner.wait)
        .dry_run(manner.dry_run)
        .run(&run.context(Memory::Unused))
}

/// Lists the images in order of name; each is handed to `row`.
pub(crate) fn list(run: &Run<'_>, row: &mut dyn FnMut(Image) -> Result<()>) -> Result<ListSummary> {
    run.signals.may_end_at_once(true);
    List::new(run.folder()).run_each(&run.context(Memory::Unused), row)
}

/// Lists the images, each followed by what descends from it; each is handed to `row`.
pub(crate) fn tree(
    run: &Run<'_>,
    row: &mut dyn FnMut(TreeImage) -> Result<()>,
) -> Result<TreeSummary> {
    run.signals.may_end_at_once(true);
    Tree::new(run.folder()).run_each(&run.context(Memory::Unused), row)
}

/// Says what is known of an image.
pub(crate) fn show(image: &str, run: &Run<'_>) -> Result<ShowReport> {
    run.signals.may_end_at_once(true);
    Show::new(run.folder(), image).run(&run.context(Memory::Unused))
}

/// Changes what is known of an image.
pub(crate) fn edit(job: &job::Editing, run: &Run<'_>) -> Result<EditReport> {
    let (folder, image, context) = (
        run.folder(),
        job.image.as_str(),
        run.context(Memory::Unused),
    );
    let Manner { wait, dry_run } = job.manner;
    macro_rules! call {
        ($call:ident, $value:expr) => {
            $call::new(folder, image, $value)
                .wait(wait)
                .dry_run(dry_run)
                .run(&context)
        };
    }
    match &job.edit {
        Edit::Tag(tags) => call!(AddTags, tags.iter().cloned()),
        Edit::Untag(tags) => call!(RemoveTags, tags.iter().cloned()),
        Edit::Golden(golden) => call!(SetGolden, *golden),
        Edit::Immutable => SetGolden::immutable(folder, image)
            .wait(wait)
            .dry_run(dry_run)
            .run(&context),
        Edit::Id(id) => call!(SetId, id.clone()),
        Edit::Name(name) => call!(Rename, name.clone()),
    }
}

/// Holds images against their content ids, and mends them if that is asked for; each is handed to `row` as soon as it is known.
pub(crate) fn verify(
    job: &job::Verify,
    run: &Run<'_>,
    row: &mut dyn FnMut(VerifiedImage) -> Result<()>,
) -> Result<VerifySummary> {
    run.signals.may_end_at_once(job.repair.is_none());
    let mut verify = Verify::new(run.folder())
        .images(job.images.iter().cloned())
        .wait(job.manner.wait)
        .dry_run(job.manner.dry_run);
    if let Some(from) = &job.repair {
        verify = verify.repair(from.iter().cloned());
    }
    verify.run_each(&run.context(Memory::Unused), row)
}

/// Removes an image. Whether the user is sure is asked elsewhere.
pub(crate) fn remove(job: &job::Remove, run: &Run<'_>) -> Result<RemoveReport> {
    Remove::new(run.folder(), job.image.as_str())
        .wait(job.manner.wait)
        .dry_run(job.manner.dry_run)
        .run(&run.context(Memory::Unused))
}

/// Sweeps away what killed processes left behind.
pub(crate) fn gc(manner: Manner, run: &Run<'_>) -> Result<GcReport> {
    Gc::new(run.folder())
        .wait(manner.wait)
        .dry_run(manner.dry_run)
        .run(&run.context(Memory::Unused))
}

/// Writes the inventory to `output`.
pub(crate) fn inventory(
    job: &job::Inventory,
    output: &Path,
    run: &Run<'_>,
) -> Result<InventoryReport> {
    WriteInventory::new(run.folder(), output)
        .existing(job.existing)
        .dry_run(job.dry_run)
        .run(&run.context(Memory::Unused))
}

/// The inventory as bytes, to be written to standard output, and what the user should know of it.
pub(crate) fn inventory_bytes(run: &Run<'_>) -> Result<(Vec<u8>, Vec<String>)> {
    run.signals.may_end_at_once(true);
    let repository = run.repository()?;
    let listing = repository.list()?;
    let look = repository.look(&listing);
    let notes = unreadable(&listing).into_iter().chain(left_out(&look));
    Ok((repository.inventory_of(&look).to_json()?, notes.collect()))
}
