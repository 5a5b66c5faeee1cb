//! `deploy`, `receive` and `serve` as they are typed.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use imgdelta::Unneeded;
use imgdelta::core::{Bytes, Error, Format, Kind, Result};
use imgdelta::deploy::{Destination, bundle::media::Medium, parity::Percent, wire::REMOTE_PROGRAM};

use super::{
    input,
    owner::Owner,
    plan::Choice,
    repository::Change,
    signer::Signed,
    values::{size, time, unneeded},
};
use crate::job;

/// `deploy`: the difference from the best base that both sides have, sent or put on a medium.
#[derive(Debug, Args)]
#[command(
    after_help = "\
Examples:
  imgdelta deploy patched --repo hq --for site.inv -o stick
  imgdelta deploy patched --repo hq --to /mnt/site",
    after_long_help = "\
For each site the best base that both sides have is chosen, as 'imgdelta plan' shows it. What differs from it travels as a transport \
file, packed against all that the base holds and read over it alone; with --native as a child in the site's own format, a disk that other tools open; below the threshold the whole image \
does, in compressed qcow2. Where a site's program does not read transport files, a child in compressed qcow2 is sent. At the site the base is proven, the image made, proven, and only \
then entered. Where that base turns out not to be what it should be, the next one is taken, and at last the whole image. Run again, the same line finishes what was left, and sends nothing that is there.

Onto a medium each difference goes once, whatever the number of sites; one that holds other deliveries is added to. --spare N puts more ways on \
it than are needed. 'imgdelta receive' takes it from there. --drop NAME makes room: it takes an image off the medium again, list first, and is refused \
where others there are made from that image and stay. --sign KEY signs the list, which holds the digests of all that is received, so that \
'imgdelta receive --signers FILE --signer ID' can see who made it; each run onto the medium signs anew.

A file that is longer than a piece (--piece, 1GiB) lies on the medium as NAME.001, NAME.002 ..., which FAT takes too. Each piece is read back from the \
medium before it gets its name; the same line run again keeps the pieces whose bytes are right and writes the others. Files that are cut are packed in the folder \
of IMGDELTA_TMPDIR first.

With --parity 2, 5 or 10 a file NAME.parity lies beside each file. Where so many percent of a file go bad on the way, a run of sectors or single ones, \
'imgdelta receive' heals it in the site's own folder and says so; more of it is asked for with 'receive --request'.

--media SIZE says how much the medium holds: what is more is refused before anything is written there, and so it is packed in the folder of IMGDELTA_TMPDIR first; said several times, what is too long for one is laid on several: each is asked for on the terminal when it is its \
turn, or has a folder of its own, with -o for each. Every medium carries the whole list and says which of how many it is; 'imgdelta receive' takes them in any order.

With ssh:// imgdelta is called on the other host through the system's ssh, with keys, agent and configuration as they are (IMGDELTA_SSH names another \
program), and proves and enters the image there. A path that begins with /~/ is from the home folder there. What was cut goes on where it was.

--leave-out leaves out what 'imgdelta make --leave-out' does. The site's image is another disk then, with a content id of its own: where something \
is left out it has what its base had. The repository remembers what was sent, and makes the next delivery from it; without --leave-out the whole image \
is brought there later too. Of an image that travels as a whole nothing is left out.

Where one site fails, the others are served all the same; the exit status is the first failure's.

