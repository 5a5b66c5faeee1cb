//! Images as lists know them, and which of them two lists share. Content ids tell, because each site names
//! its images as it likes.

use std::collections::{BTreeMap, HashMap, HashSet};

use imgdelta_core::Bytes;
use imgdelta_delta::ContentId;

/// An image as headquarters' list or a site's inventory knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// What the image is called among all repositories: made of its content id, unless the user set another.
    pub id: String,
    /// What its guest sees, proven when it was entered.
    pub content_id: ContentId,
    /// How large its guest sees it.
    pub size: Bytes,
    /// The id of the image that it was made from, as far as that is known. One that is not in the list counts for nothing.
    pub parent: Option<String>,
    /// Whether its files stand as they were proven: if not, nothing is made from it, and it cannot be sent.
    pub is_there: bool,
}

/// An image that both sides have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Common {
    /// Its id at headquarters.
    pub image: String,
    /// Its id at the site.
    pub at_site: String,
}

/// The images that both sides have, in the order of their ids at headquarters.
///
/// What is the same is said by content ids. A set id is a claim: it prefers one of several images of one content, and counts for nothing where the
/// contents differ. Where a list has an id twice, the first counts; where a site has a content twice, the smaller id does.
#[must_use]
pub fn common(headquarters: &[Node], site: &[Node]) -> Vec<Common> {
    let mut by_id: HashMap<&str, &Node> = HashMap::new();
    let mut by_content: HashMap<ContentId, &str> = HashMap::new();
    for node in site {
        by_id.entry(&node.id).or_insert(node);
        let id = by_content.entry(node.content_id).or_insert(&node.id);
        if *id > node.id.as_str() {
            *id = &node.id;
        }
    }
    let mut seen = HashSet::new();
    let mut all = BTreeMap::new();
    for node in headquarters.iter().filter(|node| seen.insert(&node.id)) {
        let same_id = by_id.get(node.id.as_str());
        let same_id = same_id.filter(|there| there.content_id == node.content_id);
        let at_site = same_id
            .map(|there| there.id.as_str())
            .or_else(|| by_content.get(&node.content_id).copied());
        if let Some(at_site) = at_site {
            let common = Common {
                image: node.id.clone(),
                at_site: at_site.to_owned(),
            };
            all.insert(node.id.as_str(), common);
        }
    }
    all.into_values().collect()
}

#[cfg(test)]
mod tests {
    use imgdelta_delta::Digest;

    use super::*;

    fn node(id: &str, content: u8) -> Node {
        Node {
            id: id.to_owned(),
            content_id: ContentId(Digest([content; 32])),
            size: Bytes::mib(1),
            parent: None,
            is_there: true,
        }
    }

    fn listed(common: &[Common]) -> Vec<(&str, &str)> {
        common
            .iter()
            .map(|one| (one.image.as_str(), one.at_site.as_str()))
            .collect()
    }

    #[test]
    fn images_are_shared_by_content_under_any_id_and_never_by_an_id_alone() {
        let headquarters = [node("b", 2), node("a", 1), node("c", 3), node("d", 4)];
        let site = [node("z", 1), node("x", 1), node("b", 2), node("c", 9)];
        assert_eq!(
            listed(&common(&headquarters, &site)),
            [("a", "x"), ("b", "b")]
        );
    }

    #[test]
    fn a_name_that_a_list_has_twice_counts_once_and_its_first_image_counts() {
        let headquarters = [node("a", 1), node("a", 2)];
        let site = [node("a", 2), node("a", 1)];
        assert_eq!(
            listed(&common(&headquarters, &site)),
            [("a", "a")],
            "the content is there, whatever else goes by its name"
        );
        assert_eq!(common(&headquarters, &[]), []);
    }
}
