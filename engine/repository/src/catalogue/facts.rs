//! What the choice of a base asks of a repository: its images as nodes, their leaves, what a child says itself.

use imgdelta_core::{Bytes, Result, State, VirtOffset};
use imgdelta_operations::Disk;

use super::{Repository, inventory::Item, lineage::leaves_of, listing::Listing, record::Record};
use crate::planning::{Leaves, Measurements, Node, Span};

/// Most runs of a child that are named; one that is cut more finely is weighed by its leaves.
const MOST_SPANS: usize = 1 << 20;

/// A repository as the choice of a base sees it.
#[derive(Debug)]
pub struct Holdings<'a> {
    repository: &'a Repository,
    listing: &'a Listing,
}

impl<'a> Holdings<'a> {
    /// What is known of the images of `repository`, whose records are `listing`.
    #[must_use]
    pub const fn of(repository: &'a Repository, listing: &'a Listing) -> Self {
        Self {
            repository,
            listing,
        }
    }

    /// Its images, in order of name.
    #[must_use]
    pub fn nodes(&self) -> Vec<Node> {
        let look = self.repository.look(self.listing);
        let records = self.listing.records().into_iter();
        let nodes = records.map(|record| Node {
            is_there: look.at(record).is_present(),
            ..node(&Item::from(record))
        });
        // Only those are known that can be read.
        let reduced = self.listing.reduced.values();
        let reduced = reduced.map(|reduced| node(&Item::from(&reduced.record)));
        nodes.chain(reduced).collect()
    }

    /// The record of an image by its id.
    fn record(&self, id: &str) -> Option<&'a Record> {
        self.listing.by_id(&id.parse().ok()?)
    }

    /// The runs of which a child's own layer says something; `None` if there are too many.
    fn own_runs(&self, record: &Record) -> Result<Option<Vec<Span>>> {
        let child = Disk::open_alone(&self.repository.spec(record)?)?.top.image;
        let end = VirtOffset(child.metadata().size.0);
        let mut spans: Vec<Span> = Vec::new();
        let mut at = VirtOffset::ZERO;
        while at < end {
            let extent = child.extent_at(at)?;
            let len = extent.len.max(Bytes(1));
            if extent.state != State::Absent {
                let is_full = spans.len() >= MOST_SPANS;
                match spans.last_mut() {
                    Some(last) if last.at.saturating_add(last.len) == at => {
                        last.len = Bytes(last.len.0.saturating_add(len.0));
                    }
                    _ if is_full => return Ok(None),
                    _ => spans.push(Span { at, len }),
                }
            }
            at = at.saturating_add(len);
        }
        Ok(Some(spans))
    }
}

/// An image of an inventory as the choice of a base sees it.
#[must_use]
pub fn node(item: &Item) -> Node {
    Node {
        id: item.id.to_string(),
        content_id: item.content_id,
        size: Bytes(item.size),
        parent: item.parent.as_ref().map(ToString::to_string),
        is_there: true,
    }
}

impl Measurements for Holdings<'_> {
    /// Leaves that are damaged are as if they were not there: `verify` says so.
    fn leaves(&self, image: &str) -> Result<Option<Leaves<'_>>> {
        let Some(record) = self.record(image) else {
            return Ok(None);
        };
        Ok(self.repository.leaves(record).ok().flatten().map(leaves_of))
    }

    /// A child that cannot be opened is as if it had no layer of its own: its leaves are what is sent in the end.
    fn allocation(&self, child: &str) -> Result<Option<Vec<Span>>> {
        let record = self.record(child);
        let linked = record.filter(|record| record.linked_parent().is_some());
        Ok(linked.and_then(|record| self.own_runs(record).ok().flatten()))
    }
}
