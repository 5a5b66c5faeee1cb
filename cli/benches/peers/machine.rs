//! What the figures were measured on, with what, and whether its page cache can be emptied.

use std::path::Path;
use std::process::Command;

use crate::job::said;

/// Cores and processor, and the versions of the peers.
pub(crate) fn machine() -> String {
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .unwrap_or("an unknown processor");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let peers = ["qemu-img", "openssl", "rsync", "borg", "casync", "zstd"].map(version);
    format!(
        "{cores} cores, {}; {}",
        model.trim_start_matches([' ', '\t', ':']),
        peers.join("; ")
    )
}

/// The first line that a peer says of itself.
fn version(program: &str) -> String {
    let option = match program {
        "openssl" => "version",
        _ => "--version",
    };
    let said = said(Command::new(program).arg(option)).unwrap_or_default();
    let line = said
        .lines()
        .next()
        .map(|line| line.trim_matches(['*', ' ']));
    line.map_or_else(|| format!("no {program}"), str::to_owned)
}

/// The program under test, with its version, and the commit of the sources where there is one.
pub(crate) fn program(imgdelta: &Path) -> String {
    let version = said(Command::new(imgdelta).arg("--version")).unwrap_or_default();
    let version = version.lines().next().unwrap_or("imgdelta").to_owned();
    let mut commit = Command::new("git");
    commit
        .args(["describe", "--always", "--dirty"])
        .current_dir(crate::manifest_folder());
    match said(&mut commit) {
        Ok(commit) => format!("{version} ({})", commit.trim()),
        Err(_) => version,
    }
}

/// Has the kernel forget all that it has read.
pub(crate) fn drop_caches() -> Result<(), String> {
    said(&mut Command::new("sync"))?;
    std::fs::write("/proc/sys/vm/drop_caches", "3")
        .map_err(|_| "skipped: only root drops the page cache".to_owned())
}
