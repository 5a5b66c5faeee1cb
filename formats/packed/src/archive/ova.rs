//! A new OVA: descriptor, disk and digests in one tar archive, in that order, written in one pass.
//!
//! The descriptor stands in front and says how long the disk's file is, which is known at the end: room is left for it. The disk's file is
//! written in order of its addresses and hashed on its way.

use std::sync::{Arc, Mutex, PoisonError};

use imgdelta_core::{Bytes, Error, FileOffset, Kind, Result, Sink};
use sha2::{Digest as _, Sha256};

use crate::{
    digests::hex,
    ovf::machine::{Machine, MachineDisk},
};

/// The unit of a tar archive.
const BLOCK: u64 = 512;

/// An OVA in the making.
#[derive(Debug)]
pub struct NewOva {
    sink: Arc<dyn Sink>,
    machine: Machine,
    /// The name of the machine's files, without extension.
    stem: String,
    /// The room of the descriptor in bytes, whole blocks.
    room: u64,
    disk: Arc<DiskSink>,
    /// The time of all members, in seconds since 1970.
    time: u64,
}

impl NewOva {
    /// Starts one in `sink`; its files are called `stem` with their own ends.
    #[must_use]
    pub fn new(sink: Arc<dyn Sink>, machine: Machine, stem: &str, time: u64) -> Self {
        let largest = MachineDisk {
            file: &disk_name(stem),
            file_size: Bytes(u64::MAX),
            capacity: Bytes(u64::MAX),
        };
        let room = whole_blocks(machine.descriptor(&largest).len() as u64);
        let start = room.saturating_add(2 * BLOCK);
        Self {
            disk: Arc::new(DiskSink {
                sink: Arc::clone(&sink),
                start,
                written: Mutex::default(),
            }),
            sink,
            machine,
            stem: stem.to_owned(),
            room,
            time,
        }
    }

    /// Where the disk's file is to be written, in order.
    #[must_use]
    pub fn disk(&self) -> Arc<dyn Sink> {
        Arc::clone(&self.disk) as Arc<dyn Sink>
    }

    /// Ends it, the disk's file being whole: a disk of `capacity` bytes. Returns the length of the archive.
    ///
    /// # Errors
    /// Those of the sink.
    pub fn finish(self, capacity: Bytes) -> Result<Bytes> {
        let (file_size, digest) = self.disk.finish();
        let file = disk_name(&self.stem);
        let mut descriptor = self.machine.descriptor(&MachineDisk {
            file: &file,
            file_size: Bytes(file_size),
            capacity,
        });
        // White space behind the document means nothing.
        while (descriptor.len() as u64) < self.room {
            descriptor.push('\n');
        }
        let name = format!("{}.ovf", self.stem);
        let list = format!(
            "SHA256({name})= {}\nSHA256({file})= {}\n",
            hex(&Sha256::digest(&descriptor)),
            hex(&digest)
        );
        self.member(0, &name, self.room)?;
        self.sink
            .write_at(FileOffset(BLOCK), descriptor.as_bytes())?;
        let at = self.room.saturating_add(BLOCK);
        self.member(at, &file, file_size)?;
        let at = at
            .saturating_add(BLOCK)
            .saturating_add(whole_blocks(file_size));
        let end = self.member(at, &format!("{}.mf", self.stem), list.len() as u64)?;
        self.sink
            .write_at(FileOffset(at.saturating_add(BLOCK)), list.as_bytes())?;
        // Two blocks of zeros end it.
        let len = Bytes(end.saturating_add(2 * BLOCK));
        self.sink.set_len(len)?;
        Ok(len)
    }

    /// Writes the header of a member at `at`; where the member ends, in whole blocks.
    fn member(&self, at: u64, name: &str, len: u64) -> Result<u64> {
        let mut header = tar::Header::new_ustar();
        header.set_path(name).map_err(|cause| {
            Error::new(
                Kind::Usage,
                format!(
                    "'{}' cannot be a name in an archive: {cause}",
                    name.escape_debug()
                ),
            )
            .with_hint("choose a shorter name for the output")
        })?;
        header.set_size(len);
        header.set_mode(0o644);
        header.set_mtime(self.time);
        header.set_cksum();
        self.sink.write_at(FileOffset(at), header.as_bytes())?;
        Ok(at.saturating_add(BLOCK).saturating_add(whole_blocks(len)))
    }
}

