//! Room is looked at before the first byte is written: on a small file system in memory.

use std::{fs, os::unix::fs::MetadataExt as _, path::PathBuf};

use imgdelta_fixtures::peers::{self, Peer};
use serde_json::Value;

use crate::{
    host::{done, skipped, tool},
    place::Place,
};

/// A file system in memory of 8 MiB, until it is dropped.
struct Small(PathBuf);

impl Small {
    /// Mounts it in `place` as `small`; `None`, loudly, where that is not allowed.
    fn mount(place: &Place) -> Option<Self> {
        let at = place.path("small");
        fs::create_dir(&at).expect("room");
        let mounted = tool("mount")
            .args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"])
            .arg(&at)
            .output();
        if mounted.is_ok_and(|done| done.status.success()) {
            return Some(Self(at));
        }
        skipped("a full file system needs root to mount one");
        None
    }

    /// The names of all that is on it.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).expect("readable");
        let names = entries.map(|entry| entry.expect("readable").file_name());
        names.map(|name| name.to_string_lossy().into()).collect()
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        done(tool("umount").arg(&self.0)).expect("nobody uses it");
    }
}

/// Bytes that nothing compresses.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.take(len / 8).flatten().collect()
}

/// What a failure says as JSON.
fn failure(place: &Place, line: &str) -> Value {
    let said = place.run(&format!("{line} --json"));
    assert_eq!(said.exit, 8, "{line}: {}{}", said.out, said.err);
    serde_json::from_str(&said.err)
        .or_else(|_| serde_json::from_str(&said.out))
        .expect("JSON")
}

#[test]
fn what_does_not_fit_is_refused_before_it_is_begun() {
    let place = Place::empty();
    place.write("noise.raw", &noise(12 << 20));
    let Some(small) = Small::mount(&place) else {
        return;
    };
    for output in ["o.qcow2", "o.raw", "o.vhd", "o.vdi", "o.vmdk", "o.vhdx"] {
        let error = failure(&place, &format!("convert noise.raw -o small/{output}"));
        assert_eq!(error["code"], "no_space", "{output}");
        let message = error["message"].as_str().expect("text");
        assert!(message.contains("are needed"), "{message}");
        assert!(message.contains("bytes) are free"), "{message}");
        assert_eq!(small.names(), [""; 0], "{output}");
    }
    place.ok("repo init small/repo");
    for add in ["add noise.raw", "add noise.raw --dedup"] {
        let error = failure(&place, &format!("repo {add} --repo small/repo"));
        assert_eq!(error["code"], "no_space", "{add}");
    }
    let left = fs::read_dir(place.path("small/repo")).expect("readable");
    assert_eq!(left.count(), 1, "nothing but what the repository knows");
    // It could be written to all the same.
    place.write("less.raw", &noise(4 << 20));
    place.ok("repo add less.raw --repo small/repo");
}

#[test]
fn a_disk_that_is_full_of_zeros_fits_and_is_measured_for_that() {
    let place = Place::empty();
    let mut bytes = vec![0; 20 << 20];
    bytes[7 << 20..9 << 20].copy_from_slice(&noise(2 << 20));
    place.write("zeros.raw", &bytes);
    let Some(_small) = Small::mount(&place) else {
        return;
    };
    for output in ["o.qcow2", "o.raw"] {
        place.ok(&format!("convert zeros.raw -o small/{output}"));
        place.ok(&format!("compare zeros.raw small/{output}"));
        fs::remove_file(place.path(&format!("small/{output}"))).expect("there");
    }
}

#[test]
fn what_is_compressed_is_tried_and_says_at_the_end_what_it_would_have_taken() {
    let place = Place::empty();
    place.write("noise.raw", &noise(12 << 20));
    place.write("text.raw", &b"all the same ".repeat(1 << 20));
    let Some(small) = Small::mount(&place) else {
        return;
    };
    let packed = "--option compression_type=zstd";
    let said = place.run(&format!("convert text.raw -o small/o.qcow2 {packed}"));
    assert_eq!(said.exit, 0, "{}", said.err);
    assert!(said.err.contains("it may not fit"), "{}", said.err);
    fs::remove_file(place.path("small/o.qcow2")).expect("there");
    let line = format!("convert noise.raw -o small/o.qcow2 {packed}");
    assert_eq!(failure(&place, &line)["code"], "no_space");
    let said = place.run(&line);
    assert!(said.err.contains("are free there"), "{}", said.err);
    assert!(
        said.err.contains("(12582912 bytes) of data"),
        "{}",
        said.err
    );
    assert_eq!(small.names(), [""; 0]);
}

#[test]
fn compressed_images_take_no_more_room_than_qemu_s_where_some_clusters_are_not_compressed() {
    if peers::find(Peer::QemuImg).is_none() {
        return;
    }
    let place = Place::empty();
    // What does not compress starts at a cluster: between it and what is packed before lies what nobody writes.
    let mut bytes = noise(16 << 20);
    for (number, cluster) in bytes.chunks_mut(64 << 10).enumerate() {
        if number % 3 != 0 {
            let from = number % 2 * 8192;
            cluster[from..].fill(number as u8);
        }
    }
    place.write("mixed.raw", &bytes);
    for kind in ["zlib", "zstd"] {
        place.ok(&format!(
            "convert mixed.raw -o o.qcow2 --force --option compression_type={kind}"
        ));
        let convert = ["convert", "-c", "-f", "raw", "-O", "qcow2", "-o"];
        let option = format!("compression_type={kind}");
        let files = [place.path("mixed.raw"), place.path("peer.qcow2")];
        done(tool("qemu-img").args(convert).arg(option).args(files)).expect("qemu converts");
        let room = |name: &str| {
            let file = fs::File::open(place.path(name)).expect("there");
            file.sync_all().expect("durable");
            file.metadata().expect("there").blocks() * 512
        };
        let (own, peer) = (room("o.qcow2"), room("peer.qcow2"));
        assert!(
            own <= peer + (16 << 10),
            "{kind}: {own} bytes, qemu's {peer}"
        );
        place.ok("compare mixed.raw o.qcow2");
    }
}
