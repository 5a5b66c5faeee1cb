//! A repository whose folder can be reached.

use imgdelta_core::Result;
use imgdelta_repository::catalogue::{Inventory, Repository};

use super::site::{Sender, Sent, Site, TransferRequest};
use crate::{
    bundle::{EntryFiles, Outcome, Receiver, StagingFolder, pack},
    space::Space,
};

/// A repository whose folder can be reached: what is for it is packed in its own folder for what comes, and installed at once.
pub struct LocalSite<'a> {
    sender: Sender<'a>,
    receiver: Receiver<'a>,
    /// Made when it is needed first.
    incoming: Option<StagingFolder>,
}

impl<'a> LocalSite<'a> {
    /// The site whose repository that is.
    #[must_use]
    pub fn new(sender: Sender<'a>, site: &'a Repository) -> Self {
        Self {
            sender,
            receiver: Receiver::new(site),
            incoming: None,
        }
    }

    fn incoming(&mut self) -> Result<StagingFolder> {
        match self.incoming.take() {
            Some(incoming) => Ok(incoming),
            None => StagingFolder::make(self.receiver.site()),
        }
    }
}

impl Site for LocalSite<'_> {
    fn inventory(&mut self) -> Result<Inventory> {
        let site = self.receiver.site();
        // What is there already is only said to be: it must be there for good.
        site.list_finished(&self.sender.context.run)?;
        site.inventory()
    }

    fn space(&self) -> Option<Space> {
        Space::at(self.receiver.site().folder())
    }

    fn send(&mut self, request: &TransferRequest<'_>, sent: &mut Vec<Sent>) -> Result<Outcome> {
        let incoming = self.incoming()?;
        let Sender {
            headquarters,
            store,
            context,
            ..
        } = self.sender;
        let held = incoming.folder.clone();
        self.incoming = Some(incoming);
        // Images are written and opened by paths: these lead through the open folder. A file in it that becomes a link once it was packed is followed
        // when it is opened: what that leads to is read as a disk, and enters nothing unless it makes the image that is to come.
        let folder = held.through();
        let packed = pack(headquarters, &request.order(), &folder, context)
            .map_err(|error| held.named(error))?;
        let entry = packed.entry.clone();
        sent.push(request.sent(packed, None));
        let files = EntryFiles {
            entry: &entry,
            folder: &folder,
            others: &[],
        };
        let outcome = self.receiver.take(&files, &store, request.is_step, context);
        if !request.is_step {
            // Not synced: the folder goes in the end, and `gc` finds what a killed process leaves.
            for file in entry.files() {
                let _ = held.place(file.name.as_str()).remove();
            }
        }
        outcome.map_err(|error| held.named(error))
    }

    fn finish(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}
