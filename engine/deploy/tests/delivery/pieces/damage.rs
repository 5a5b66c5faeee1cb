//! What is damaged is told with its name and its block, whatever was done to it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use imgdelta_core::{Format, Kind, Result};
use imgdelta_deploy::bundle::StoredFile;

use super::world::{PIECE, World, disks};
use crate::{
    place::stored,
    scene::{edit, sha256sum},
};

/// How long a block is.
const BLOCK: usize = 4 << 20;

/// One file on a stick that comes to harm.
struct Victim<'a> {
    world: &'a World,
    name: String,
    path: PathBuf,
    whole: Vec<u8>,
}

impl<'a> Victim<'a> {
    fn of(world: &'a World, file: &StoredFile) -> Self {
        let path = world.stick().join(file.name.as_str());
        Self {
            world,
            name: file.name.to_string(),
            whole: fs::read(&path).expect("it reads"),
            path,
        }
    }

    fn blocks(&self) -> usize {
        self.whole.len().div_ceil(BLOCK)
    }

    /// What is said of it, and it is as it was again.
    fn told(&self, kind: Kind) -> Result<imgdelta_core::Error> {
        let (name, error) = self.world.fault()?;
        assert_eq!((name.as_str(), error.kind()), (self.name.as_str(), kind));
        assert!(!sha256sum(&self.world.stick()));
        fs::write(&self.path, &self.whole).expect("room");
        Ok(error)
    }

    /// Bits at both ends of each block, and within it.
    fn flip_everywhere(&self) -> Result<()> {
        let blocks = self.blocks();
        for block in 0..blocks {
            let begin = block * BLOCK;
            let end = (begin + BLOCK).min(self.whole.len());
            for at in [begin, begin + (end - begin) / 3, end - 1] {
                edit(&self.path, |bytes| bytes[at] ^= 0x10);
                let error = self.told(Kind::Digest)?;
                let expected = format!(
                    "block {} of {blocks} (bytes {begin} to {end}) is not what was put there",
                    block + 1
                );
                assert!(error.to_string().contains(&expected), "{error}");
                assert_eq!(error.location().offset.map(|at| at.0), Some(begin as u64));
            }
        }
        // In the first block and in the last one.
        edit(&self.path, |bytes| {
            bytes[0] ^= 1;
            *bytes.last_mut().expect("some") ^= 1;
        });
        let error = self.told(Kind::Digest)?.to_string();
        let named = match blocks {
            1 => "block 1 of 1".to_owned(),
            2 => "blocks 1 to 2 of 2".to_owned(),
            _ => format!("blocks 1, {blocks} of {blocks}"),
        };
        assert!(error.contains(&named), "{error}");
        Ok(())
    }

    /// Cut in its last block, and at its beginning; one byte longer.
    fn cut(&self) -> Result<()> {
        let (length, blocks) = (self.whole.len(), self.blocks());
        for cut in [0, 1, length - 1] {
            edit(&self.path, |bytes| bytes.truncate(cut));
            let message = self.told(Kind::Corrupt)?.to_string();
            assert!(
                message.contains(&format!("has {cut} bytes, {length}")),
                "{message}"
            );
            let first = cut / BLOCK + 1;
            let word = if first == blocks { "block" } else { "blocks" };
            assert!(message.contains(&format!("{word} {first}")), "{message}");
        }
        edit(&self.path, |bytes| bytes.push(0));
        self.told(Kind::Corrupt).map(drop)
    }

    fn lose(&self) -> Result<imgdelta_core::Error> {
        fs::remove_file(&self.path).expect("there");
        self.told(Kind::Corrupt)
    }

    /// The same file of another delivery lies in its place.
    fn exchange(&self, foreign: &Path) -> Result<()> {
        fs::copy(foreign, &self.path).expect("room");
        let (name, error) = self.world.fault()?;
        assert_eq!(name, self.name);
        assert!(error.to_string().contains("block"), "{error}");
        fs::write(&self.path, &self.whole).expect("room");
        Ok(())
    }
}

#[test]
fn whatever_is_done_to_a_piece_is_told_with_its_name_and_its_block() -> Result<()> {
    for native in [false, true] {
        let (world, foreign) = (World::new(native, 2)?, World::new(native, 3)?);
        let pieces = world.list()?.files;
        for (number, piece) in pieces.iter().enumerate() {
            let victim = Victim::of(&world, piece);
            victim.flip_everywhere()?;
            victim.cut()?;
            let lost = victim.lose()?;
            let place = format!(
                "it is piece {} of 3, bytes {} to",
                number + 1,
                number * (5 << 20)
            );
            let details = lost.details();
            assert!(
                details.iter().any(|line| line.starts_with(&place)),
                "{lost:?}"
            );
            let other = foreign.list()?.files[number].name.clone();
            victim.exchange(&foreign.stick().join(other.as_str()))?;
        }
        rotated(&world, &pieces[..2])?;
        rotated(&world, &pieces)?;
        world.must_come()?;
    }
    Ok(())
}

