//! What a guest says of a raw disk: `survey FILE` prints its volumes, what of them is certainly unused, how many files and extents they have,
//! and the seconds that each took.

use std::{
    fs::File,
    io::{self, Write},
    os::unix::fs::FileExt,
    process::ExitCode,
    time::Instant,
};

use imgdelta_core::{Bytes, Error, Result, SECTOR, VirtOffset};
use imgdelta_guest::{Disk, Verdict, files, survey};

/// A raw disk, with sectors of 512 bytes.
struct Raw(File, u64);

impl Disk for Raw {
    fn size(&self) -> Bytes {
        Bytes(self.1)
    }

    fn sector(&self) -> Bytes {
        Bytes(SECTOR)
    }

    fn read_at(&self, at: VirtOffset, buf: &mut [u8]) -> Result<()> {
        buf.fill(0);
        let left = Bytes(self.1.saturating_sub(at.0)).in_memory();
        let (now, _) = buf.split_at_mut(left.min(buf.len()));
        let read = self.0.read_exact_at(now, at.0);
        read.map_err(|cause| Error::host("cannot read", cause))
    }
}

fn print(path: &str) -> Result<()> {
    let host = |cause| Error::host("cannot open", cause);
    let file = File::open(path).map_err(host)?;
    let len = file.metadata().map_err(host)?.len();
    let disk = Raw(file, len);
    let mut out = io::stdout().lock();
    let mut line = |text: String| writeln!(out, "{text}").map_err(host);
    let begun = Instant::now();
    let found = survey(&disk)?;
    line(format!(
        "{:?}: {:.3} s",
        found.layout.table,
        begun.elapsed().as_secs_f64()
    ))?;
    for (volume, verdict) in found.layout.volumes.iter().zip(&found.verdicts) {
        let (number, contents, len) = (volume.number, volume.contents, volume.len);
        line(format!(
            "volume {number}: {contents}, {len}, {}",
            volume.kind
        ))?;
        match verdict {
            Verdict::Known(unused) => line(format!(
                "  free {}, swap {}, page files {}",
                unused.free.total(),
                unused.swap.total(),
                unused.page_files.total()
            ))?,
            Verdict::Kept(why) => line(format!("  all of it is in use: {why}"))?,
        }
        let begun = Instant::now();
        let (mut entries, mut extents) = (0_u64, 0);
        if let Ok(listing) = files(&disk, volume) {
            for entry in listing {
                entries += 1;
                extents += entry?.extents.len();
            }
        }
        let seconds = begun.elapsed().as_secs_f64();
        line(format!(
            "  {entries} entries, {extents} extents: {seconds:.3} s"
        ))?;
    }
    Ok(())
}

fn main() -> ExitCode {
    let Some(path) = std::env::args().nth(1) else {
        return ExitCode::from(2);
    };
    match print(&path) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}
