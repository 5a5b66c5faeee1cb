//! Swap of Linux: its first page is a header, all others are nobody's while no system sleeps in it.
//! \[include/linux/swap.h, kernel/power/swap.c, libblkid/src/superblocks/swap.c\]

use crate::{
    contents::PAGES,
    fault::{Fault, Found},
    runs::{Run, Runs},
    unused::Unused,
    window::{Window, be, le},
};

/// Where the header's fields begin, behind room for a boot loader: version, last page, number of bad pages.
const INFO: u64 = 1024;

/// What of a swap nobody needs: all pages but the first.
pub(crate) fn unused(volume: &Window<'_>) -> Found<Unused> {
    let mut page = None;
    for size in PAGES.into_iter().filter(|size| *size <= volume.len()) {
        let signature = volume.array::<10>(size.saturating_sub(10))?;
        match &signature {
            b"SWAPSPACE2" if page.is_none() => page = Some(size),
            b"SWAPSPACE2" => {
                return Err(Fault::unsound("it has the signatures of two page sizes"));
            }
            signature if is_suspend(signature) => {
                return Err(Fault::Suspended(
                    "a system sleeps in it: it is hibernated".into(),
                ));
            }
            _ => {}
        }
    }
    let Some(page) = page else {
        return Err(Fault::unsound("it has no signature of version 2"));
    };
    let info = volume.array::<8>(INFO)?;
    // mkswap writes in the byte order of its host.
    let last = match (le::<u32>(&info, 0), be::<u32>(&info, 0)) {
        (1, _) => u64::from(le::<u32>(&info, 4)),
        (_, 1) => u64::from(be::<u32>(&info, 4)),
        (version, _) => return Err(Fault::unsound(format!("its version is {version}"))),
    };
    let end = last.saturating_add(1).saturating_mul(page);
    if end > volume.len() {
        let len = volume.len();
        let why = format!("it says that it has {end} bytes, the volume has {len}");
        return Err(Fault::Unsound(why));
    }
    let start = volume.start().0.saturating_add(page);
    let swap = Run::new(start, end.saturating_sub(page));
    Ok(Unused {
        swap: Runs::of(vec![swap]),
        ..Unused::default()
    })
}

/// Whether a page ends as one of a sleeping system does: the kernel's own, uswsusp's, TuxOnIce's.
fn is_suspend(signature: &[u8]) -> bool {
    const SUSPENDED: [&[u8]; 5] = [
        b"S1SUSPEND",
        b"S2SUSPEND",
        b"ULSUSPEND",
        b"LINHIB0001",
        b"\xed\xc3\x02\xe9\x98\x56\xe5\x0c",
    ];
    SUSPENDED.iter().any(|one| signature.starts_with(one))
}
