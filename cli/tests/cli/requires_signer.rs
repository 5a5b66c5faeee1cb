//! Repositories that receive from a medium only what somebody has signed.

use std::{fs, path::Path};

use crate::{
    repo::{expect_json, json},
    signed::{DEPLOY, ID, assert_unbelieved, with_key},
};

#[test]
fn a_repository_may_require_a_signature() {
    let place = with_key();
    let require = "repo require-signer images@example.org --signers allowed --repo site";
    let required = json(&place, require);
    assert_eq!(required["signer"]["id"], ID);
    assert!(required["before"].is_null());
    place.ok("deploy patched --repo hq --for site.inv -o stick");
    for line in ["receive stick --repo site", "receive stick --repo site -n"] {
        assert_unbelieved(&place, line, 6, "unsigned");
    }
    place.ok(DEPLOY);
    assert_unbelieved(
        &place,
        "receive stick --repo site --signers allowed --signer somebody@example.org",
        6,
        "signature",
    );
    fs::rename(place.path("allowed"), place.path("gone")).expect("it is there");
    assert_unbelieved(&place, "receive stick --repo site", 2, "no_signers");
    fs::rename(place.path("gone"), place.path("allowed")).expect("it is there");
    let received = json(&place, "receive stick --repo site");
    assert_eq!(received["signers"][0], ID);
    // Taken back, whatever is proven is received; and a new repository can begin with it.
    place.ok("repo require-signer --off --repo site");
    place.ok("deploy patched --repo hq --for site.inv -o unsigned");
    place.ok("receive stick --repo site");
    place.ok("repo init strict --require-signer images@example.org --signers allowed");
    place.ok("repo add golden.raw --repo strict");
    place.ok("receive stick --repo strict");
    let about: serde_json::Value =
        serde_json::from_slice(&place.read("strict/.imgdelta/repository.json")).expect("JSON");
    assert_eq!(about["schema"], "imgdelta/repository/2");
    assert!(Path::new(about["signer"]["signers"].as_str().expect("text")).is_absolute());
}

#[test]
fn who_must_have_signed_in_json() {
    let place = with_key();
    let require = "repo require-signer images@example.org --signers allowed --revoked other.pub";
    expect_json(
        &place,
        "repo-require-signer",
        &format!("{require} --repo site"),
    );
    let again = json(&place, &format!("{require} --repo site -n"));
    assert_eq!(
        (&again["dry_run"], &again["before"]["id"]),
        (&true.into(), &ID.into())
    );
    place.refused(
        "repo require-signer images@example.org --signers nowhere --repo site",
        2,
    );
    place.refused("repo require-signer images@example.org --repo site", 2);
    place.ok("repo require-signer --off --repo site");
    place.ok("repo list --repo site");
}
