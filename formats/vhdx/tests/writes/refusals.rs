//! What cannot be written is refused, and why is said.

use std::sync::Arc;

use imgdelta_core::{Format, Kind, MemSink, ParentSpec, PipeSink};
use imgdelta_fixtures::Recipe;

use crate::{
    making::{MIB, bytes, parent_of, start},
    reading::{Tested, open},
};

/// Why a new image of that size is refused.
fn refused(size: u64, options: &[&str], parent: Option<ParentSpec>) -> Option<(Kind, String)> {
    let started = start(Arc::new(MemSink::default()), size, options, parent);
    let error = started.err()?;
    Some((error.kind(), error.message().to_owned()))
}

fn kind(size: u64, options: &[&str], parent: Option<ParentSpec>) -> Option<Kind> {
    refused(size, options, parent).map(|(kind, _)| kind)
}

#[test]
fn options_that_cannot_be_are_wrong_use() {
    for option in [
        "subformat=thick",
        "block_size=3M",
        "block_size=512K",
        "block_size=512M",
        "block_size=0",
        "logical_sector_size=1024",
        "log_size=0",
        "log_size=1.5M",
        "log_size=2G",
        "cluster_size=64K",
    ] {
        assert_eq!(kind(MIB, &[option], None), Some(Kind::Usage), "{option}");
    }
    for option in ["block_size=256M", "log_size=1G", "logical_sector_size=4K"] {
        assert_eq!(kind(MIB, &[option], None), None, "{option}");
    }
}

#[test]
fn disks_that_a_vhdx_cannot_hold_are_not_supported() {
    for size in [0, (64 << 40) + 1] {
        assert_eq!(kind(size, &[], None), Some(Kind::Unsupported), "{size}");
    }
    assert_eq!(kind(64 << 40, &[], None), None);
}

#[test]
fn a_pipe_is_refused() {
    let pipe = Arc::new(PipeSink::new(Vec::new()));
    let error = start(pipe, MIB, &[], None).err();
    assert_eq!(error.map(|error| error.code()), Some("not_a_stream"));
}

#[test]
fn parents_that_a_child_cannot_name_are_refused() -> Tested {
    let base = open(bytes(
        &Recipe::empty(MIB),
        &["logical_sector_size=4096"],
        None,
    )?)?;
    let parent = parent_of(&*base, "base.vhdx");
    let changed = |change: &dyn Fn(&mut ParentSpec)| {
        let mut parent = parent.clone();
        change(&mut parent);
        refused(MIB, &[], Some(parent))
    };
    for (change, said) in [
        (
            &(|parent: &mut ParentSpec| parent.format = Some(Format::Raw))
                as &dyn Fn(&mut ParentSpec),
            "the parent is raw",
        ),
        (&|parent| parent.identity = None, "no data write GUID"),
        (&|parent| parent.relative = None, "absolute_win32_path"),
        (
            &|parent| parent.relative = Some("x".repeat(1 << 15)),
            "65534 bytes",
        ),
    ] {
        let (kind, message) = changed(change).ok_or("it must be refused")?;
        assert_eq!(kind, Kind::Unsupported);
        assert!(message.contains(said), "{message}");
    }
    for options in [&["subformat=fixed"], &["logical_sector_size=512"]] {
        let kind = kind(MIB, options, Some(parent.clone()));
        assert_eq!(kind, Some(Kind::Usage), "{options:?}");
    }
    let child = start(Arc::new(MemSink::default()), MIB, &[], Some(parent))?;
    assert_eq!(child.shape().grain.0, 4096, "the parent's sectors");
    Ok(())
}
