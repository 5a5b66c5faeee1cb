//! Opens the extents of a disk as their lines say, each file once, through the policy that it was given.

use std::sync::Arc;

use imgdelta_core::{Bytes, Companions, Error, Result, SECTOR, Source};

use crate::{
    cowd,
    descriptor::{Descriptor, ExtentLine, ExtentType},
    fault::Fault,
    piece::{File, Flat, Piece, Zeros},
    sesparse,
    sparse::{Reading, Sparse},
};

/// Opens the files of an image, each once.
pub(super) struct Opener<'a> {
    companions: &'a dyn Companions,
    reading: Reading,
    /// The image's own file.
    own: Arc<dyn Source>,
    /// The others and what they are called.
    others: Vec<(String, Arc<dyn Source>)>,
}

impl<'a> Opener<'a> {
    /// For the image in `own`, whose other files `companions` opens.
    pub(super) fn new(
        own: &Arc<dyn Source>,
        companions: &'a dyn Companions,
        reading: Reading,
    ) -> Self {
        Self {
            companions,
            reading,
            own: Arc::clone(own),
            others: Vec::new(),
        }
    }

    /// How the image is to be read.
    pub(super) const fn reading(&self) -> Reading {
        self.reading
    }

    /// The image's own file.
    pub(super) fn own(&self) -> File {
        File {
            source: Arc::clone(&self.own),
            number: 0,
        }
    }

    /// Another file.
    fn file(&mut self, name: &str) -> Result<File> {
        let known = self.others.iter().position(|(known, _)| known == name);
        let (at, source) = match known.and_then(|at| Some((at, self.others.get(at)?))) {
            Some((at, (_, source))) => (at, Arc::clone(source)),
            None => {
                let source = self.companions.open(name)?;
                self.others.push((name.to_owned(), Arc::clone(&source)));
                (self.others.len() - 1, source)
            }
        };
        // There are no more files than extents, and of those at most 1024.
        let number = u16::try_from(at + 1).unwrap_or(u16::MAX);
        Ok(File { source, number })
    }

    /// All of them, its own first.
    pub(super) fn into_files(self) -> Vec<Arc<dyn Source>> {
        let others = self.others.into_iter().map(|(_, source)| source);
        std::iter::once(self.own).chain(others).collect()
    }

    /// The one extent of a file with its descriptor inside, whatever name stands there: files are renamed.
    pub(super) fn open_own(&self, lines: &[ExtentLine]) -> Result<Box<dyn Piece>> {
        match lines {
            [line] if line.kind == ExtentType::Sparse => Ok(Box::new(Sparse::open(
                self.own(),
                Some(line.sectors),
                self.reading,
            )?)),
            lines => {
                let found = lines.len();
                Err(Fault::EmbeddedExtents { found }.into())
            }
        }
    }

    pub(super) fn open_all(
        &mut self,
        descriptor: &Descriptor,
        lines: &[ExtentLine],
    ) -> Result<Vec<Box<dyn Piece>>> {
        let mut pieces = Vec::new();
        for line in lines {
            pieces.push(self.open_line(descriptor, line)?);
        }
        Ok(pieces)
    }

    fn open_line(&mut self, descriptor: &Descriptor, line: &ExtentLine) -> Result<Box<dyn Piece>> {
        let name = match (&line.file, line.kind) {
            (_, ExtentType::Zero) | (None, _) => {
                return Ok(Box::new(Zeros(Bytes(line.sectors.saturating_mul(SECTOR)))));
            }
            (Some(name), _) => descriptor
                .decode(name)
                .map_err(|fault| Error::from(fault).in_structure("descriptor"))?,
        };
        let file = self.file(&name)?;
        let path = file.source.path().map(std::path::Path::to_owned);
        let sectors = Some(line.sectors);
        let piece: Result<Box<dyn Piece>> = match line.kind {
            ExtentType::Sparse => {
                Sparse::open(file, sectors, self.reading).map(|piece| Box::new(piece) as _)
            }
            ExtentType::VmfsSparse => cowd::open(file, sectors).map(|piece| Box::new(piece) as _),
            ExtentType::SeSparse => sesparse::open(file, sectors).map(|piece| Box::new(piece) as _),
            ExtentType::Flat | ExtentType::Vmfs | ExtentType::Zero | ExtentType::Device => {
                let offset = line.offset.unwrap_or_default();
                Flat::open(file, &name, offset, line.sectors).map(|piece| Box::new(piece) as _)
            }
        };
        piece.map_err(|error| match &path {
            Some(path) => error.in_file(path),
            None => error,
        })
    }
}