Examples:
  imgdelta deploy patched --repo hq --for site.inv -o stick
  imgdelta deploy november december --repo hq --for a.inv --for b.inv -o stick
  imgdelta deploy patched --repo hq --for site.inv -o stick --leave-out free,swap,pagefile
  imgdelta deploy patched --repo hq --for site.inv -o stick --sign ~/.ssh/id_ed25519
  imgdelta deploy patched --repo hq --for site.inv -o stick --piece 512MiB
  imgdelta deploy patched --repo hq --for site.inv -o stick --parity 5
  imgdelta deploy patched --repo hq --for site.inv -o stick --media 8GB --media 8GB
  imgdelta deploy --drop october --drop november -o stick
  imgdelta deploy --refill site.request --repo hq -o refill
  imgdelta deploy patched --repo hq --to /mnt/site --as-child
  imgdelta deploy patched --repo hq --to ssh://admin@site.example/srv/images
  imgdelta deploy patched --repo hq --to /mnt/a --to /mnt/b --dry-run"
)]
pub(crate) struct Deploy {
    /// The images that the sites are to have: names, ids, or the first digits of those.
    #[arg(
        value_name = "IMAGE",
        required_unless_present_any = ["drop", "refill"],
        help_heading = "Repository"
    )]
    images: Vec<String>,
    /// A site that is reached by a medium: its inventory, or the folder of its repository (repeatable).
    #[arg(
        long = "for",
        value_name = "INVENTORY",
        required_unless_present_any = ["to", "drop", "refill"],
        conflicts_with = "to",
        help_heading = "Way"
    )]
    carried: Vec<PathBuf>,
    /// The folder for what is carried there: a stick, say; it is made if it is not there (repeatable: one for each medium).
    #[arg(
        short,
        long,
        value_name = "FOLDER",
        required_unless_present_any = ["to", "dry_run"],
        conflicts_with = "to",
        help_heading = "Way"
    )]
    output: Vec<PathBuf>,
    /// How much the medium holds: 32GB, 8G (repeatable: several media are asked for one after another, or each has a folder of its own).
    #[arg(long, value_name = "SIZE", value_parser = size, conflicts_with_all = ["to", "drop", "refill"], help_heading = "Way")]
    media: Vec<Bytes>,
    /// Put N more ways to each image on the medium, from the next bases and at last as a whole, should a base or a file be spoilt.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=16), conflicts_with = "to", help_heading = "Way", hide_short_help = true)]
    spare: u8,
    /// Sign the medium's list by the system's ssh-keygen: a private key file, or the .pub of a key in the ssh agent.
    #[arg(long, value_name = "KEY", help_heading = "Way")]
    sign: Option<PathBuf>,
    /// Take an image off the medium of -o instead: its entries and files (repeatable). Refused where others there are made from it.
    #[arg(
        long,
        value_name = "NAME",
        requires = "output",
        conflicts_with_all = ["images", "carried", "to", "spare", "sign", "native", "level", "leave_out", "as_child", "format", "owner", "mode"],
        help_heading = "Way"
    )]
    drop: Vec<String>,
    /// Send onto the medium of -o what a site asks for once more, in the file that its 'receive --request' has written.
    #[arg(
        long,
        value_name = "REQUEST",
        requires = "output",
        conflicts_with_all = ["images", "carried", "to", "spare", "drop", "native", "level", "leave_out", "as_child", "format", "owner", "mode", "dry_run"],
        help_heading = "Way"
    )]
    refill: Option<PathBuf>,
    /// A site that can be reached: the folder of its repository, or ssh://[user@]host[:port]/path (repeatable).
    #[arg(long, value_name = "REPO|URL", help_heading = "Way")]
    to: Vec<PathBuf>,
    /// What imgdelta is called on the hosts that ssh leads to.
    #[arg(long, value_name = "PROGRAM", default_value = REMOTE_PROGRAM, help_heading = "Way", hide_short_help = true)]
    remote_program: String,
    /// Send children of the site's own format, disks that other tools open, not the transport form.
    #[arg(long, help_heading = "Way")]
    native: bool,
    /// How hard the transport form is packed, 1 to 19 (3 without it).
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=19), conflicts_with = "native", help_heading = "Way")]
    level: Option<i32>,
    /// Leave out what certainly nobody needs, so that the site keeps its base's bytes there: free, swap, pagefile, with commas between them.
    #[arg(long, value_name = "WHAT", value_delimiter = ',', value_parser = unneeded, help_heading = "Way")]
    leave_out: Vec<Unneeded>,
    /// How long pieces of long files on the medium are, 1MiB up to below 4GiB: 1GiB without it, which FAT takes; a child of --native is only cut where it must be.
    #[arg(long, value_name = "SIZE", value_parser = size, conflicts_with_all = ["to", "drop", "refill"], help_heading = "Way", hide_short_help = true)]
    piece: Option<Bytes>,
    /// Put parity beside each file on the medium: so many percent of it may be damaged, and 'receive' heals it.
    #[arg(long, value_name = "PERCENT", value_parser = parity, conflicts_with_all = ["to", "drop", "refill"], help_heading = "Way")]
    parity: Option<Percent>,
    /// How the sites that can be reached keep the images.
    #[command(flatten)]
    keeping: Keeping,
    /// Which base.
    #[command(flatten)]
    choice: Choice,
    /// Where the images are, and how long to wait for a site.
    #[command(flatten)]
    pub(crate) change: Change,
}

