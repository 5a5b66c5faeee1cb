//! Images that name what is not theirs: a canary outside their folder. It is never opened, and nothing of it is told.

use std::fs;

use imgdelta_fixtures::{
    Fill, Recipe,
    qcow2::{Backing, Qcow2Spec},
    vdi::VdiSpec,
    vhd::Locator,
    vhdx,
};

use crate::{
    Outcome,
    canary::{
        SIZE, SONG, beside, blocks_over, canary_vdi, canary_vhdx, child, extent, grains_over,
        is_not_followed, is_not_read, over, trap,
    },
    place::Place,
    traced,
};

#[test]
fn a_backing_file_outside_the_folder_is_never_opened() -> Outcome {
    let place = trap()?;
    let canary = place.path("canary/secret.raw").display().to_string();
    let names = [
        canary.clone(),
        "../canary/secret.raw".to_owned(),
        "./x/../../canary/secret.raw".to_owned(),
        "folder/secret.raw".to_owned(),
        "link.raw".to_owned(),
        "/proc/self/cwd/canary/secret.raw".to_owned(),
        format!("/proc/self/root{canary}"),
        format!("file:{canary}"),
        format!("file://{canary}"),
        format!("raw:{canary}"),
        "json:{\"driver\":\"raw\",\"file\":{\"driver\":\"file\",\"filename\":\"../canary/secret.raw\"}}".to_owned(),
        format!("json:{{\"file.filename\":\"{canary}\"}}"),
        "nbd+unix:///?socket=../canary/secret.raw".to_owned(),
    ];
    for name in names {
        place.put("images/disk.qcow2", &over(&name))?;
        is_not_followed(&place, "images/disk.qcow2", &name)?;
    }
    Ok(())
}

#[test]
fn a_data_file_outside_the_folder_is_never_opened() -> Outcome {
    let place = trap()?;
    let canary = place.path("canary/secret.raw").display().to_string();
    for name in [
        &canary,
        "../canary/secret.raw",
        "folder/secret.raw",
        "link.raw",
    ] {
        place.put("images/disk.qcow2", &beside(name))?;
        is_not_followed(&place, "images/disk.qcow2", name)?;
    }
    Ok(())
}

#[test]
fn a_parent_outside_the_folder_is_never_opened() -> Outcome {
    let place = trap()?;
    let canary = place.path("canary/secret.vhd").display().to_string();
    let locators = [
        Locator::utf16(b"W2ru", "..\\canary\\secret.vhd"),
        Locator::utf16(b"W2ru", ".\\x\\..\\..\\canary\\secret.vhd"),
        Locator::utf16(b"W2ru", ".\\folder\\secret.vhd"),
        Locator::utf16(b"W2ru", ".\\link.vhd"),
        Locator::absolute(&canary),
        Locator::ansi_absolute(&canary),
        Locator::new(b"Wi2r", b"..\\canary\\secret.vhd".to_vec()),
        Locator::mac_url(&format!("file://{canary}")),
        Locator::mac_url(&format!("file://localhost{canary}")),
        Locator::mac_url(&format!("file:///x/%2e%2e{canary}")),
    ];
    for locator in locators {
        let why = format!("{locator:?}");
        place.put("images/disk.vhd", &child(locator))?;
        is_not_followed(&place, "images/disk.vhd", &why)?;
    }
    Ok(())
}

#[test]
fn a_reference_of_a_parent_is_followed_no_further_than_its_childs() -> Outcome {
    let place = trap()?;
    let middle = Backing {
        name: "middle.qcow2".into(),
        format: Some("qcow2".into()),
    };
    let top = Qcow2Spec {
        backing: Some(middle),
        ..Qcow2Spec::new(Recipe::empty(SIZE), 16)
    };
    place.put("images/disk.qcow2", &top.build())?;
    place.put("images/middle.qcow2", &over("../canary/secret.raw"))?;
    is_not_followed(&place, "images/disk.qcow2", "through a parent")?;
    Ok(())
}

#[test]
fn no_vmdk_leads_to_the_canary_by_an_extent_or_a_parent() -> Outcome {
    let place = trap()?;
    let raw = place.path("canary/secret.raw").display().to_string();
    let vmdk = place.path("canary/secret.vmdk").display().to_string();
    for name in [
        raw.as_str(),
        "../canary/secret.raw",
        "folder/secret.raw",
        "folder/../../canary/secret.raw",
        "link.raw",
    ] {
        place.put("images/disk.vmdk", &extent(name))?;
        is_not_followed(&place, "images/disk.vmdk", name)?;
    }
    place.put("images/disk.vmdk", &extent("..\\canary\\secret.raw"))?;
    is_not_followed(&place, "images/disk.vmdk", "backslashes")?;
    place.put("images/disk.vmdk", &extent("FOLDER\\Secret.raw"))?;
    is_not_read(&place, "images/disk.vmdk", "other letters", 5)?;
    for hint in [
        vmdk.as_str(),
        "../canary/secret.vmdk",
        "folder/secret.vmdk",
        "link.vmdk",
        "Link.VMDK",
        "\\\\host\\share\\secret.vmdk",
    ] {
        place.put("images/disk.vmdk", &grains_over(hint))?;
        is_not_followed(&place, "images/disk.vmdk", hint)?;
    }
    // What lies on a drive lies on another machine: nothing of this one is named.
    place.put("images/disk.vmdk", &grains_over("C:\\canary\\secret.vmdk"))?;
    is_not_read(&place, "images/disk.vmdk", "a drive", 5)?;
    Ok(())
}

