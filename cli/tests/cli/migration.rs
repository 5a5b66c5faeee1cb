//! A folder of images of every kind, as years leave it, taken in by one line and converted one by one: each is the disk that was put into it, as
//! qemu-img reads it.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use imgdelta_fixtures::{
    Fill, Recipe,
    peers::{self, Peer, qemu_img},
    vhd::VhdSpec,
};

use crate::{
    host::{are_there, done},
    oracle::{self, Sha, fill, read_image, sha},
    place::Place,
    repo::names,
};

/// Size of the disks in bytes.
const SIZE: usize = 4 << 20;

/// Where children were written to, and with what.
const WRITTEN: (usize, usize, u8) = (1 << 20, 64 << 10, 7);

/// What qemu-img makes: the file's name, its format and options.
const BY_QEMU: [(&str, &str, &str); 17] = [
    ("plain.img", "raw", ""),
    ("web.qcow2", "qcow2", ""),
    ("old.qcow2", "qcow2", "compat=0.10"),
    ("fine.qcow2", "qcow2", "extended_l2=on"),
    ("small.qcow2", "qcow2", "cluster_size=4k"),
    ("zlib.qcow2", "qcow2", "compression_type=zlib -c"),
    ("zstd.qcow2", "qcow2", "compression_type=zstd -c"),
    ("ancient.qcow", "qcow", ""),
    ("mail.qed", "qed", ""),
    ("files.vhd", "vpc", "subformat=dynamic,force_size=on"),
    ("azure.vhd", "vpc", "subformat=fixed,force_size=on"),
    ("hyperv.vhdx", "vhdx", "subformat=dynamic"),
    ("fixed.vhdx", "vhdx", "subformat=fixed"),
    ("esx.vmdk", "vmdk", "subformat=monolithicSparse"),
    ("flat.vmdk", "vmdk", "subformat=monolithicFlat"),
    ("split.vmdk", "vmdk", "subformat=twoGbMaxExtentSparse"),
    ("box.vdi", "vdi", ""),
];

/// Programs that pack, and what their files are called.
const PACKED: [(&str, &str); 4] = [
    ("gzip", "gz"),
    ("xz", "xz"),
    ("zstd", "zst"),
    ("bzip2", "bz2"),
];

/// A folder of images, and what each holds by the name of its file.
struct Inbox {
    place: Place,
    disks: BTreeMap<String, Sha>,
}

/// The disk with that number; no two have anything in common.
fn disk(number: usize) -> Vec<u8> {
    let mut disk = vec![0; SIZE];
    fill(&mut disk[SIZE / 4..SIZE / 2], 1000 + number as u64);
    disk
}

/// The disk after a child was written to.
fn written(number: usize) -> Vec<u8> {
    let (at, len, byte) = WRITTEN;
    let mut disk = disk(number);
    disk[at..at + len].fill(byte);
    disk
}

impl Inbox {
    fn new() -> Self {
        let mut inbox = Self {
            place: Place::empty(),
            disks: BTreeMap::new(),
        };
        fs::create_dir(inbox.place.path("inbox")).expect("room");
        for (name, format, options) in BY_QEMU {
            inbox.by_qemu(name, format, options);
        }
        inbox.by_qemu("stream.vmdk", "vmdk", "subformat=streamOptimized");
        inbox.with_data_file();
        inbox.with_snapshot();
        inbox.with_backing();
        inbox.vhd_child();
        inbox.packed();
        inbox.package();
        inbox
    }

    fn path(&self, name: &str) -> String {
        self.place.path("inbox").join(name).display().to_string()
    }

    /// The next disk, as a raw file, and its number.
    fn next(&mut self, name: &str) -> (String, usize) {
        let number = self.disks.len();
        self.place.write("next.raw", &disk(number));
        self.disks.insert(name.to_owned(), sha(&disk(number)));
        (self.place.path("next.raw").display().to_string(), number)
    }

