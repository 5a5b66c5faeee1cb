//! Whose the bytes of a disk are, as text.

use std::io;

use imgdelta::{BlockOwner, ChangedFiles, ChangedOwner, UnusedBytes};

use super::Page;

/// How many owners are told one by one.
const MOST: usize = 20;

/// What differs, by kind and owner by owner, the one with the most first.
pub(super) fn changed(files: &ChangedFiles, page: &mut Page<'_>) -> io::Result<()> {
    for kind in &files.by_kind {
        let size = page.size(kind.bytes);
        let name = kind.kind.name();
        match kind.owners {
            1 => page.field(name, size)?,
            owners => page.field(name, format_args!("{size} in {owners}"))?,
        }
    }
    let named: Vec<_> = files.changed.iter().filter(|row| has_path(row)).collect();
    if !named.is_empty() {
        page.line("largest first:")?;
    }
    for row in named.iter().take(MOST) {
        let (size, what) = (page.size(row.bytes), both(row));
        page.line(format_args!("  {size:>12}  {what}"))?;
    }
    if let Some(more) = named.get(MOST..).filter(|more| !more.is_empty()) {
        let bytes = more
            .iter()
            .fold(0, |sum: u64, row| sum.saturating_add(row.bytes));
        let size = page.size(bytes);
        let count = more.len();
        page.line(format_args!(
            "  {size:>12}  in {count} more; --json lists all"
        ))?;
    }
    if files.unused.total() > 0 {
        let parts = unused(&files.unused, page);
        page.line(format_args!("the second disk does not need {parts}"))?;
    }
    Ok(())
}

/// Bytes that nobody needs: `free 1.0 MiB, swap 512 KiB`.
pub(super) fn unused(bytes: &UnusedBytes, page: &Page<'_>) -> String {
    let parts = [
        ("free", bytes.free),
        ("swap", bytes.swap),
        ("pagefile", bytes.pagefile),
    ];
    let parts = parts.iter().filter(|(_, bytes)| *bytes > 0);
    let parts: Vec<_> = parts
        .map(|(name, bytes)| format!("{name} {}", page.size(*bytes)))
        .collect();
    match parts.is_empty() {
        true => "nothing".to_owned(),
        false => parts.join(", "),
    }
}

fn has_path(row: &ChangedOwner) -> bool {
    row.one.path.is_some() || row.other.path.is_some()
}

/// The owner that the bytes count for, and who has them on the other disk if that is another.
fn both(row: &ChangedOwner) -> String {
    if row.one == row.other {
        return owner(&row.other);
    }
    let (named, side, beside) = if row.other.kind <= row.one.kind {
        (&row.other, "first", &row.one)
    } else {
        (&row.one, "second", &row.other)
    };
    let mut beside = beside.clone();
    if beside.volume == named.volume {
        beside.volume = None;
    }
    format!("{} (on the {side} disk: {})", owner(named), owner(&beside))
}

/// An owner as it stands in a line: `volume 1 /etc/hosts`.
pub(super) fn owner(owner: &BlockOwner) -> String {
    let volume = match owner.volume {
        None | Some(0) => String::new(),
        Some(number) => format!("volume {number} "),
    };
    let kind = owner.kind.name();
    match (&owner.path, kind) {
        (Some(path), "file") => format!("{volume}{path}"),
        (Some(path), _) => format!("{volume}{path} ({kind})"),
        (None, _) => format!("{volume}{kind}"),
    }
}
