//! One of the files of which a disk of several is made: expanding, or plain.

use std::sync::Arc;

use imgdelta_core::{Bytes, CheckReport, Error, FileOffset, Result, Source};

use crate::{fault::Fault, file_check, map::BlockTable, validate::ValidatedHeader};

/// A file that holds a storage, or what a snapshot changed in it.
#[derive(Debug)]
pub(crate) struct Part {
    source: Arc<dyn Source>,
    /// Its number among the files of the image.
    number: u16,
    content: Content,
}

/// How it holds it.
#[derive(Debug)]
enum Content {
    /// In blocks.
    Expanding(ValidatedHeader, BlockTable),
    /// All of it as it is: so many bytes.
    Plain(Bytes),
}

impl Part {
    /// An expanding file.
    pub(crate) fn expanding(source: Arc<dyn Source>, number: u16) -> Result<Self> {
        let read = || {
            let meta = ValidatedHeader::read(&*source)?;
            let table = BlockTable::new(&meta, Arc::clone(&source));
            Ok(Content::Expanding(meta, table))
        };
        let content = read().map_err(|error| in_file(error, &*source))?;
        Ok(Self {
            source,
            number,
            content,
        })
    }

    /// A plain file that holds `len` bytes.
    pub(crate) fn plain(source: Arc<dyn Source>, number: u16, len: Bytes) -> Result<Self> {
        let (end, required) = (source.len().0, len.0);
        if end < required {
            let fault = Error::from(Fault::PlainCut { end, required });
            return Err(in_file(fault, &*source));
        }
        Ok(Self {
            source,
            number,
            content: Content::Plain(len),
        })
    }

    /// Its number among the files of the image.
    pub(crate) const fn number(&self) -> u16 {
        self.number
    }

    /// The bytes of its blocks.
    pub(crate) const fn block(&self) -> Option<Bytes> {
        match &self.content {
            Content::Expanding(_, table) => Some(table.block()),
            Content::Plain(_) => None,
        }
    }

    /// The run from `at` bytes of its storage on: how long it is, and where it stands; nowhere, if the file has nothing to say of it.
    pub(crate) fn run(&self, at: u64) -> Result<(Bytes, Option<FileOffset>)> {
        match &self.content {
            Content::Expanding(_, table) if at < table.size().0 => {
                table.run(at).map_err(|error| in_file(error, &*self.source))
            }
            // A disk that has grown since: behind its end it says nothing.
            Content::Expanding(..) => Ok((Bytes(u64::MAX), None)),
            Content::Plain(len) => {
                let left = Bytes(len.0.saturating_sub(at));
                Ok((left, Some(FileOffset(at))))
            }
        }
    }

    /// What the user should know though it reads, with the file's name.
    pub(crate) fn notes(&self) -> Vec<String> {
        match &self.content {
            Content::Expanding(meta, _) => self.named(meta.notes()),
            Content::Plain(_) => Vec::new(),
        }
    }

    /// Looks for faults in it; all that is found names the file.
    pub(crate) fn check(&self, report: &mut CheckReport) -> Result<()> {
        let Content::Expanding(meta, table) = &self.content else {
            return Ok(());
        };
        let mut own = CheckReport::default();
        file_check::check_file(meta, table, &*self.source, &mut own)
            .map_err(|error| in_file(error, &*self.source))?;
        for fault in own.faults {
            report.fault(in_file(fault, &*self.source));
        }
        report.notes.extend(self.named(own.notes));
        report.counts.extend(own.counts);
        Ok(())
    }

    /// The notes with the file's name.
    fn named(&self, notes: Vec<String>) -> Vec<String> {
        let name = self.source.path().and_then(|path| path.file_name());
        let name = name.map(|name| name.to_string_lossy().into_owned());
        let named = |note| match &name {
            Some(name) => format!("{}: {note}", name.escape_debug()),
            None => note,
        };
        notes.into_iter().map(named).collect()
    }
}

/// The error with the file's name.
fn in_file(error: Error, source: &dyn Source) -> Error {
    match source.path() {
        Some(path) => error.in_file(path),
        None => error,
    }
}
