//! Which of the paths that an image records are followed. A canary outside of every folder must never be opened.

use std::path::PathBuf;

use imgdelta_core::{Format, Kind, Result};
use imgdelta_fixtures::vhd::Locator;
use imgdelta_registry::{OpenSpec, Policy, open_chain, references};

use crate::place::{Place, qcow2, qcow2_over, refusal, searching, vhd, vhd_over};

const ID: [u8; 16] = *b"the base's id 01";

/// A place with canaries and ways to them: `/canary.raw`, `/canary.vhd`, and below `home/` links, pipes and good files.
fn place() -> Place {
    let place = Place::new();
    place.put("canary.raw", b"secret");
    place.put("canary.vhd", &vhd(ID));
    place.put("home/base.raw", &[7; 512]);
    place.put("home/base.vhd", &vhd(ID));
    place.put("home/deep/base.raw", &[7; 512]);
    place.put("other/elsewhere.raw", &[7; 512]);
    place.put("other/elsewhere.vhd", &vhd(ID));
    place.link("home/in.raw", "deep/base.raw");
    place.link("home/in-absolute.raw", place.at("home/deep/base.raw"));
    place.link("home/out.raw", "../canary.raw");
    place.link("home/out-absolute.raw", place.at("canary.raw"));
    place.link("home/up", "..");
    place.link("home/circle.raw", "circle.raw");
    place.pipe("home/pipe.raw");
    place
}

/// What becomes of a qcow2 in `home/` over raw `name`: the parent's path from the place, or the exit status.
fn qcow2_parent(place: &Place, name: &str, search: &[&str]) -> Result<PathBuf, u8> {
    let child = place.put("home/child.qcow2", &qcow2_over(name, Some(Format::Raw)));
    let search: Vec<PathBuf> = search.iter().map(|folder| place.at(folder)).collect();
    parent_of(place, &searching(child, &search))
}

/// What becomes of a VHD in `home/` with this locator.
fn vhd_parent(place: &Place, locator: Locator, search: &[&str]) -> Result<PathBuf, u8> {
    let child = place.put("home/child.vhd", &vhd_over(ID, "", vec![locator]));
    let search: Vec<PathBuf> = search.iter().map(|folder| place.at(folder)).collect();
    parent_of(place, &searching(child, &search))
}

fn parent_of(place: &Place, spec: &OpenSpec) -> Result<PathBuf, u8> {
    let chain = open_chain(spec).map_err(|error| error.kind().exit())?;
    assert_eq!(chain.len(), 2);
    Ok(chain[1]
        .path
        .strip_prefix(place.at(""))
        .expect("it is in the place")
        .to_owned())
}

fn found(path: &str) -> Result<PathBuf, u8> {
    Ok(PathBuf::from(path))
}

#[test]
fn a_path_below_the_folder_of_the_image_is_followed() {
    let place = place();
    for (name, parent) in [
        ("base.raw", "home/base.raw"),
        ("./base.raw", "home/base.raw"),
        ("deep/base.raw", "home/deep/base.raw"),
        ("deep/../base.raw", "home/base.raw"),
        ("none/../base.raw", "home/base.raw"),
        ("file:base.raw", "home/base.raw"),
        ("file://./base.raw", "home/base.raw"),
        ("in.raw", "home/in.raw"),
        ("in-absolute.raw", "home/in-absolute.raw"),
    ] {
        assert_eq!(qcow2_parent(&place, name, &[]), found(parent), "{name}");
    }
    let absolute = place.at("home/base.raw").display().to_string();
    assert_eq!(qcow2_parent(&place, &absolute, &[]), found("home/base.raw"));
}

#[test]
fn a_path_that_leads_elsewhere_is_not_followed() {
    let place = place();
    let absolute = place.at("canary.raw").display().to_string();
    for name in [
        "../canary.raw",
        "deep/../../canary.raw",
        "./../canary.raw",
        "up/canary.raw",
        "out.raw",
        "out-absolute.raw",
        "circle.raw",
        "pipe.raw",
        "deep",
        "/etc/passwd",
        "/dev/zero",
        "/proc/self/exe",
        &absolute,
        "json:{\"driver\":\"file\",\"filename\":\"base.raw\"}",
        "nbd://localhost/base.raw",
        "file:../canary.raw",
        "file://./../canary.raw",
        "fat:rw:deep",
        "http://localhost/base.raw",
        "base\u{7f}.raw",
        "base\n.raw",
        ".",
        "/",
    ] {
        assert_eq!(qcow2_parent(&place, name, &[]), Err(7), "{name}");
    }
    for name in ["none.raw", "none/base.raw", "base.raw/none"] {
        assert_eq!(qcow2_parent(&place, name, &[]), Err(5), "{name}");
    }
}

