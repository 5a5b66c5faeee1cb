//! Swaps as `mkswap` makes them, and those in which a system sleeps.

mod host;

use std::fs;

use host::{Memory, are_there, blank, run};
use imgdelta_guest::{Run, Verdict, survey};

const MIB: u64 = 1 << 20;

fn verdict(disk: &Memory) -> Verdict {
    let mut survey = survey(disk).expect("it is read");
    assert_eq!(survey.verdicts.len(), 1);
    survey.verdicts.remove(0)
}

#[test]
fn all_pages_of_a_swap_but_the_first_are_nobodys() {
    if !are_there(&[("mkswap", "util-linux")]) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("swap.raw");
    for page in [4096_u64, 16384, 65536] {
        blank(&path, 8 * MIB + 512);
        let name = path.to_str().expect("a name");
        run(&["mkswap", "-q", "--pagesize", &page.to_string(), name], "");
        let mut disk = Memory(fs::read(&path).expect("it is there"), 512);
        let Verdict::Known(unused) = verdict(&disk) else {
            panic!("{:?}", verdict(&disk))
        };
        assert_eq!(unused.swap.as_slice(), [Run::new(page, 8 * MIB - page)]);
        assert!(unused.free.is_empty() && unused.page_files.is_empty());
        // Header fields: a version that is not known, more pages than there are.
        for (at, byte) in [(1024, 2), (1024 + 6, 1)] {
            let mut strange = disk.clone();
            strange.0[at] = byte;
            assert!(matches!(verdict(&strange), Verdict::Kept(_)));
        }
        let at = page as usize - 10;
        disk.0[at..at + 9].copy_from_slice(b"S1SUSPEND");
        let Verdict::Kept(why) = verdict(&disk) else {
            panic!("a system sleeps here")
        };
        assert!(why.contains("hibernated"), "{why}");
    }
}
