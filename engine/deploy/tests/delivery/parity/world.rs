//! Headquarters, a site, and a stick with parity between them.

use std::{
    fs,
    ops::Deref,
    path::{Path, PathBuf},
    process::Command,
};

use imgdelta_core::{Bytes, Error, Format, Result};
use imgdelta_deploy::{
    bundle::{BundleEntry, StoredFile},
    calls::{Deploy, ImageOutcome, Receive, ReceiveReport, VerifyDelivery, VerifyDeliveryReport},
    parity::Percent,
};
use imgdelta_operations::Context;

use crate::{
    place::files_below,
    scene::{Scene, disks},
};

/// The scene, and a stick with parity.
pub(super) struct World(Scene);

impl Deref for World {
    type Target = Scene;

    fn deref(&self) -> &Scene {
        &self.0
    }
}

impl World {
    pub(super) fn new(format: Format) -> Result<Self> {
        Scene::new(format, disks()).map(Self)
    }

    pub(super) fn deploy(&self) -> Deploy {
        self.carrying().medium(self.place.at("stick"))
    }

    pub(super) fn put(&self, percent: u8, piece: Option<Bytes>, native: bool) -> Result<()> {
        let deploy = self.deploy().piece(piece).native(native);
        let report = deploy
            .parity(Percent::new(percent))
            .run(&Context::default())?;
        assert!(report.failure().is_none(), "{report:?}");
        Ok(())
    }

    pub(super) fn stick(&self) -> PathBuf {
        self.place.at("stick")
    }

    pub(super) fn entry(&self) -> Result<BundleEntry> {
        Ok(self.place.index("stick")?.items.remove(0))
    }

    /// The files with data: those that have parity.
    pub(super) fn data(&self) -> Result<Vec<StoredFile>> {
        let stored = self.entry()?;
        Ok(stored
            .stored()
            .filter(|file| file.parity.is_some())
            .collect())
    }

    pub(super) fn path(&self, file: &StoredFile) -> PathBuf {
        self.stick().join(file.name.as_str())
    }

    pub(super) fn look(&self) -> Result<VerifyDeliveryReport> {
        VerifyDelivery::new(self.stick()).run(&Context::default())
    }

    pub(super) fn receive(&self) -> Result<ReceiveReport> {
        Receive::new(self.stick(), self.place.at("site")).run(&Context::default())
    }

    /// The image comes, `count` files of it healed, and nothing on the medium is touched.
    pub(super) fn must_heal(&self, count: usize) -> Result<()> {
        let before = files_below(&self.stick());
        let looked = self.look()?;
        let healable = looked.files.iter().filter(|file| file.healable.is_some());
        assert_eq!(healable.count(), count, "{looked:?}");
        assert_eq!(looked.sound, count == 0);
        let there = files_below(self.site.folder());
        let dry = Receive::new(self.stick(), self.place.at("site")).dry_run(true);
        let dry = dry.run(&Context::default())?;
        assert_eq!(
            (dry.healed.len(), dry.images[0].fate),
            (count, ImageOutcome::Due)
        );
        let would = dry
            .notes
            .iter()
            .filter(|note| note.contains("would be healed"));
        assert_eq!(would.count(), count);
        assert_eq!(
            files_below(self.site.folder()),
            there,
            "a dry run writes nothing"
        );
        let report = self.receive()?;
        assert_eq!(report.healed.len(), count, "{report:?}");
        let told = report
            .notes
            .iter()
            .filter(|note| note.contains("were healed by its parity"));
        assert_eq!(told.count(), count);
        assert_eq!(report.images[0].fate, ImageOutcome::Entered);
        assert_eq!(
            files_below(&self.stick()),
            before,
            "nothing is written on the medium"
        );
        self.must_have_come()
    }

    /// What the how-to says makes the whole file of its pieces, and not of their parity too.
    pub(super) fn must_be_put_together_by_hand(&self) -> Result<()> {
        let howto = fs::read_to_string(self.stick().join("HOWTO.txt")).expect("there");
        let line = howto
            .lines()
            .find_map(|line| line.trim().strip_prefix("by hand"));
        let (line, _) = line
            .expect("it says how")
            .split_once('>')
            .expect("to a file");
        let said = Command::new("sh")
            .args(["-c", &format!("{line} | sha256sum")])
            .current_dir(self.stick())
            .output();
        let said = said.expect("a shell").stdout;
        let expected = self.entry()?.file.sha256.to_string();
        assert!(
            String::from_utf8_lossy(&said).starts_with(&expected),
            "{line}"
        );
        assert!(howto.contains(".parity"), "{howto}");
        Ok(())
    }

    /// Why nothing comes.
    pub(super) fn refused(&self) -> Error {
        let error = self.receive().expect_err("it is refused");
        assert_eq!(error.code(), "delivery_damaged", "{error}");
        error
    }
}

pub(super) fn parity_of(path: &Path) -> PathBuf {
    PathBuf::from(format!("{}.parity", path.display()))
}
