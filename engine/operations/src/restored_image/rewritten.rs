//! A disk written anew where a damaged image stands, as that one was: in its format, with what of its options it says itself.

use std::path::Path;

use imgdelta_core::{
    Bytes, Error, Existing, Format, FreeSpace, Image, ImageMetadata, Kind, Options, Outputs,
    Result, State, VirtOffset,
};
use imgdelta_delta::{Chain, DigestCache, ExecContext, Make};
use imgdelta_registry::{AtomicFileSet, Opened, Output, OutputSpec, ResolvedOutput, new_parent};

use super::real;
use crate::{
    nowhere::Nowhere,
    space::{SpaceCheck, with_tables},
    stored_image::whole_copy,
};

/// Nothing is remembered of a disk that is mended.
static NOTHING: DigestCache = DigestCache::none();

/// What helps where a disk that is written anew does not fit beside the damaged one.
const ROOM_HINT: &str = "make room there, and run the same command again";

/// A disk that is to be written anew in the place of a damaged image. Dropped, it leaves nothing behind.
#[derive(Clone, Copy, Debug)]
pub struct Rewritten<'a> {
    /// Where the damaged image stands: its place is taken, its owner and permissions are kept.
    pub place: &'a Path,
    /// Its format.
    pub format: Format,
    /// The damaged image, if it opens: what it says of itself.
    pub image: Option<&'a dyn Image>,
    /// The disk as it was.
    pub disk: &'a Chain,
    /// What it is a child of, if it is one: the disk below, and its image.
    pub below: Option<(&'a Chain, &'a Opened)>,
    /// Threads, counters, time.
    pub exec: ExecContext<'a>,
}

