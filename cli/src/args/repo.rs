//! `repo` as it is typed: a folder of images and what is known of them. `add` stands in a file of its own, what changes one image in
//! `edit`.

mod edit;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use imgdelta::core::{Format, Result};
use imgdelta::deploy::wire::REMOTE_PROGRAM;

use self::edit::{Golden, Remove, Rename, SetId, Tags};
use super::{
    add::Add,
    input,
    repository::{Change, Place},
    signer::{Files, RequireSigner},
};
use crate::job;

/// `repo`: everything about a repository.
#[derive(Debug, Args)]
#[command(
    after_help = "\
Example:
  imgdelta repo list --repo hq",
    after_long_help = "\
A repository is a folder of ordinary image files and a folder '.imgdelta' in it that says what is known of them. IMAGE is an image's name, \
its id, or the first digits of its id (at least four).

Examples:
  imgdelta repo init hq
  imgdelta repo add golden.vhd --repo hq --golden
  imgdelta repo add patched.vhd --repo hq --parent golden
  imgdelta repo tree --repo hq
  imgdelta repo verify --repo hq"
)]
pub(crate) struct Repo {
    /// What is to be done with it.
    #[command(subcommand)]
    pub(crate) verb: RepoVerb,
}

/// What is to be done with a repository.
#[derive(Debug, Subcommand)]
pub(crate) enum RepoVerb {
    /// Make a folder a repository.
    Init(Init),
    /// Add images: copied, or as they stand.
    Add(Box<Add>),
    /// Take in every image that stands in the repository's folder, as it is.
    Scan(Change),
    /// List the images.
    List(Place),
    /// What is known of an image.
    Show(Show),
    /// The images as trees of parents and children.
    Tree(Place),
    /// Hang tags on an image.
    Tag(Tags),
    /// Take tags off an image.
    Untag(Tags),
    /// Say that an image is golden: others are to be made from it, and its files are read-only.
    Golden(Golden),
    /// Give an image another id: a claim that it is the disk known by that id elsewhere.
    SetId(SetId),
    /// Give an image another name; its file keeps its own.
    Rename(Rename),
    /// Read images and hold them against their content ids.
    Verify(Verify),
    /// Remove images; only files that the repository made are deleted.
    Remove(Remove),
    /// Say who must have signed what is received from a medium.
    RequireSigner(RequireSigner),
    /// Sweep away what killed processes left behind; no image is touched.
    Gc(Change),
}

impl Repo {
    /// The repository's folder, if it was typed.
    pub(crate) fn folder(&self) -> Option<&PathBuf> {
        let place = match &self.verb {
            RepoVerb::Init(typed) => return typed.folder.as_ref(),
            RepoVerb::Add(typed) => &typed.change.place,
            RepoVerb::Scan(typed) | RepoVerb::Gc(typed) => &typed.place,
            RepoVerb::List(place) | RepoVerb::Tree(place) => place,
            RepoVerb::Show(typed) => &typed.place,
            RepoVerb::Tag(typed) | RepoVerb::Untag(typed) => &typed.change.place,
            RepoVerb::Golden(typed) => &typed.change.place,
            RepoVerb::SetId(typed) => &typed.change.place,
            RepoVerb::Rename(typed) => &typed.change.place,
            RepoVerb::Verify(typed) => &typed.change.place,
            RepoVerb::Remove(typed) => &typed.change.place,
            RepoVerb::RequireSigner(typed) => &typed.change.place,
        };
        place.repo.as_ref()
    }
}

/// `repo init`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
What stands in the folder is left alone; 'repo scan' takes it in. On another host the program there starts it, where its 'serve --root' lets it.

Examples:
  imgdelta repo init hq
  imgdelta repo init ssh://admin@site.example/srv/images
  imgdelta repo init site --format vhdx
  imgdelta repo init site --require-signer images@example.org --signers /etc/imgdelta/allowed_signers")]
pub(crate) struct Init {
    /// The folder, or ssh://[user@]host[:port]/path; it is made if it is not there [default: as --repo] [env: IMGDELTA_REPO=].
    #[arg(value_name = "FOLDER", help_heading = "Repository")]
    folder: Option<PathBuf>,
    /// The format of images that are made here.
    #[arg(short, long, value_name = "FMT", value_parser = input::new_format, default_value = "qcow2", help_heading = "Repository")]
    format: Format,
    /// Receive from a medium only what ID has signed, an identity of the file of --signers.
    #[arg(
        long,
        value_name = "ID",
        requires = "signers",
        help_heading = "Signature"
    )]
    require_signer: Option<String>,
    /// By which keys.
    #[command(flatten)]
    signers: Files,
    /// Say what would be done; write nothing.
    #[arg(short = 'n', long, help_heading = "Repository")]
    dry_run: bool,
    /// What imgdelta is called on the host that ssh leads to.
    #[arg(long, value_name = "PROGRAM", default_value = REMOTE_PROGRAM, help_heading = "Repository", hide_short_help = true)]
    remote_program: String,
}

impl Init {
    /// What it means.
    pub(crate) fn job(self) -> Result<job::Init> {
        Ok(job::Init {
            format: self.format,
            signer: self.signers.signer(self.require_signer)?,
            dry_run: self.dry_run,
            remote_program: self.remote_program,
        })
    }
}

/// `repo show`.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The image: its name, its id, or the first digits of that.
    #[arg(value_name = "IMAGE", help_heading = "Repository")]
    pub(crate) image: String,
    /// Where it is.
    #[command(flatten)]
    place: Place,
}

/// `repo verify`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Exit status 0: all are what their records say. 1: faults were found; damaged windows are named. 6: with --repair, some could not be mended. What is \
sound though its file was touched, or though a deployment marked it, is counted on again from then on; else nothing is written without --repair.

--repair takes each damaged window of 64 KiB from an image that has one with the same leaf digest, and proves it. The mended image is written \
beside, proven by its content id, and only then takes the place of the damaged one. If a window is nowhere, nothing is changed. A file that was \
written to is mended if its image is golden, or named.

Examples:
  imgdelta repo verify --repo hq
  imgdelta repo verify golden --json=lines
  imgdelta repo verify --repair --from /mnt/backup --repo hq")]
pub(crate) struct Verify {
    /// The images [default: all].
    #[arg(value_name = "IMAGE", help_heading = "Repository")]
    images: Vec<String>,
    /// Make images what they were, from windows that other images have.
    #[arg(long, help_heading = "Repository")]
    repair: bool,
    /// With --repair: look for windows in the images of OTHER_REPO too (repeatable).
    #[arg(
        long,
        value_name = "OTHER_REPO",
        requires = "repair",
        help_heading = "Repository"
    )]
    from: Vec<PathBuf>,
    /// How the repository is changed.
    #[command(flatten)]
    change: Change,
}

impl Verify {
    /// What it means.
    pub(crate) fn job(&self) -> job::Verify {
        job::Verify {
            images: self.images.clone(),
            repair: self.repair.then(|| self.from.clone()),
            manner: self.change.manner(),
        }
    }
}
