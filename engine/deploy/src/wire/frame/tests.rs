use proptest::prelude::*;

use super::*;

fn framed(frames: &[(u8, &[u8])]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut out = FramesOut::new(&mut bytes);
    for (kind, payload) in frames {
        out.send(*kind, |to| {
            to.extend_from_slice(payload);
            Ok(())
        })?;
    }
    Ok(bytes)
}

#[test]
fn a_frame_is_its_head_its_payload_and_its_digest() -> Result<()> {
    let bytes = framed(&[(7, b"abc")])?;
    assert_eq!(&bytes[..8], b"\0\0\0\x03\x07abc");
    assert_eq!(
        bytes[8..],
        xxh3_64_with_seed(b"\0\0\0\x03\x07abc", 0).to_be_bytes()
    );
    let mut frames = FramesIn::new(&bytes[..]);
    assert_eq!(frames.next()?, (7, &b"abc"[..]));
    let error = frames.next().expect_err("it is the last");
    assert_eq!((error.kind(), error.code()), (Kind::Peer, "cut"));
    Ok(())
}

#[test]
fn frames_that_change_places_are_found_out() -> Result<()> {
    let bytes = framed(&[(1, b"one"), (2, b"two")])?;
    let (first, second) = bytes.split_at(bytes.len() / 2);
    let swapped = [second, first].concat();
    let error = FramesIn::new(&swapped[..])
        .next()
        .map(|_| ())
        .expect_err("swapped");
    assert_eq!(error.code(), "frame_digest");
    Ok(())
}

#[test]
fn a_login_shell_that_talks_is_told_from_a_peer() {
    let said = &b"Welcome to nas01!\nLast login: yesterday\n"[..];
    let error = FramesIn::new(said)
        .next()
        .map(|_| ())
        .expect_err("no frame");
    assert_eq!(error.code(), "not_imgdelta");
    assert!(error.message().contains("'Welco'"), "{error}");
    let error = FramesIn::new(&b"hi"[..])
        .next()
        .map(|_| ())
        .expect_err("no frame");
    assert_eq!(error.code(), "not_imgdelta");
}

#[test]
fn a_frame_may_be_as_long_as_the_limit_and_not_longer() -> Result<()> {
    let long = vec![1; LONGEST_PAYLOAD];
    let bytes = framed(&[(1, b""), (2, &long)])?;
    let mut frames = FramesIn::new(&bytes[..]);
    frames.next()?;
    assert_eq!(frames.next()?.1.len(), LONGEST_PAYLOAD);
    let longer = vec![1; LONGEST_PAYLOAD + 1];
    assert_eq!(
        framed(&[(1, &longer)]).expect_err("too long").kind(),
        Kind::Unsupported
    );
    // The head alone is enough to refuse it: nothing more of it is read.
    let mut bytes = framed(&[(1, b"")])?;
    bytes.extend_from_slice(&[0xff, 0xff, 0xff, 0xff, 2]);
    let mut frames = FramesIn::new(bytes.chain(std::io::repeat(0)));
    frames.next()?;
    let error = frames.next().map(|_| ()).expect_err("endless");
    assert_eq!(error.code(), "protocol");
    Ok(())
}

proptest! {
    #[test]
    fn whatever_comes_is_a_frame_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut frames = FramesIn::new(&bytes[..]);
        while frames.next().is_ok() {}
    }

    #[test]
    fn a_bit_that_falls_over_is_found(
        payloads in proptest::collection::vec((any::<u8>(), proptest::collection::vec(any::<u8>(), 0..50)), 1..5),
        place in any::<prop::sample::Index>(),
        bit in 0..8_u8,
    ) {
        let frames: Vec<_> = payloads.iter().map(|(kind, payload)| (*kind, &payload[..])).collect();
        let mut bytes = framed(&frames).expect("short");
        let place = place.index(bytes.len());
        bytes[place] ^= 1 << bit;
        let mut found = FramesIn::new(&bytes[..]);
        let mut whole = 0;
        while let Ok((kind, payload)) = found.next() {
            prop_assert_eq!((kind, payload), frames[whole]);
            whole += 1;
        }
        prop_assert!(whole < frames.len());
    }
}
