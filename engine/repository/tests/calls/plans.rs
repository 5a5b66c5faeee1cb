//! Plans: for sites at hand, known by an inventory, and asked over a line.

use imgdelta_core::{Bytes, Result};
use imgdelta_repository::{
    calls::{Add, AddSpec, Init, Plan, WriteInventory, site_inventory},
    catalogue::Repository,
};
use serde_json::json;

use crate::place::{Place, context, json, spec};

/// `hq` has `golden` and `patched`, `site` has `golden`.
fn two_sites() -> Result<Place> {
    let place = Place::with_repository()?;
    let golden = place.image("golden.raw", [1, 2, 3, 4]);
    let patched = AddSpec {
        parent: Some("golden".to_owned()),
        ..spec(&place.image("patched.raw", [1, 2, 9, 4]))
    };
    Add::new(place.hq(), [spec(&golden), patched]).run(&context())?;
    Init::new(place.at("site")).run(&context())?;
    Add::new(place.at("site"), [spec(&golden)]).run(&context())?;
    Ok(place)
}

#[test]
fn what_a_site_has_is_the_base_of_what_it_gets() -> Result<()> {
    let place = two_sites()?;
    let plan = Plan::new(place.hq(), ["golden".to_owned(), "patched".to_owned()]);
    let report = plan.site(place.at("site")).run(&context())?;
    let told = json(&report);
    assert_eq!(told["carrier"], "lines");
    let site = &told["sites"][0];
    assert_eq!(site["site"], place.at("site").display().to_string());
    assert_eq!(site["there"][0]["image"]["name"], "golden");
    let leg = &site["legs"][0];
    assert_eq!(
        (&leg["from"], &leg["is_step"]),
        (&json!("there"), &json!(false))
    );
    assert_eq!(leg["image"]["name"], "patched");
    assert_eq!(leg["base"]["at_site"]["name"], "golden");
    assert_eq!(leg["bytes"], 64 << 10);
    assert_eq!(leg["whole"], 256 << 10);
    assert_eq!(
        (report.bytes, report.seconds, report.media),
        (64 << 10, None, None)
    );
    Ok(())
}

#[test]
fn what_is_known_by_an_inventory_goes_by_a_medium_and_what_was_asked_by_a_line() -> Result<()> {
    let place = two_sites()?;
    let (site, inventory) = (place.at("site"), place.at("site.inv"));
    WriteInventory::new(&site, &inventory).run(&context())?;
    let plan = Plan::new(place.hq(), ["patched".to_owned()]).rate(Some(Bytes(1000)));
    let has = site_inventory(&inventory)?;
    assert_eq!(has, Repository::open(&site)?.inventory()?);

    let carried = plan.clone().site(&inventory).run(&context())?;
    let asked = plan
        .clone()
        .site_on_line("ssh://site/srv", has)
        .run(&context())?;
    assert_eq!((carried.carrier, asked.carrier), ("medium", "lines"));
    assert_eq!(asked.sites[0].site, "ssh://site/srv");
    assert_eq!(carried.sites[0].legs, asked.sites[0].legs);
    assert_eq!(asked.seconds, Some(66));

    let at_hand = plan.clone().site(&site).carried(true).run(&context())?;
    assert_eq!(at_hand.carrier, "medium");
    let medium = plan
        .site(&site)
        .media(Some(Bytes(1 << 10)))
        .run(&context())?;
    assert_eq!(medium.carrier, "medium");
    assert!(!medium.media.is_some_and(|media| media.fits));
    Ok(())
}

#[test]
fn a_site_that_is_the_sender_is_remarked() -> Result<()> {
    let place = two_sites()?;
    let plan = Plan::new(place.hq(), ["patched".to_owned()]);
    let report = plan.site(place.hq()).run(&context())?;
    assert_eq!(
        report.notes,
        [format!(
            "{}: is the sending repository itself",
            place.hq().display()
        )]
    );
    Ok(())
}
