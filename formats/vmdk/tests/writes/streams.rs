//! Streams: the bytes of a file, also through a pipe, in VMware's layout.

use super::*;

#[test]
fn a_pipe_gets_the_bytes_of_a_file() -> Outcome {
    let disk = Recipe::scatter(40 * MIB, 100 * KIB, 3).expected(None);
    let options = &["subformat=streamOptimized"];
    let file = write(&disk, &of_kind(options))?;
    let pipe = Shared::default();
    let sink: Arc<dyn Sink> = Arc::new(PipeSink::new(pipe.clone()));
    let job = Job {
        seed: Some(seed_of(&disk)),
        ..of_kind(options)
    };
    write_to(&OneOutput(Arc::clone(&sink)), &disk, &job)?;
    let piped = pipe.0.lock().expect("not poisoned").clone();
    assert!(piped == file[0].1);
    let refused = |job: &Job<'_>| write_to(&OneOutput(Arc::clone(&sink)), &disk, job).err();
    assert_eq!(
        refused(&of_kind(options)).map(|error| error.kind()),
        Some(Kind::Usage)
    );
    let error = refused(&of_kind(&[])).ok_or("tables are known last")?;
    assert_eq!(
        (error.kind(), error.code()),
        (Kind::Unsupported, "not_a_stream")
    );
    Ok(())
}

/// Bytes that two can hold.
#[derive(Clone, Debug, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0
            .lock()
            .expect("not poisoned")
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_stream_has_vmwares_layout() -> Outcome {
    let disk = Recipe::scatter(40 * MIB, 100 * KIB, 3).expected(None);
    let bytes = write(&disk, &of_kind(&["subformat=streamOptimized"]))?
        .swap_remove(0)
        .1;
    let header = SparseHeader::parse(bytes[..512].try_into()?);
    assert_eq!(
        (header.version, header.flags, header.compress_algorithm),
        (3, 0x3_0001, 1)
    );
    assert_eq!(
        (header.gd_offset, header.rgd_offset, header.overhead),
        (u64::MAX, 0, 128)
    );
    let end = bytes.len();
    let footer = SparseHeader::parse(bytes[end - 1024..end - 512].try_into()?);
    assert_eq!(
        footer,
        SparseHeader {
            gd_offset: footer.gd_offset,
            ..header
        }
    );
    assert_eq!(
        bytes[end - 1536..end - 1520],
        [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0]
    );
    assert_eq!(bytes[end - 512..], [0; 512]);
    let gd = footer.gd_offset as usize * 512;
    assert_eq!(
        bytes[gd - 512..gd - 496],
        [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0]
    );
    let gt = u32::from_le_bytes(bytes[gd..gd + 4].try_into()?) as usize * 512;
    assert_eq!(
        bytes[gt - 512..gt - 496],
        [4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]
    );
    let text = String::from_utf8_lossy(&bytes[512..21 * 512]).into_owned();
    assert!(text.contains("RDONLY 81920 SPARSE \"disk.vmdk\""), "{text}");
    Ok(())
}
