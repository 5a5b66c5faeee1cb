//! `repo tag`, `untag`, `golden`, `set-id`, `rename`, `remove` as they are typed: one image each.

use clap::Args;
use imgdelta::core::Result;
use imgdelta::repository::catalogue::Tag;

use crate::args::repository::Change;
use crate::job::{self, Edit};

/// `repo tag`, `repo untag`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Example:
  imgdelta repo tag patched 2026-11 production")]
pub(crate) struct Tags {
    /// The image.
    #[arg(value_name = "IMAGE", help_heading = "Repository")]
    image: String,
    /// The tags.
    #[arg(value_name = "TAG", required = true, help_heading = "Repository")]
    tags: Vec<String>,
    /// How the repository is changed.
    #[command(flatten)]
    pub(super) change: Change,
}

impl Tags {
    /// What it means; `edit` is what is done with the tags.
    pub(crate) fn job(&self, edit: fn(Vec<Tag>) -> Edit) -> Result<job::Editing> {
        let tags = self.tags.iter().map(|tag| tag.parse::<Tag>());
        editing(
            &self.image,
            edit(tags.collect::<Result<_>>()?),
            &self.change,
        )
    }
}

/// `repo golden`.
#[derive(Debug, Args)]
pub(crate) struct Golden {
    /// The image.
    #[arg(value_name = "IMAGE", help_heading = "Repository")]
    image: String,
    /// Say that it is not.
    #[arg(long, help_heading = "Repository")]
    off: bool,
    /// Nobody, not even root, writes to its files as long as it is golden (chattr +i); only root can.
    #[arg(long, conflicts_with = "off", help_heading = "Repository")]
    immutable: bool,
    /// How the repository is changed.
    #[command(flatten)]
    pub(super) change: Change,
}

impl Golden {
    /// What it means.
    pub(crate) fn job(&self) -> Result<job::Editing> {
        let edit = match self.immutable {
            true => Edit::Immutable,
            false => Edit::Golden(!self.off),
        };
        editing(&self.image, edit, &self.change)
    }
}

/// `repo set-id`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
An image's id is its content id unless somebody sets another. A set id is a claim: it counts for nothing \
where the content ids differ, and before an image serves as a base its content is proven all the same.

Example:
  imgdelta repo set-id golden win11-2610")]
pub(crate) struct SetId {
    /// The image.
    #[arg(value_name = "IMAGE", help_heading = "Repository")]
    image: String,
    /// Its new id: 1 to 128 of letters, digits and . _ : -
    #[arg(value_name = "ID", help_heading = "Repository")]
    id: String,
    /// How the repository is changed.
    #[command(flatten)]
    pub(super) change: Change,
}

impl SetId {
    /// What it means.
    pub(crate) fn job(&self) -> Result<job::Editing> {
        editing(&self.image, Edit::Id(self.id.parse()?), &self.change)
    }
}

/// `repo rename`.
#[derive(Debug, Args)]
pub(crate) struct Rename {
    /// The image.
    #[arg(value_name = "IMAGE", help_heading = "Repository")]
    image: String,
    /// Its new name.
    #[arg(value_name = "NAME", help_heading = "Repository")]
    name: String,
    /// How the repository is changed.
    #[command(flatten)]
    pub(super) change: Change,
}

impl Rename {
    /// What it means.
    pub(crate) fn job(&self) -> Result<job::Editing> {
        editing(&self.image, Edit::Name(self.name.parse()?), &self.change)
    }
}

/// `repo remove`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
An image that others cannot be read without is not removed. Files that were taken in with --in-place or 'repo scan' stay where they are.

Example:
  imgdelta repo remove win11-2609 --yes")]
pub(crate) struct Remove {
    /// The image.
    #[arg(value_name = "IMAGE", help_heading = "Repository")]
    image: String,
    /// Do not ask.
    #[arg(short, long, help_heading = "Repository")]
    yes: bool,
    /// How the repository is changed.
    #[command(flatten)]
    pub(super) change: Change,
}

impl Remove {
    /// What it means.
    pub(crate) fn job(&self) -> job::Remove {
        job::Remove {
            image: self.image.clone(),
            is_sure: self.yes,
            manner: self.change.manner(),
        }
    }
}

fn editing(image: &str, edit: Edit, change: &Change) -> Result<job::Editing> {
    Ok(job::Editing {
        image: image.to_owned(),
        edit,
        manner: change.manner(),
    })
}