#[test]
fn a_search_folder_opens_what_lies_below_it_and_nothing_else() {
    let place = place();
    let elsewhere = place.at("other/elsewhere.raw").display().to_string();
    for (name, search, parent) in [
        ("elsewhere.raw", "other", "other/elsewhere.raw"),
        ("gone/elsewhere.raw", "other", "other/elsewhere.raw"),
        (
            "../other/elsewhere.raw",
            "other",
            "home/../other/elsewhere.raw",
        ),
        ("../gone/elsewhere.raw", "other", "other/elsewhere.raw"),
        ("other/elsewhere.raw", "", "other/elsewhere.raw"),
        ("/gone/elsewhere.raw", "other", "other/elsewhere.raw"),
        (&elsewhere, "other", "other/elsewhere.raw"),
        // The image's own folder comes first.
        ("base.raw", "home/deep", "home/base.raw"),
    ] {
        let parent = parent.replace("home/../", "");
        assert_eq!(
            qcow2_parent(&place, name, &[search]),
            found(&parent),
            "{name}"
        );
    }
    for name in ["../canary.raw", "/etc/passwd", "json:{}", "out.raw"] {
        assert_eq!(qcow2_parent(&place, name, &["other"]), Err(7), "{name}");
    }
    assert_eq!(qcow2_parent(&place, "none.raw", &["other", "gone"]), Err(5));
    // Without identity nobody takes a file for the parent because it has the same name.
    assert_eq!(qcow2_parent(&place, "/gone/base.raw", &[]), Err(7));
}

#[test]
fn of_a_path_of_another_machine_the_name_is_looked_for() {
    let place = place();
    for (locator, parent) in [
        (Locator::relative("base.vhd"), "home/base.vhd"),
        (Locator::absolute("C:\\vms\\base.vhd"), "home/base.vhd"),
        (
            Locator::absolute("\\\\host\\share\\base.vhd"),
            "home/base.vhd",
        ),
        (Locator::absolute("\\\\?\\C:\\base.vhd"), "home/base.vhd"),
        (Locator::absolute("/gone/base.vhd"), "home/base.vhd"),
        (Locator::ansi_relative("base.vhd"), "home/base.vhd"),
        (Locator::ansi_absolute("D:\\base.vhd"), "home/base.vhd"),
        (
            Locator::mac_url("file://localhost/Volumes/base.vhd"),
            "home/base.vhd",
        ),
        (Locator::mac_url("file://./base.vhd"), "home/base.vhd"),
    ] {
        let code = String::from_utf8_lossy(&locator.code).into_owned();
        assert_eq!(vhd_parent(&place, locator, &[]), found(parent), "{code}");
    }
    // Else it would be found by its identity.
    std::fs::remove_file(place.at("home/base.vhd")).expect("it is there");
    let elsewhere = Locator::absolute("C:\\vms\\elsewhere.vhd");
    assert_eq!(vhd_parent(&place, elsewhere.clone(), &[]), Err(5));
    assert_eq!(
        vhd_parent(&place, elsewhere, &["other"]),
        found("other/elsewhere.vhd")
    );
    for locator in [
        Locator::utf16(b"W2ru", "..\\canary.vhd"),
        Locator::utf16(b"W2ru", ".\\deep\\..\\..\\canary.vhd"),
        Locator::absolute("\\\\.\\PhysicalDrive0"),
        Locator::mac_url("file:///%2e%2e/canary.vhd"),
        Locator::mac_url("file://host/base.vhd"),
        Locator::mac_url("http://localhost/base.vhd"),
        Locator::utf16(b"W2ru", "base.vhd:stream"),
    ] {
        let text = String::from_utf8_lossy(&locator.data).into_owned();
        assert_eq!(vhd_parent(&place, locator, &[]), Err(7), "{text}");
    }
    // Of another machine nothing unsafe can be named.
    let drive = Locator::absolute("C:\\canary.vhd");
    assert_eq!(vhd_parent(&place, drive, &[]), Err(5));
}

#[test]
fn a_refused_path_is_passed_over_when_another_one_is_good() -> Result<()> {
    let place = place();
    let locators = vec![
        Locator::utf16(b"W2ru", "..\\canary.vhd"),
        Locator::absolute("C:\\vms\\base.vhd"),
    ];
    let child = place.put("home/child.vhd", &vhd_over(ID, "", locators));
    let chain = open_chain(&OpenSpec::of(child))?;
    assert_eq!(chain[1].path, place.at("home/base.vhd"));
    assert!(chain[1].notes[0].starts_with("found by its name alone"));
    Ok(())
}

