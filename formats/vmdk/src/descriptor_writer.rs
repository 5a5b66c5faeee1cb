//! The descriptor of a new image: what VMware, VirtualBox and qemu want to find in it, in an order that all of them read.

use std::fmt::Write as _;

use imgdelta_core::{Bytes, SECTOR};
use uuid::{Builder, Uuid};

use crate::{
    create_options::{CreateOptions, Subformat},
    link::NO_PARENT,
    link::NULL,
};

/// What a new image is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ids {
    /// VMware's content id.
    cid: u32,
    /// VMware's longer one; its end is the CID.
    long: [u8; 16],
    /// VMware's name of the disk.
    disk: [u8; 16],
    /// VirtualBox's name of the image.
    image: Uuid,
    /// VirtualBox's name of its state.
    state: Uuid,
}

impl Ids {
    /// The same disk gets the same ids.
    pub(crate) fn from_seed(seed: &[u8; 32]) -> Self {
        let (first, second) = seed.split_at(16);
        let half = |half: &[u8], turn: u8| {
            let mut bytes = [0; 16];
            for (place, byte) in bytes.iter_mut().zip(half) {
                *place = byte ^ turn;
            }
            bytes
        };
        let mut long = half(first, 0x55);
        let [.., a, b, c, d] = long;
        // All ones mean no parent, all but one VMware writes for disks that never had an id.
        let cid = match u32::from_be_bytes([a, b, c, d]) {
            NO_PARENT | 0xffff_fffe => 1,
            cid => cid,
        };
        for (place, byte) in long.iter_mut().skip(12).zip(cid.to_be_bytes()) {
            *place = byte;
        }
        // VMware's own UUIDs begin so.
        let mut disk = half(second, 0x55);
        for (place, byte) in disk.iter_mut().zip([0x60, 0x00, 0xc2, 0x9f]) {
            *place = byte;
        }
        Self {
            cid,
            long,
            disk,
            // A VDI of the same disk has other ones: VirtualBox keeps both in one list.
            image: Builder::from_custom_bytes(half(first, 0xaa)).into_uuid(),
            state: Builder::from_custom_bytes(half(second, 0xaa)).into_uuid(),
        }
    }
}

/// The text.
pub(crate) fn text(plan: &CreateOptions, ids: &Ids) -> String {
    let mut text = String::new();
    let parent = plan.parent.as_ref();
    let parent_cid = parent.map_or("ffffffff", |parent| parent.cid.as_str());
    let subformat = plan.subformat.name();
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "# Disk DescriptorFile\nversion=1\nencoding=\"UTF-8\"\nCID={:08x}\nparentCID={parent_cid}\nisNativeSnapshot=\"no\"\n\
         createType=\"{subformat}\"\n",
        ids.cid
    );
    if let Some(parent) = parent {
        let _ = writeln!(text, "parentFileNameHint=\"{}\"", parent.path);
    }
    text.push_str("\n# Extent description\n");
    for (number, size) in plan.extents().into_iter().enumerate() {
        text.push_str(&extent(plan, number, size));
    }
    text.push_str("\n# The Disk Data Base\n#DDB\n\n");
    for (key, value) in data_base(plan, ids) {
        let _ = writeln!(text, "ddb.{key} = \"{value}\"");
    }
    text
}

/// The line of an extent.
fn extent(plan: &CreateOptions, number: usize, size: Bytes) -> String {
    let sectors = size.0 / SECTOR;
    match plan.subformat {
        Subformat::Sparse => format!("RW {sectors} SPARSE \"{}\"\n", plan.name),
        // [TN] a stream is never written to; VMware says so here.
        Subformat::Stream => format!("RDONLY {sectors} SPARSE \"{}\"\n", plan.name),
        Subformat::SplitSparse => {
            format!("RW {sectors} SPARSE \"{}\"\n", plan.extent_name(number))
        }
        Subformat::Vmfs => format!("RW {sectors} VMFS \"{}\"\n", plan.extent_name(number)),
        Subformat::Flat | Subformat::SplitFlat => {
            format!("RW {sectors} FLAT \"{}\" 0\n", plan.extent_name(number))
        }
    }
}

/// Keys and values of the data base, in the order of their names.
fn data_base(plan: &CreateOptions, ids: &Ids) -> Vec<(&'static str, String)> {
    let (cylinders, heads, sectors) = geometry(plan.adapter, plan.size);
    let hex = |bytes: &[u8]| {
        let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
        digits.collect::<String>()
    };
    let spaced = |bytes: &[u8]| {
        let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
        digits.collect::<Vec<_>>().join(" ")
    };
    let (front, back) = ids.disk.split_at(8);
    let uuids = plan.parent.as_ref().and_then(|parent| parent.uuids.clone());
    let (parent, state) = uuids.unwrap_or_else(|| (NULL.into(), NULL.into()));
    vec![
        ("adapterType", plan.adapter.to_owned()),
        ("geometry.cylinders", cylinders.to_string()),
        ("geometry.heads", heads.to_string()),
        ("geometry.sectors", sectors.to_string()),
        ("longContentID", hex(&ids.long)),
        ("uuid", format!("{}-{}", spaced(front), spaced(back))),
        ("uuid.image", ids.image.hyphenated().to_string()),
        ("uuid.modification", ids.state.hyphenated().to_string()),
        ("uuid.parent", parent),
        ("uuid.parentmodification", state),
        ("virtualHWVersion", plan.hardware.clone()),
    ]
}

/// Cylinders, heads and sectors: advice only, the capacity counts. VMware's IDE disks have at most 16383 cylinders.
fn geometry(adapter: &str, size: Bytes) -> (u64, u64, u64) {
    let (heads, sectors, most) = if adapter == "ide" {
        (16, 63, 16_383)
    } else {
        (255, 63, u64::MAX)
    };
    let cylinders = size.0 / SECTOR / (heads * sectors);
    (cylinders.clamp(1, most), heads, sectors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn geometry_follows_the_controller() {
        assert_eq!(geometry("ide", Bytes::mib(4200)), (8533, 16, 63));
        assert_eq!(geometry("ide", Bytes::gib(20)), (16_383, 16, 63));
        assert_eq!(geometry("lsilogic", Bytes::gib(20)), (2610, 255, 63));
        assert_eq!(geometry("lsilogic", Bytes(512)), (1, 255, 63));
    }

    #[test]
    fn no_image_gets_an_id_that_means_something_else() {
        let seed = |cid: u32| {
            let mut seed = [0; 32];
            for (place, byte) in seed.iter_mut().skip(12).zip(cid.to_be_bytes()) {
                *place = byte ^ 0x55;
            }
            seed
        };
        assert_eq!(Ids::from_seed(&seed(0x1234_5678)).cid, 0x1234_5678);
        assert_eq!(Ids::from_seed(&seed(u32::MAX)).cid, 1);
        let ids = Ids::from_seed(&seed(0xffff_fffe));
        assert_eq!((ids.cid, &ids.long[12..]), (1, &[0, 0, 0, 1][..]));
    }
}