#[test]
fn whatever_is_done_to_an_uncut_file_is_told_with_its_name_and_its_block() -> Result<()> {
    for native in [false, true] {
        let (world, foreign) = (World::uncut(native, 2)?, World::uncut(native, 3)?);
        assert_eq!(world.entry()?.file.pieces, None);
        // A child has a manifest, which is one block.
        let (files, others) = (world.needed()?, foreign.needed()?);
        let blocks: Vec<usize> = files
            .iter()
            .map(|file| Victim::of(&world, file).blocks())
            .collect();
        assert_eq!(blocks, if native { vec![1, 3] } else { vec![3] });
        for (file, other) in files.iter().zip(&others) {
            let victim = Victim::of(&world, file);
            victim.flip_everywhere()?;
            victim.cut()?;
            victim.lose()?;
            victim.exchange(&foreign.stick().join(other.name.as_str()))?;
        }
        if native {
            rotated(&world, &files)?;
        }
        world.must_come()?;
    }
    Ok(())
}

#[test]
fn pieces_of_two_images_in_each_others_places_are_told() -> Result<()> {
    let world = World::new(false, 2)?;
    let other = disks(4).1;
    world
        .place
        .add(&world.hq, "other", &other, Format::Raw, Some("old"))?;
    let deployed = world.deploy_all(&["new", "other"], Some(PIECE))?;
    assert!(deployed.failure().is_none(), "{deployed:?}");
    let lists = world.place.index("stick")?.items;
    let [first, second] = [0, 1].map(|item| {
        let pieces = lists[item].file.pieces.clone();
        pieces.expect("it is cut").files
    });
    rotated(&world, &[first[0].clone(), second[0].clone()])?;
    // The last one is shorter.
    rotated(
        &world,
        &[first[1].clone(), second[2].clone(), second[1].clone()],
    )?;
    assert_eq!(world.look()?.faults().count(), 0);
    let received = world.place.receive("stick", &world.site)?;
    assert_eq!(received.entered().count(), 2);
    assert_eq!(stored(&world.site, "other")?, other.bytes());
    Ok(())
}

/// Files in each other's places, each where the next one was: each is told to be what the next should be.
fn rotated(world: &World, files: &[StoredFile]) -> Result<()> {
    let stick = world.stick();
    let places: Vec<PathBuf> = files
        .iter()
        .map(|file| stick.join(file.name.as_str()))
        .collect();
    let whole: Vec<Vec<u8>> = places
        .iter()
        .map(|place| fs::read(place).expect("it reads"))
        .collect();
    let next = |number: usize| (number + 1) % files.len();
    for (number, place) in places.iter().enumerate() {
        fs::write(place, &whole[next(number)]).expect("room");
    }
    let found = world.look()?;
    let faults: Vec<(String, String)> = found
        .faults()
        .map(|(file, error)| (file.name.clone(), error.to_string()))
        .collect();
    assert_eq!(faults.len(), files.len(), "{faults:?}");
    for (number, file) in files.iter().enumerate() {
        let said = faults.iter().find(|(name, _)| *name == file.name.as_str());
        let (_, said) = said.expect("it is named");
        let other = &files[next(number)].name;
        assert!(
            said.contains(&format!("is what '{other}' should be")),
            "{said}"
        );
    }
    let refused = world.refused();
    assert!(
        [Kind::Digest, Kind::Corrupt].contains(&refused.kind()),
        "{refused}"
    );
    assert!(refused.to_string().contains("should be"), "{refused}");
    for (place, bytes) in places.iter().zip(&whole) {
        fs::write(place, bytes).expect("room");
    }
    Ok(())
}

#[test]
fn without_the_digests_of_blocks_it_is_received_and_a_look_says_that_they_are_gone() -> Result<()> {
    for world in [World::new(false, 2)?, World::uncut(false, 2)?] {
        let stick = world.stick();
        let entry = world.entry()?;
        let blocks = stick.join(format!("{}.blocks", entry.file.name));
        let data = stick.join(world.needed()?.pop().expect("one").name.as_str());
        let piece = entry.file.pieces.as_ref().map(|_| PIECE);
        edit(&blocks, |bytes| bytes[3] ^= 1);
        edit(&data, |bytes| bytes[3] ^= 1);
        let found = world.look()?;
        let faults: Vec<String> = found.faults().map(|(_, error)| error.to_string()).collect();
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(
            faults[0].contains("which block is damaged is not known"),
            "{faults:?}"
        );
        assert!(faults[1].contains("block 1 of 1"), "{faults:?}");
        edit(&data, |bytes| bytes[3] ^= 1);
        fs::remove_file(&blocks).expect("there");
        assert_eq!(world.look()?.faults().count(), 1);
        // The next run puts them there once more.
        world.deploy(piece)?;
        assert_eq!(world.look()?.faults().count(), 0);
        fs::remove_file(&blocks).expect("there");
        assert!(
            world
                .place
                .receive("stick", &world.site)?
                .failure()
                .is_none()
        );
        assert_eq!(stored(&world.site, "new")?, disks(2).1.bytes());
    }
    Ok(())
}
