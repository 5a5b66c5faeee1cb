//! Tests of its parent module.

use super::*;

/// Remembers where and how much was written.
#[derive(Debug, Default)]
struct Writes(Mutex<Vec<(u64, usize)>>, bool);

impl Sink for Writes {
    fn write_at(&self, at: FileOffset, bytes: &[u8]) -> Result<()> {
        self.0
            .lock()
            .expect("not poisoned")
            .push((at.0, bytes.len()));
        Ok(())
    }

    fn set_len(&self, _len: Bytes) -> Result<()> {
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }

    fn needs_zeroing(&self) -> bool {
        self.1
    }
}

#[test]
fn pages_of_zeros_stay_holes_where_nothing_old_stands() -> Result<()> {
    let mut bytes = vec![0; 5 * PAGE + 100];
    for at in [0, PAGE, 2 * PAGE - 1, 3 * PAGE + 7, 5 * PAGE + 99] {
        bytes[at] = 1;
    }
    let (new, old) = (Writes::default(), Writes(Mutex::default(), true));
    write_without_zeros(&new, FileOffset(1 << 20), &bytes)?;
    write_without_zeros(&old, FileOffset(1 << 20), &bytes)?;
    let runs = [
        (1 << 20, 2 * PAGE),
        ((1 << 20) + 3 * PAGE as u64, PAGE),
        ((1 << 20) + 5 * PAGE as u64, 100),
    ];
    assert_eq!(*new.0.lock().expect("not poisoned"), runs);
    assert_eq!(
        *old.0.lock().expect("not poisoned"),
        [(1 << 20, bytes.len())]
    );
    Ok(())
}

#[test]
fn direct_and_buffered_writes_meet_in_one_file() -> Result<()> {
    let place = tempfile::tempdir().expect("a place");
    let path = place.path().join("out");
    let file = File::create(&path).expect("room");
    let sink = FileSink::new(file, &path, false);
    let mut room = vec![5_u8; (64 << 10) + DIRECT_UNIT];
    let skip = room.as_ptr().align_offset(DIRECT_UNIT);
    let piece = &mut room[skip..skip + (64 << 10)];
    sink.reserve(FileOffset(0), Bytes::mib(1));
    sink.write_at(FileOffset(64 << 10), piece)?;
    sink.write_at(FileOffset(100), b"head")?;
    sink.set_len(Bytes(128 << 10))?;
    sink.sync()?;
    let bytes = std::fs::read(&path).expect("it is there");
    assert_eq!(bytes.len(), 128 << 10);
    assert_eq!(&bytes[100..104], b"head");
    assert!(bytes[64 << 10..].iter().all(|byte| *byte == 5));
    Ok(())
}