    /// An image that qemu-img makes; its disk's number.
    fn by_qemu(&mut self, name: &str, format: &str, options: &str) -> usize {
        let (raw, number) = self.next(name);
        let path = self.path(name);
        let (options, flag) = options
            .strip_suffix(" -c")
            .map_or((options, ""), |options| (options, "-c"));
        let mut words = vec!["convert", "-f", "raw", "-O", format];
        if !options.is_empty() {
            words.extend(["-o", options]);
        }
        if !flag.is_empty() {
            words.push(flag);
        }
        words.extend([raw.as_str(), &path]);
        qemu_img(&words).unwrap_or_else(|why| panic!("{name}: {why}"));
        number
    }

    fn with_data_file(&mut self) {
        let options = format!("data_file={},data_file_raw=on", self.path("outside.data"));
        self.by_qemu("outside.qcow2", "qcow2", &options);
        // Its name alone, as it is written by who works in that folder.
        let words = [
            "amend",
            "-o",
            "data_file=outside.data",
            &self.path("outside.qcow2"),
        ];
        qemu_img(&words).unwrap_or_else(|why| panic!("{why}"));
    }

    fn with_snapshot(&mut self) {
        let number = self.by_qemu("lab.qcow2", "qcow2", "");
        let path = self.path("lab.qcow2");
        qemu_img(&["snapshot", "-c", "before", &path]).expect("a snapshot");
        self.write_to("lab.qcow2");
        self.disks
            .insert("lab.qcow2".to_owned(), sha(&written(number)));
    }

    fn with_backing(&mut self) {
        let number = self.by_qemu("parent.qcow2", "qcow2", "");
        qemu_img(&[
            "create",
            "-q",
            "-f",
            "qcow2",
            "-F",
            "qcow2",
            "-b",
            "parent.qcow2",
            &self.path("child.qcow2"),
        ])
        .expect("a child");
        self.write_to("child.qcow2");
        self.disks
            .insert("child.qcow2".to_owned(), sha(&written(number)));
    }

    /// A machine writes to an image.
    fn write_to(&self, name: &str) {
        let (at, len, byte) = WRITTEN;
        let line = format!("write -P {byte} {at} {len}");
        peers::qemu_io(Path::new(&self.path(name)), "qcow2", &[&line]).expect("it is written");
    }

    /// A differencing VHD and its parent, which no program here makes but our own: from the published layout.
    fn vhd_child(&mut self) {
        let id = *b"parent of a VHD\0";
        let base = Recipe::of(
            SIZE as u64,
            [(0, 1 << 20, Fill::Pattern(5)), (3 << 20, 4096, Fill::Text)],
        );
        let own = Recipe::of(
            SIZE as u64,
            [
                (512, 1024, Fill::Pattern(6)),
                (2 << 20, 70 << 10, Fill::Pattern(7)),
            ],
        );
        let parent = VhdSpec {
            unique_id: id,
            ..VhdSpec::dynamic(base.clone(), 1 << 20)
        };
        let child = VhdSpec::differencing(own.clone(), 1 << 20, id, "avhd-parent.vhd");
        let below = base.expected(None);
        let both = own.expected(Some(&below));
        for (name, spec, disk) in [
            ("avhd-parent.vhd", parent, below.clone()),
            ("avhd-child.vhd", child, both),
        ] {
            self.place.write(&format!("inbox/{name}"), &spec.build());
            self.disks.insert(name.to_owned(), sha(&disk));
        }
    }

    fn packed(&mut self) {
        for (program, end) in PACKED {
            let name = format!("archive-{end}.img");
            self.by_qemu(&name, "raw", "");
            let packed = format!("{name}.{end}");
            done(Command::new(program).arg("-q").arg(self.path(&name)))
                .unwrap_or_else(|why| panic!("{why}"));
            let _ = fs::remove_file(self.path(&name));
            let disk = self.disks.remove(&name).expect("it was made");
            self.disks.insert(packed, disk);
        }
    }

