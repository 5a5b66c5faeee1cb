//! The conformance matrix: every format with every set of options, as a whole image and as a child, of disks that mix all that a child can
//! say. What was promised when an image was made is what is read back: by us, by `check`, and by readers of others.
//!
//! Of each cell:
//!
//! - the layer digest in the manifest, which `make` works out as it writes, is the one that `attach` reads back;
//! - `check` has neither faults nor notes;
//! - `apply` gives the target, and so does every foreign reader that [`readers`] knows for it.
//!
//! `IMGDELTA_SOAK=1` runs the whole product of the options and resizes; otherwise each value of each option is met, and each pair of those
//! that decide how data are stored.

mod readers;
mod sets;

use std::path::PathBuf;

use imgdelta_fixtures::pair::{Resize, mixed};
use serde_json::Value;

use self::sets::{Role, Set};
use crate::place::Place;

/// Why a cell fails.
type Seen = Result<(), String>;

#[test]
fn raw_holds_what_it_was_made_of() -> Seen {
    every_cell("raw")
}

#[test]
fn qcow2_holds_what_it_was_made_of() -> Seen {
    every_cell("qcow2")
}

#[test]
fn vhd_holds_what_it_was_made_of() -> Seen {
    every_cell("vhd")
}

#[test]
fn vhdx_holds_what_it_was_made_of() -> Seen {
    every_cell("vhdx")
}

#[test]
fn vmdk_holds_what_it_was_made_of() -> Seen {
    every_cell("vmdk")
}

#[test]
fn vdi_holds_what_it_was_made_of() -> Seen {
    every_cell("vdi")
}

/// Formats that are only read have no cells: the tests of their crates and of `only_read` hold them.
#[test]
fn every_format_that_is_written_has_its_cells() {
    let versions: Value = serde_json::from_str(&Place::empty().ok("version --json")).expect("JSON");
    let formats = versions["formats"].as_array().expect("a list").iter();
    let written = formats.filter(|format| format["writes"] == true);
    let mut written: Vec<&str> = written
        .filter_map(|format| format["name"].as_str())
        .collect();
    written.sort_unstable();
    assert_eq!(written, ["qcow2", "raw", "vdi", "vhd", "vhdx", "vmdk"]);
}

/// Of each block only a sector differs: that much is written, and the rest of the block takes nothing.
#[test]
fn a_child_takes_room_for_what_differs_and_not_for_its_blocks() -> Seen {
    const PIECE: usize = 512 << 10;
    let (base, _) = mixed(Resize::Alike);
    let mut target = base.clone();
    for piece in target.chunks_mut(PIECE) {
        piece[1000..1004].copy_from_slice(b"news");
    }
    let pieces = base.len().div_ceil(PIECE) as u64;
    let place = Place::empty();
    place.write("base.raw", &base);
    place.write("target.raw", &target);
    for format in ["vhd", "vhdx"] {
        place.ok(&format!("convert base.raw -o base.{format} -q"));
    }
    for (base, child, options) in [
        ("base.raw", "c.qcow2", "extended_l2=on"),
        ("base.raw", "c.qcow2", "extended_l2=on,cluster_size=128K"),
        (
            "base.raw",
            "c.qcow2",
            "extended_l2=on,compression_type=zstd",
        ),
        ("base.raw", "c.qcow2", "extended_l2=on,data_file=data.bin"),
        ("base.vhd", "c.vhd", "block_size=2M"),
        ("base.vhd", "c.vhd", "block_size=512K"),
        ("base.vhdx", "c.vhdx", "block_size=1M"),
        ("base.vhdx", "c.vhdx", "block_size=32M"),
    ] {
        let line = format!("make -b {base} -t target.raw -o {child} --force --option {options}");
        let told = place.ok(&format!("{line} --json"));
        let told: Value = serde_json::from_str(&told).map_err(|cause| cause.to_string())?;
        let on_disk = told["on_disk"].as_u64().unwrap_or(u64::MAX);
        // A page each, and tables and bitmaps.
        let most = pieces * (8 << 10) + (256 << 10);
        if on_disk > most {
            return Err(format!(
                "{line}: {on_disk} bytes on disk, at most {most} are needed"
            ));
        }
    }
    Ok(())
}

/// Whether the whole product is asked for.
fn soaks() -> bool {
    std::env::var("IMGDELTA_SOAK").is_ok_and(|value| value == "1")
}

