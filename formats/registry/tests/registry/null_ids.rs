//! Images without an id, as qemu has long written them: what a parent is read as is what its bytes say, and a null id proves nothing.

use imgdelta_core::{Format, Kind, Result};
use imgdelta_fixtures::vhd::{Locator, VhdSpec};
use imgdelta_registry::{OpenSpec, open_chain, open_image};

use crate::place::{Place, layer, naming, qcow2_over, read, refusal, vhd, vhd_over};

const NULL: [u8; 16] = [0; 16];

/// A child of `base.NAME` with a null id for its parent.
fn child(name: &str) -> Vec<u8> {
    vhd_over(NULL, "", vec![Locator::relative(name)])
}

#[test]
fn a_vhd_with_a_null_id_is_the_parent_and_no_raw_disk() -> Result<()> {
    let place = Place::new();
    let mut disk = layer(0).expected(None);
    layer(1).paint(0, &mut disk);
    let fixed = VhdSpec {
        unique_id: NULL,
        ..VhdSpec::fixed(layer(0))
    };
    let top = place.put("child.vhd", &child("base.vhd"));
    for bytes in [vhd(NULL), fixed.build()] {
        let base = place.put("base.vhd", &bytes);
        for spec in [OpenSpec::of(&top), naming(top.clone(), &[base])] {
            let chain = open_chain(&spec)?;
            assert_eq!(chain[1].driver.format, Format::Vhd);
            assert!(read(&chain)? == disk);
        }
    }
    Ok(())
}

#[test]
fn a_raw_disk_is_the_parent_where_nobody_claims_its_bytes() -> Result<()> {
    let place = Place::new();
    let mut disk = layer(5).expected(None);
    place.put("base.img", &disk);
    layer(1).paint(0, &mut disk);
    let chain = open_chain(&OpenSpec::of(place.put("child.vhd", &child("base.img"))))?;
    assert_eq!(chain[1].driver.format, Format::Raw);
    assert!(read(&chain)? == disk);
    Ok(())
}

#[test]
fn what_a_guest_writes_into_a_raw_parent_makes_no_other_image_of_it() -> Result<()> {
    let place = Place::new();
    place.put("secret.raw", &[7; 512]);
    let guest = qcow2_over("secret.raw", Some(Format::Raw));
    place.put("base.img", &guest);
    let top = place.put("child.vhd", &child("base.img"));
    let mut spec = OpenSpec::of(&top);
    assert_eq!(refusal(&spec), (Kind::Chain, "parent_identity"));
    spec.policy.backing_format = Some(Format::Raw);
    let chain = open_chain(&spec)?;
    assert_eq!((chain.len(), chain[1].driver.format), (2, Format::Raw));
    Ok(())
}

#[test]
fn a_vhd_with_an_id_is_not_the_parent_of_a_child_that_records_none() {
    let place = Place::new();
    place.put("base.vhd", &vhd([1; 16]));
    let top = place.put("child.vhd", &child("base.vhd"));
    assert_eq!(
        refusal(&OpenSpec::of(top)),
        (Kind::Chain, "parent_identity")
    );
}

#[test]
fn nobody_is_found_by_a_null_id() {
    let place = Place::new();
    place.put("another.vhd", &vhd(NULL));
    let top = place.put("child.vhd", &child("base.vhd"));
    assert_eq!(refusal(&OpenSpec::of(top)), (Kind::Chain, "parent_missing"));
}

#[test]
fn a_damaged_parent_is_damaged_and_not_raw() -> Result<()> {
    let place = Place::new();
    let mut bytes = vhd(NULL);
    let base = place.put("base.vhd", &bytes);
    assert!(open_image(&OpenSpec::of(&base)).is_ok());
    let end = bytes.len() - 512;
    bytes[end + 60] ^= 1;
    bytes[60] ^= 1;
    place.put("base.vhd", &bytes);
    let top = place.put("child.vhd", &child("base.vhd"));
    assert_eq!(refusal(&OpenSpec::of(&top)).0, Kind::Corrupt);
    // Nothing of a VHD is left but its name.
    place.put("base.vhd", &[7; 4096]);
    assert_eq!(refusal(&OpenSpec::of(&top)).0, Kind::Corrupt);
    Ok(())
}