#[test]
fn no_vdi_finds_the_canary_by_its_identity() -> Outcome {
    let place = trap()?;
    let recipe = Recipe::of(SIZE, [(64 << 10, 64 << 10, Fill::Pattern(1))]);
    let child = VdiSpec::differencing(recipe, 64 << 10, &canary_vdi());
    place.put("images/disk.vdi", &child.build())?;
    // It names nothing that could be refused: its parent is not found.
    is_not_read(&place, "images/disk.vdi", "by identity", 5)?;
    Ok(())
}

#[test]
fn no_path_of_a_vhdx_leads_to_the_canary() -> Outcome {
    let place = trap()?;
    let of = || vhdx::Locator::of(canary_vhdx().data_write);
    let absolute = place.path("canary/secret.vhdx").display().to_string();
    for (key, path) in [
        ("relative_path", "..\\canary\\secret.vhdx"),
        ("relative_path", ".\\..\\canary\\secret.vhdx"),
        ("relative_path", "folder\\secret.vhdx"),
        ("relative_path", "link.vhdx"),
        ("relative_path", "../canary/secret.vhdx"),
        ("relative_path", absolute.as_str()),
        ("absolute_win32_path", absolute.as_str()),
        ("absolute_win32_path", "\\\\host\\share\\secret.vhdx"),
        ("absolute_win32_path", "\\\\.\\PhysicalDrive0"),
    ] {
        place.put("images/disk.vhdx", &blocks_over(of().with(key, path)))?;
        is_not_followed(&place, "images/disk.vhdx", path)?;
    }
    for (key, path) in [
        ("absolute_win32_path", "C:\\canary\\secret.vhdx"),
        ("absolute_win32_path", "\\\\?\\C:\\canary\\secret.vhdx"),
        (
            "volume_path",
            "\\\\?\\Volume{26a21bda-a627-11d7-9931-806e6f6e6963}\\secret.vhdx",
        ),
    ] {
        place.put("images/disk.vhdx", &blocks_over(of().with(key, path)))?;
        is_not_read(&place, "images/disk.vhdx", path, 5)?;
    }
    Ok(())
}

#[test]
fn a_raw_disk_whose_guest_wrote_a_qcow2_header_leads_nowhere() -> Outcome {
    let place = trap()?;
    let disk = over(&place.path("canary/secret.raw").display().to_string());
    place.put("images/disk.raw", &disk)?;
    place.changes_nothing("convert images/disk.raw -o out.raw", 3, "a polyglot")?;
    let line = "convert images/disk.raw --input-format raw -o out.raw";
    let ended = traced::run(&place, line, "canary")?;
    assert_eq!(ended.code, Some(0), "{ended}");
    assert!(fs::read(place.path("out.raw"))? == disk, "raw is raw");
    // A name that promises nothing: the header decides, and its reference is refused as any other's.
    place.put("images/disk.img", &disk)?;
    is_not_followed(&place, "images/disk.img", "a polyglot")?;
    Ok(())
}

#[test]
fn the_same_canary_sings_for_whoever_names_it_on_the_command_line() -> Outcome {
    let place = trap()?;
    place.put("images/disk.qcow2", &over("../canary/secret.raw"))?;
    place.put("images/disk.vhd", &child(Locator::relative("secret.vhd")))?;
    place.put("images/disk.vmdk", &grains_over("secret.vmdk"))?;
    let recipe = Recipe::of(SIZE, [(64 << 10, 64 << 10, Fill::Pattern(1))]);
    let vdi = VdiSpec::differencing(recipe, 64 << 10, &canary_vdi());
    place.put("images/disk.vdi", &vdi.build())?;
    let locator = vhdx::Locator::of(canary_vhdx().data_write).relative("secret.vhdx");
    place.put("images/disk.vhdx", &blocks_over(locator))?;
    for line in [
        "convert images/disk.qcow2 --parent canary/secret.raw -o qcow2.raw",
        "convert images/disk.vhd --parent canary/secret.vhd -o vhd.raw",
        "convert images/disk.vhd --search canary -o found.raw",
        "convert images/disk.vmdk --search canary -o vmdk.raw",
        "convert images/disk.vdi --search canary -o vdi.raw",
        "convert images/disk.vhdx --search canary -o vhdx.raw",
    ] {
        let ended = place.run(line, "asked for")?;
        assert_eq!(ended.code, Some(0), "{line}: {ended}");
    }
    for out in [
        "qcow2.raw",
        "vhd.raw",
        "found.raw",
        "vmdk.raw",
        "vdi.raw",
        "vhdx.raw",
    ] {
        let read = fs::read(place.path(out))?;
        assert!(
            read[4096..].starts_with(SONG),
            "{out}: the trap is not armed"
        );
    }
    Ok(())
}

#[test]
fn a_pipe_in_the_place_of_an_image_is_refused_and_not_waited_for() -> Outcome {
    let place = Place::empty()?;
    place.put("own.raw", &[1; 4096])?;
    place.put("target.raw", &[2; 4096])?;
    let made = place.run("make -b own.raw -t target.raw -o child.qcow2", "prepare")?;
    assert_eq!(made.code, Some(0), "{made}");
    for pipe in ["pipe", "pipe.raw", "pipe.vhd", "pipe.qcow2"] {
        place.put_pipe(pipe)?;
        for line in [
            format!("info {pipe}"),
            format!("convert {pipe} -o out.raw"),
            format!("compare own.raw {pipe}"),
            format!("make -b {pipe} -t target.raw -o other.qcow2"),
            format!("make -b own.raw -t {pipe} -o other.qcow2"),
            format!("apply child.qcow2 -b {pipe} -o out.raw"),
            format!("attach child.qcow2 -b {pipe}"),
        ] {
            place.changes_nothing(&line, 8, pipe)?;
        }
    }
    Ok(())
}
