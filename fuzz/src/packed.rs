//! Any bytes as what a disk is packed in: an error, or a disk that reads to its end; never more than was allowed.

use std::sync::Arc;

use imgdelta_core::{Bytes, FileOffset, MemSource};
use imgdelta_packed::{Archive, digests::Digests, ovf::Descriptor};
use imgdelta_registry::{OpenSpec, Unpack, open_bytes, unpack::UnpackSpace};

/// The most that an input may unpack to.
const MOST: Bytes = Bytes::mib(4);

/// As standard input, whatever is around it.
pub(crate) fn open(bytes: &[u8]) {
    let room = UnpackSpace {
        folder: std::env::temp_dir(),
        most: MOST,
        stop: None,
    };
    let spec = OpenSpec {
        unpack: Some(Box::new(Unpack {
            disk: None,
            room,
            proves: true,
        })),
        ..OpenSpec::of("input")
    };
    let Ok(opened) = open_bytes(Arc::new(MemSource(bytes.to_vec())), &spec) else {
        return;
    };
    for file in &opened.image.metadata().files {
        let len = file.len();
        assert!(
            len <= MOST || len.0 <= bytes.len() as u64,
            "{len} were unpacked"
        );
        let mut end = [0];
        let last = FileOffset(len.0.saturating_sub(1));
        assert!(len == Bytes::ZERO || file.read_at(last, &mut end).is_ok());
    }
}

/// As an archive: an error, or members that stand in it.
pub(crate) fn archive(bytes: &[u8]) {
    let Ok(archive) = Archive::read(Arc::new(MemSource(bytes.to_vec()))) else {
        return;
    };
    for member in archive.members() {
        let source = archive.open(member).expect("it was looked at");
        assert_eq!(source.len(), member.len);
        let found = archive.member(&member.name).expect("it is there");
        assert!(found.at >= member.at, "the last of a name stays");
    }
}

/// As the descriptor of a package: an error, or files that have names.
pub(crate) fn ovf(bytes: &[u8]) {
    let Ok(descriptor) = Descriptor::read(&MemSource(bytes.to_vec())) else {
        return;
    };
    for disk in descriptor.disks {
        assert!(!disk.id.is_empty());
        assert!(disk.file.is_none_or(|file| !file.href.is_empty()));
    }
}

/// As the digests of a package: an error, or digests that other bytes do not have.
pub(crate) fn digests(bytes: &[u8]) {
    let source = MemSource(bytes.to_vec());
    let Ok(digests) = Digests::read(&source) else {
        return;
    };
    for name in digests.names().take(8) {
        assert!(digests.lists(name));
        // No list holds the digest of itself.
        assert!(digests.prove(name, &source, &|| Ok(())).is_err());
    }
}
