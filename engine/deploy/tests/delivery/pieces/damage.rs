//! What is damaged is told with its name and its block, whatever was done to it.

use std::{fs, path::Path};

use imgdelta_core::{Kind, Result};

use super::world::{PIECE, World, disks, edit, sha256sum};
use crate::place::stored;

#[test]
fn whatever_is_done_to_a_piece_is_told_with_its_name_and_its_block() -> Result<()> {
    let foreign = World::new(false, 3)?;
    for native in [false, true] {
        let world = World::new(native, 2)?;
        let (stick, list) = (world.stick(), world.list()?);
        let of = |number: usize| stick.join(list.files[number].name.as_str());
        for (number, piece) in list.files.iter().enumerate() {
            let path = of(number);
            let whole = fs::read(&path).expect("it reads");
            let blocks = whole.len().div_ceil(4 << 20);
            for block in 0..blocks {
                let (begin, end) = (block << 22, ((block + 1) << 22).min(whole.len()));
                for at in [begin, begin + 4711, end - 1] {
                    edit(&path, |bytes| bytes[at] ^= 0x10);
                    let (name, error) = world.fault()?;
                    assert_eq!(
                        (name.as_str(), error.kind()),
                        (piece.name.as_str(), Kind::Digest)
                    );
                    let expected = format!(
                        "block {} of {blocks} (bytes {begin} to {end}) is not what was put there",
                        block + 1
                    );
                    assert!(error.to_string().contains(&expected), "{error}");
                    assert_eq!(error.location().offset.map(|at| at.0), Some(begin as u64));
                    assert!(!sha256sum(&stick));
                    fs::write(&path, &whole).expect("room");
                }
            }
            // Cut, in its last block and at its beginning.
            for cut in [0, 1, whole.len() - 1] {
                edit(&path, |bytes| bytes.truncate(cut));
                let (name, error) = world.fault()?;
                assert_eq!(
                    (name.as_str(), error.kind()),
                    (piece.name.as_str(), Kind::Corrupt)
                );
                let first = cut >> 22;
                let message = error.to_string();
                assert!(
                    message.contains(&format!("has {cut} bytes, {}", whole.len())),
                    "{message}"
                );
                let word = if first + 1 == blocks {
                    "block"
                } else {
                    "blocks"
                };
                assert!(
                    message.contains(&format!("{word} {}", first + 1)),
                    "{message}"
                );
                fs::write(&path, &whole).expect("room");
            }
            edit(&path, |bytes| bytes.push(0));
            let (name, error) = world.fault()?;
            assert_eq!(
                (name.as_str(), error.kind()),
                (piece.name.as_str(), Kind::Corrupt)
            );
            fs::write(&path, &whole).expect("room");
            // Lost.
            fs::remove_file(&path).expect("there");
            let (name, error) = world.fault()?;
            assert_eq!(
                (name.as_str(), error.kind()),
                (piece.name.as_str(), Kind::Corrupt)
            );
            let place = format!(
                "it is piece {} of 3, bytes {} to",
                number + 1,
                number * (5 << 20)
            );
            let details = error.details();
            assert!(
                details.iter().any(|line| line.starts_with(&place)),
                "{error:?}"
            );
            // Of another delivery.
            let other = foreign.list()?.files[number].name.clone();
            fs::copy(foreign.stick().join(other.as_str()), &path).expect("room");
            let (name, error) = world.fault()?;
            assert_eq!(name, piece.name.as_str());
            assert!(error.to_string().contains("block"), "{error}");
            fs::write(&path, &whole).expect("room");
        }
        swap(&of(0), &of(1));
        let found = world.look()?;
        let faults: Vec<String> = found.faults().map(|(_, error)| error.to_string()).collect();
        assert_eq!(faults.len(), 2, "{faults:?}");
        let [first, second] = [0, 1].map(|number| list.files[number].name.as_str());
        assert!(
            faults[0].contains(&format!("is what '{second}' should be")),
            "{faults:?}"
        );
        assert!(
            faults[1].contains(&format!("is what '{first}' should be")),
            "{faults:?}"
        );
        assert_eq!(world.refused().kind(), Kind::Digest);
        swap(&of(0), &of(1));
        world.must_come(2)?;
    }
    Ok(())
}

fn swap(one: &Path, other: &Path) {
    let between = one.with_extension("swapped");
    for (from, to) in [(one, &*between), (other, one), (&*between, other)] {
        fs::rename(from, to).expect("they are there");
    }
}

#[test]
fn without_the_digests_of_blocks_it_is_received_and_a_look_says_that_they_are_gone() -> Result<()> {
    let world = World::new(false, 2)?;
    let (stick, list) = (world.stick(), world.list()?);
    let blocks = stick.join(list.blocks.name.as_str());
    edit(&blocks, |bytes| bytes[3] ^= 1);
    edit(&stick.join(list.files[1].name.as_str()), |bytes| {
        bytes[3] ^= 1
    });
    let found = world.look()?;
    let faults: Vec<String> = found.faults().map(|(_, error)| error.to_string()).collect();
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(
        faults[0].contains("which block is damaged is not known"),
        "{faults:?}"
    );
    edit(&stick.join(list.files[1].name.as_str()), |bytes| {
        bytes[3] ^= 1
    });
    fs::remove_file(&blocks).expect("there");
    assert_eq!(world.look()?.faults().count(), 1);
    // The next run puts them there once more.
    world.deploy(Some(PIECE))?;
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
    Ok(())
}