#[test]
fn the_error_lists_every_place_and_names_the_flags() {
    let place = place();
    // Else it would be found by its identity.
    std::fs::remove_file(place.at("home/base.vhd")).expect("it is there");
    let locators = vec![
        Locator::relative("gone.vhd"),
        Locator::absolute("C:\\vms\\lost.vhd"),
    ];
    let child = place.put("home/child.vhd", &vhd_over(ID, "", locators));
    let error = open_chain(&OpenSpec::of(&child)).expect_err("neither is there");
    assert_eq!(error.location().file, Some(child));
    let details = error.details().join("\n");
    for part in [
        "W2ku 'C:\\\\vms\\\\lost.vhd' is a path of another machine",
        "home/gone.vhd",
        "home/lost.vhd",
    ] {
        assert!(details.contains(part), "{details}");
    }
    let hint = error.hint().expect("there is a next step");
    assert!(hint.contains("--search") && hint.contains("--parent"));
    // What an image records does not reach the terminal as it is.
    let child = place.put(
        "home/evil.qcow2",
        &qcow2_over("\u{1b}[2J/x", Some(Format::Raw)),
    );
    let error = open_chain(&OpenSpec::of(child)).expect_err("it is refused");
    assert!(!error.details().join("").contains('\u{1b}'));
}

#[test]
fn a_parent_named_by_the_user_may_lie_anywhere() -> Result<()> {
    let place = place();
    let named = |child: PathBuf, parents: &[&str]| OpenSpec {
        policy: Policy {
            parent: parents.iter().map(|name| place.at(name)).collect(),
            ..Policy::default()
        },
        ..OpenSpec::of(child)
    };
    let child = place.put(
        "home/child.qcow2",
        &qcow2_over("/etc/passwd", Some(Format::Raw)),
    );
    let chain = open_chain(&named(child.clone(), &["canary.raw"]))?;
    assert_eq!(chain[1].path, place.at("canary.raw"));
    let vhd_child = place.put("home/child.vhd", &vhd_over(ID, "gone.vhd", vec![]));
    open_chain(&named(vhd_child.clone(), &["canary.vhd"]))?;
    // Its identity must be right all the same, and it must be a file.
    let wrong = place.put("wrong.vhd", &vhd([9; 16]));
    let spec = named(vhd_child, &["wrong.vhd"]);
    assert_eq!(
        refusal(&spec),
        (Kind::Chain, "parent_identity"),
        "{wrong:?}"
    );
    assert_eq!(
        refusal(&named(child.clone(), &["home/pipe.raw"])).0,
        Kind::Host
    );
    // More of them than there are parents is a mistake.
    let spec = named(child, &["canary.raw", "canary.raw"]);
    assert_eq!(refusal(&spec), (Kind::Usage, "no_parent"));
    Ok(())
}

#[test]
fn the_format_of_a_parent_is_recorded_or_said_and_never_probed() -> Result<()> {
    let place = place();
    let evil = qcow2_over("../canary.raw", Some(Format::Raw));
    place.put("home/guest.raw", &evil);
    let child = place.put(
        "home/child.qcow2",
        &qcow2_over("guest.raw", Some(Format::Raw)),
    );
    let chain = open_chain(&OpenSpec::of(child))?;
    assert_eq!(
        chain.len(),
        2,
        "the header in the guest's disk is the guest's"
    );
    assert_eq!(chain[1].driver.format, Format::Raw);
    let silent = place.put("home/silent.qcow2", &qcow2_over("base.raw", None));
    let mut spec = OpenSpec::of(silent);
    assert_eq!(refusal(&spec), (Kind::Reference, "backing_format_missing"));
    spec.policy.backing_format = Some(Format::Raw);
    assert_eq!(open_chain(&spec)?[1].driver.format, Format::Raw);
    place.put("home/mid.qcow2", &qcow2());
    let child = place.put(
        "home/child.qcow2",
        &qcow2_over("mid.qcow2", Some(Format::Qcow2)),
    );
    let mut spec = OpenSpec::of(child);
    spec.policy.backing_format = Some(Format::Raw);
    let recorded = &open_chain(&spec)?[1];
    assert_eq!(
        recorded.driver.format,
        Format::Qcow2,
        "what is recorded wins"
    );
    let child = place.put(
        "home/child.qcow2",
        &qcow2_over("x.vhdx", Some(Format::Vhdx)),
    );
    place.put("home/x.vhdx", b"");
    assert_eq!(refusal(&OpenSpec::of(child)).0, Kind::Corrupt);
    Ok(())
}

#[test]
fn references_are_told_without_opening_any() -> Result<()> {
    let place = place();
    let child = place.put(
        "home/child.qcow2",
        &qcow2_over("pipe.raw", Some(Format::Raw)),
    );
    let link = references(&child, None)?.parent.expect("it has one");
    assert_eq!(link.hints[0].text, "pipe.raw");
    assert_eq!(link.format, Some(Format::Raw));
    let child = place.put(
        "home/child.vhd",
        &vhd_over(ID, "", vec![Locator::absolute("/dev/zero")]),
    );
    let link = references(&child, None)?.parent.expect("it has one");
    assert_eq!(link.hints[0].text, "/dev/zero");
    assert!(
        references(&place.at("home/base.raw"), None)?
            .parent
            .is_none()
    );
    Ok(())
}