/// The name of the disk's file.
fn disk_name(stem: &str) -> String {
    format!("{stem}-disk1.vmdk")
}

fn whole_blocks(len: u64) -> u64 {
    len.div_ceil(BLOCK).saturating_mul(BLOCK)
}

/// The disk's file in the archive.
#[derive(Debug)]
struct DiskSink {
    sink: Arc<dyn Sink>,
    start: u64,
    written: Mutex<Written>,
}

#[derive(Debug, Default)]
struct Written {
    len: u64,
    hash: Sha256,
}

impl Written {
    /// Takes the zeros of a gap up to `at`.
    fn fill_to(&mut self, at: u64) -> Result<()> {
        static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
        if at < self.len {
            return Err(Error::new(
                Kind::Unsupported,
                "the disk's file is not written in order",
            ));
        }
        while self.len < at {
            let len = Bytes(at.saturating_sub(self.len))
                .in_memory()
                .min(ZEROS.len());
            self.hash.update(ZEROS.get(..len).unwrap_or(&ZEROS));
            self.len = self.len.saturating_add(len as u64);
        }
        Ok(())
    }
}

impl DiskSink {
    fn finish(&self) -> (u64, [u8; 32]) {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        (written.len, written.hash.clone().finalize().into())
    }
}

impl Sink for DiskSink {
    fn write_at(&self, at: FileOffset, bytes: &[u8]) -> Result<()> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.fill_to(at.0)?;
        written.hash.update(bytes);
        written.len = written.len.saturating_add(bytes.len() as u64);
        self.sink
            .write_at(FileOffset(self.start.saturating_add(at.0)), bytes)
    }

    fn set_len(&self, len: Bytes) -> Result<()> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.fill_to(len.0)
    }

    fn sync(&self) -> Result<()> {
        self.sink.sync()
    }

    fn is_sequential(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use imgdelta_core::{MemSink, MemSource, Options};

    use super::*;
    use crate::{Archive, digests::Digests, ovf::Descriptor};

    #[test]
    fn an_archive_holds_descriptor_disk_and_digests_in_that_order() -> Result<()> {
        let sink = Arc::new(MemSink::default());
        let machine = Machine::take(&mut Options::default(), "web")?;
        let ova = NewOva::new(sink.clone(), machine, "web", 1_700_000_000);
        let disk = ova.disk();
        disk.write_at(FileOffset(0), b"abc")?;
        disk.write_at(FileOffset(1000), b"def")?;
        assert!(disk.write_at(FileOffset(10), b"x").is_err());
        let len = ova.finish(Bytes::mib(8))?;
        let bytes = sink.bytes();
        assert_eq!((bytes.len() as u64, bytes.len() % 512), (len.0, 0));
        let archive = Archive::read(Arc::new(MemSource(bytes)))?;
        let names: Vec<&str> = archive
            .members()
            .iter()
            .map(|one| one.name.as_str())
            .collect();
        assert_eq!(names, ["web.ovf", "web-disk1.vmdk", "web.mf"]);
        let open = |name: &str| archive.open(archive.member(name).expect("it is there"));
        let descriptor = Descriptor::read(&*open("web.ovf")?)?;
        let file = descriptor.disks[0].file.as_ref().expect("it has one");
        assert_eq!(
            (file.href.as_str(), file.size),
            ("web-disk1.vmdk", Some(Bytes(1003)))
        );
        let digests = Digests::read(&*open("web.mf")?)?;
        for name in ["web.ovf", "web-disk1.vmdk"] {
            assert!(digests.lists(name));
            digests.prove(name, &*open(name)?, &|| Ok(()))?;
        }
        let mut read = vec![1; 1003];
        open("web-disk1.vmdk")?.read_at(FileOffset(0), &mut read)?;
        assert_eq!((&read[..3], &read[1000..]), (&b"abc"[..], &b"def"[..]));
        assert!(read[3..1000].iter().all(|byte| *byte == 0));
        Ok(())
    }
}
