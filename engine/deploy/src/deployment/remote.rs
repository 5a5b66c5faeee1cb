//! A repository at the other end of a connection.

use std::{
    fs,
    io::{Read, Write},
    path::PathBuf,
};

use imgdelta_core::Result;
use imgdelta_repository::catalogue::Inventory;

use super::site::{Sender, Sent, Site, TransferRequest};
use crate::{
    bundle::{EntryFiles, Outcome, pack},
    space::Space,
    wire::{ClientSession, Delivered, Proposal},
};

/// A repository at the other end of a connection, whatever that is made of.
pub struct RemoteSite<'a, R, W> {
    sender: Sender<'a>,
    client: ClientSession<'a, R, W>,
    /// Where files are packed; each image's go when it has been sent.
    packing: PathBuf,
}

impl<'a, R: Read, W: Write> RemoteSite<'a, R, W> {
    /// The repository that the conversation is with.
    #[must_use]
    pub const fn new(
        sender: Sender<'a>,
        client: ClientSession<'a, R, W>,
        packing: PathBuf,
    ) -> Self {
        Self {
            sender,
            client,
            packing,
        }
    }

    /// Whether nothing can be said any more.
    pub(super) fn is_broken(&self) -> bool {
        self.client.is_broken()
    }

    /// What is asked before anything is packed.
    fn proposal(&self, request: &TransferRequest<'_>) -> Proposal {
        let (record, base) = (request.image, request.base.as_ref());
        Proposal {
            image: record.id.clone(),
            content_id: record.content_id,
            size: record.size,
            name: record.name.clone(),
            base: base.map(|base| base.at_site.clone()),
            base_content_id: base.map(|base| base.content_id),
            bytes: request.bytes.0,
            step: request.is_step,
            format: self.sender.store.format,
            as_child: self.sender.store.as_child,
        }
    }
}

impl<R: Read, W: Write> Site for RemoteSite<'_, R, W> {
    fn inventory(&mut self) -> Result<Inventory> {
        let headquarters = self.sender.headquarters;
        let listing = headquarters.list()?;
        let mut own = headquarters.inventory_of(&headquarters.look(&listing));
        // What was sent without what nobody needs the site has in no other form.
        own.images.extend(headquarters.reduced_items(&listing)?);
        self.client.announce(&own, self.sender.wanted)
    }

    fn space(&self) -> Option<Space> {
        Some(self.client.site().space?.into())
    }

    fn send(&mut self, request: &TransferRequest<'_>, sent: &mut Vec<Sent>) -> Result<Outcome> {
        let Sender {
            headquarters,
            context,
            ..
        } = self.sender;
        let (proposal, folder) = (self.proposal(request), &self.packing);
        let mut packed = None;
        let delivered = self.client.deliver(&proposal, folder, || {
            let done = pack(headquarters, &request.order(), folder, context)?;
            let entry = done.entry.clone();
            packed = Some(done);
            Ok(entry)
        });
        if let Some(packed) = &packed {
            let entry = &packed.entry;
            clear(&EntryFiles {
                entry,
                folder,
                others: &[],
            });
        }
        let Delivered { outcome, transfer } = delivered?;
        sent.extend(packed.map(|packed| request.sent(packed, transfer)));
        Ok(outcome)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        // What has been entered is proven, whatever becomes of the connection now.
        let _ = self.client.close();
        Ok(())
    }
}

/// Takes away what was packed: the same images make the same files again. Not synced, for nobody is told.
fn clear(files: &EntryFiles<'_>) {
    for file in files.entry.files() {
        let _ = fs::remove_file(files.folder.join(file.name.as_str()));
    }
}
