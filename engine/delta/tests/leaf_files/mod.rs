//! Files of leaves by their written form: of version 1 from one of version 2, and which bytes are a run.

use std::ops::Range;

/// The runs of a file of version 2, the end among them: where each lies, its CRC aside.
pub(crate) fn runs(file: &[u8]) -> Vec<Range<usize>> {
    let (mut runs, mut at) = (Vec::new(), 28);
    while at < file.len() {
        let count = file
            .get(at + 1..at + 9)
            .and_then(|count| count.try_into().ok());
        let len = match (file[at], count.map(u64::from_le_bytes)) {
            (0, _) => 9,
            (1, Some(count)) => 9 + 32 * count as usize,
            _ => 33,
        };
        runs.push(at..at + len);
        at += len + 4;
    }
    runs
}

/// The same leaves as a file of version 1, which has no CRC.
pub(crate) fn as_version_1(file: &[u8]) -> Vec<u8> {
    let mut old = [b"imgdelta leaves1", &file[16..24]].concat();
    for run in runs(file) {
        old.extend_from_slice(&file[run]);
    }
    old
}
