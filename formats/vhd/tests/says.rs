//! What an image says of itself and of its parent.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a wrong test should stop"
)]

mod driving;

use std::sync::Arc;

use driving::{Tested, memory, open, uuid_text};
use imgdelta_core::{Bytes, Hint, HintKind, ProbeResult, ProbeWindow, Source};
use imgdelta_fixtures::{
    Recipe,
    vhd::{Locator, Parent, Space, VhdSpec},
};
use imgdelta_vhd::DRIVER;

const BASE_ID: [u8; 16] = *b"imgdelta base 01";

#[test]
fn a_parent_is_named_in_the_order_of_trust() -> Tested {
    let spec = VhdSpec {
        locators: vec![
            Locator::mac_url("file://localhost/base.vhd"),
            Locator::ansi_absolute("C:\\old\\base.vhd"),
            Locator::absolute("C:\\images\\base.vhd").space(Space::Bytes(4096)),
            Locator::mac_alias(),
            Locator::ansi_relative("base-a.vhd"),
            Locator::relative("base-u.vhd").space(Space::Sectors(2)),
            Locator::new(b"Xxxx", vec![1; 7]),
        ],
        ..VhdSpec::differencing(Recipe::empty(1 << 20), 64 << 10, BASE_ID, "base.vhd")
    };
    let image = open(spec.build(), &[])?;
    let link = image.parent().expect("it is a child");
    let hint = |field, kind, text: &str| Hint {
        field,
        kind,
        text: text.into(),
    };
    assert_eq!(
        link.hints,
        [
            hint("W2ru", HintKind::WindowsPath, ".\\base-u.vhd"),
            hint("Wi2r", HintKind::WindowsPath, ".\\base-a.vhd"),
            hint("parent_unicode_name", HintKind::Name, "base.vhd"),
            hint("W2ku", HintKind::WindowsPath, "C:\\images\\base.vhd"),
            hint("Wi2k", HintKind::WindowsPath, "C:\\old\\base.vhd"),
            hint("MacX", HintKind::FileUrl, "file://localhost/base.vhd"),
        ]
    );
    assert_eq!(link.format, None);
    assert_eq!(link.identities.len(), 1);
    assert_eq!(link.identities[0].value, uuid_text(BASE_ID));
    let named = (DRIVER.references)(&memory(spec.build()))?;
    assert_eq!(named.parent.as_ref(), Some(link));
    Ok(())
}

#[test]
fn a_parent_without_an_id_may_be_raw_and_its_id_proves_nothing() -> Tested {
    let spec = VhdSpec::differencing(Recipe::empty(1 << 20), 64 << 10, [0; 16], "base.img");
    let image = open(spec.build(), &[])?;
    let link = image.parent().expect("it is a child");
    assert_eq!((link.format, link.or_raw), (None, true));
    assert!(link.identities.iter().all(|identity| identity.is_null()));
    Ok(())
}

#[test]
fn names_in_either_byte_order_and_flawed_texts_are_told() -> Tested {
    let named = |parent: Parent, locators: Vec<Locator>| VhdSpec {
        parent: Some(parent),
        locators,
        ..VhdSpec::differencing(Recipe::empty(1 << 20), 64 << 10, BASE_ID, "")
    };
    let little = Parent {
        name_little_endian: true,
        ..Parent::named(BASE_ID, "tap.vhd")
    };
    let image = open(named(little, vec![]).build(), &[])?;
    assert_eq!(image.parent().expect("a child").hints[0].text, "tap.vhd");
    let flawed = vec![
        Locator::units(b"W2ru", &[0x2e, 0x5c, 0xd800, 0x61]),
        Locator::units(b"W2ku", &[0x61, 0, 0x62]),
        Locator::new(b"MacX", vec![0xff, 0xfe]),
    ];
    let image = open(
        named(Parent::named(BASE_ID, "base.vhd"), flawed).build(),
        &[],
    )?;
    let notes = &image.metadata().notes;
    for wanted in [
        "W2ru has half of a surrogate pair",
        "W2ku has a NUL in it",
        "MacX is not UTF-8",
    ] {
        assert!(notes.iter().any(|note| note.contains(wanted)), "{notes:?}");
    }
    Ok(())
}

