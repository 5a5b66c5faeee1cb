//! One open layer: what it is, what it says, whom it names as its parent. It never opens its parent.

use std::{fmt, sync::Arc};

use uuid::Uuid;

use crate::{
    Bytes, Error, Extent, FileOffset, Format, Kind, Result, Source, State, VirtOffset,
    writer::UnitCoding,
};

/// One open layer.
///
/// An implementation promises:
/// - [`extent_at`](Image::extent_at) covers the disk without gap or overlap: the extent returned starts at the address asked
///   for, is not empty and does not pass [`ImageMetadata::size`]. It may be shorter than the run really is.
/// - What it answers is what is read, and its tables are not asked again. A run of [`Data`](State::Data) stands as it is in the file of
///   [`ImageMetadata::files`] that is named, at the place that is named: whoever reads takes it from there. A run that is
///   [`Compressed`](State::Compressed) lies in one unit, and [`read_compressed`](Image::read_compressed) needs nothing but the extent.
/// - All methods may be called by many threads at once.
/// - No method panics, whatever the file holds, and what the file does not hold is an error, never a guess.
///
/// Its caller promises to ask only for addresses below [`ImageMetadata::size`], and to have read only extents, or parts of them, that
/// [`extent_at`](Image::extent_at) answered.
pub trait Image: fmt::Debug + Send + Sync {
    /// What was learnt when it was opened. It does not change.
    fn metadata(&self) -> &ImageMetadata;

    /// Whom it names as its parent; `None`: absent runs are zero.
    fn parent(&self) -> Option<&ParentLink> {
        None
    }

    /// The run from `at` on, as long as is known without further I/O.
    ///
    /// # Errors
    /// Corrupt, if the image's tables are; Host, if the host cannot read.
    fn extent_at(&self, at: VirtOffset) -> Result<Extent>;

    /// Fills `buf` with the bytes of compressed extents that lie one behind the other on the guest's side; it is as long as they are
    /// together. Several at once, because units that stand close together in the file may be read in one piece.
    ///
    /// # Errors
    /// Corrupt, if the bytes are not there or do not decode; Host, if the host cannot read. Usage, where nothing is ever compressed.
    fn read_compressed(&self, extents: &[Extent], buf: &mut [u8]) -> Result<()> {
        let _ = buf;
        Err(not_stored(
            extents.first().map_or(VirtOffset::ZERO, |extent| extent.at),
        ))
    }

    /// The largest unit that may be compressed as a whole; `None` where nothing is. A reader takes about three times as much to decode one.
    fn compressed_unit(&self) -> Option<Bytes> {
        None
    }

    /// How its units are compressed, where [`read_packed`](Image::read_packed) hands out what they are compressed to.
    fn coding(&self) -> Option<UnitCoding> {
        None
    }

    /// As [`read_compressed`](Image::read_compressed), of one whole unit; and appends to `packed` the bytes that it was unpacked from, without
    /// what stands behind their end. Nothing is appended where that end is not known for certain: the unit is as good, its bytes are not
    /// to be passed on.
    ///
    /// # Errors
    /// As [`read_compressed`](Image::read_compressed).
    fn read_packed(&self, unit: &Extent, buf: &mut [u8], packed: &mut Vec<u8>) -> Result<()> {
        let _ = packed;
        self.read_compressed(std::slice::from_ref(unit), buf)
    }

    /// What reading passes over and `check` would tell, a line for each kind, with how many there are; nothing where all is sound. The tables of the
    /// whole image are looked at, on the caller's threads, and of the data only what no table says: for who reads the whole disk and may as well
    /// know.
    ///
    /// # Errors
    /// As a check's: Host, if the host cannot read; Corrupt, where the image cannot be looked at any further.
    fn passed_over(&self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
}

impl dyn Image + '_ {
    /// Fills `buf` with bytes that stand as they are at `at` of the image's file of number `file`, as [`State::Data`] says it.
    ///
    /// # Errors
    /// Corrupt, if the file ends before that; Host, if the host cannot read. Both name the file.
    pub fn read_plain(&self, file: u16, at: FileOffset, buf: &mut [u8]) -> Result<()> {
        let files = &self.metadata().files;
        let Some(source) = files.get(usize::from(file)) else {
            let message = format!("the image has no file of number {file}");
            return Err(Error::new(Kind::Usage, message));
        };
        source.read_at(at, buf).map_err(|error| {
            let path = source.path().or_else(|| files.first()?.path());
            match path {
                Some(path) => error.in_file(path),
                None => error,
            }
        })
    }

