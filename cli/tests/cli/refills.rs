//! What came damaged is asked for once more, and answered.

use std::fs;

use crate::{
    repo::{expect_json, json},
    signed::{DEPLOY, RECEIVE, assert_unbelieved, flip, with_key},
};

#[test]
fn what_came_damaged_is_asked_for_and_sent_signed() {
    let place = with_key();
    place.ok(DEPLOY);
    let part = fs::read_dir(place.path("stick")).expect("readable");
    let mut part = part.map(|entry| entry.expect("readable").file_name());
    let part = part.find(|name| name.to_string_lossy().ends_with(".imgdelta"));
    let part = part
        .expect("a transport file")
        .into_string()
        .expect("UTF-8");
    flip(&place, &format!("stick/{part}"));
    let said = place.run(&format!("{RECEIVE} --request site.request"));
    assert_eq!(said.exit, 6, "{}", said.err);
    let answer = "deploy --refill site.request";
    assert!(said.err.contains(answer), "{}", said.err);
    let line = "deploy --refill site.request --repo hq -o refill --sign key";
    expect_json(&place, "deploy-refill", line);
    let both = RECEIVE.replace("stick", "refill stick");
    let received = json(&place, &both);
    assert_eq!(received["images"][0]["fate"], "entered");
    assert_eq!(received["others"][0], "stick");
    // Both must be signed.
    place.ok("repo remove patched --repo site --yes");
    fs::remove_file(place.path("refill/delivery.json.sig")).expect("it is there");
    assert_unbelieved(&place, &both, 6, "unsigned");
    for line in [
        "deploy --refill site.request --repo hq",
        "deploy patched --refill site.request --repo hq -o refill",
        "deploy --refill nowhere --repo hq -o refill",
    ] {
        let said = place.run(line);
        assert!([2, 8].contains(&said.exit), "{line}\n{}", said.err);
    }
}