impl Deploy {
    /// What is to be taken off a medium, if that is meant.
    ///
    /// # Errors
    /// Usage, if several folders are given.
    pub(crate) fn drops(&self) -> Result<Option<job::DropImages>> {
        if self.drop.is_empty() {
            return Ok(None);
        }
        let delivery = self.only_output()?;
        Ok(Some(job::DropImages {
            delivery,
            images: self.drop.clone(),
            manner: self.change.manner(),
        }))
    }

    /// The folder, where there is one.
    fn only_output(&self) -> Result<PathBuf> {
        match &self.output[..] {
            [output] => Ok(output.clone()),
            _ => Err(wrong(
                "only images are laid on several media: one -o is required here",
            )),
        }
    }

    /// The media, if there are several or their sizes are given.
    fn media(&self) -> Result<Vec<Medium>> {
        let medium = |(folder, size): (&PathBuf, Option<Bytes>)| Medium {
            folder: folder.clone(),
            size,
        };
        let sizes = self.media.iter().copied().map(Some);
        let folders = self.output.iter();
        Ok(match (folders.len(), sizes.len()) {
            (0 | 1, 0) => Vec::new(),
            (0, _) => {
                return Err(wrong(
                    "--media says how much the medium of -o holds, and there is no -o",
                ));
            }
            (1, _) => folders.cycle().zip(sizes).map(medium).collect(),
            (_, 0) => folders.zip(std::iter::repeat(None)).map(medium).collect(),
            (_, 1) => folders.zip(sizes.cycle()).map(medium).collect(),
            (several, count) if several == count => folders.zip(sizes).map(medium).collect(),
            (several, count) => {
                return Err(wrong(&format!(
                    "{several} folders and {count} media: say --media once for all of them, or once for each"
                )));
            }
        })
    }

    /// The request that is to be answered, if that is meant.
    ///
    /// # Errors
    /// As [`drops`](Self::drops).
    pub(crate) fn refills(&self) -> Result<Option<job::Refill>> {
        let Some(request) = self.refill.clone() else {
            return Ok(None);
        };
        Ok(Some(job::Refill {
            request,
            medium: self.only_output()?,
            sign: self.sign.clone(),
            wait: self.change.manner().wait,
        }))
    }

    /// What it means.
    pub(crate) fn job(self) -> Result<job::Deploy> {
        let media = self.media()?;
        // One of the two is empty.
        let carried = self.carried.into_iter().map(Destination::Inventory).map(Ok);
        let reached = self.to.iter().map(|site| Destination::reached(site));
        Ok(job::Deploy {
            images: self.images,
            sites: carried.chain(reached).collect::<Result<_>>()?,
            medium: self.output.into_iter().next(),
            media,
            rules: self.choice.rules(),
            native: self.native,
            level: self.level,
            leave_out: self.leave_out,
            piece: self.piece,
            parity: self.parity,
            spare: self.spare.into(),
            sign: self.sign,
            keeping: self.keeping.job()?,
            manner: self.change.manner(),
            remote_program: self.remote_program,
        })
    }
}

/// How much parity: one of the percentages that there are.
fn parity(text: &str) -> std::result::Result<Percent, String> {
    let percent = text.strip_suffix('%').unwrap_or(text).parse().ok();
    let percent = percent.and_then(Percent::new);
    percent.ok_or_else(|| "2, 5 or 10 percent are possible".to_owned())
}

/// What was typed cannot be meant.
fn wrong(what: &str) -> Error {
    Error::new(Kind::Usage, what).with_code("usage")
}

/// `receive`: what of a delivery this site takes.
#[derive(Debug, Args)]
#[command(
    after_help = "\
Example:
  imgdelta receive stick --repo site",
    after_long_help = "\
Takes the images that are for this repository; where the delivery names none of its, all whose base is here. The base is found and proven by its \
content; the image is made, proven, and only then entered. Where a file is damaged or a base not what it should be, the next way that the delivery \
holds is taken. What is here already is left alone, so a second run does no harm. Several deliveries are taken as one, in any order.

Of a delivery on several media each run takes what is on those that are here, in any order, and says which are missing; with the last one the images are made and \
entered. What was taken lies in the repository until then.

