//! Opening one layer: its driver is known, its parent is not looked for. Here it is settled which layer it is.
//!
//! What is opened carries its id: whoever holds two layers compares those, and nobody has to say what was asked for.

use std::{
    borrow::Cow,
    path::{Path, PathBuf},
    sync::Arc,
};

use imgdelta_core::{
    AuxFiles, Driver, FileVersion, Image, LayerId, NoAuxFiles, Open, Options, Result, Source,
};

use crate::{aux_files::FilesBeside, error_context::NamedLayer, policy::Policy};

/// An open image.
#[derive(Clone, Debug)]
pub struct Opened {
    /// Its layer.
    pub image: Arc<dyn Image>,
    /// Which layer that is.
    pub id: LayerId,
    /// Its format.
    pub driver: &'static Driver,
    /// Its file.
    pub path: PathBuf,
    /// Which file on the host that is, in the version that was opened.
    pub stamp: Option<FileVersion>,
    /// What it was taken from, outermost first: `gzip`; empty if its file is the image.
    pub within: Vec<String>,
    /// How it was found, where that is not as its child recorded it, and how it does not fit, where it is read all the same.
    pub notes: Vec<String>,
}

impl Opened {
    /// All files that it is made of, as they are now: none of them may be an output.
    ///
    /// # Errors
    /// Host, if the host cannot tell.
    pub fn inputs(&self) -> Result<Vec<FileVersion>> {
        let mut stamps = Vec::new();
        for file in &self.image.metadata().files {
            stamps.extend(file.stamp()?);
        }
        let holders = self.id.files().iter();
        let others = holders.filter(|one| !stamps.iter().any(|stamp| stamp.is_same_file(one)));
        stamps.extend(others.cloned().collect::<Vec<_>>());
        Ok(stamps)
    }
}

/// Opens an image with what `open` says, and settles which layer it is.
///
/// # Errors
/// Those of the driver.
pub fn open_layer(driver: &Driver, open: Open<'_>) -> Result<(Arc<dyn Image>, LayerId)> {
    let (options, snapshot) = (open.options.clone(), open.snapshot.clone());
    let image = (driver.open)(open)?;
    let id = LayerId::new(&*image, options, snapshot.as_deref());
    Ok((image, id))
}

/// One layer that is about to be opened.
#[derive(Debug)]
pub(crate) struct Layer<'a> {
    /// Its file, already open.
    pub(crate) source: Arc<dyn Source>,
    /// That file's path.
    pub(crate) path: Cow<'a, Path>,
    /// Its format.
    pub(crate) driver: &'static Driver,
    /// Its options.
    pub(crate) options: Options,
    /// Which of its disks.
    pub(crate) snapshot: Option<String>,
    /// What it was taken from.
    pub(crate) packed: Packed,
}

/// What a layer was taken from.
#[derive(Debug, Default)]
pub(crate) struct Packed {
    /// Outermost first; empty if its file is the image.
    pub(crate) within: Vec<String>,
    /// The files on the host that hold it, if they are more than the one that its bytes tell of.
    pub(crate) holders: Vec<FileVersion>,
    /// Whether it is a member of an archive: no file beside that is one of its own.
    pub(crate) is_member: bool,
    /// What the user should know.
    pub(crate) notes: Vec<String>,
}

impl Layer<'_> {
    /// Opens it.
    ///
    /// # Errors
    /// Those of its driver, with its path.
    pub(crate) fn open(mut self, policy: &Policy) -> Result<Opened> {
        let (driver, path) = (self.driver, self.path.to_path_buf());
        let stamp = self.source.opened().cloned();
        let within = std::mem::take(&mut self.packed.within);
        let holders = std::mem::take(&mut self.packed.holders);
        let ((image, id), notes) = self.hand_to(policy, |open| open_layer(driver, open))?;
        let id = id.taken_from(&within, &holders);
        Ok(Opened {
            image: Arc::new(NamedLayer {
                image,
                path: path.clone(),
            }),
            id,
            driver,
            path,
            stamp,
            within,
            notes,
        })
    }

    /// Hands it to one of its driver's functions; what comes back, and what the user should know of how its other files were found.
    ///
    /// # Errors
    /// Those of the function, with the layer's path.
    pub(crate) fn hand_to<T>(
        self,
        policy: &Policy,
        act: impl FnOnce(Open<'_>) -> Result<T>,
    ) -> Result<(T, Vec<String>)> {
        let beside = FilesBeside::new(&self.path, &*self.source, policy)?;
        let aux_files: &dyn AuxFiles = if self.packed.is_member {
            &NoAuxFiles
        } else {
            &beside
        };
        let done = act(Open {
            source: self.source,
            aux_files,
            options: self.options,
            snapshot: self.snapshot,
        })
        .map_err(|error| error.in_file(&self.path))?;
        let mut notes = self.packed.notes;
        notes.extend(beside.into_notes());
        Ok((done, notes))
    }
}