    /// A package as other programs write it.
    fn package(&mut self) {
        self.by_qemu("disk1.vmdk", "vmdk", "subformat=streamOptimized");
        let disk = self.disks.remove("disk1.vmdk").expect("it was made");
        let descriptor = "<?xml version='1.0'?><Envelope xmlns:ovf='http://schemas.dmtf.org/ovf/envelope/1'><References>\
             <File ovf:id='f1' ovf:href='disk1.vmdk'/></References><DiskSection><Info/>\
             <Disk ovf:diskId='a' ovf:fileRef='f1' ovf:capacity='4' ovf:capacityAllocationUnits='byte * 2^20'/></DiskSection></Envelope>";
        self.place
            .write("inbox/appliance.ovf", descriptor.as_bytes());
        let mut tar = Command::new("tar");
        tar.args([
            "--format=ustar",
            "-cf",
            "appliance.ova",
            "appliance.ovf",
            "disk1.vmdk",
        ]);
        done(tar.current_dir(self.place.path("inbox"))).expect("an archive");
        for name in ["appliance.ovf", "disk1.vmdk"] {
            fs::remove_file(self.path(name)).expect("it is there");
        }
        self.disks.insert("appliance.ova".to_owned(), disk);
    }

    /// All files of the folder as words of a line.
    fn files(&self) -> String {
        let entries = fs::read_dir(self.place.path("inbox")).expect("readable");
        let names = entries.map(|entry| {
            entry
                .expect("readable")
                .file_name()
                .into_string()
                .expect("UTF-8")
        });
        let mut names: Vec<String> = names.map(|name| format!("inbox/{name}")).collect();
        names.sort();
        names.join(" ")
    }
}

/// The folder, where all programs are there that make it.
fn inbox() -> Option<Inbox> {
    let packers = [
        ("gzip", "gzip"),
        ("xz", "xz-utils"),
        ("zstd", "zstd"),
        ("bzip2", "bzip2"),
        ("tar", "tar"),
    ];
    (peers::find(Peer::QemuImg).is_some() && are_there(&packers)).then(Inbox::new)
}

#[test]
fn a_folder_of_mixed_images_is_taken_in_by_one_line() {
    let Some(inbox) = inbox() else { return };
    let place = &inbox.place;
    assert!(inbox.disks.len() >= 22, "{}", inbox.disks.len());
    place.ok("repo init nothing");
    let said = place.refused("repo add inbox --repo nothing", 8);
    assert!(said.contains("'imgdelta repo add FOLDER/*'"), "{said}");
    for (repository, format) in [("whole", "--format qcow2"), ("as-they-are", "")] {
        place.ok(&format!("repo init {repository}"));
        let told = place.ok(&format!(
            "repo add {} --repo {repository} {format}",
            inbox.files()
        ));
        assert!(!told.is_empty());
        let listed = names(place, repository);
        assert_eq!(listed.len(), inbox.disks.len(), "{told}");
        place.ok(&format!("repo verify --repo {repository}"));
        let mut found: Vec<Sha> = Vec::new();
        // qemu-img opens no differencing VHD.
        for name in listed
            .iter()
            .filter(|name| !format.is_empty() || *name != "avhd-child")
        {
            found.push(read_image(place, repository, name));
        }
        for (name, disk) in &inbox.disks {
            let is_read = !format.is_empty() || name != "avhd-child.vhd";
            assert!(
                !is_read || found.contains(disk),
                "{repository}: {name} is not what it was:\n{told}"
            );
        }
    }
}

#[test]
fn every_file_of_a_mixed_folder_is_converted_to_qcow2() {
    let Some(inbox) = inbox() else { return };
    let place = &inbox.place;
    for (name, disk) in &inbox.disks {
        place.ok(&format!("convert inbox/{name} -o out.qcow2 --force"));
        let found = oracle::read(place, &place.path("out.qcow2"), "qcow2");
        assert!(found == *disk, "{name}");
    }
    // As it was when the snapshot was taken.
    place.ok("convert inbox/lab.qcow2 --snapshot before -o out.raw");
    let number = BY_QEMU.len() + 2;
    assert!(place.read("out.raw") == disk(number));
}
