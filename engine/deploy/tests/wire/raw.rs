//! Frames as bytes, written and read here by what docs/protocol.md says, without the crate's own.

use std::io::Read;

use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A frame to be: its kind and its payload.
pub(crate) type Frame = (u8, Vec<u8>);

pub(crate) fn json(kind: u8, payload: &Value) -> Frame {
    (kind, payload.to_string().into_bytes())
}

/// A greeting.
pub(crate) fn greeting(kind: u8, lowest: u16, highest: u16) -> Frame {
    let mut payload = b"imgdelta".to_vec();
    payload.extend_from_slice(&lowest.to_be_bytes());
    payload.extend_from_slice(&highest.to_be_bytes());
    payload.extend_from_slice(b"imgdelta 9.9.9");
    (kind, payload)
}

/// Frames from the `number`th on as they go over the line.
pub(crate) fn bytes(number: u64, frames: &[Frame]) -> Vec<u8> {
    let mut all = Vec::new();
    for (number, (kind, payload)) in (number..).zip(frames) {
        let length = u32::try_from(payload.len()).expect("short");
        let mut frame = length.to_be_bytes().to_vec();
        frame.push(*kind);
        frame.extend_from_slice(payload);
        let digest = xxh3_64_with_seed(&frame, number);
        all.extend_from_slice(&frame);
        all.extend_from_slice(&digest.to_be_bytes());
    }
    all
}

/// The frames that were written.
pub(crate) fn frames(mut written: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    for number in 0.. {
        let mut head = [0; 5];
        if written.is_empty() {
            break;
        }
        written.read_exact(&mut head).expect("a head");
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let (payload, rest) = written.split_at(length);
        let (digest, rest) = rest.split_at(8);
        let said = [&head[..], payload].concat();
        assert_eq!(digest, xxh3_64_with_seed(&said, number).to_be_bytes());
        frames.push((head[4], payload.to_vec()));
        written = rest;
    }
    frames
}
