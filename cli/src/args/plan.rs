//! `inventory` and `plan` as they are typed.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use imgdelta::Unneeded;
use imgdelta::core::{Bytes, Existing, Result};
use imgdelta::deploy::{Destination, wire::REMOTE_PROGRAM};
use imgdelta::repository::planning::{Measure, Rules};

use super::{
    repository::Place,
    values::{rate, size, unneeded},
};
use crate::job;

/// `inventory`: the list of a repository's images that another site reads.
#[derive(Debug, Args)]
#[command(
    after_help = "\
Example:
  imgdelta inventory --repo site -o site.inv",
    after_long_help = "\
The list holds ids, content ids, sizes, names, parents and tags, and no path: it is small enough to mail. Without -o it goes to standard output.

Example:
  imgdelta inventory --repo site -o site.inv"
)]
pub(crate) struct Inventory {
    /// Where the images are.
    #[command(flatten)]
    pub(crate) place: Place,
    /// The file to write.
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    output: Option<PathBuf>,
    /// Replace an existing file.
    #[arg(long, help_heading = "Output")]
    force: bool,
    /// Say what would be written; write nothing.
    #[arg(short = 'n', long, requires = "output", help_heading = "Output")]
    dry_run: bool,
}

impl Inventory {
    /// What it means.
    pub(crate) fn job(self) -> job::Inventory {
        job::Inventory {
            output: self.output.filter(|output| !job::is_stream(output)),
            existing: if self.force {
                Existing::Replace
            } else {
                Existing::Keep
            },
            dry_run: self.dry_run,
        }
    }
}

/// `plan`: which base each image would travel from, and what would be sent.
#[derive(Debug, Args)]
#[command(
    after_help = "\
Example:
  imgdelta plan patched --repo hq --for site.inv",
    after_long_help = "\
Nothing is sent or written, and no image is read but for --leave-out: what images hold is known from their leaf digests. Bytes are estimates before compression. \
A site on another host is asked what it has of what is here.

The base is chosen among the images that both sides have. --measure says by what they are ranked: hops (steps in the tree of parents and \
children), blocks (what the images between the two allocate), ratio (how much of the image's data the candidate holds), or auto: the cheapest that \
decides, then the ratio of the best few. The threshold is always on the ratio.

Examples:
  imgdelta plan patched --repo hq --for site.inv
  imgdelta plan november december --repo hq --for a.inv --for b.inv --media 16GB
  imgdelta plan patched --repo hq --for /mnt/site --rate 10Mbit/s --json
  imgdelta plan patched --repo hq --for site.inv --leave-out free,swap,pagefile
  imgdelta plan patched --repo hq --for ssh://admin@site.example/srv/images"
)]
pub(crate) struct Plan {
    /// The images that the sites are to have: names, ids, or the first digits of those.
    #[arg(value_name = "IMAGE", required = true, help_heading = "Repository")]
    images: Vec<String>,
    /// A site: its inventory, the folder of its repository, or ssh://[user@]host[:port]/path (repeatable).
    #[arg(
        long = "for",
        value_name = "INVENTORY|REPO|URL",
        required = true,
        help_heading = "Repository"
    )]
    sites: Vec<PathBuf>,
    /// What imgdelta is called on the hosts that ssh leads to.
    #[arg(long, value_name = "PROGRAM", default_value = REMOTE_PROGRAM, help_heading = "Repository", hide_short_help = true)]
    remote_program: String,
    /// Where the images are.
    #[command(flatten)]
    pub(crate) place: Place,
    /// Which base.
    #[command(flatten)]
    choice: Choice,
    /// Say whether a medium of this size holds it: 16GB, 8G; exit status 1 if not.
    #[arg(long, value_name = "SIZE", value_parser = size, help_heading = "Way")]
    media: Option<Bytes>,
    /// Say how long it takes at so much a second: 10Mbit/s, 2MB/s, 512K.
    #[arg(long, value_name = "RATE", value_parser = rate, help_heading = "Way")]
    rate: Option<Bytes>,
    /// Say how much of it nobody needs and 'make --leave-out' leaves out: free, swap, pagefile, with commas between them. The images are read for that.
    #[arg(long, value_name = "WHAT", value_delimiter = ',', value_parser = unneeded, help_heading = "Way")]
    leave_out: Vec<Unneeded>,
}

/// How the base is chosen.
#[derive(Debug, Args)]
pub(super) struct Choice {
    /// What ranks the candidates.
    #[arg(
        long,
        value_name = "MEASURE",
        default_value = "auto",
        help_heading = "Choice"
    )]
    measure: By,
    /// How many percent of the image's data a base must hold; below it the whole image travels.
    #[arg(long, value_name = "PERCENT", default_value_t = 10, value_parser = clap::value_parser!(u32).range(0..=100), help_heading = "Choice")]
    threshold: u32,
    /// Where there are more candidates than this, near ones are weighed first.
    #[arg(long, value_name = "N", default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..=100_000), help_heading = "Choice")]
    candidates: u32,
}

impl Choice {
    /// What it means.
    pub(super) fn rules(&self) -> Rules {
        Rules {
            measure: match self.measure {
                By::Auto => Measure::Auto,
                By::Hops => Measure::Hops,
                By::Blocks => Measure::Blocks,
                By::Ratio => Measure::Ratio,
            },
            threshold: self.threshold,
            list: usize::try_from(self.candidates).unwrap_or(usize::MAX),
            ..Rules::default()
        }
    }
}

/// What ranks candidates.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum By {
    /// The cheapest that decides, then the ratio.
    Auto,
    /// Steps in the tree.
    Hops,
    /// What is allocated along the way.
    Blocks,
    /// How much they hold.
    Ratio,
}

impl Plan {
    /// What it means.
    pub(crate) fn job(self) -> Result<job::Plan> {
        let sites = self.sites.iter().map(|site| Destination::known_by(site));
        Ok(job::Plan {
            images: self.images,
            sites: sites.collect::<Result<_>>()?,
            remote_program: self.remote_program,
            rules: self.choice.rules(),
            media: self.media,
            rate: self.rate,
            leave_out: self.leave_out,
        })
    }
}
