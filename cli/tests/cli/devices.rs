//! Block devices as input and output: the one output that is written in place.

use std::process::Command;

use imgdelta_fixtures::golden;

use crate::{host::skipped, place::Place};

/// A loop device over a file; it goes with the value.
struct Loop(String);

impl Loop {
    /// `None`, said loudly, where the machine lends none.
    fn over(place: &Place, file: &str) -> Option<Self> {
        let out = Command::new("losetup")
            .args(["-f", "--show"])
            .arg(place.path(file))
            .output();
        match out {
            Ok(out) if out.status.success() => {
                Some(Self(String::from_utf8_lossy(&out.stdout).trim().to_owned()))
            }
            _ => {
                eprintln!("skipped: no loop device");
                None
            }
        }
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Command::new("losetup").args(["-d", &self.0]).status();
    }
}

#[test]
fn a_device_is_written_only_when_told_and_old_bytes_do_not_show_through() {
    let place = Place::golden();
    let size = golden::SIZE as usize;
    place.write("disk", &vec![0xee; size]);
    let Some(device) = Loop::over(&place, "disk") else {
        return;
    };
    let name = &device.0;
    let said = place.refused(&format!("convert patched.qcow2 -f raw -o {name}"), 2);
    assert!(said.contains("is a block device"), "{said}");
    assert!(
        place.read("disk").iter().all(|byte| *byte == 0xee),
        "nothing was written unasked"
    );
    place.ok(&format!("convert patched.qcow2 -f raw -o {name} --force"));
    assert!(
        place.read("disk") == golden::patched_bytes(),
        "zeros are written too"
    );
    place.ok(&format!("compare {name} patched.raw"));
    place.ok(&format!("make -b golden.raw -t {name} -o fromdevice.qcow2"));
    place.ok("compare fromdevice.qcow2 patched.raw");
}

#[test]
fn a_device_that_is_too_small_is_refused_before_a_byte_is_written() {
    let place = Place::golden();
    place.write("disk", &vec![0xee; 1 << 20]);
    let Some(device) = Loop::over(&place, "disk") else {
        return;
    };
    place.refused(
        &format!("convert patched.qcow2 -f raw -o {} --force", device.0),
        8,
    );
    assert!(place.read("disk").iter().all(|byte| *byte == 0xee));
}

/// A file system on a device, mounted; both go with the value.
struct Mounted<'a> {
    device: Loop,
    place: &'a Place,
}

impl<'a> Mounted<'a> {
    /// `None`, said loudly, where that cannot be had.
    fn on(place: &'a Place, file: &str) -> Option<Self> {
        let done = |program: &str, args: &[&std::ffi::OsStr]| {
            let out = Command::new(program).args(args).output();
            let is_done = out.is_ok_and(|out| out.status.success());
            if !is_done {
                skipped(&format!("{program} does not work here"));
            }
            is_done.then_some(())
        };
        done(
            "mkfs.ext4",
            &["-q".as_ref(), "-F".as_ref(), place.path(file).as_ref()],
        )?;
        let device = Loop::over(place, file)?;
        std::fs::create_dir(place.path("mounted here")).expect("room");
        let folder = place.path("mounted here");
        done("mount", &[device.0.as_ref(), folder.as_ref()])?;
        Some(Self { device, place })
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let folder = self.place.path("mounted here");
        let _ = Command::new("umount").arg(folder).status();
    }
}

#[test]
fn a_device_that_is_mounted_is_not_written_whatever_the_user_says() {
    let place = Place::golden();
    place.write("disk", &vec![0; 16 << 20]);
    let Some(mounted) = Mounted::on(&place, "disk") else {
        return;
    };
    std::fs::write(place.path("mounted here/file"), "precious").expect("room");
    let before = place.read("disk");
    let name = &mounted.device.0;
    for line in [
        format!("convert patched.qcow2 -f raw -o {name} --force"),
        format!("convert patched.qcow2 -f raw -o {name} --force --json"),
    ] {
        let said = place.refused(&line, 9);
        assert!(said.contains("is in use"), "{said}");
        assert!(said.contains("mounted here"), "the mount is named: {said}");
        assert!(!said.contains("in part"), "{said}");
    }
    let there = std::fs::read(place.path("mounted here/file")).expect("it is there");
    assert_eq!(there, b"precious");
    assert!(place.read("disk")[..4096] == before[..4096]);
    drop(mounted);
}

#[test]
fn a_device_on_which_a_loop_device_stands_is_not_written() {
    let place = Place::golden();
    place.write("disk", &vec![0; 16 << 20]);
    let Some(device) = Loop::over(&place, "disk") else {
        return;
    };
    let Some(above) = Loop::over(&place, &device.0) else {
        return;
    };
    let before = place.read("disk");
    let line = format!("convert patched.qcow2 -f raw -o {} --force", device.0);
    let said = place.refused(&line, 9);
    assert!(
        said.contains(&format!("{} stands on it", above.0)),
        "{said}"
    );
    assert!(place.read("disk") == before);
    drop(above);
    place.ok(&line);
}

#[test]
fn the_base_of_what_goes_to_a_device_is_read_whatever_is_remembered_of_it() {
    let place = Place::golden();
    if !imgdelta_fixtures::peers::remembers(&place.path("")) {
        return;
    }
    place.write("disk", &vec![0xee; golden::SIZE as usize]);
    let Some(device) = Loop::over(&place, "disk") else {
        return;
    };
    // A file is remembered only when it has not changed for a while.
    std::thread::sleep(std::time::Duration::from_millis(2200));
    place.ok("digest golden.vhd -q");
    place.ok("make -b golden.vhd -t patched.vhd -o c.vhd -q");
    let apply = "apply c.vhd -b golden.vhd -f raw --json --force -o";
    let from_memory = |output: &str| {
        let out = place.ok(&format!("{apply} {output}"));
        out.contains("\"base_from_memory\": true")
    };
    assert!(from_memory("file.raw"));
    assert!(!from_memory(&device.0));
    assert!(place.read("disk") == golden::patched_bytes());
}
