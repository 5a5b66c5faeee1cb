//! Takes away what a disk is packed in, layer by layer: pieces, compression, an archive, a package.
//!
//! What an archive or a package names is followed as what an image names: in the archive itself, or under the policy.

mod choice;
mod package;
mod pieces;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use imgdelta_core::{Error, FileVersion, Kind, ProbeWindow, Result, Source};
use imgdelta_packed::{Packing, piece::Piece, text::Text, unpacked::Unpacked};

use crate::{
    open_spec::{OpenSpec, Unpack},
    probe::{Claimant, Registry},
};

pub use choice::PackedDisk;
pub use imgdelta_packed::unpacked::UnpackSpace;
pub use package::disks;

/// The most that a disk is packed in: `disk.vmdk.gz` in an archive in pieces.
const MOST_LAYERS: usize = 4;

/// A file without what was around it.
#[derive(Debug)]
pub(crate) struct Bare {
    /// Its bytes.
    pub(crate) source: Arc<dyn Source>,
    /// The file on the host that it is read from.
    pub(crate) path: PathBuf,
    /// What it is called where it stands: its format is probed by that name.
    pub(crate) name: PathBuf,
    /// What it was taken from, outermost first; empty if it was packed in nothing.
    pub(crate) within: Vec<String>,
    /// The files on the host that hold it, if they are more than the one that its bytes tell of.
    pub(crate) versions: Vec<FileVersion>,
    /// Whether it is a member of an archive: no file beside that is one of its own.
    pub(crate) is_member: bool,
    /// What the user should know.
    pub(crate) notes: Vec<String>,
}

/// What is around a file.
enum Wrapping {
    /// It is the first of several pieces; the number of the last.
    Pieces(Piece, u64),
    /// It is compressed.
    Compressed(&'static Packing),
    /// It is an archive with a package in it.
    Archive,
    /// It is the descriptor of a package.
    Descriptor,
}

impl Bare {
    /// A file that is packed in nothing, as far as one knows.
    pub(crate) fn of(source: Arc<dyn Source>, path: &Path) -> Self {
        Self {
            source,
            path: path.to_owned(),
            name: path.to_owned(),
            within: Vec::new(),
            versions: Vec::new(),
            is_member: false,
            notes: Vec::new(),
        }
    }
}

impl Bare {
    /// The error with the file, and with what it was taken from.
    pub(crate) fn placed(&self, error: Error) -> Error {
        let error = error.in_file(&self.path);
        if self.within.is_empty() {
            return error;
        }
        let within = self.within.join(", ");
        error.with_detail(format!(
            "what it is about was taken from {}",
            within.escape_debug()
        ))
    }
}

impl Registry {
    /// `bare` without anything around it, as far as `spec` allows.
    ///
    /// # Errors
    /// Corrupt, if what is around it is damaged; Unsupported, if it is packed too deep or unpacks to too much; Digest, if a package's own digests
    /// do not fit; Usage, if it is not clear which disk of a package is meant; Reference and Chain as of every file that an image names; Host.
    pub(crate) fn unpacked(self, mut bare: Bare, spec: &OpenSpec) -> Result<Bare> {
        let Some(unpack) = &spec.unpack else {
            return Ok(bare);
        };
        for _ in 0..MOST_LAYERS {
            let Some(wrapping) = self.wrapping(&bare, spec)? else {
                return require_one_disk(bare, unpack);
            };
            bare = match wrapping {
                Wrapping::Pieces(piece, last) => pieces::join(bare, &piece, last)?,
                Wrapping::Compressed(packing) => decompress(bare, packing, &unpack.room)?,
                Wrapping::Archive => package::of_archive(bare, unpack)?,
                Wrapping::Descriptor => package::of_folder(bare, spec, unpack)?,
            };
        }
        if self.wrapping(&bare, spec)?.is_none() {
            return require_one_disk(bare, unpack);
        }
        let message = format!("is packed in more than {MOST_LAYERS} others");
        Err(Error::new(Kind::Unsupported, message).with_code("packed_too_deep"))
    }

    /// What is around it, if anything is that can be taken away. A format that is given is that of the disk in it, if its name says that it is
    /// packed; else its bytes are what is meant, whatever they look like.
    fn wrapping(self, bare: &Bare, spec: &OpenSpec) -> Result<Option<Wrapping>> {
        if bare.source.stamp()?.is_some_and(|stamp| stamp.is_device) {
            return Ok(None);
        }
        if bare.within.is_empty()
            && !bare.is_member
            && let Some(piece) = Piece::of(&bare.name)
            && let Some(last) = pieces::last_of_several(&bare.path, &piece)?
        {
            return Ok(Some(Wrapping::Pieces(piece, last)));
        }
        let peek = ProbeWindow::of(&*bare.source)?;
        let extension = crate::probe::extension(&bare.name).unwrap_or_default();
        let packing = match self.claims(&peek).as_slice() {
            [Claimant::Packing(packing)] => *packing,
            [] => {
                let is_meant = spec.format.is_none() || extension == "ovf";
                let is_descriptor = Text::of(&peek).is_some_and(Text::is_ovf);
                return Ok((is_meant && is_descriptor).then_some(Wrapping::Descriptor));
            }
            _ => return Ok(None),
        };
        let is_promised =
            Packing::promised_by(&extension).is_some_and(|one| one.name == packing.name);
        let is_meant = spec.format.is_none() || is_promised;
        Ok(match packing.codec {
            _ if !is_meant => None,
            Some(_) => Some(Wrapping::Compressed(packing)),
            None if package::is_in_archive(packing, &bare.source) => Some(Wrapping::Archive),
            None => None,
        })
    }
}

/// Takes away its compression.
fn decompress(bare: Bare, packing: &'static Packing, room: &UnpackSpace) -> Result<Bare> {
    let Some(unpacked) = Unpacked::of(packing, &bare.source, room)? else {
        return Ok(bare);
    };
    let is_named = crate::probe::extension(&bare.name)
        .is_some_and(|own| packing.exclusive_extensions.contains(&own.as_str()));
    let name = if is_named {
        unpacked_name(&bare.name)
    } else {
        bare.name
    };
    let mut within = bare.within;
    within.push(packing.name.to_owned());
    Ok(Bare {
        source: Arc::new(unpacked),
        name,
        within,
        ..bare
    })
}

/// What `disk.img.gz` and `disk.tgz` are called when they are unpacked.
fn unpacked_name(name: &Path) -> PathBuf {
    let extension = crate::probe::extension(name).unwrap_or_default();
    if matches!(extension.as_str(), "tgz" | "txz" | "tzst" | "tbz" | "tbz2") {
        name.with_extension("tar")
    } else {
        name.with_extension("")
    }
}

/// A choice among disks where there is only one is a mistake, unless it is that one's.
fn require_one_disk(bare: Bare, unpack: &Unpack) -> Result<Bare> {
    let is_package = bare.within.iter().any(|one| one == package::NAME);
    match &unpack.disk {
        Some(disk) if !is_package => {
            let message = format!(
                "is one disk and no package, --disk says '{}'",
                disk.escape_debug()
            );
            Err(Error::new(Kind::Usage, message).with_code("no_package"))
        }
        _ => Ok(bare),
    }
}
