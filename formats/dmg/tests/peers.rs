//! 7-Zip reads what the fixtures draw, in every codec, as we do; qemu what its build knows.

mod reading;

use std::{error::Error, fs};

use imgdelta_fixtures::{
    Recipe,
    dmg::{Codec, DmgSpec},
    peers::{self, Peer},
};
use reading::{open, read_over};

type Outcome = Result<(), Box<dyn Error>>;

fn recipe() -> Recipe {
    Recipe::scatter(3 << 20, 24 << 10, 7)
}

#[test]
fn sevenzip_reads_every_codec_as_we_do() -> Outcome {
    if peers::find(Peer::SevenZip).is_none() {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let image = folder.path().join("a.dmg");
    for codec in Codec::ALL {
        let spec = || DmgSpec::new(recipe(), codec);
        for spec in [
            spec(),
            DmgSpec {
                chunk: 512,
                mixed: true,
                ..spec()
            },
            DmgSpec {
                ignores: true,
                ..spec()
            },
            // 7-Zip refuses what its checksums do not say.
            DmgSpec {
                checksums: true,
                ignores: true,
                mixed: true,
                splits: vec![100, 4000],
                ..spec()
            },
        ] {
            let bytes = spec.build();
            fs::write(&image, &bytes)?;
            // The parts of the disk, one behind the other.
            let seen = peers::sevenzip(&image, "dmg")?;
            assert!(seen == recipe().expected(None), "7-Zip, {spec:?}");
            assert!(read_over(&*open(&bytes)?, &[])? == seen, "{spec:?}");
        }
    }
    Ok(())
}

#[test]
fn qemu_reads_zlib_from_property_lists_and_resource_forks_as_we_do() -> Outcome {
    if peers::find(Peer::QemuImg).is_none() {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let (image, out) = (folder.path().join("a.dmg"), folder.path().join("out.raw"));
    for resource_fork in [false, true] {
        let spec = DmgSpec {
            resource_fork,
            splits: vec![1000],
            mixed: true,
            ..DmgSpec::new(recipe(), Codec::Zlib)
        };
        let bytes = spec.build();
        fs::write(&image, &bytes)?;
        peers::qemu_convert_to_raw(&image, "dmg", &out)?;
        let seen = fs::read(&out)?;
        assert!(seen == recipe().expected(None), "qemu, {resource_fork}");
        assert!(read_over(&*open(&bytes)?, &[])? == seen, "{resource_fork}");
    }
    Ok(())
}