impl Rewritten<'_> {
    /// Writes the image, durably. It proves nothing: its keeper reads it back.
    ///
    /// # Errors
    /// Unsupported, if the format is only read, or the image is of several files; Host (`no_space`), if there is no room for it beside the damaged
    /// one; as [`create`](fn@imgdelta_registry::create); those of the disk; Interrupted.
    pub fn write(&self) -> Result<AtomicFileSet> {
        if self.metadata().is_some_and(|facts| facts.files.len() > 1) {
            let message =
                "its tables are damaged, and an image of several files is not written anew";
            return Err(Error::new(Kind::Unsupported, message)
                .with_code("several_files")
                .in_file(self.place)
                .with_hint("'imgdelta repo remove' and then 'imgdelta repo add' bring it anew"));
        }
        let place = real(self.place)?;
        let spec = OutputSpec {
            format: Some(self.format),
            options: self.options()?,
            existing: Existing::Replace,
            ..OutputSpec::of(&place)
        };
        let link = self
            .below
            .map(|(_, parent)| new_parent(parent, &place))
            .transpose()?;
        let output = ResolvedOutput::of(spec)?;
        if let Some(space) = FreeSpace::beside(&place) {
            self.require_room(&output, space)?;
        }
        let Output { writer, drafts } = output.create_beside(self.disk.disk(), link, &[])?;
        let size = writer.shape().size;
        if size != self.disk.size() {
            let message = format!(
                "{} holds {} bytes, the disk has {}",
                self.format,
                size.0,
                self.disk.size().0
            );
            return Err(Error::new(Kind::Unsupported, message).in_file(self.place));
        }
        match self.below {
            None => {
                whole_copy(self.disk, self.exec).run(writer)?;
            }
            Some((base, _)) => {
                self.make(base).run(writer)?;
            }
        }
        drafts.main()?.sync()?;
        Ok(drafts)
    }

    /// Refuses it where there is no room for it beside the damaged image, before its first byte is written. What seems too much is read once to be
    /// measured: of a child only what it changes is written.
    fn require_room(&self, output: &ResolvedOutput, space: FreeSpace) -> Result<()> {
        let place = &output.spec().path;
        let Some((base, parent)) = self.below else {
            let room = SpaceCheck {
                image: output,
                place,
                disk: self.disk,
                space,
            };
            return room
                .require(self.exec, || ())
                .map(drop)
                .map_err(|error| error.map_hint(|_| ROOM_HINT.to_owned()));
        };
        if with_tables(self.disk.size()) <= space.free {
            return Ok(());
        }
        let nowhere = Nowhere::default();
        let link = new_parent(parent, place)?;
        let writer = output.create_in(&nowhere, self.disk.disk(), Some(link))?;
        self.make(base).run(writer)?;
        space
            .require(nowhere.written(), place)
            .map_err(|error| error.with_hint(ROOM_HINT))
    }

    fn make<'m>(&'m self, base: &'m Chain) -> Make<'m> {
        Make {
            base,
            target: self.disk,
            proves: false,
            memory: &NOTHING,
            work: self.exec,
        }
    }

    fn metadata(&self) -> Option<&ImageMetadata> {
        self.image.map(Image::metadata)
    }

    /// Whether the image holds something compressed, as far as its tables can be read.
    fn is_compressed(&self) -> bool {
        let Some(image) = self.image else {
            return false;
        };
        let mut at = VirtOffset::ZERO;
        while at.0 < image.metadata().size.0 {
            match image.extent_at(at) {
                Ok(extent) if matches!(extent.state, State::Compressed { .. }) => return true,
                Ok(extent) if extent.len > Bytes::ZERO => at = extent.end(),
                _ => return false,
            }
        }
        false
    }

    /// The options that make such an image, as far as it says them.
    fn options(&self) -> Result<Options> {
        let Some(facts) = self.metadata() else {
            return Ok(Options::default());
        };
        let said = |name: &str| {
            let mut details = facts.details.iter();
            details.find_map(|(key, value)| (*key == name).then(|| value.clone()))
        };
        let mut options: Vec<String> = Vec::new();
        let block = facts.block_size.map(|size| size.0.to_string());
        let mut set = |key: &str, value: Option<String>| {
            options.extend(value.map(|value| format!("{key}={value}")));
        };
        match self.format {
            Format::Vhd | Format::Vhdx | Format::Vdi if facts.variant == "fixed" => {
                set("subformat", Some("fixed".to_owned()));
            }
            Format::Vhd | Format::Vhdx => set("block_size", block),
            Format::Vmdk => {
                let known =
                    ["monolithicSparse", "streamOptimized"].contains(&facts.variant.as_str());
                set("subformat", known.then(|| facts.variant.clone()));
                set("adapter_type", said("adapterType"));
            }
            Format::Qcow2 => {
                let is_old = facts.variant == "v2";
                set("cluster_size", said("cluster_size"));
                set("compat", is_old.then(|| "0.10".to_owned()));
                if !is_old {
                    set("extended_l2", said("extended_l2"));
                    set("refcount_bits", said("refcount_bits"));
                }
                let compression = said("compression_type").filter(|_| self.is_compressed());
                set("compression_type", compression);
            }
            _ => {}
        }
        Options::parse(&options)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use imgdelta_delta::RunProgress;
    use imgdelta_registry::OpenSpec;

    use super::*;
    use crate::disk::Disk;

    #[test]
    fn what_does_not_fit_beside_the_damaged_one_is_refused_before_it_is_written() -> Result<()> {
        let folder = tempfile::tempdir().expect("a place");
        let at = |name: &str| folder.path().join(name);
        let mut bytes = vec![5; 8 << 20];
        fs::write(at("base.raw"), &bytes).expect("room");
        bytes[..1 << 20].fill(6);
        fs::write(at("disk.raw"), &bytes).expect("room");
        let disk = Disk::open(&OpenSpec::of(at("disk.raw")))?;
        let base = Disk::open(&OpenSpec::of(at("base.raw")))?;
        let progress = RunProgress::default();
        let whole = Rewritten {
            place: &at("new.qcow2"),
            format: Format::Qcow2,
            image: None,
            disk: &disk.chain,
            below: None,
            exec: ExecContext::new(2, &progress),
        };
        let child = Rewritten {
            below: Some((&base.chain, &base.top)),
            ..whole
        };
        let spec = ResolvedOutput::of(OutputSpec {
            format: Some(Format::Qcow2),
            ..OutputSpec::of(at("new.qcow2"))
        })?;
        let free = |mib| FreeSpace {
            free: Bytes::mib(mib),
            longest_file: None,
            has_holes: true,
            shrinks: false,
        };
        whole.require_room(&spec, free(10))?;
        child.require_room(&spec, free(3))?;
        for (rewritten, mib) in [(whole, 7), (child, 1)] {
            let error = rewritten.require_room(&spec, free(mib));
            let error = error.expect_err("there is less");
            assert_eq!((error.kind(), error.code()), (Kind::Host, Error::NO_SPACE));
            assert_eq!(error.hint(), Some(ROOM_HINT));
        }
        assert!(!at("new.qcow2").exists());
        Ok(())
    }
}
