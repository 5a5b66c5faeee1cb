//! A disk with a swap and with an NTFS that has a page file: what stands in them is left out of what a site is sent, and nothing else.

use std::fs;

use imgdelta_core::{Format, Result};
use imgdelta_deploy::deployment::{Deploy, Destination, SiteOutcome, deploy_many};
use imgdelta_operations::Unneeded;
use imgdelta_repository::catalogue::Repository;

use super::noise;
use crate::{
    host::{are_there, blank, name, run},
    place::{Place, assert_sound, deploy, stored},
};

const MIB: usize = 1 << 20;

/// Where the swap and the NTFS begin on the disk, and how long they are.
const SWAP: (usize, usize) = (MIB, 8 * MIB);
const NTFS: (usize, usize) = (9 * MIB, 32 * MIB);

/// How long the page file is.
const PAGE_FILE: usize = 3 * MIB;

const TOOLS: [(&str, &str); 5] = [
    ("sfdisk", "fdisk"),
    ("mkswap", "util-linux"),
    ("mkntfs", "ntfs-3g"),
    ("ntfscp", "ntfs-3g"),
    ("ntfscat", "ntfs-3g"),
];

/// Two months of a disk, and where its page file stands.
struct Disks {
    place: Place,
    hq: Repository,
    base: Vec<u8>,
    target: Vec<u8>,
    /// The blocks of 4 KiB of the page file.
    pages: Vec<usize>,
}

impl Disks {
    fn new() -> Result<Self> {
        let place = Place::new();
        let [disk, swap, ntfs] = ["disk", "swap", "ntfs"].map(|name| place.at(name));
        blank(&disk, 42 * MIB as u64);
        let table = "label: gpt\nstart=2048,size=16384\nstart=18432,size=65536\n";
        run(&["sfdisk", "-q", name(&disk)], table);
        blank(&swap, SWAP.1 as u64);
        run(&["mkswap", "-q", name(&swap)], "");
        blank(&ntfs, NTFS.1 as u64);
        run(&["mkntfs", "-q", "-F", "-f", name(&ntfs)], "");
        for (file, seed, len) in [("common", 5, 8 * MIB), ("pagefile.sys", 6, PAGE_FILE)] {
            let source = place.at("source");
            fs::write(&source, noise(seed, len)).expect("room");
            run(
                &["ntfscp", "-q", "-f", name(&ntfs), name(&source), file],
                "",
            );
        }
        let mut base = fs::read(&disk).expect("it is there");
        let put = |disk: &mut Vec<u8>, (at, len): (usize, usize), part: &std::path::Path| {
            disk[at..at + len].copy_from_slice(&fs::read(part).expect("it is there"));
        };
        put(&mut base, SWAP, &swap);
        base[SWAP.0 + 4096..SWAP.0 + SWAP.1].copy_from_slice(&noise(7, SWAP.1 - 4096));
        put(&mut base, NTFS, &ntfs);
        let pages: Vec<usize> = blocks_of(&base, &noise(6, PAGE_FILE));
        // A month later there is a file more, and all of swap and page file is another one.
        let news = place.at("news");
        fs::write(&news, noise(8, 200 << 10)).expect("room");
        run(
            &["ntfscp", "-q", "-f", name(&ntfs), name(&news), "news"],
            "",
        );
        let mut target = base.clone();
        put(&mut target, NTFS, &ntfs);
        target[SWAP.0 + 4096..SWAP.0 + SWAP.1].copy_from_slice(&noise(9, SWAP.1 - 4096));
        let paged = noise(10, PAGE_FILE);
        for (at, block) in pages.iter().zip(paged.chunks(4096)) {
            target[*at..*at + 4096].copy_from_slice(block);
        }
        let hq = place.repository("hq", Format::Qcow2)?;
        place.add_bytes(&hq, "before", &base, Format::Raw, None)?;
        place.add_bytes(&hq, "after", &target, Format::Raw, Some("before"))?;
        Ok(Self {
            place,
            hq,
            base,
            target,
            pages,
        })
    }

    /// The disk that a site is to have: nothing is another one but what is in the swap, or in the page file, as far as that was left out.
    fn right(&self, what: &[Unneeded]) -> Vec<u8> {
        let mut right = self.target.clone();
        let mut keep = |from: usize, len: usize| {
            right[from..from + len].copy_from_slice(&self.base[from..from + len]);
        };
        if what.contains(&Unneeded::Swap) {
            keep(SWAP.0 + 4096, SWAP.1 - 4096);
        }
        if what.contains(&Unneeded::PageFile) {
            self.pages.iter().for_each(|at| keep(*at, 4096));
        }
        right
    }