    /// Fills `buf` with the bytes of an extent, of which it is as long. What is zero is zeros.
    ///
    /// # Errors
    /// Corrupt, if the bytes are not there or do not decode; Host, if the host cannot read; Usage, if the layer is silent there.
    pub fn read_extent(&self, extent: &Extent, buf: &mut [u8]) -> Result<()> {
        match extent.state {
            State::Data { file, at } => self.read_plain(file, at, buf),
            State::Compressed { .. } => self.read_compressed(std::slice::from_ref(extent), buf),
            State::Zero => {
                buf.fill(0);
                Ok(())
            }
            State::Absent => Err(not_stored(extent.at)),
        }
    }

    /// Fills `buf` with this layer's own bytes from `at` on, whatever extents they are in: asks and reads. All of it must lie in runs that
    /// hold data.
    ///
    /// # Errors
    /// As `read_extent`; Usage, where the layer has no data.
    pub fn read_data(&self, at: VirtOffset, buf: &mut [u8]) -> Result<()> {
        let (mut at, mut rest) = (at, buf);
        while !rest.is_empty() {
            if at.0 >= self.metadata().size.0 {
                return Err(not_stored(at));
            }
            let extent = self.extent_at(at)?.part(at, Bytes::from(rest.len()));
            if !extent.state.holds_data() || extent.len == Bytes::ZERO {
                return Err(not_stored(at));
            }
            let (now, later) = rest.split_at_mut(extent.len.in_memory().min(rest.len()));
            self.read_extent(&extent, now)?;
            at = extent.end();
            rest = later;
        }
        Ok(())
    }
}

/// Bytes were asked for where the layer has none.
fn not_stored(at: VirtOffset) -> Error {
    let message = format!("the layer has no data of its own at {at}");
    Error::new(Kind::Usage, message).with_code("not_stored")
}

/// What is known of an image once it is open.
#[derive(Clone, Debug)]
pub struct ImageMetadata {
    /// Its format.
    pub format: Format,
    /// Which kind of that format, in the format's own word: `dynamic`, `v3`.
    pub variant: String,
    /// The size of the disk.
    pub size: Bytes,
    /// The unit in which it allocates; `None` where it does not.
    pub block_size: Option<Bytes>,
    /// The finest unit in which it can differ from its parent; `None` if it can have no parent.
    pub grain: Option<Bytes>,
    /// The sector size that the guest sees.
    pub logical_sector: Bytes,
    /// What a child would have to name as its parent; `None` in formats that have no such thing.
    pub identity: Option<Identity>,
    /// What a child may name as well, where formats know more than one: the UUID that VirtualBox gives a VMDK beside its CID.
    pub aliases: Vec<Identity>,
    /// Its files: the image itself first, then extents and external data files.
    pub files: Vec<Arc<dyn Source>>,
    /// What the user should know though it reads: a recovered footer, a dirty bit.
    pub notes: Vec<String>,
    /// What else its headers say, in order, for `info`: names in the specification's spelling, values as text.
    pub details: Vec<(&'static str, String)>,
    /// The disks that stand in it beside the active one: internal snapshots.
    pub snapshots: Vec<Snapshot>,
}

impl ImageMetadata {
    /// Whether a child that names its parent so means this image. Children may be of another format: VirtualBox makes them, and names
    /// images of all formats by their UUIDs.
    #[must_use]
    pub fn is_called(&self, wanted: &Identity) -> bool {
        let mut own = self.identity.iter().chain(&self.aliases);
        let uuid = wanted.uuid();
        own.any(|own| own == wanted || uuid.is_some() && own.uuid() == uuid)
    }
}

/// A disk that stands in an image beside the active one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The number that the format gives it.
    pub id: String,
    /// The name that the user gave it.
    pub name: String,
    /// The size of its disk.
    pub size: Bytes,
    /// When it was taken, in seconds since 1970.
    pub taken: u64,
}

/// A parent's identity in its format's terms: VHD unique id, VHDX data write GUID, VMDK CID, VDI UUIDs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// What kind it is, as people call it: `unique id`.
    pub kind: &'static str,
    /// Its value as text, in the one spelling that the format's crate uses.
    pub value: String,
}

