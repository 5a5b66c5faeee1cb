//! Headquarters, a site, and what differs on its way on a stick, in pieces.

use std::{ops::Deref, path::PathBuf};

use imgdelta_core::{Bytes, Error, Format, Result};
use imgdelta_deploy::{
    bundle::{BundleEntry, PieceList, StoredFile, VerifiedDelivery, verify},
    deployment::{Deploy, Deployed, Destination, deploy_many},
};

use crate::{
    place::{Windows, deploy, files_below},
    scene::Scene,
};

/// A piece has a block of 4 MiB and one of 1 MiB.
pub(super) const PIECE: Bytes = Bytes::mib(5);

/// Of the disks, 180 windows differ: 11.25 MiB, which is three pieces.
const CHANGED: std::ops::Range<usize> = 8..188;

pub(super) fn disks(own: u64) -> (Windows, Windows) {
    let old = Windows::new(320, 1);
    let new = old.with(CHANGED, own);
    (old, new)
}

/// Headquarters, a site, and what differs on its way on a stick.
pub(super) struct World {
    scene: Scene,
    native: bool,
}

impl Deref for World {
    type Target = Scene;

    fn deref(&self) -> &Scene {
        &self.scene
    }
}

impl World {
    /// What differs lies on the stick in pieces.
    pub(super) fn new(native: bool, own: u64) -> Result<Self> {
        Self::with(native, own, Some(PIECE))
    }

    /// What differs lies on the stick in one file, of three blocks.
    pub(super) fn uncut(native: bool, own: u64) -> Result<Self> {
        Self::with(native, own, None)
    }

    fn with(native: bool, own: u64, piece: Option<Bytes>) -> Result<Self> {
        let scene = Scene::new(Format::Raw, disks(own))?;
        let world = Self { scene, native };
        let deployed = world.deploy(piece)?;
        assert!(deployed.failure().is_none(), "{deployed:?}");
        Ok(world)
    }

    pub(super) fn deploy(&self, piece: Option<Bytes>) -> Result<Deployed> {
        self.deploy_all(&["new"], piece)
    }

    pub(super) fn deploy_all(&self, images: &[&str], piece: Option<Bytes>) -> Result<Deployed> {
        let deploy = Deploy {
            native: self.native,
            piece,
            packing: self.place.at("packing"),
            bundle: Some(self.place.at("stick")),
            sites: vec![Destination::Carried(self.site.inventory()?)],
            ..deploy(&self.hq, images)
        };
        let deployed = deploy_many(&deploy, &self.place.context());
        assert_eq!(self.packing(), 0, "nothing is left where it was packed");
        deployed
    }

    pub(super) fn stick(&self) -> PathBuf {
        self.place.at("stick")
    }

    pub(super) fn entry(&self) -> Result<BundleEntry> {
        Ok(self.place.index("stick")?.items.remove(0))
    }

    pub(super) fn list(&self) -> Result<PieceList> {
        Ok(self.entry()?.file.pieces.expect("it is cut"))
    }

    /// The files that a site needs: manifest, file, or the pieces of that.
    pub(super) fn needed(&self) -> Result<Vec<StoredFile>> {
        let stored = self.entry()?;
        let stored = stored.stored();
        let is_needed = |file: &StoredFile| !file.name.as_str().ends_with(".blocks");
        Ok(stored.filter(is_needed).collect())
    }

    /// What a look through the stick finds.
    pub(super) fn look(&self) -> Result<VerifiedDelivery> {
        verify(&self.stick(), None, &self.place.context())
    }

    /// The only fault that a look through the stick finds, and receiving too; nothing is entered.
    pub(super) fn fault(&self) -> Result<(String, Error)> {
        let mut found = self.look()?;
        let faults = std::mem::take(&mut found.files).into_iter();
        let mut faults = faults.filter_map(|file| match file.state {
            imgdelta_deploy::bundle::FileState::Faulty(error) => Some((file.name, error)),
            imgdelta_deploy::bundle::FileState::Sound => None,
        });
        let (name, error) = faults.next().expect("it is found");
        let refused = self.refused();
        assert_eq!(refused.kind(), error.kind(), "{refused}");
        assert_eq!(refused.to_string(), error.to_string());
        assert!(error.to_string().contains(&name), "{error}");
        Ok((name, error))
    }

    /// Why receiving is refused.
    pub(super) fn refused(&self) -> Error {
        let before = files_below(self.site.folder());
        let error = match self.place.receive("stick", &self.site) {
            Err(error) => error,
            Ok(mut received) => match received.images.swap_remove(0).outcome {
                imgdelta_deploy::bundle::Outcome::Failed(error) => error,
                other => panic!("{other:?}"),
            },
        };
        assert_eq!(files_below(self.site.folder()), before, "nothing came");
        error
    }

    /// Receives, and what came is what was sent.
    pub(super) fn must_come(&self) -> Result<()> {
        assert_eq!(self.look()?.faults().count(), 0);
        let received = self.place.receive("stick", &self.site)?;
        assert!(received.failure().is_none(), "{received:?}");
        self.must_have_come()
    }
}
