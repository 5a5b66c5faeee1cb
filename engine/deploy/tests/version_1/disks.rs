//! The disks of what a release that knew version 1 alone has packed and said, kept beside this file: `delivery/` as it lay on a stick, `to-site` and
//! `to-headquarters` as they went over a line. Golden is at both sides, middle is a step, one to three are wanted.

/// Windows of each disk.
const WINDOWS: u64 = 128;

/// The names of the images that were wanted.
pub(crate) const WANTED: [&str; 3] = ["one", "two", "three"];

/// The bytes of a disk: in each window a word of its own, over and over, so that little travels.
pub(crate) fn disk(name: &str) -> Vec<u8> {
    let own = WANTED.iter().position(|one| *one == name);
    let seed = |window: u64| match own {
        Some(own) if (64..72).contains(&(window.wrapping_sub(16 * own as u64))) => 10 + own as u64,
        _ if window < 48 && name != "golden" => 2,
        _ => 1,
    };
    let windows = (0..WINDOWS).map(|window| word(window, seed(window)).to_le_bytes());
    windows.flat_map(|word| word.repeat(8192)).collect()
}

/// SplitMix64 of the two.
fn word(window: u64, seed: u64) -> u64 {
    let mut x = window
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add(seed.wrapping_mul(0xd1b5_4a32_d192_ed03))
        .wrapping_add(1);
    x ^= x >> 30;
    x = x.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x ^= x >> 27;
    x = x.wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
