//! The two checksums of ext4: crc32c without the last inversion, and crc16 of descriptors before `metadata_csum`.

/// crc32c as ext4 counts it on: from `seed`, not inverted.
pub(super) fn raw_crc32c(seed: u32, bytes: &[u8]) -> u32 {
    !crc32c::crc32c_append(!seed, bytes)
}

/// crc16 (ANSI, reflected) from `seed` on.
pub(super) fn crc16(seed: u16, bytes: &[u8]) -> u16 {
    bytes.iter().fold(seed, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| {
            if crc & 1 == 1 {
                crc >> 1 ^ 0xa001
            } else {
                crc >> 1
            }
        })
    })
}