Where the delivery has parity (deploy --parity), what is damaged of a file, or cannot be read, is healed first, in the repository's own folder: nothing is written \
on the medium. A note says so.

With --request FILE what came damaged, and on no other way, is written down: a few KiB, for of a transport file only the damaged windows are asked \
for. At headquarters 'imgdelta deploy --refill FILE -o FOLDER' sends those, and 'imgdelta receive FOLDER STICK' finishes.

With --signers FILE --signer ID the list of the delivery must be signed by ID with a key that FILE names, in the form of git's allowed_signers; so it \
must where the repository requires it ('imgdelta repo require-signer'). Nothing of the delivery is believed before.

Exit status 0: what fits is here. 5: nothing has its base here. 3 or 6: the delivery is damaged, or not signed as required; nothing of what is \
damaged is entered.

Examples:
  imgdelta receive stick --repo site
  imgdelta receive stick --repo site --dry-run
  imgdelta receive stick --repo site --request site.request
  imgdelta receive refill stick --repo site
  imgdelta receive stick --repo site --signers allowed_signers --signer images@example.org
  imgdelta receive stick --repo site --as-child
  imgdelta receive stick --repo site --format vhdx --wait 5m
  imgdelta receive stick --repo site --owner libvirt-qemu:kvm --mode 640"
)]
pub(crate) struct Receive {
    /// The folders that 'imgdelta deploy -o' has written: several are taken as one.
    #[arg(value_name = "DELIVERY", required = true, help_heading = "Repository")]
    deliveries: Vec<PathBuf>,
    /// Write down what came damaged, to be sent once more.
    #[arg(long, value_name = "FILE", help_heading = "Repository")]
    request: Option<PathBuf>,
    /// Who must have signed the delivery.
    #[command(flatten)]
    signed: Signed,
    /// How the images are kept.
    #[command(flatten)]
    keeping: Keeping,
    /// The site.
    #[command(flatten)]
    pub(crate) change: Change,
}

impl Receive {
    /// What it means.
    pub(crate) fn job(self) -> Result<job::Receive> {
        Ok(job::Receive {
            deliveries: self.deliveries,
            request: self.request,
            signer: self.signed.signer()?,
            keeping: self.keeping.job()?,
            manner: self.change.manner(),
        })
    }
}

/// `serve`: the site's end of a deployment over ssh.
#[derive(Debug, Args)]
#[command(after_long_help = "\
'imgdelta deploy --to ssh://...' calls it on the other host. It speaks on standard input and output until the other side says goodbye, and \
believes nothing that it has not proven. With --root it opens no repository elsewhere: in authorized_keys,

  command=\"imgdelta serve --stdio --root /srv/images\" ssh-ed25519 AAAA...

To whom the files of images belong that come this way, --owner and --mode say here, not headquarters.

Example:
  imgdelta serve --stdio --root /srv/images")]
pub(crate) struct Serve {
    /// Speak on standard input and output.
    #[arg(long, required = true, help_heading = "Way")]
    stdio: bool,
    /// Open only repositories in DIR or below it.
    #[arg(long, value_name = "DIR", help_heading = "Way")]
    root: Option<PathBuf>,
    /// Wait while another process changes the repository, at most so long: 30s, 5m, 1h30m.
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "1m", help_heading = "Repository")]
    wait: Duration,
    /// To whom the files of images belong that are entered.
    #[command(flatten)]
    owner: Owner,
}

impl Serve {
    /// What it means.
    pub(crate) fn job(self) -> Result<job::Serve> {
        Ok(job::Serve {
            root: self.root,
            wait: self.wait,
            ownership: self.owner.ownership()?,
        })
    }
}

/// In which form a site keeps what it receives.
#[derive(Debug, Args)]
struct Keeping {
    /// Keep each image as a child of its base, in that one's format, where that is smaller.
    #[arg(long, help_heading = "At the site")]
    as_child: bool,
    /// The format of whole images [default: the site's own].
    #[arg(short, long, value_name = "FMT", value_parser = input::new_format, help_heading = "At the site")]
    format: Option<Format>,
    /// To whom their files belong.
    #[command(flatten)]
    owner: Owner,
}

impl Keeping {
    /// What it means.
    fn job(&self) -> Result<job::Keeping> {
        Ok(job::Keeping {
            format: self.format,
            as_child: self.as_child,
            ownership: self.owner.ownership()?,
        })
    }
}
