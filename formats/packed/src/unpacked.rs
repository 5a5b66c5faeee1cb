//! A compressed file, unpacked into a sparse file that has no name: whatever ends the program, nothing of it stays.

use std::{
    io::Read,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

use imgdelta_core::{
    AllocatedRange, Bytes, Error, FileOffset, FileSink, FileSource, FileVersion, Kind, Result,
    Sink, Source, threads, write_without_zeros,
};

use crate::{Packing, codec::Codec, reader::damage};

/// What is unpacked and written at once.
const STEP: usize = 1 << 20;

/// Where a compressed file is unpacked, and how far.
#[derive(Clone, Debug)]
pub struct UnpackSpace {
    /// The folder of the file that has no name.
    pub folder: PathBuf,
    /// The most bytes that it may unpack to.
    pub most: Bytes,
    /// Set by whoever wants it to end.
    pub stop: Option<Arc<AtomicBool>>,
}

impl UnpackSpace {
    /// What is unpacked at most, if nothing else is said: 16 TiB.
    pub const MOST: Bytes = Bytes(16 << 40);

    /// Refuses a folder with less than `needed` bytes free. A host that cannot tell is believed to have them.
    fn require_free(&self, needed: Bytes) -> Result<()> {
        let Ok(room) = rustix::fs::statvfs(&self.folder) else {
            return Ok(());
        };
        let free = Bytes(room.f_bavail.saturating_mul(room.f_frsize));
        if free >= needed {
            return Ok(());
        }
        let message = format!(
            "cannot be unpacked in {}: it takes {needed} or more, {free} are free there",
            self.folder.display()
        );
        Err(Error::new(Kind::Host, message)
            .with_code("no_space")
            .with_hint(Self::HINT))
    }

    const HINT: &'static str = "it is unpacked beside the output, else in the folder that IMGDELTA_TMPDIR names: choose one with more room";

    /// A file without a name in the folder.
    fn file(&self) -> Result<std::fs::File> {
        tempfile::tempfile_in(&self.folder).map_err(|cause| {
            Error::host("cannot keep what is unpacked", cause)
                .in_file(&self.folder)
                .with_hint(Self::HINT)
        })
    }

    /// Refuses more than is allowed.
    fn require_allowed(&self, len: Bytes) -> Result<()> {
        if len <= self.most {
            return Ok(());
        }
        let message = format!("unpacks to more than {}", self.most);
        Err(Error::new(Kind::Unsupported, message)
            .with_code("unpack_limit")
            .with_hint("--unpack-limit SIZE allows more"))
    }

    fn go_on(&self) -> Result<()> {
        match &self.stop {
            Some(stop) if stop.load(Ordering::Relaxed) => Err(Error::interrupted()),
            _ => Ok(()),
        }
    }
}

/// The bytes that a compressed file holds. On the host it is known by that file: who asks which version was opened hears of that one.
#[derive(Debug)]
pub struct Unpacked {
    bytes: FileSource,
    packed: Arc<dyn Source>,
}

impl Unpacked {
    /// Unpacks all of `packed`, which is of that packing; `None` if that is none that is unpacked here.
    ///
    /// # Errors
    /// Corrupt, if it is damaged or cut short; Unsupported, if it holds more than `room` allows; Host, if there is no room for it; Interrupted.
    pub fn of(
        packing: &Packing,
        packed: &Arc<dyn Source>,
        room: &UnpackSpace,
    ) -> Result<Option<Self>> {
        let Some(codec) = packing.codec else {
            return Ok(None);
        };
        // Data that was compressed takes no less room unpacked; how much of it are holes nobody knows before.
        room.require_free(packed.len())?;
        let file = room.file()?;
        let place = packed.path().unwrap_or(Path::new("")).to_owned();
        let kept = file.try_clone();
        let kept = kept.map_err(|cause| Error::host("cannot keep what is unpacked", cause))?;
        let sink = FileSink::new(file, &room.folder, false);
        let unpacking = Unpacking {
            packing,
            codec,
            packed: &**packed,
            room,
        };
        unpacking.write(&sink)?;
        drop(sink);
        Ok(Some(Self {
            bytes: FileSource::of(kept, &place)?,
            packed: Arc::clone(packed),
        }))
    }
}

/// A compressed file on its way out.
struct Unpacking<'a> {
    packing: &'a Packing,
    codec: Codec,
    packed: &'a dyn Source,
    room: &'a UnpackSpace,
}

impl Unpacking<'_> {
    /// Writes what the file holds to `sink`, but for what is zero. One thread unpacks while the other writes: two buffers go round.
    fn write(&self, sink: &FileSink) -> Result<()> {
        let (filled, to_write) = sync_channel(1);
        let (used, to_fill) = sync_channel(2);
        thread::scope(move |scope| {
            let buffers = [(); 2].map(|()| vec![0; STEP]);
            buffers.into_iter().try_for_each(|one| used.send(one)).ok();
            threads::beside(scope, move || {
                let done = self.unpack(&to_fill, &filled);
                // Nobody waits for it where writing failed.
                done.or_else(|error| filled.send(Err(error))).ok();
            })?;
            let mut len = 0_u64;
            while let Ok(buffer) = to_write.recv() {
                let buffer = buffer?;
                let at = FileOffset(len);
                len = len.saturating_add(buffer.len() as u64);
                self.room.require_allowed(Bytes(len))?;
                let written = write_without_zeros(sink, at, &buffer);
                written.map_err(|error| error.with_hint(UnpackSpace::HINT))?;
                // Nobody waits for it behind the stream's end.
                let _ = used.send(buffer);
            }
            sink.set_len(Bytes(len))
        })
    }

    /// Unpacks into buffers as they come, and hands on each that holds anything, cut to what it holds; ends early where nobody takes them.
    fn unpack(
        &self,
        to_fill: &Receiver<Vec<u8>>,
        filled: &SyncSender<Result<Vec<u8>>>,
    ) -> Result<()> {
        let damaged = |cause| damage(self.packing.noun, cause);
        let mut stream = self.codec.unpacked(self.packed).map_err(damaged)?;
        while let Ok(mut buffer) = to_fill.recv() {
            self.room.go_on()?;
            buffer.resize(STEP, 0);
            let len = fill_buffer(&mut *stream, &mut buffer).map_err(damaged)?;
            buffer.truncate(len);
            if len == 0 || filled.send(Ok(buffer)).is_err() {
                break;
            }
        }
        Ok(())
    }
}

/// Fills `buffer` as far as the stream goes.
fn fill_buffer(stream: &mut dyn Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match stream.read(rest) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(cause) if cause.kind() == std::io::ErrorKind::Interrupted => {}
            Err(cause) => return Err(cause),
        }
    }
    Ok(filled)
}

impl Source for Unpacked {
    fn len(&self) -> Bytes {
        self.bytes.len()
    }

    fn read_at(&self, at: FileOffset, buf: &mut [u8]) -> Result<()> {
        self.bytes.read_at(at, buf)
    }

    fn stored_at(&self, at: FileOffset) -> Result<AllocatedRange> {
        self.bytes.stored_at(at)
    }

    fn opened(&self) -> Option<&FileVersion> {
        self.packed.opened()
    }

    fn stamp(&self) -> Result<Option<FileVersion>> {
        self.packed.stamp()
    }

    fn path(&self) -> Option<&Path> {
        self.packed.path()
    }
}
