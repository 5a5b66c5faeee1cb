//! The tree of a list: how far, and by which way, its images stand from one of them. Lists may be hostile: cycles, images that
//! are their own parents and names that occur twice are gone through once and do no harm.

use std::collections::{HashMap, VecDeque};

use crate::planning::node::Node;

/// How a candidate stands to the image that is wanted; in ties the earlier comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Relation {
    /// It was made from the wanted image, directly or not.
    Child,
    /// The wanted image was made from it, directly or not.
    Parent,
    /// Both were made from a third.
    Sibling,
    /// Nothing is known.
    Stranger,
}

/// The way from the wanted image to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TreePath {
    /// How many edges it has.
    pub(super) hops: u32,
    /// How the other stands to the wanted image.
    pub(super) kin: Relation,
    /// The image before it on the way, and the child of the edge between; `None` for the wanted image itself.
    pub(super) last: Option<(usize, usize)>,
}

/// A list as a tree. Images are known by their place in it.
#[derive(Debug)]
pub(super) struct Lineage<'a> {
    list: &'a [Node],
    nodes: Vec<&'a Node>,
    places: HashMap<&'a str, usize>,
    parents: Vec<Option<usize>>,
    /// In the order of their ids.
    children: Vec<Vec<usize>>,
}

impl<'a> Lineage<'a> {
    /// Of an id that occurs twice, the first counts.
    pub(super) fn new(list: &'a [Node]) -> Self {
        let mut places = HashMap::new();
        let mut nodes = Vec::new();
        for node in list {
            places.entry(node.id.as_str()).or_insert_with(|| {
                nodes.push(node);
                nodes.len() - 1
            });
        }
        let mut children = vec![Vec::new(); nodes.len()];
        let mut parents = Vec::with_capacity(nodes.len());
        for (place, node) in nodes.iter().enumerate() {
            let parent = node
                .parent
                .as_deref()
                .and_then(|id| places.get(id).copied());
            if let Some(siblings) = parent.and_then(|parent| children.get_mut(parent)) {
                siblings.push(place);
            }
            parents.push(parent);
        }
        for siblings in &mut children {
            siblings.sort_by_key(|place| nodes.get(*place).map(|node| &node.id));
        }
        Self {
            list,
            nodes,
            places,
            parents,
            children,
        }
    }

    /// The list itself.
    pub(super) const fn list(&self) -> &'a [Node] {
        self.list
    }

    /// Where the image with this id stands.
    pub(super) fn place(&self, id: &str) -> Option<usize> {
        self.places.get(id).copied()
    }

    /// The image at a place.
    pub(super) fn node(&self, place: usize) -> Option<&'a Node> {
        self.nodes.get(place).copied()
    }

    /// Whether the image at a place stands as it was proven.
    pub(super) fn is_there(&self, place: usize) -> bool {
        self.node(place).is_some_and(|node| node.is_there)
    }

    /// The image that the one at a place was made from.
    pub(super) fn parent(&self, place: usize) -> Option<usize> {
        self.parents.get(place).copied().flatten()
    }

    /// The shortest way to each image, by place; `None` where there is none.
    pub(super) fn ways_from(&self, wanted: usize) -> Vec<Option<TreePath>> {
        let mut ways: Vec<Option<TreePath>> = vec![None; self.nodes.len()];
        let mut queue = VecDeque::new();
        let start = TreePath {
            hops: 0,
            kin: Relation::Stranger,
            last: None,
        };
        if let Some(way) = ways.get_mut(wanted) {
            *way = Some(start);
            queue.push_back((wanted, start));
        }
        while let Some((place, way)) = queue.pop_front() {
            let up = self.parent(place).map(|parent| (parent, place, true));
            let down = self.children.get(place).into_iter().flatten();
            for (next, edge, upward) in up.into_iter().chain(down.map(|next| (*next, *next, false)))
            {
                if let Some(free @ None) = ways.get_mut(next) {
                    let further = TreePath {
                        hops: way.hops.saturating_add(1),
                        kin: turned(way, upward),
                        last: Some((place, edge)),
                    };
                    *free = Some(further);
                    queue.push_back((next, further));
                }
            }
        }
        ways
    }

    /// The edges of a way, each by the place of its child, from the far end on.
    pub(super) fn edges(&self, ways: &[Option<TreePath>], to: usize) -> Vec<usize> {
        let mut edges = Vec::new();
        let mut here = to;
        while let Some((before, edge)) = ways.get(here).copied().flatten().and_then(|way| way.last)
        {
            edges.push(edge);
            here = before;
        }
        edges
    }
}

/// What becomes of the kinship on one more edge, up or down.
const fn turned(way: TreePath, upward: bool) -> Relation {
    match (way.hops, way.kin, upward) {
        (0, _, true) | (_, Relation::Parent, true) => Relation::Parent,
        (0, _, false) | (_, Relation::Child, false) => Relation::Child,
        _ => Relation::Sibling,
    }
}

#[cfg(test)]
mod tests {
    use imgdelta_core::Bytes;
    use imgdelta_delta::{ContentId, Digest};

    use super::*;

    fn list(images: &[(&str, Option<&str>)]) -> Vec<Node> {
        images
            .iter()
            .map(|(id, parent)| Node {
                id: (*id).to_owned(),
                content_id: ContentId(Digest::leaf(id.as_bytes())),
                size: Bytes::mib(1),
                parent: parent.map(str::to_owned),
                is_there: true,
            })
            .collect()
    }

    fn way(list: &[Node], from: &str, to: &str) -> Option<(u32, Relation)> {
        let lineage = Lineage::new(list);
        let ways = lineage.ways_from(lineage.place(from)?);
        ways[lineage.place(to)?].map(|way| (way.hops, way.kin))
    }

    #[test]
    fn hops_and_kinship_are_those_of_the_tree() {
        let tree = list(&[
            ("root", None),
            ("d", Some("root")),
            ("e", Some("d")),
            ("f", Some("d")),
            ("g", Some("f")),
            ("h", None),
            ("i", Some("somewhere else")),
        ]);
        assert_eq!(way(&tree, "f", "d"), Some((1, Relation::Parent)));
        assert_eq!(way(&tree, "f", "root"), Some((2, Relation::Parent)));
        assert_eq!(way(&tree, "f", "e"), Some((2, Relation::Sibling)));
        assert_eq!(way(&tree, "f", "g"), Some((1, Relation::Child)));
        assert_eq!(way(&tree, "d", "g"), Some((2, Relation::Child)));
        assert_eq!(way(&tree, "g", "e"), Some((3, Relation::Sibling)));
        assert_eq!(way(&tree, "f", "h"), None);
        assert_eq!(way(&tree, "h", "i"), None);
    }

    #[test]
    fn circles_and_images_that_are_their_own_parents_end() {
        let circle = list(&[
            ("a", Some("c")),
            ("b", Some("a")),
            ("c", Some("b")),
            ("d", Some("d")),
            ("a", Some("d")),
        ]);
        assert_eq!(way(&circle, "a", "c"), Some((1, Relation::Parent)));
        assert_eq!(way(&circle, "a", "b"), Some((1, Relation::Child)));
        assert_eq!(way(&circle, "a", "d"), None, "the first a counts");
        let lineage = Lineage::new(&circle);
        let ways = lineage.ways_from(0);
        assert_eq!(lineage.edges(&ways, 2), [0]);
    }
}
