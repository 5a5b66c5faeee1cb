//! Deliveries looked through by who has no repository.

use std::fs;

use crate::{
    repo::expect_json,
    signed::{DEPLOY, flip, with_key},
};

#[test]
fn a_stick_is_looked_through_by_who_has_no_repository() {
    let place = with_key();
    place.ok(DEPLOY);
    let by = "--signers allowed --signer images@example.org";
    let verify = format!("verify stick {by}");
    expect_json(&place, "verify", &verify);
    let said = place.ok("verify stick");
    assert!(said.contains("all are what was put there"), "{said}");
    let part = fs::read_dir(place.path("stick")).expect("readable");
    let mut part = part.map(|entry| entry.expect("readable").file_name());
    let part = part.find(|name| name.to_string_lossy().ends_with(".imgdelta"));
    let part = part
        .expect("a transport file")
        .into_string()
        .expect("UTF-8");
    let file = format!("stick/{part}");
    flip(&place, &file);
    for line in ["verify stick", &verify, "verify stick --json"] {
        let said = place.run(line);
        assert_eq!(said.exit, 6, "{}{}", said.out, said.err);
        assert!(
            said.err.contains(&part) && said.err.contains("hint"),
            "{}",
            said.err
        );
    }
    place.change(&file, |bytes| bytes.truncate(100));
    assert_eq!(place.run("verify stick").exit, 3);
    place.ok(DEPLOY);
    place.ok(&verify);
    // Whose signature it is, and whether it is one of this list, without being asked by whom.
    let other = verify.replace("images@", "somebody@");
    assert!(place.refused(&other, 6).contains("is no signature of"));
    flip(&place, "stick/delivery.json.sig");
    let said = place.run("verify stick");
    assert_eq!(said.exit, 6, "{}{}", said.out, said.err);
    assert!(said.err.contains("delivery.json.sig"), "{}", said.err);
    place.refused(&verify, 6);
    fs::remove_file(place.path("stick/delivery.json.sig")).expect("it is there");
    place.ok("verify stick");
    assert!(place.refused(&verify, 6).contains("is not signed"));
    place.refused("verify nowhere", 2);
    place.refused("verify stick --signer images@example.org", 2);
}
