//! The digests of the blocks of a file that lies in a delivery whole: a cut one has those of its pieces.

use imgdelta_core::{Error, FileSource, Kind, Result};

use super::{Bundle, write};
use crate::bundle::{
    DeliveryContext, block_digests,
    block_list::{BLOCK, BlockList, blocks_name},
    hash::digest_blocks,
    pack::Packed,
};

impl Bundle {
    /// Puts the digests of its blocks beside the file of an entry, if it lies here whole and is longer than one of them. What is listed of them already is
    /// kept; a file whose name is too long for it goes without.
    ///
    /// # Errors
    /// Host, if the host cannot write, or the file is not read as it was written (`not_read_back`); Interrupted.
    pub(super) fn put_blocks(
        &self,
        packed: &mut Packed,
        context: &DeliveryContext<'_>,
    ) -> Result<()> {
        let hashed = packed.blocks.take();
        let file = &mut packed.entry.file;
        let has_some = file.pieces.is_some() || file.blocks.is_some();
        if has_some || !BlockList::is_of(file.length) {
            return Ok(());
        }
        let Ok(name) = blocks_name(&file.name) else {
            return Ok(());
        };
        let digests = match hashed {
            Some(digests) => digests,
            None => {
                let place = self.find(&file.name)?;
                let source = FileSource::open(&place)?;
                let progress = context.run.work.progress;
                let (length, sha256, digests) = digest_blocks(&source, BLOCK, progress)?;
                if (length, sha256) != (file.length, file.sha256) {
                    return Err(Error::new(Kind::Host, "is not read as it was written")
                        .with_code("not_read_back")
                        .in_file(&place)
                        .with_hint("the medium, its reader or the cable fails: take another one"));
                }
                digests
            }
        };
        let text = block_digests::text(&digests);
        write(&self.folder.join(name.as_str()), text.as_bytes())?;
        file.blocks = Some(BlockList::of(&text));
        Ok(())
    }
}
