//! A damaged image whose bad windows are known by now: the disk as it was, and its file as it was again.
//!
//! Two ways lead there. Where the bad windows stand as plain bytes in the image's files, copies of those files get the right ones: all else,
//! ids and options among it, stays as it is. Where they do not (compressed, or a table that is damaged), the disk is written anew in its own
//! format. Neither way commits: whoever keeps the image proves what was written, and lets it take its name.

mod patched;
mod rewritten;

use std::{fmt, path::Path, sync::Arc};

use imgdelta_core::{
    Bytes, DiskSpec, Extent, FileOffset, Format, Image, ImageMetadata, LayerId, Result, State,
    VirtOffset,
};
use imgdelta_delta::{Chain, Layer, Origin, WINDOW};

pub use self::{
    patched::{Patched, patched},
    rewritten::Rewritten,
};

/// Windows of a disk whose right bytes are known, wherever they come from.
pub trait Windows: fmt::Debug + Send + Sync {
    /// The numbers of all of them, in order.
    fn numbers(&self) -> Box<dyn Iterator<Item = u64> + '_>;

    /// Whether the window of that number is one of them.
    fn has(&self, number: u64) -> bool;

    /// Fills `buf`, which is as long as the window, with its bytes, proven at this moment.
    ///
    /// # Errors
    /// Those of where they come from; Host, if they are others by now.
    fn fill(&self, number: u64, buf: &mut [u8]) -> Result<()>;
}

/// Where the window of that number lies on a disk of `size` bytes, and how long it is.
#[must_use]
pub fn window_at(number: u64, size: Bytes) -> (VirtOffset, Bytes) {
    let at = number.saturating_mul(WINDOW.0);
    let len = WINDOW.0.min(size.0.saturating_sub(at));
    (VirtOffset(at), Bytes(len))
}

/// A disk as it was: the windows that are known, and what is left of the damaged one beside them; nothing, where that does not open.
///
/// # Errors
/// As [`Chain::new`].
pub fn restored(
    damaged: Option<&Chain>,
    disk: DiskSpec,
    windows: &Arc<dyn Windows>,
) -> Result<Chain> {
    let layers = damaged.map(|chain| chain.layers().iter());
    let files = layers
        .into_iter()
        .flatten()
        .flat_map(|layer| layer.image.metadata().files.clone());
    let image: Arc<dyn Image> = Arc::new(Restored {
        facts: ImageMetadata {
            format: Format::Raw,
            variant: "restored".to_owned(),
            size: disk.size,
            block_size: None,
            grain: None,
            logical_sector: disk.sector,
            identity: None,
            aliases: Vec::new(),
            files: files.collect(),
            notes: Vec::new(),
            details: Vec::new(),
            snapshots: Vec::new(),
        },
        damaged: damaged.map(|chain| chain.resized(disk.size)),
        windows: Arc::clone(windows),
    });
    let id = LayerId::of(&*image);
    Chain::new(vec![Layer::new(image, id)])
}

/// A disk of which some windows come from elsewhere.
#[derive(Debug)]
struct Restored {
    facts: ImageMetadata,
    damaged: Option<Chain>,
    windows: Arc<dyn Windows>,
}

impl Restored {
    /// Fills `buf` from `at` on, window by window.
    fn read(&self, at: VirtOffset, buf: &mut [u8]) -> Result<()> {
        let (mut at, mut rest) = (at, buf);
        while !rest.is_empty() {
            let number = at.0 / WINDOW.0;
            let (start, len) = window_at(number, self.facts.size);
            let skipped = Bytes(at.0.saturating_sub(start.0));
            let now = Bytes(len.0.saturating_sub(skipped.0)).in_memory();
            if now == 0 {
                rest.fill(0);
                return Ok(());
            }
            let (part, later) = rest.split_at_mut(now.min(rest.len()));
            self.read_in(number, skipped, at, part)?;
            at = at.saturating_add(Bytes::from(part.len()));
            rest = later;
        }
        Ok(())
    }

    /// Fills `part`, which lies in the window of that number, `skipped` bytes behind its start.
    fn read_in(&self, number: u64, skipped: Bytes, at: VirtOffset, part: &mut [u8]) -> Result<()> {
        if !self.windows.has(number) {
            return match &self.damaged {
                Some(damaged) => damaged.read_at(at, part),
                None => {
                    part.fill(0);
                    Ok(())
                }
            };
        }
        let (_, len) = window_at(number, self.facts.size);
        if len.in_memory() == part.len() {
            return self.windows.fill(number, part);
        }
        let mut whole = vec![0; len.in_memory()];
        self.windows.fill(number, &mut whole)?;
        let from = skipped.in_memory();
        let to = from.saturating_add(part.len());
        part.copy_from_slice(whole.get(from..to).unwrap_or_default());
        Ok(())
    }
}

impl Image for Restored {
    fn metadata(&self) -> &ImageMetadata {
        &self.facts
    }

    /// Zero where nothing needs to be read; else a part of a window, which is read when it is asked for.
    fn extent_at(&self, at: VirtOffset) -> Result<Extent> {
        let number = at.0 / WINDOW.0;
        let (start, len) = window_at(number, self.facts.size);
        let end = start.saturating_add(len);
        let own = Extent {
            at,
            len: end.since(at),
            state: State::Compressed {
                unit: start,
                at: FileOffset(start.0),
                len: Bytes::ZERO,
            },
        };
        if self.windows.has(number) {
            return Ok(own);
        }
        let zero = match &self.damaged {
            None => Some(own.len),
            Some(damaged) => {
                let run = damaged.run_at(at)?;
                (run.origin == Origin::Zero).then_some(run.len.min(own.len))
            }
        };
        Ok(zero.map_or(own, |len| Extent {
            at,
            len,
            state: State::Zero,
        }))
    }

    fn read_compressed(&self, extents: &[Extent], buf: &mut [u8]) -> Result<()> {
        let at = extents.first().map_or(VirtOffset::ZERO, |extent| extent.at);
        self.read(at, buf)
    }

    fn compressed_unit(&self) -> Option<Bytes> {
        Some(WINDOW)
    }
}

/// The file itself, if `path` is a link to it: what it leads to gets the new bytes.
fn real(path: &Path) -> Result<std::path::PathBuf> {
    std::fs::canonicalize(path)
        .map_err(|cause| imgdelta_core::Error::host("cannot find", cause).in_file(path))
}