    /// Sends it to a new site, by a medium or into its folder.
    fn send(&self, site: &Repository, by_medium: bool, what: &[Unneeded]) -> Result<SiteOutcome> {
        let destination = match by_medium {
            true => Destination::Carried(site.inventory()?),
            false => Destination::Folder(site.folder().to_owned()),
        };
        let stick = format!("stick-{}", site.about().id);
        let all = Deploy {
            leave_out: what.to_vec(),
            sites: vec![destination],
            bundle: Some(self.place.at(&stick)),
            ..deploy(&self.hq, &["after"])
        };
        let mut deployed = deploy_many(&all, &self.place.context())?;
        if by_medium {
            let received = self.place.receive(&stick, site)?;
            assert!(received.failure().is_none(), "{received:?}");
        }
        Ok(deployed.sites.remove(0))
    }
}

/// Where each block of 4 KiB of a file stands on a disk, each once.
fn blocks_of(disk: &[u8], file: &[u8]) -> Vec<usize> {
    let places: std::collections::HashMap<&[u8], usize> = (0..disk.len())
        .step_by(4096)
        .map(|at| (&disk[at..(at + 4096).min(disk.len())], at))
        .collect();
    let blocks = file.chunks(4096);
    blocks
        .map(|block| *places.get(block).expect("it stands there"))
        .collect()
}

#[test]
fn swap_and_page_file_are_left_out_of_what_a_site_is_sent() -> Result<()> {
    if !are_there(&TOOLS) {
        return Ok(());
    }
    let disks = Disks::new()?;
    let swap = SWAP.1 as u64 - 4096;
    let page_file = PAGE_FILE as u64;
    use Unneeded::{PageFile, Swap};
    for (number, (what, by_medium, format)) in [
        (&[Swap, PageFile][..], true, Format::Raw),
        (&[Swap, PageFile][..], false, Format::Qcow2),
        (&[Swap][..], true, Format::Vhdx),
        (&[PageFile][..], false, Format::Raw),
    ]
    .into_iter()
    .enumerate()
    {
        let site = disks.place.repository(&format!("site{number}"), format)?;
        disks
            .place
            .add_bytes(&site, "before", &disks.base, format, None)?;
        let outcome = disks.send(&site, by_medium, what)?;
        assert!(outcome.failure().is_none(), "{outcome:?}");
        let sent = &outcome.sent[0];
        let left = sent.left_out.expect("something is");
        let [swap, page_file] = [(Swap, swap), (PageFile, page_file)]
            .map(|(one, bytes)| if what.contains(&one) { bytes } else { 0 });
        assert_eq!((left.free, left.swap, left.pagefile), (0, swap, page_file));
        // All else that differs is the new file, and what lists it.
        let all = (SWAP.1 + PAGE_FILE) as u64 - swap - page_file;
        let bytes = sent.entry.bytes();
        assert!((200 << 10..all + MIB as u64).contains(&bytes), "{bytes}");
        let found = stored(&site, "after")?;
        assert!(found == disks.right(what), "{what:?}");
        assert_sound(&site, &disks.place)?;
        // A guest's own reader finds the file.
        let ntfs = disks.place.at("found.ntfs");
        fs::write(&ntfs, &found[NTFS.0..NTFS.0 + NTFS.1]).expect("room");
        let read = std::process::Command::new("ntfscat")
            .args(["-f", name(&ntfs), "news"])
            .output();
        assert!(read.expect("it runs").stdout == noise(8, 200 << 10));
        let again = disks.send(&site, by_medium, what)?;
        assert!(again.sent.is_empty(), "it is there");
    }
    Ok(())
}

#[test]
fn of_a_disk_whose_system_sleeps_nothing_is_left_out() -> Result<()> {
    if !are_there(&TOOLS) {
        return Ok(());
    }
    let mut disks = Disks::new()?;
    let asleep = SWAP.0 + 4086;
    disks.target[asleep..asleep + 10].copy_from_slice(b"S1SUSPEND\0");
    let target = disks.target.clone();
    disks
        .place
        .add_bytes(&disks.hq, "asleep", &target, Format::Raw, Some("before"))?;
    let site = disks.place.repository("site", Format::Raw)?;
    disks
        .place
        .add_bytes(&site, "before", &disks.base, Format::Raw, None)?;
    let all = Deploy {
        leave_out: vec![Unneeded::Swap, Unneeded::PageFile],
        sites: vec![Destination::Folder(site.folder().to_owned())],
        ..deploy(&disks.hq, &["asleep"])
    };
    let deployed = deploy_many(&all, &disks.place.context())?;
    assert!(deployed.failure().is_none(), "{deployed:?}");
    let left = deployed.sites[0].sent[0].left_out;
    assert_eq!(left.map_or(0, |left| left.swap + left.pagefile), 0);
    assert!(stored(&site, "asleep")? == target, "all of it came");
    Ok(())
}
