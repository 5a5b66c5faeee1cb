//! Images that qemu wrote read as qemu reads them.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a wrong test should stop"
)]

mod reading;

use std::{path::Path, sync::Arc, time::Instant};

use imgdelta_core::{State, VirtOffset};
use imgdelta_fixtures::peers::{self, Peer};
use reading::{
    Tested,
    built::{M, pattern},
    check_file, digest, file, open_file, read_all,
};

/// Makes an image with qemu-img and fills it with qemu-io.
fn of_qemu(path: &Path, size: &str, options: &str, writes: &[&str]) -> Tested {
    let name = path.to_str().ok_or("a name")?;
    peers::qemu_img(&["create", "-q", "-f", "vhdx", "-o", options, name, size])?;
    if !writes.is_empty() {
        peers::qemu_io(path, "vhdx", writes)?;
    }
    Ok(())
}

#[test]
fn what_qemu_writes_reads_as_qemu_reads_it() -> Tested {
    if peers::find(Peer::QemuImg).is_none() {
        return Ok(());
    }
    let writes = [
        "write -P 1 0 512",
        "write -P 2 1M 3M",
        "write -P 3 8388096 1024",
        "write -P 4 16M 2M",
        "write -P 5 5000K 4K",
        "write -z 1M 1M",
    ];
    for (number, options) in [
        "subformat=dynamic,block_size=1M",
        "subformat=dynamic,block_size=2M,block_state_zero=off",
        "subformat=dynamic,block_size=8M,log_size=4M",
        "subformat=dynamic",
        "subformat=fixed,block_size=1M",
        "subformat=fixed,block_size=4M,block_state_zero=off",
    ]
    .into_iter()
    .enumerate()
    {
        for writes in [&[][..], &writes] {
            let folder = tempfile::tempdir()?;
            let (path, raw) = (folder.path().join("a.vhdx"), folder.path().join("a.raw"));
            let size = if number % 2 == 0 { "20M" } else { "34078720" };
            of_qemu(&path, size, options, writes)?;
            let image = open_file(&path).map_err(|error| format!("{options}: {error}"))?;
            let is_fixed = options.contains("fixed");
            assert_eq!(
                image.metadata().variant,
                if is_fixed { "fixed" } else { "dynamic" }
            );
            let report = check_file(&path)?;
            assert!(report.faults.is_empty(), "{options}: {report:?}");
            peers::qemu_convert_to_raw(&path, "vhdx", &raw)?;
            assert!(read_all(&[image])? == std::fs::read(&raw)?, "{options}");
        }
    }
    Ok(())
}

#[test]
fn a_disk_of_several_chunks_reads_as_qemu_reads_it() -> Tested {
    if peers::find(Peer::QemuImg).is_none() {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("a.vhdx");
    // 4096 blocks share a bitmap: what lies behind them is found one entry further on.
    let writes = [
        "write -P 1 4095M 2M",
        "write -P 2 8191M 1M",
        "write -P 3 8192M 512",
        "write -P 4 12289M 1M",
    ];
    of_qemu(&path, "13G", "block_size=1M", &writes)?;
    let image = open_file(&path)?;
    for (at, byte) in [(4095, 1), (4096, 1), (8191, 2), (8192, 3), (12289, 4)] {
        let mut buf = [0; 512];
        image.read_data(VirtOffset(at << 20), &mut buf)?;
        assert_eq!(buf, [byte; 512], "{at} MiB");
    }
    assert_eq!(image.extent_at(VirtOffset(8190 << 20))?.state, State::Zero);
    Ok(())
}

#[test]
fn a_file_that_qemu_filled_reads_in_any_order() -> Tested {
    if peers::find(Peer::QemuImg).is_none() {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let (path, raw) = (folder.path().join("a.vhdx"), folder.path().join("a.raw"));
    let disk: Vec<u8> = (0..24).flat_map(pattern).collect();
    std::fs::write(&raw, &disk)?;
    let [raw, vhdx] = [&raw, &path].map(|path| path.to_str().unwrap_or_default());
    let convert = ["convert", "-q", "-f", "raw", "-O", "vhdx", raw, vhdx];
    peers::qemu_img(&convert)?;
    let image = open_file(&path)?;
    assert_eq!(read_all(&[Arc::clone(&image)])?, disk);
    assert_eq!(digest(&[Arc::clone(&image)])?.len(), 64);
    let mut buf = vec![0; 3 * M + 77];
    image.read_data(VirtOffset(M as u64 * 7 - 33), &mut buf)?;
    assert!(buf == disk[7 * M - 33..][..buf.len()]);
    assert_eq!(file(&path)?.len(), image.metadata().files[0].len());
    Ok(())
}

#[test]
fn a_bat_that_is_full_of_zeros_opens_fast() -> Tested {
    if peers::find(Peer::QemuImg).is_none() {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("a.vhdx");
    of_qemu(&path, "64T", "block_size=32M", &["write -P 1 33T 1M"])?;
    let start = Instant::now();
    let image = open_file(&path)?;
    let opened = start.elapsed();
    assert!(opened.as_millis() < 400, "opened in {opened:?}");
    let mut at = VirtOffset::ZERO;
    while at.0 < image.metadata().size.0 {
        at = image.extent_at(at)?.end();
    }
    let mapped = start.elapsed();
    assert!(mapped.as_millis() < 2000, "mapped in {mapped:?}");
    println!("opened in {opened:?}, mapped in {mapped:?}");
    Ok(())
}
