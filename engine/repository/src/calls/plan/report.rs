//! A plan as a result: how each image would travel to each site, and why.

use imgdelta_operations::UnusedBytes;
use serde::Serialize;

use crate::calls::image::ImageRef;

/// How images would travel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PlanReport {
    /// The folder of the repository that sends.
    pub repository: String,
    /// `lines`: to each site by itself; `medium`: on one medium for all.
    pub carrier: &'static str,
    /// How each site is reached.
    pub sites: Vec<SitePlan>,
    /// What a medium for all of them holds, each once.
    pub pairs: Vec<PlanPair>,
    /// How much travels, in bytes: over all lines together, or on the medium.
    pub bytes: u64,
    /// How much it would be if each image went by itself, to each site by itself, in bytes.
    pub naive: u64,
    /// How long it takes, in seconds, at the rate that was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
    /// How that stands to the medium that was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media: Option<MediumFit>,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// How a site is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SitePlan {
    /// The site, as it was given.
    pub site: String,
    /// The id of its repository.
    pub repository: String,
    /// Images that it has already.
    pub there: Vec<PresentImage>,
    /// What is sent, every base before what is made from it.
    pub legs: Vec<PlanLeg>,
    /// How much that is, in bytes.
    pub bytes: u64,
    /// How much it would be if each image went by itself, in bytes.
    pub naive: u64,
    /// How long it takes, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
    /// Images that both sides have but for their size: no base, as they are.
    pub resized: Vec<ResizedImage>,
}

/// An image that a site has already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PresentImage {
    /// The image here.
    pub image: ImageRef,
    /// The same there.
    pub at_site: ImageRef,
}

/// One image on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PlanLeg {
    /// The image.
    pub image: ImageRef,
    /// `there`: from a base that the site has; `sent`: from one that is sent before; `whole`: from none.
    pub from: &'static str,
    /// The base.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<PlanCandidate>,
    /// Why it was chosen, or why there is none.
    pub why: String,
    /// The next best that both sides have.
    pub runners_up: Vec<PlanCandidate>,
    /// How many images both sides have, this one aside.
    pub candidates: usize,
    /// How many of them were weighed.
    pub weighed: usize,
    /// How much is sent, in bytes.
    pub bytes: u64,
    /// How much the whole image would be, in bytes.
    pub whole: u64,
    /// How many of the bytes that are sent nobody needs, if that was asked for and is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unneeded: Option<UnusedBytes>,
    /// Whether nobody asked for it, and it only serves as a step to others.
    pub is_step: bool,
}

/// A candidate and what it measures, as far as that was worked out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PlanCandidate {
    /// The image here.
    pub image: ImageRef,
    /// The same at the site; not of one that is sent before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_site: Option<ImageRef>,
    /// How it is known that both have it: `content`, or `claim`: only by an id that somebody set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shared: Option<&'static str>,
    /// `child`, `parent`, `sibling` or `stranger` of the image that is wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kin: Option<&'static str>,
    /// Steps in the tree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hops: Option<u32>,
    /// Bytes that are allocated along the way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocks: Option<u64>,
    /// How many windows of the wanted image it holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<u64>,
    /// Of how many that are not zero.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<u64>,
    /// All of that as people read it.
    pub text: String,
}

/// A difference, or a whole image, as it lies on a medium.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PlanPair {
    /// The image.
    pub image: ImageRef,
    /// Its base; of a whole image there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<ImageRef>,
    /// How large it is, in bytes.
    pub bytes: u64,
    /// The sites that use it.
    pub sites: Vec<String>,
}

/// How a delivery stands to a medium.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MediumFit {
    /// How much the medium holds, in bytes.
    pub size: u64,
    /// How much is needed, with what stands beside the images, in bytes.
    pub needed: u64,
    /// Whether it fits.
    pub fits: bool,
}

/// Images that are the same but for their size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ResizedImage {
    /// The image here.
    pub image: ImageRef,
    /// The size of its disk, in bytes.
    pub size: u64,
    /// The image there.
    pub at_site: ImageRef,
    /// The size of its disk, in bytes.
    pub size_at_site: u64,
}
