//! Disks in memory: a byte for each window, 0 for zero.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
};

use imgdelta_core::{Bytes, Result, VirtOffset};
use imgdelta_delta::{
    ContentId, WINDOW,
    tree::{Builder, Digest, RepeatedSubtrees},
};
use imgdelta_repository::planning::{Leaves, Measurements, Node, Run, Span};

/// What headquarters has.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    pub(crate) list: Vec<Node>,
    disks: BTreeMap<String, Vec<u8>>,
    /// By child: the windows that its own layer says something of.
    layers: BTreeMap<String, Vec<u64>>,
    /// The images whose leaves are not known.
    unknown: BTreeSet<String>,
    /// The images whose leaves were read.
    pub(crate) read: Mutex<BTreeSet<String>>,
}

impl Shelf {
    /// Puts a disk there.
    pub(crate) fn add(&mut self, id: &str, parent: Option<&str>, disk: &[u8]) {
        self.list.push(node(id, parent, disk));
        self.disks.insert(id.to_owned(), disk.to_vec());
    }

    /// Says that the image is a layer over its parent that says something of these windows.
    pub(crate) fn layer(&mut self, id: &str, windows: impl IntoIterator<Item = u64>) {
        self.layers
            .insert(id.to_owned(), windows.into_iter().collect());
    }

    /// Forgets the leaves of an image.
    pub(crate) fn forget(&mut self, id: &str) {
        self.unknown.insert(id.to_owned());
    }

    /// The list of a site that has these images.
    pub(crate) fn site<'a>(&self, ids: impl IntoIterator<Item = &'a str>) -> Vec<Node> {
        ids.into_iter().map(|id| self.node(id).clone()).collect()
    }

    pub(crate) fn node(&self, id: &str) -> &Node {
        let mut list = self.list.iter();
        list.find(|node| node.id == id).expect("it was put there")
    }

    pub(crate) fn disk(&self, id: &str) -> &[u8] {
        &self.disks[id]
    }

    pub(crate) fn layer_of(&self, id: &str) -> Option<&Vec<u64>> {
        self.layers.get(id)
    }

    /// How many windows of `wanted` that are not zero `candidate` holds, and how many there are.
    pub(crate) fn held(&self, wanted: &str, candidate: &str) -> (u64, u64) {
        let (wanted, candidate) = (self.disk(wanted), self.disk(candidate));
        let data = wanted.iter().filter(|window| **window != 0).count();
        let held = wanted.iter().zip(candidate);
        let held = held.filter(|(one, other)| **one != 0 && one == other);
        (held.count() as u64, data as u64)
    }
}

impl Measurements for Shelf {
    fn leaves(&self, image: &str) -> Result<Option<Leaves<'_>>> {
        let mut read = self.read.lock().expect("not poisoned");
        read.insert(image.to_owned());
        drop(read);
        if self.unknown.contains(image) {
            return Ok(None);
        }
        let runs = self.disks[image].iter().map(|window| match window {
            0 => Ok(Run::Zero(1)),
            window => Ok(Run::Leaf(Digest([*window; 32]))),
        });
        Ok(Some(Box::new(runs)))
    }

    fn allocation(&self, child: &str) -> Result<Option<Vec<Span>>> {
        let spans = |windows: &Vec<u64>| {
            let span = |window: &u64| Span {
                at: VirtOffset(window * WINDOW.0),
                len: WINDOW,
            };
            windows.iter().map(span).collect()
        };
        Ok(self.layers.get(child).map(spans))
    }
}

/// The record of a disk.
pub(crate) fn node(id: &str, parent: Option<&str>, disk: &[u8]) -> Node {
    let mut tree = Builder::new(None);
    for window in disk {
        match window {
            0 => tree.push_run(RepeatedSubtrees::zero(), 1),
            window => tree.push(Digest([*window; 32])),
        }
    }
    let size = Bytes(disk.len() as u64 * WINDOW.0);
    Node {
        id: id.to_owned(),
        content_id: ContentId::new(size, &tree.finish().0),
        size,
        parent: parent.map(str::to_owned),
        is_there: true,
    }
}
