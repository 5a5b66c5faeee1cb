//! Which layer this is: what two openings have in common that read the same bytes.
//!
//! One file can be read as many disks: in another format, with other options, as of a snapshot. So a layer is known by all of that together,
//! worked out where the image is opened, and never by what a caller says of it.

use crate::{Bytes, FileVersion, Format, Image, Options};

/// What a layer is known by. Two layers of equal ids on the host have the same content, as long as no file changes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LayerId {
    files: Vec<FileVersion>,
    format: Format,
    options: Options,
    snapshot: Option<String>,
    size: Bytes,
    within: Vec<String>,
}

impl LayerId {
    /// That of `image`, which was opened with `options`, as of `snapshot` if that is given.
    #[must_use]
    pub fn new(image: &dyn Image, options: Options, snapshot: Option<&str>) -> Self {
        let facts = image.metadata();
        // An image of which a part lies in memory is known by nothing: the part could be any.
        let files: Option<Vec<_>> = facts.files.iter().map(|file| file.opened()).collect();
        Self {
            files: files.unwrap_or_default().into_iter().cloned().collect(),
            format: facts.format,
            options: options.canonical(),
            snapshot: snapshot.map(|wanted| resolved(image, wanted)),
            size: facts.size,
            within: Vec::new(),
        }
    }

    /// The same, its bytes having been taken from what `within` says, outermost first: two members of one archive are two layers. `holders`
    /// are the files on the host that it stands in, if they are more than the one that its source tells of.
    #[must_use]
    pub fn taken_from(mut self, within: &[String], holders: &[FileVersion]) -> Self {
        self.within = within.to_vec();
        if !self.files.is_empty() {
            let others = holders.iter().filter(|one| !self.files.contains(one));
            let others: Vec<_> = others.cloned().collect();
            self.files.extend(others);
        }
        self
    }

    /// What its bytes were taken from, outermost first; empty if its file is the image.
    #[must_use]
    pub fn within(&self) -> &[String] {
        &self.within
    }

    /// That of `image`, which was opened with nothing said of it.
    #[must_use]
    pub fn of(image: &dyn Image) -> Self {
        Self::new(image, Options::default(), None)
    }

    /// The versions of all its files when they were opened, its own file first; none if one of them lies in memory.
    #[must_use]
    pub fn files(&self) -> &[FileVersion] {
        &self.files
    }

    /// The format that it is read as.
    #[must_use]
    pub const fn format(&self) -> Format {
        self.format
    }

    /// The options that it is read with, in the order of their keys.
    #[must_use]
    pub const fn options(&self) -> &Options {
        &self.options
    }

    /// The internal snapshot that it is read as of: the format's own id where only one has it, else as it was asked for.
    #[must_use]
    pub fn snapshot(&self) -> Option<&str> {
        self.snapshot.as_deref()
    }

    /// The size of its disk in bytes, as it is read.
    #[must_use]
    pub const fn size(&self) -> Bytes {
        self.size
    }

    /// Whether both are one layer of files on the host.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        !self.files.is_empty() && self == other
    }
}

/// The id of the snapshot that [`Open::snapshot`](crate::Open::snapshot) means; as it was asked for where that is not clear.
fn resolved(image: &dyn Image, wanted: &str) -> String {
    let all = &image.metadata().snapshots;
    let by_id = all.iter().find(|one| one.id == wanted);
    let found = by_id.or_else(|| all.iter().find(|one| one.name == wanted));
    let own = found.filter(|found| all.iter().filter(|one| one.id == found.id).count() == 1);
    own.map_or(wanted, |found| &found.id).to_owned()
}

#[cfg(test)]
mod tests {
    use std::{path::Path, sync::Arc};

    use super::*;
    use crate::{
        Extent, FileOffset, FileSource, ImageMetadata, MemSource, Result, Snapshot, Source, State,
        VirtOffset,
    };

    #[derive(Debug)]
    struct Whole(ImageMetadata);

    impl Image for Whole {
        fn metadata(&self) -> &ImageMetadata {
            &self.0
        }

        fn extent_at(&self, at: VirtOffset) -> Result<Extent> {
            let len = Bytes(self.0.size.0.saturating_sub(at.0));
            let state = State::Zero;
            Ok(Extent { at, len, state })
        }
    }

    fn image(format: Format, files: Vec<Arc<dyn Source>>, snapshots: &[(&str, &str)]) -> Whole {
        let snapshots = snapshots.iter().map(|(id, name)| Snapshot {
            id: (*id).to_owned(),
            name: (*name).to_owned(),
            size: Bytes(512),
            taken: 0,
        });
        Whole(ImageMetadata {
            format,
            variant: String::new(),
            size: Bytes(512),
            block_size: None,
            grain: None,
            logical_sector: Bytes(512),
            identity: None,
            aliases: Vec::new(),
            files,
            notes: Vec::new(),
            details: Vec::new(),
            snapshots: snapshots.collect(),
        })
    }

    fn file(path: &Path) -> Result<Vec<Arc<dyn Source>>> {
        Ok(vec![Arc::new(FileSource::open(path)?)])
    }

    #[test]
    fn one_file_is_another_layer_in_another_format_with_other_options_and_as_of_a_snapshot()
    -> Result<()> {
        let place = tempfile::NamedTempFile::new().expect("a place for a file");
        let open =
            |format| -> Result<Whole> { Ok(image(format, file(place.path())?, &[("1", "old")])) };
        let (raw, qcow2) = (open(Format::Raw)?, open(Format::Qcow2)?);
        let id = LayerId::of(&qcow2);
        assert!(id.is_same(&LayerId::of(&open(Format::Qcow2)?)));
        assert!(!id.is_same(&LayerId::of(&raw)));
        let with = |text: &str| -> Result<LayerId> {
            Ok(LayerId::new(&qcow2, Options::parse(&[text])?, None))
        };
        assert!(!id.is_same(&with("dirty=ignore")?));
        assert!(
            with("dirty=ignore,corrupt=ignore")?.is_same(&with("corrupt=ignore,dirty=ignore")?)
        );
        let snapshot = |name| LayerId::new(&qcow2, Options::default(), Some(name));
        assert!(!id.is_same(&snapshot("old")));
        assert!(snapshot("1").is_same(&snapshot("old")));
        Ok(())
    }

    #[test]
    fn a_snapshot_is_known_by_its_id_only_where_one_alone_has_it() {
        let odd = image(
            Format::Qcow2,
            Vec::new(),
            &[("1", "a"), ("1", "b"), ("2", "1")],
        );
        let id = |wanted| LayerId::new(&odd, Options::default(), Some(wanted));
        assert_ne!(id("a"), id("b"));
        assert_eq!(id("2").snapshot(), Some("2"));
        assert_eq!(id("b").snapshot(), Some("b"));
    }

    #[test]
    fn an_image_of_which_a_part_lies_in_memory_is_never_another_one() -> Result<()> {
        let place = tempfile::NamedTempFile::new().expect("a place for a file");
        let mut files = file(place.path())?;
        files.push(Arc::new(MemSource(vec![0; 512])));
        let mixed = image(Format::Vmdk, files, &[]);
        let id = LayerId::of(&mixed);
        assert!(id.files().is_empty() && !id.is_same(&id.clone()));
        let buf = &mut [1; 4];
        assert_eq!(mixed.extent_at(VirtOffset::ZERO)?.len, Bytes(512));
        assert!(mixed.0.files[1].read_at(FileOffset(0), buf).is_ok());
        Ok(())
    }
}
