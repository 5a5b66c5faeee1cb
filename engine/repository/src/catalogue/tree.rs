//! The images of a repository as trees. Records say who descends from whom, and may be wrong: a tree comes out all the same.

use std::collections::{HashMap, HashSet};

use super::{listing::Listing, record::Record};

/// An image in the tree.
#[derive(Clone, Copy, Debug)]
pub struct Branch<'a> {
    /// How many images stand above it.
    pub depth: usize,
    /// What is known of it.
    pub record: &'a Record,
    /// Whether it names a parent that is not there, or that leads back to it: it then stands at the top.
    pub is_torn: bool,
}

impl Listing {
    /// All images as trees: each root in order of name, followed by what descends from it. Each image stands in it once, whatever the
    /// records say of their parents.
    #[must_use]
    pub fn tree(&self) -> Vec<Branch<'_>> {
        let mut children: HashMap<String, Vec<&Record>> = HashMap::new();
        let mut roots = Vec::new();
        let records = self.records();
        for record in &records {
            match record.parent.as_ref().map(|parent| parent.id.folded()) {
                Some(parent) if self.records.contains_key(&parent) => {
                    children.entry(parent).or_default().push(record);
                }
                parent => roots.push((*record, parent.is_some())),
            }
        }
        let mut tree = Vec::with_capacity(records.len());
        let mut seen = HashSet::new();
        // What no root leads to stands in a circle, which is cut where its first name stands.
        let circles = records.iter().map(|record| (*record, true));
        for (root, is_torn) in roots.into_iter().chain(circles) {
            let mut left = vec![Branch {
                depth: 0,
                record: root,
                is_torn,
            }];
            while let Some(branch) = left.pop() {
                let id = branch.record.id.folded();
                if !seen.insert(id.clone()) {
                    continue;
                }
                tree.push(branch);
                let below = children.get(&id).into_iter().flatten().rev();
                left.extend(below.map(|record| Branch {
                    depth: branch.depth + 1,
                    record,
                    is_torn: false,
                }));
            }
        }
        tree
    }
}
