//! A difference, or a whole image, as files that travel: a transport file, a child and its manifest, or the whole image in compressed qcow2.
//!
//! What travels of the disks is read and proven on the way; that the rest is the same in both, the leaves say where the repository has them.

mod diff_inputs;
mod encoding;
mod source_image;

use std::path::Path;

use imgdelta_core::{Bytes, Format, Result};
use imgdelta_delta::Digest;
use imgdelta_operations::{UnusedBytes, sent_transport::LEVEL};
use imgdelta_repository::catalogue::{ImageId, Repository};

pub(super) use self::diff_inputs::DiffInputs;
use super::{
    DeliveryContext,
    entry::{BundleEntry, Recipient},
};
use crate::space::{Space, SpaceNeed, explain_full};

/// What is to travel, and for whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The image, by its id at headquarters.
    pub image: ImageId,
    /// Its base; none: the whole image travels.
    pub base: Option<ImageId>,
    /// In which form the difference travels; a whole image is in qcow2.
    pub form: Form,
    /// The estimate of what that takes before compression.
    pub bytes: Bytes,
    /// For whom.
    pub sites: Vec<Recipient>,
}

/// In which form a difference travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As a transport file, packed at that level of zstd: 1 to 19. Who receives must know the form.
    Transport {
        /// The level.
        level: i32,
    },
    /// As a child of that format, qcow2 being the smallest; in qcow2, where there can be no such child.
    Child(Format),
}

impl Default for Form {
    fn default() -> Self {
        Self::Transport { level: LEVEL }
    }
}

impl Form {
    /// Whether a file of that format will do.
    pub(crate) fn takes(self, format: Format) -> bool {
        match self {
            Self::Transport { .. } => true,
            Self::Child(own) => format == own,
        }
    }
}

/// What was packed.
#[derive(Clone, Debug)]
pub struct Packed {
    /// As it is listed.
    pub entry: BundleEntry,
    /// Whether its files were written now; else they lay there.
    pub is_new: bool,
    /// What of the image nobody needs and is left out, if that was asked for.
    pub left_out: Option<UnusedBytes>,
    /// What the user should know.
    pub notes: Vec<String>,
    /// The digests of its file's blocks of 4 MiB, where they were asked for and the file was written now.
    pub(super) blocks: Option<Vec<Digest>>,
}

/// Writes an image's files into `folder`, replacing what is called the same. Nothing lists them yet: see
/// [`Bundle::pack`](super::Bundle::pack).
///
/// # Errors
/// Usage, if headquarters does not have the images; Digest, if one is not what its record says; those of the images; Host, if the host
/// cannot write; Interrupted.
pub fn pack(
    headquarters: &Repository,
    order: &Order,
    folder: &Path,
    context: &DeliveryContext<'_>,
) -> Result<Packed> {
    let mut inputs = DiffInputs::open(headquarters, order)?;
    let (need, what) = (
        SpaceNeed::of_estimate(order.bytes),
        format!("'{}'", inputs.name()),
    );
    let shown = folder.display().to_string();
    need.require(&what, Space::at(folder), &shown)?;
    let mut packed = inputs
        .pack(headquarters, folder, context)
        .map_err(|error| explain_full(error, &what, need, folder, "nothing of it is left"))?;
    packed.entry.add_recipients(&order.sites);
    Ok(packed)
}
