//! The members of a tar archive: their names and where their bytes stand. Nothing is unpacked, a member is read where it is.

pub mod ova;

use std::sync::Arc;

use imgdelta_core::{Bytes, Error, FileOffset, Kind, Result, Source};
use tar::EntryType;

use crate::{
    reader::{SourceReader, damage},
    window::Window,
};

/// Most members of an archive: an OVA has a handful, a chunked disk some thousands.
const MOST_MEMBERS: usize = 1 << 16;

/// A file in an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name, as recorded.
    pub name: String,
    /// Where its bytes stand in the archive.
    pub at: FileOffset,
    /// How many there are.
    pub len: Bytes,
}

/// A tar archive.
#[derive(Debug)]
pub struct Archive {
    source: Arc<dyn Source>,
    members: Vec<Member>,
}

impl Archive {
    /// Reads the headers of `source`.
    ///
    /// # Errors
    /// Corrupt, if one is damaged or the archive is cut short; Unsupported, if it has too many members or one that is stored with holes.
    pub fn read(source: Arc<dyn Source>) -> Result<Self> {
        let damaged = |cause| damage("a tar archive", cause).in_structure("tar header");
        let mut members = Vec::new();
        let mut archive = tar::Archive::new(SourceReader::new(&*source));
        for entry in archive.entries_with_seek().map_err(damaged)? {
            let entry = entry.map_err(damaged)?;
            let at = FileOffset(entry.raw_file_position());
            match entry.header().entry_type() {
                EntryType::Regular | EntryType::Continuous => {}
                EntryType::GNUSparse => return Err(with_holes(at)),
                // Folders, links and the like hold no bytes.
                _ => continue,
            }
            if members.len() >= MOST_MEMBERS {
                let message = format!("the archive has more than {MOST_MEMBERS} members");
                return Err(Error::new(Kind::Unsupported, message).with_code("too_many_members"));
            }
            let len = Bytes(entry.size());
            // What is cut short is told here, not when the disk is half read.
            Window::new(Arc::clone(&source), at, len)
                .map_err(|error| error.in_structure("tar header"))?;
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            members.push(Member { name, at, len });
        }
        Ok(Self { source, members })
    }

    /// All files in it, in order.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The file of that name; `./` in front of either means nothing.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&Member> {
        let plain = |name: &str| name.strip_prefix("./").unwrap_or(name).to_owned();
        let wanted = plain(name);
        // As tar unpacks it: the last of that name is the one that stays.
        let mut members = self.members.iter().rev();
        members.find(|member| plain(&member.name) == wanted)
    }

    /// Its bytes, where they are.
    ///
    /// # Errors
    /// As [`Window::new`].
    pub fn open(&self, member: &Member) -> Result<Arc<dyn Source>> {
        let window = Window::new(Arc::clone(&self.source), member.at, member.len)?;
        Ok(Arc::new(window))
    }
}

/// The bytes of such a member are not all there.
fn with_holes(at: FileOffset) -> Error {
    Error::new(
        Kind::Unsupported,
        "a member of the archive is stored with holes",
    )
    .with_code("tar_sparse")
    .with_hint("unpack it with tar -xf, and read the disk in it")
    .at(at)
}
