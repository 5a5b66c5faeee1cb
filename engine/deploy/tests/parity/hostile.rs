//! Parity files that were changed by somebody: nothing panics, nothing large is taken, and what is worked out is the file or is known not to be.

use imgdelta_core::{Kind, MemSource};
use imgdelta_delta::Digest;
use imgdelta_deploy::parity::{Parity, Percent, Shape};
use xxhash_rust::xxh3::xxh3_128;

use super::media::{healed, noise, parity_of};

/// The header with that change at both ends, its digest made anew.
fn forged(parity: &[u8], change: impl Fn(&mut [u8])) -> Vec<u8> {
    let mut bytes = parity.to_vec();
    for at in [0, bytes.len() - 96] {
        let head = &mut bytes[at..at + 96];
        change(head);
        let digest = xxh3_128(&head[..80]).to_le_bytes();
        head[80..].copy_from_slice(&digest);
    }
    bytes
}

fn small() -> (Vec<u8>, Vec<u8>) {
    let data = noise(2000, 5);
    let shape = Shape::of(2000, Percent::new(10).unwrap()).unwrap();
    let parity = parity_of(&data, &shape);
    (data, parity)
}

#[test]
fn every_changed_byte_of_a_parity_file_leaves_the_file_or_an_error() {
    let (data, parity) = small();
    let mut damaged = data.clone();
    damaged[777] ^= 4;
    for at in 0..parity.len() {
        let mut other = parity.clone();
        other[at] ^= 0x55;
        // One byte spoils a header, a table, or a recovery shard, of which there are more.
        let found = healed(&data, &MemSource(damaged.clone()), &MemSource(other)).unwrap();
        assert_eq!(found.1.unwrap(), data, "byte {at}");
        let cut = healed(
            &data,
            &MemSource(damaged.clone()),
            &MemSource(parity[..at].to_vec()),
        );
        if let Ok((_, Ok(found))) = cut {
            assert_eq!(found, data, "cut to {at}");
        }
    }
}

#[test]
fn numbers_beyond_their_limits_and_other_files_are_refused_by_field() {
    let (data, parity) = small();
    let sha256 = Digest::plain(&data);
    let fault = |bytes: Vec<u8>| {
        let source = MemSource(bytes);
        Parity::open(&source, 2000, &sha256).unwrap_err()
    };
    let number = |at: usize, value: u32| {
        forged(&parity, move |head| {
            head[at..at + 4].copy_from_slice(&value.to_le_bytes());
        })
    };
    for (at, value) in [
        (12, 0),
        (12, 101),
        (12, u32::MAX),
        (16, 0),
        (16, 63),
        (16, 96),
        (16, 1 << 17),
        (20, 0),
        (20, 513),
        (20, u32::MAX),
    ] {
        let error = fault(number(at, value));
        assert_eq!(error.kind(), Kind::Unsupported, "{at} {value}: {error}");
    }
    assert_eq!(fault(number(8, 2)).code(), "parity_version");
    // Within the limits, but not what the table is of.
    for (at, value) in [(12, 100), (16, 64 << 10), (20, 1)] {
        assert_eq!(fault(number(at, value)).kind(), Kind::Corrupt);
    }
    // A length that no table is allocated for.
    let longer = forged(&parity, |head| head[24..32].fill(0x7f));
    assert!(fault(longer.clone()).to_string().contains("another file"));
    let source = MemSource(longer);
    let length = u64::from_le_bytes([0x7f; 8]);
    assert_eq!(
        Parity::open(&source, length, &sha256).unwrap_err().code(),
        "parity_too_long"
    );
    let length = 60 << 30;
    let promised = forged(&parity, |head| {
        head[24..32].copy_from_slice(&u64::to_le_bytes(60 << 30));
        head[16..20].copy_from_slice(&65_536_u32.to_le_bytes());
    });
    let error = Parity::open(&MemSource(promised), length, &sha256).unwrap_err();
    assert_eq!(
        error.kind(),
        Kind::Corrupt,
        "the file is too short for it: {error}"
    );
    for bytes in [Vec::new(), vec![0; 95], vec![0; 96], vec![0xff; 5000]] {
        assert_eq!(fault(bytes).kind(), Kind::Corrupt);
    }
    let other = Digest::plain(b"other");
    let error = Parity::open(&MemSource(parity), 2000, &other).unwrap_err();
    assert!(
        error.to_string().contains("that of another file"),
        "{error}"
    );
}

#[test]
fn what_a_forged_parity_works_out_is_known_not_to_be_the_file() {
    let (data, _) = small();
    let other = noise(2000, 6);
    let shape = Shape::of(2000, Percent::new(10).unwrap()).unwrap();
    // Parity of another file that says that it is of this one: as to it, all shards are lost, but for those that are made equal.
    let mut near = data.clone();
    near[520..540].copy_from_slice(&other[520..540]);
    let lie = forged(&parity_of(&near, &shape), |head| {
        head[32..64].copy_from_slice(&Digest::plain(&data).0);
    });
    let (survey, found) = healed(&data, &MemSource(data.clone()), &MemSource(lie)).unwrap();
    assert_eq!(survey.lost.len(), 1);
    let found = found.unwrap();
    assert_eq!(found, near);
    assert_ne!(Digest::plain(&found), Digest::plain(&data));
}
