//! Every stored image is an ordinary one: others read it, its chain and all.

use imgdelta_core::{Format, Result};
use imgdelta_fixtures::peers::{self, Peer};

use crate::place::{Place, file_of};

#[test]
fn qemu_reads_what_is_stored_and_follows_its_links() -> Result<()> {
    if peers::find(Peer::QemuImg).is_none() {
        return Ok(());
    }
    // qemu follows the links of these; of child VHDs it reads only the child, and VDI and VHDX children are unknown to it.
    for extension in ["qcow2", "vmdk"] {
        let place = Place::new();
        let repository = place.repository("hq")?;
        let (golden, patched) = (place.golden("golden.raw"), place.golden("patched.raw"));
        let base = place.convert(&golden, &format!("base.{extension}"))?;
        let child = place.child(&base, &patched, &format!("child.{extension}"))?;
        for (image, content) in [(&base, &golden), (&child, &patched)] {
            let record = place.add(&repository, image)?.record;
            let file = file_of(&repository, &record);
            peers::qemu_compare(&file, extension, content, "raw").expect("qemu sees the same disk");
        }
        for original in [base, child] {
            std::fs::remove_file(original).expect("it is there");
        }
        let record = repository.show("child")?;
        peers::qemu_compare(&file_of(&repository, &record), extension, &patched, "raw")
            .expect("the originals are not needed");
    }
    Ok(())
}

#[test]
fn qemu_reads_what_was_written_anew() -> Result<()> {
    if peers::find(Peer::QemuImg).is_none() {
        return Ok(());
    }
    let place = Place::new();
    let repository = place.repository("hq")?;
    let base = place.golden("golden.vhd");
    let patched = place.golden("patched.raw");
    let child = place.child(&base, &patched, "child.vhd")?;
    let record = place.add(&repository, &child)?.record;
    assert_eq!(record.format, Format::Vhd);
    peers::qemu_compare(&file_of(&repository, &record), "vpc", &patched, "raw")
        .expect("qemu sees the same disk");
    Ok(())
}
