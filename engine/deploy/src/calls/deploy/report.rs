//! What became of a deployment, as plain data.

use imgdelta_operations::UnusedBytes;
use imgdelta_repository::calls::{Failed, ImageRef};
use serde::Serialize;

use crate::calls::receive::ReceivedImage;

/// What became of images that were to go to sites.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct DeployReport {
    /// The folder of the repository that sends.
    pub repository: String,
    /// The folder of what is carried to the sites.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery: Option<String>,
    /// The media, in their order, if what is carried lies on several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub media: Vec<MediumReport>,
    /// What became of it at each site, in the order in which they were given.
    pub sites: Vec<SiteReport>,
    /// How many bytes of files travel; on a medium, each file once.
    pub bytes: u64,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// One of several media.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct MediumReport {
    /// Its number, from 1 on.
    pub number: u32,
    /// The folder in which it was reached.
    pub folder: String,
    /// How long the files of images on it are together, in bytes.
    pub bytes: u64,
}

/// What became of it at one site.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct SiteReport {
    /// The site, as it was given.
    pub site: String,
    /// Images that it has already.
    pub there: Vec<HeldImage>,
    /// What was packed for it, every base before what is made from it.
    pub sent: Vec<ShippedImage>,
    /// How many bytes of files that is.
    pub bytes: u64,
    /// What became of each image there; of a site that was not reached nothing is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images: Option<Vec<ReceivedImage>>,
    /// What went wrong on the way there.
    pub errors: Vec<Failed>,
}

/// An image that a site has already.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct HeldImage {
    /// The image here.
    pub image: ImageRef,
    /// Its id there.
    pub at_site: String,
}

/// A difference, or a whole image, that travels.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ShippedImage {
    /// The image.
    pub image: ImageRef,
    /// Its base; of a whole image there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<ImageRef>,
    /// The format of the file that travels, where files lie on a medium or in a folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<&'static str>,
    /// The name of that file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// How long it is, with its manifest.
    pub bytes: u64,
    /// What of the image nobody needs and is left out, where that was asked for: the site keeps what its base has there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_out: Option<UnusedBytes>,
    /// How many bytes an earlier conversation had brought.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resumed: Option<u64>,
    /// Whether it was written now; else it lay there.
    pub is_new: bool,
    /// Whether nobody asked for it there, and it only serves as a step to others.
    pub is_step: bool,
}

impl DeployReport {
    /// The first failure, in the order of the sites; what was sent to the others stands.
    #[must_use]
    pub fn failure(&self) -> Option<&Failed> {
        self.sites.iter().find_map(SiteReport::failure)
    }
}

impl SiteReport {
    /// The first failure on the way there, or else of an image there.
    #[must_use]
    pub fn failure(&self) -> Option<&Failed> {
        let there = self.images.iter().flatten();
        let mut there = there.filter_map(|image| image.error.as_ref());
        self.errors.first().or_else(|| there.next())
    }
}