fn every_cell(format: &'static str) -> Seen {
    let mut faults = Vec::new();
    for (number, set) in sets::of(format, soaks()).into_iter().enumerate() {
        for resize in resizes(&set, number) {
            let cell = Cell::new(&set, resize);
            let done = match set.role {
                Role::Whole => cell.whole(),
                Role::Child => cell.child(),
            };
            faults.extend(done.err().map(|said| format!("{set:?} {resize:?}: {said}")));
        }
    }
    if faults.is_empty() {
        return Ok(());
    }
    Err(faults.join("\n"))
}

/// How the target of a set is resized: each way where all is asked for, else those of another size in turn.
fn resizes(set: &Set, number: usize) -> Vec<Resize> {
    if set.role == Role::Whole || !set.may_resize {
        return vec![Resize::Alike];
    }
    let others = [Resize::Grown, Resize::Shrunk];
    let others = if soaks() {
        &others[..]
    } else {
        &others[number % 2..=number % 2]
    };
    [&[Resize::Alike], others].concat()
}

/// One set of options with one pair of disks.
struct Cell<'a> {
    place: Place,
    set: &'a Set,
    resize: Resize,
    target: Vec<u8>,
}

impl<'a> Cell<'a> {
    fn new(set: &'a Set, resize: Resize) -> Self {
        let place = Place::empty();
        let (base, target) = mixed(resize);
        place.write("base.raw", &base);
        place.write("target.raw", &target);
        Self {
            place,
            set,
            resize,
            target,
        }
    }

    /// Runs a line that must succeed; its JSON.
    fn run(&self, line: &str) -> Result<Value, String> {
        let said = self.place.run(&format!("{line} --json"));
        if said.exit != 0 {
            return Err(format!(
                "{line}: exit {}\n{}{}",
                said.exit, said.out, said.err
            ));
        }
        serde_json::from_str(&said.out).map_err(|cause| format!("{line}: {cause}"))
    }

    fn whole(&self) -> Seen {
        let (format, options) = (self.set.format, self.set.line());
        let image = format!("image.{format}");
        self.run(&format!("convert target.raw -o {image} {options}"))?;
        self.check(&image)?;
        self.run(&format!("convert {image} -o back.raw"))?;
        self.is_target("ours", &self.place.read("back.raw"))?;
        self.read_by_others(&image, &[])
    }

    fn child(&self) -> Seen {
        let (format, options) = (self.set.format, self.set.line());
        let child = format!("child.{format}");
        let base = if self.set.base.is_empty() {
            "base.raw".to_owned()
        } else {
            let name = format!("base.{format}");
            self.run(&format!("convert base.raw -o {name} {}", self.set.base))?;
            name
        };
        let made = self.run(&format!(
            "make -b {base} -t target.raw -o {child} {options}"
        ))?;
        let attached = self.run(&format!("attach {child} -b {base}"))?;
        let read = &attached["layer_digest"];
        if !read.is_string() || made["layer_digest"] != *read {
            return Err(format!("made {}, read {read}", made["layer_digest"]));
        }
        self.check(&child)?;
        self.run(&format!("apply {child} -b {base} -o out.raw"))?;
        self.is_target("apply", &self.place.read("out.raw"))?;
        self.read_by_others(&child, &[self.place.path(&base)])
    }

    fn check(&self, image: &str) -> Seen {
        let report = self.run(&format!("check {image}"))?;
        let is_clean = |key: &str| report[key].as_array().is_some_and(Vec::is_empty);
        if report["sound"] == true && is_clean("faults") && is_clean("notes") {
            return Ok(());
        }
        Err(format!("check {image}: {report}"))
    }

    /// Formats round sizes up: what they add is zero.
    fn is_target(&self, reader: &str, bytes: &[u8]) -> Seen {
        let (disk, rest) = bytes
            .split_at_checked(self.target.len())
            .ok_or_else(|| format!("{reader}: only {} bytes", bytes.len()))?;
        if let Some(at) = disk
            .iter()
            .zip(&self.target)
            .position(|(one, two)| one != two)
        {
            return Err(format!("{reader}: another byte at {at:#x}"));
        }
        if rest.iter().any(|byte| *byte != 0) {
            return Err(format!("{reader}: bytes behind the disk's end"));
        }
        Ok(())
    }

    fn read_by_others(&self, image: &str, parents: &[PathBuf]) -> Seen {
        let readers = match readers::of(self.set, self.resize) {
            Ok(readers) => readers,
            Err(why) => {
                eprintln!("{:?} {:?}: {why}", self.set, self.resize);
                return Ok(());
            }
        };
        for reader in readers {
            if let Some(bytes) = reader.read(&self.place.path(image), self.set.format, parents)? {
                self.is_target(reader.name(), &bytes)?;
            }
        }
        Ok(())
    }
}
