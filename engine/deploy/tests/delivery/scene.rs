//! Headquarters with two images, a site that has the first of them, and a folder to pack in.

use std::{fs, path::Path, process::Command};

use imgdelta_core::{Format, Result};
use imgdelta_deploy::calls::{Deploy, Destination};
use imgdelta_repository::catalogue::Repository;

use crate::place::{Place, Windows, assert_sound, stored};

/// `old`, which both have, and `new`, which the site is to have.
pub(crate) struct Scene {
    pub(crate) place: Place,
    pub(crate) hq: Repository,
    pub(crate) site: Repository,
    new: Windows,
}

/// Two disks: 80 windows differ, which is 5 MiB and a bit to be sent.
pub(crate) fn disks() -> (Windows, Windows) {
    let old = Windows::new(160, 1);
    let new = old.with(8..88, 2);
    (old, new)
}

impl Scene {
    /// The site keeps images in that format.
    pub(crate) fn new(format: Format, (old, new): (Windows, Windows)) -> Result<Self> {
        let place = Place::new();
        let hq = place.repository("hq", Format::Qcow2)?;
        let site = place.repository("site", format)?;
        place.add(&hq, "old", &old, Format::Raw, None)?;
        place.add(&hq, "new", &new, Format::Raw, Some("old"))?;
        place.add(&site, "old", &old, Format::Raw, None)?;
        fs::create_dir(place.at("packing")).expect("room");
        Ok(Self {
            place,
            hq,
            site,
            new,
        })
    }

    /// A call that carries the image to the site, onto no medium yet.
    pub(crate) fn carrying(&self) -> Deploy {
        Deploy::new(self.place.at("hq"), ["new"])
            .to(Destination::Inventory(self.place.at("site")))
            .packing_folder(self.place.at("packing"))
    }

    /// What is left where it was packed.
    pub(crate) fn packing(&self) -> usize {
        fs::read_dir(self.place.at("packing"))
            .expect("there")
            .count()
    }

    /// The site has the image, and nothing that was under way is left.
    pub(crate) fn must_have_come(&self) -> Result<()> {
        assert_eq!(stored(&self.site, "new")?, self.new.bytes());
        let incoming = fs::read_dir(self.site.incoming()).into_iter().flatten();
        assert_eq!(incoming.count(), 0, "nothing is left under way");
        assert_sound(&self.site, &self.place)
    }
}

/// Changes the bytes of a file.
pub(crate) fn edit(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).expect("it reads");
    change(&mut bytes);
    fs::write(path, bytes).expect("room");
}

/// What sha256sum says of the stick, the sums of which it is given.
pub(crate) fn sha256sum(stick: &Path) -> bool {
    let said = Command::new("sha256sum")
        .args(["--strict", "-c", "SHA256SUMS"])
        .current_dir(stick)
        .output();
    said.expect("coreutils").status.success()
}
