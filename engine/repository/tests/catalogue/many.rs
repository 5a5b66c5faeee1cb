//! Ten thousand images.

use std::{fs, time::Instant};

use imgdelta_core::Result;
use imgdelta_repository::catalogue::{Inventory, Record};

use crate::place::Place;

#[test]
fn ten_thousand_images_are_listed_in_well_under_a_second() -> Result<()> {
    const COUNT: u32 = 10_000;
    let place = Place::new();
    let repository = place.repository("hq")?;
    let first = place.add(&repository, &place.golden("golden.vhd"))?.record;
    for number in 1..COUNT {
        let digits = format!("{number:064x}");
        let record = Record {
            id: format!("imgdelta1:{digits}").parse()?,
            content_id: format!("imgdelta1:{digits}").parse()?,
            name: format!("image {number}").parse()?,
            parent: (number > 1).then(|| imgdelta_repository::catalogue::Parent {
                id: format!("imgdelta1:{:064x}", number / 2)
                    .parse()
                    .expect("an id"),
                known: imgdelta_repository::catalogue::ParentEvidence::Declared,
            }),
            ..first.clone()
        };
        let path = place.at(&format!("hq/.imgdelta/images/{}.json", record.id.stem()));
        fs::write(path, record.to_json()?).expect("room");
    }
    let begun = Instant::now();
    let listing = repository.list()?;
    let listed = begun.elapsed();
    assert_eq!(listing.len() as u32, COUNT);
    let tree = listing.tree();
    assert_eq!(tree.len() as u32, COUNT);
    listing.find("image 9999")?;
    listing.find("image 99999").expect_err("there is none");
    let inventory = repository.inventory()?.to_json()?;
    assert!(inventory.len() < COUNT as usize * 1024);
    assert_eq!(Inventory::from_json(&inventory)?.images.len() as u32, COUNT);
    let all = begun.elapsed();
    // The machine may be busy with other tests: this is no measurement, but far from what opening images would take.
    assert!(listed.as_secs() < 10, "{listed:?}");
    eprintln!("listed {COUNT} in {listed:?}; listed twice, tree, inventory and found in {all:?}");
    Ok(())
}
