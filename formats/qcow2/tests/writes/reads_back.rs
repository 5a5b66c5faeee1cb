//! What the writer writes, as our own reader and checker see it: every grain in the state that the writer was told.

use std::{fs, path::PathBuf, sync::Arc};

use imgdelta_core::{
    AuxFiles, FileSource, Format, Image, NoAuxFiles, Open, Options, Result, Source, State,
    VirtOffset,
};
use imgdelta_fixtures::{Fill, Recipe};
use imgdelta_qcow2::DRIVER;

use crate::serial::{Bench, Job, Outcome, beside, read_from};

/// Each kind of child: its options, its grain, and whether it marks zeros.
const KINDS: &[(&[&str], u64, bool)] = &[
    (&[], 64 << 10, true),
    (&["cluster_size=512", "refcount_bits=1"], 512, true),
    (&["cluster_size=4K", "compression_type=zlib"], 4 << 10, true),
    (&["compression_type=zstd"], 64 << 10, true),
    (&["extended_l2=on"], 2 << 10, true),
    (
        &[
            "extended_l2=on",
            "compression_type=zstd",
            "cluster_size=16K",
        ],
        512,
        true,
    ),
    (&["compat=0.10", "compression_type=zlib"], 64 << 10, false),
    (&["data_file=other"], 64 << 10, true),
];

/// Opens the files of a folder.
struct Folder(PathBuf);

impl AuxFiles for Folder {
    fn open(&self, name: &str) -> Result<Arc<dyn Source>> {
        Ok(Arc::new(FileSource::open(&self.0.join(name))?))
    }
}

/// How to open an image.
fn opening<'a>(path: &std::path::Path, aux_files: &'a dyn AuxFiles) -> Result<Open<'a>> {
    Ok(Open {
        source: Arc::new(FileSource::open(path)?),
        aux_files,
        options: Options::default(),
        snapshot: None,
    })
}

/// The state of each sector, and all bytes over those of the parent.
fn read_all(image: &dyn Image, below: &[u8]) -> Result<(Vec<State>, Vec<u8>)> {
    let size = image.metadata().size.0;
    let mut bytes = vec![0; size as usize];
    read_from(below)(0, &mut bytes);
    let mut states = Vec::new();
    let mut at = 0;
    while at < size {
        let extent = image.extent_at(VirtOffset(at))?;
        let end = extent.end().0;
        let place = &mut bytes[at as usize..end as usize];
        match extent.state {
            State::Absent => {}
            State::Zero => place.fill(0),
            State::Data { .. } | State::Compressed { .. } => image.read_data(extent.at, place)?,
        }
        states.extend(std::iter::repeat_n(extent.state, place.len() / 512));
        at = end;
    }
    Ok((states, bytes))
}

#[test]
fn our_reader_sees_each_grain_as_the_writer_was_told() -> Outcome {
    let folder = tempfile::tempdir()?;
    let bench = Bench::in_folder(folder);
    let size = (3 << 20) + 512;
    let below = Recipe::of(2 << 20, [(0, 2 << 20, Fill::Pattern(1))]).expected(None);
    for (options, grain, marks_zero) in KINDS {
        for recipe in [
            Recipe::scatter(size, *grain, 23),
            Recipe::scatter(size, 64 << 10, 24),
            Recipe::sectors(size, 25),
        ] {
            let job = Job {
                recipe: &recipe,
                options,
                parent: Some(beside("base.raw", Format::Raw, 2 << 20)),
                below: &read_from(&below),
            };
            let path = bench.write("child.qcow2", &job)?;
            let folder = Folder(bench.path(""));
            let image = (DRIVER.open)(opening(&path, &folder)?)?;
            let (states, bytes) = read_all(&*image, &below)?;
            assert!(bytes == recipe.expected(Some(&below)), "{options:?}");
            for (at, state) in (0..).step_by(512).zip(states) {
                let start = at / grain * grain;
                let len = (*grain).min(size - start);
                let wanted = if recipe.is_absent(start, len) {
                    state == State::Absent
                } else if recipe.is_zero(start, len) && *marks_zero {
                    // A compressed cluster holds its zeros too.
                    matches!(state, State::Zero | State::Compressed { .. })
                } else {
                    state.holds_data()
                };
                assert!(wanted, "{options:?}: {state:?} at {at}");
            }
            let link = image.parent().ok_or("it names its parent")?;
            assert_eq!(link.format, Some(Format::Raw));
            assert_eq!(link.hints[0].text, "base.raw");
            let report = (DRIVER.check)(opening(&path, &folder)?)?;
            assert!(
                report.faults.is_empty() && report.notes.is_empty(),
                "{options:?}: {report:?}"
            );
        }
    }
    Ok(())
}

#[test]
fn a_disk_of_no_bytes_opens() -> Outcome {
    let bench = Bench::in_folder(tempfile::tempdir()?);
    let path = bench.write("image.qcow2", &Job::whole(&Recipe::empty(0), &[]))?;
    let image = (DRIVER.open)(opening(&path, &NoAuxFiles)?)?;
    assert_eq!(image.metadata().size.0, 0);
    let report = (DRIVER.check)(opening(&path, &NoAuxFiles)?)?;
    assert!(report.faults.is_empty() && report.notes.is_empty());
    Ok(())
}

#[test]
fn an_image_without_parent_is_silent_where_it_is_zero() -> Outcome {
    let folder = tempfile::tempdir()?;
    let bench = Bench::in_folder(folder);
    let recipe = Recipe::of(
        1 << 40,
        [
            (0, 1 << 20, Fill::Zero),
            (1 << 39, 1 << 20, Fill::Text),
            ((1 << 40) - 512, 512, Fill::Pattern(3)),
        ],
    );
    for options in [&["compression_type=zlib"][..], &["extended_l2=on"], &[]] {
        let path = bench.write("image.qcow2", &Job::whole(&recipe, options))?;
        assert!(fs::metadata(&path)?.len() < 4 << 20, "{options:?}");
        let image = (DRIVER.open)(opening(&path, &NoAuxFiles)?)?;
        let mut at = 0;
        let mut held = 0;
        while at < 1 << 40 {
            let extent = image.extent_at(VirtOffset(at))?;
            let mut bytes = vec![0; 512];
            if extent.state.holds_data() {
                held += extent.len.0;
                image.read_data(extent.at, &mut bytes)?;
            }
            assert_eq!(bytes, recipe.bytes_at(at, 512));
            at = extent.end().0;
        }
        // Only whole clusters are told apart.
        assert_eq!(held, (1 << 20) + (64 << 10), "{options:?}");
        let report = (DRIVER.check)(opening(&path, &NoAuxFiles)?)?;
        assert!(report.faults.is_empty() && report.notes.is_empty());
    }
    Ok(())
}
