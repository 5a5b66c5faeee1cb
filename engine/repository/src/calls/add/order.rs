//! In which order images of one call come in: parents before children. And which of the files are none, for others are made of them.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use imgdelta_core::FileVersion;
use imgdelta_delta::manifest;
use imgdelta_operations::Disk;

use super::{AddSpec, AddedImage};
use crate::calls::image::shown;

/// What is to be done with the files that were given, by their places among them.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// The images, parents before children, else as they were given.
    pub(super) images: Vec<usize>,
    /// Files of other images.
    pub(super) parts: Vec<Part>,
}

/// A file of another image.
#[derive(Debug)]
pub(super) struct Part {
    /// Its place.
    pub(super) number: usize,
    /// The image.
    of: PathBuf,
}

impl Part {
    /// What became of it.
    pub(super) fn report(&self, path: &Path) -> AddedImage {
        AddedImage {
            path: shown(path),
            is_new: false,
            image: None,
            part_of: Some(shown(&self.of)),
            error: None,
        }
    }
}

/// The order of these images. One that cannot be opened says why when its turn comes.
pub(super) fn order_of(specs: &[AddSpec]) -> Order {
    if specs.len() < 2 {
        return Order {
            images: (0..specs.len()).collect(),
            parts: Vec::new(),
        };
    }
    let mut extents: HashMap<(u64, u64), PathBuf> = HashMap::new();
    let mut depths = Vec::with_capacity(specs.len());
    for spec in specs {
        let Ok(disk) = Disk::open(&spec.image) else {
            // What its manifest calls its base may be among the others.
            let is_last = manifest::place_of(&spec.image.path).exists();
            depths.push(if is_last { usize::MAX } else { 0 });
            continue;
        };
        let others = disk.top_versions().iter().skip(1);
        extents.extend(others.map(|one| ((one.device, one.inode), spec.image.path.clone())));
        depths.push(disk.chain.layers().len());
    }
    let mut order = Order::default();
    for (number, spec) in specs.iter().enumerate() {
        let file = FileVersion::at(&spec.image.path);
        match file.and_then(|file| extents.get(&(file.device, file.inode))) {
            Some(of) => order.parts.push(Part {
                number,
                of: of.clone(),
            }),
            None => order.images.push(number),
        }
    }
    order
        .images
        .sort_by_key(|number| depths.get(*number).copied().unwrap_or_default());
    order
}