#[test]
fn references_are_read_from_images_whose_blocks_are_broken() -> Tested {
    let spec = VhdSpec::differencing(Recipe::sectors(1 << 20, 1), 64 << 10, BASE_ID, "base.vhd");
    let mut bytes = spec.build();
    // The BAT points nowhere, and no checksum holds.
    bytes[1536..1540].copy_from_slice(&[0, 0, 0, 1]);
    bytes[512 + 36] ^= 1;
    assert!(open(bytes.clone(), &[]).is_err());
    let link = (DRIVER.references)(&memory(bytes))?
        .parent
        .expect("it names one");
    assert_eq!(link.hints[0].text, ".\\base.vhd");
    let fixed = VhdSpec::fixed(Recipe::small(1 << 20)).build();
    assert_eq!((DRIVER.references)(&memory(fixed))?.parent, None);
    Ok(())
}

#[test]
fn the_facts_say_what_the_headers_say() -> Tested {
    let spec = VhdSpec {
        timestamp: 757_382_400,
        ..VhdSpec::differencing(Recipe::empty(4 << 20), 512 << 10, BASE_ID, "base.vhd")
    };
    let image = open(spec.build(), &[])?;
    let facts = image.metadata();
    assert_eq!(facts.variant, "differencing");
    assert_eq!(
        (facts.block_size, facts.grain),
        (Some(Bytes::kib(512)), Some(Bytes(512)))
    );
    let detail = |key: &str| {
        facts
            .details
            .iter()
            .find(|(name, _)| *name == key)
            .map(|(_, text)| text.as_str())
    };
    assert_eq!(detail("geometry"), Some("120/4/17"));
    assert_eq!(detail("creator_application"), Some("win"));
    assert_eq!(detail("time_stamp"), Some("2024-01-01T00:00:00Z"));
    assert_eq!(detail("parent_unicode_name"), Some("base.vhd"));
    assert_eq!(detail("parent_locators"), Some("W2ru"));
    let fixed = open(VhdSpec::fixed(Recipe::empty(1 << 20)).build(), &[])?;
    assert_eq!(
        (fixed.metadata().block_size, fixed.metadata().grain),
        (None, None)
    );
    Ok(())
}

#[test]
fn a_probe_claims_what_is_sound_and_knows_what_is_damaged() {
    let claim = |bytes: Vec<u8>| {
        let source: Arc<dyn Source> = memory(bytes);
        (DRIVER.probe)(&ProbeWindow::of(&*source).expect("memory can be read"))
    };
    let dynamic = VhdSpec::dynamic(Recipe::small(1 << 20), 64 << 10).build();
    let fixed = VhdSpec::fixed(Recipe::small(1 << 20)).build();
    assert!(matches!(claim(vec![0; 4096]), ProbeResult::No));
    assert!(matches!(claim(vec![]), ProbeResult::No));
    assert!(matches!(claim(b"conectix".to_vec()), ProbeResult::No));
    assert!(matches!(
        claim(dynamic[..dynamic.len() - 512].to_vec()),
        ProbeResult::Yes
    ));
    let mut damaged = fixed.clone();
    *damaged.last_mut().expect("not empty") ^= 1;
    assert!(matches!(claim(damaged), ProbeResult::Damaged));
    let poisoned = VhdSpec {
        cookie: *b"v_poison",
        ..VhdSpec::dynamic(Recipe::small(1 << 20), 64 << 10)
    };
    assert!(matches!(claim(poisoned.build()), ProbeResult::Damaged));
    // A footer of a fixed image at the start is the guest's, or the image lost its disk.
    let only_start = [&fixed[1 << 20..], &[0; 4096]].concat();
    assert!(matches!(claim(only_start), ProbeResult::Damaged));
}