impl Identity {
    /// The kind of a VHD's: bytes in order. VirtualBox takes them for a UUID in the order of Windows.
    pub const UNIQUE_ID: &'static str = "unique id";
    /// The kind of VirtualBox's, without the image's state.
    pub const UUID: &'static str = "UUID";
    /// The kind of VirtualBox's with the state, which changes when the image is written to: `UUID / UUID`.
    pub const UUIDS: &'static str = "UUIDs";

    /// Whether it is the null id, which formats write where there is none: many images have it, so it proves nothing.
    #[must_use]
    pub fn is_null(&self) -> bool {
        !self
            .value
            .bytes()
            .any(|byte| byte.is_ascii_alphanumeric() && byte != b'0')
    }

    /// The same image in whatever state; `None` where states have no names.
    #[must_use]
    pub fn in_any_state(&self) -> Option<Self> {
        let (image, _) = self.value.split_once(" / ")?;
        (self.kind == Self::UUIDS).then(|| Self {
            kind: Self::UUID,
            value: image.to_owned(),
        })
    }

    /// The UUID by which VirtualBox knows the image, whatever its format.
    fn uuid(&self) -> Option<Uuid> {
        let uuid = Uuid::try_parse(&self.value).ok()?;
        let uuid = match self.kind {
            Self::UNIQUE_ID => Uuid::from_bytes_le(uuid.into_bytes()),
            Self::UUID => uuid,
            _ => return None,
        };
        (!uuid.is_nil()).then_some(uuid)
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.value)
    }
}

/// How a child names its parent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParentLink {
    /// The parent's format as the child records it; `None` where it does not, as in all formats whose parents are
    /// [probed](crate::ChildRule::probed).
    pub format: Option<Format>,
    /// Where it may be, best first. A hint is text from the image: nothing opens it but the reference policy.
    pub hints: Vec<Hint>,
    /// Which identities the parent may have; empty where the format records none.
    pub identities: Vec<Identity>,
    /// Whether a raw disk, which has no identity, is meant as well: a null unique id in a VHD. Such an identity proves nothing.
    pub or_raw: bool,
}

/// A path as an image records it. It is never opened before the reference policy has seen it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// Which field it stands in: `W2ru`, `backing file`.
    pub field: &'static str,
    /// How it is meant.
    pub kind: HintKind,
    /// The text, decoded but not changed.
    pub text: String,
}

/// How a recorded path is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HintKind {
    /// A path of this kind of system: relative to the image's folder, or absolute. What stands before a colon is a protocol, as it is to qemu.
    Path,
    /// A path of whichever system the image comes from; there are no protocols.
    AnyPath,
    /// A Windows path: backslashes, drive letters, UNC.
    WindowsPath,
    /// A `file:` URL.
    FileUrl,
    /// Only a name, or a path of which only the name is of use.
    Name,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(kind: &'static str, value: &str) -> Identity {
        let value = value.to_owned();
        Identity { kind, value }
    }

    #[test]
    fn virtualbox_knows_the_images_of_all_formats_by_one_uuid() {
        let vhd = identity(Identity::UNIQUE_ID, "98ffed15-1d49-1d44-954c-92c2c0b3772a");
        let other = identity(Identity::UUID, "15edff98-491d-441d-954c-92c2c0b3772a");
        assert_eq!(vhd.uuid(), other.uuid());
        assert!(vhd.uuid().is_some());
        let swapped = identity(Identity::UUID, &vhd.value);
        assert_ne!(vhd.uuid(), swapped.uuid());
        let state = identity(Identity::UUIDS, &format!("{} / {}", other.value, vhd.value));
        assert_eq!(state.in_any_state(), Some(other));
        assert_eq!(vhd.in_any_state(), None);
        let cid = identity("CID", "98ffed15");
        assert_eq!(cid.uuid(), None);
    }

    #[test]
    fn a_null_id_is_known_in_every_spelling() {
        let null = "00000000-0000-0000-0000-000000000000";
        assert!(identity("UUIDs", &format!("{null} / {null}")).is_null());
        assert!(identity("CID", "00000000").is_null());
        assert!(!identity("CID", "0000000a").is_null());
        let nobody = identity(Identity::UUID, null);
        assert_eq!(nobody.uuid(), None);
    }
}
