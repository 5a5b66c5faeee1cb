//! `repo add` as it is typed.

use std::path::{Path, PathBuf};

use clap::Args;
use imgdelta::core::{Error, Format, Kind, Ownership, Result};
use imgdelta::registry::{OpenSpec, ParentOption};
use imgdelta::repository::catalogue::{self, ImageId, Name, Tag};

use super::{
    input::{self, InputForm, Search},
    owner::Owner,
    repository::Change,
};
use crate::job;

/// `repo add`: images come into a repository.
#[derive(Debug, Args)]
#[command(
    after_help = "\
Example:
  imgdelta repo add patched.vhd --repo hq --parent golden",
    after_long_help = "\
A copy is an ordinary image that opens with no options. A child whose parent's disk is in the repository becomes a child of that, and only what \
it changes is read. With --dedup an image becomes a child of the one here that holds the most of it, in that one's format, or in the repository's \
own where that hangs on any (qcow2). Parents come before their children in whatever order they are given; extents of another image are none \
themselves. A child that comes without its base is taken if its manifest names an image of the repository as that. An image whose content is there already is not added, and that is no error.

Examples:
  imgdelta repo add golden.vhd --repo hq --golden
  imgdelta repo add patched.vhd --repo hq --parent golden --tag 2026-11
  imgdelta repo add hq/old/*.qcow2 --repo hq --in-place
  imgdelta repo add december.vhd --repo hq --dedup
  imgdelta repo add golden.raw --repo hq --format qcow2"
)]
pub(crate) struct Add {
    /// The images.
    #[arg(value_name = "IMAGE", required = true, help_heading = "Input")]
    images: Vec<PathBuf>,
    /// What they are.
    #[command(flatten)]
    form: InputForm,
    /// Take this internal snapshot, by name or id.
    #[arg(
        long,
        value_name = "NAME",
        help_heading = "Input",
        hide_short_help = true
    )]
    snapshot: Option<String>,
    /// Where their parents are.
    #[command(flatten)]
    search: Search,
    /// What to call it [default: as its file, without the extension].
    #[arg(long, value_name = "NAME", help_heading = "Repository")]
    name: Option<String>,
    /// Its id [default: its content id].
    #[arg(long, value_name = "ID", help_heading = "Repository")]
    id: Option<String>,
    /// The image of the repository that it descends from; it is looked at, not believed.
    #[arg(long, value_name = "IMAGE", help_heading = "Repository")]
    parent: Option<String>,
    /// A tag (repeatable).
    #[arg(long, value_name = "TAG", help_heading = "Repository")]
    tag: Vec<String>,
    /// Others are to be made from it.
    #[arg(long, help_heading = "Repository")]
    golden: bool,
    /// With --golden: nobody, not even root, writes to its files as long as it is (chattr +i); only root can.
    #[arg(long, requires = "golden", help_heading = "Repository")]
    immutable: bool,
    /// Leave it where it stands, below the repository's folder; it is never deleted.
    #[arg(long, help_heading = "Repository")]
    in_place: bool,
    /// The format of the copy [default: its own, raw too].
    #[arg(short, long, value_name = "FMT", value_parser = input::new_format, conflicts_with = "in_place", help_heading = "Repository")]
    format: Option<Format>,
    /// Store it as a child of the best image that is there already, where that is smaller.
    #[arg(long, conflicts_with = "in_place", help_heading = "Repository")]
    dedup: bool,
    /// With --dedup: the most images that one is read from, itself among them [default: 32].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256), requires = "dedup", help_heading = "Repository", hide_short_help = true)]
    max_depth: Option<u16>,
    /// To whom the copy belongs.
    #[command(flatten)]
    owner: Owner,
    /// How the repository is changed.
    #[command(flatten)]
    pub(super) change: Change,
}

impl Add {
    /// What it means.
    pub(crate) fn job(&self) -> Result<job::Add> {
        let one_alone = [("--name", &self.name), ("--id", &self.id)];
        let typed = one_alone.iter().find(|(_, value)| value.is_some());
        if let Some((flag, _)) = typed.filter(|_| self.images.len() > 1) {
            let message = format!("{flag} is for one image, {} are given", self.images.len());
            return Err(Error::new(Kind::Usage, message));
        }
        if self.in_place && self.owner.ownership()? != Ownership::default() {
            let message =
                "--owner and --mode are for copies: what stays where it stands keeps its own";
            return Err(Error::new(Kind::Usage, message).with_hint("leave out --in-place"));
        }
        let images = self.images.iter().map(|image| self.add(image));
        Ok(job::Add {
            images: images.collect::<Result<_>>()?,
            manner: self.change.manner(),
        })
    }

    fn add(&self, image: &Path) -> Result<catalogue::Add> {
        let form = self.form.open(image.to_owned())?;
        Ok(catalogue::Add {
            image: OpenSpec {
                snapshot: self.snapshot.clone(),
                // --parent names an image of the repository.
                policy: self.search.policy(&[], ParentOption::None),
                unpack: form.unpack.filter(|_| !self.in_place),
                ..form
            },
            name: self
                .name
                .as_ref()
                .map(|name| name.parse::<Name>())
                .transpose()?,
            id: self
                .id
                .as_ref()
                .map(|id| id.parse::<ImageId>())
                .transpose()?,
            in_place: self.in_place,
            format: self.format,
            most_deep: self.max_depth.map(usize::from),
            dedup: self.dedup,
            parent: self.parent.clone(),
            tags: self
                .tag
                .iter()
                .map(|tag| tag.parse::<Tag>())
                .collect::<Result<_>>()?,
            golden: self.golden,
            immutable: self.immutable,
            ownership: self.owner.ownership()?,
            ..catalogue::Add::default()
        })
    }
}
