//! Children that get another parent.

use std::{fs, path::Path, sync::Arc};

use imgdelta_core::{Kind, MemSource, ParentSpec, Result, Source};
use imgdelta_fixtures::Recipe;
use imgdelta_vhdx::{
    DRIVER,
    layout::{HEADER_AT, Header, LOG_VERSION},
};

use crate::{
    children::{everybody_reads, layer, pair},
    making::{MIB, bytes, parent_of, write},
    reading::{
        Tested,
        built::{self, BAT, Entry, LOG_GUID, page},
        memory, open, open_file,
    },
};

/// The child in `bytes` as one of `parent`.
fn relinked(bytes: &[u8], parent: &ParentSpec) -> Result<Vec<u8>> {
    let relink = DRIVER.relink.expect("it has one");
    let mut changed = bytes.to_vec();
    for patch in relink(&memory(bytes.to_vec()), parent)? {
        let at = patch.at.0 as usize;
        changed[at..at + patch.bytes.len()].copy_from_slice(&patch.bytes);
    }
    Ok(changed)
}

fn fact(bytes: &[u8], key: &str) -> Result<Option<String>> {
    let image = open(bytes.to_vec())?;
    let mut details = image.metadata().details.iter();
    let found = details.find(|(name, _)| *name == key);
    Ok(found.map(|(_, value)| value.clone()))
}

/// Another base of the same disk: its own GUIDs, in another folder.
fn other_base(
    folder: &Path,
    below: &Recipe,
) -> std::result::Result<ParentSpec, Box<dyn std::error::Error>> {
    fs::create_dir_all(folder.join("a/b"))?;
    let name = "a/b/other base.vhdx";
    let path = folder.join(name);
    write(&path, below, &["block_size=4M"], None)?;
    let opened = open_file(&path)?;
    let image = bytes(below, &["block_size=4M"], None)?;
    assert!(fs::read(&path)? == image, "file and memory are the same");
    Ok(parent_of(&*opened, name))
}

#[test]
fn a_relinked_child_is_read_over_its_new_base_and_all_else_stays() -> Tested {
    let place = tempfile::tempdir()?;
    let below = Recipe::scatter(8 * MIB, 300 << 10, 3);
    let layer = layer(8 * MIB, 512);
    let first = pair(place.path(), (&below, &[]), (&layer, &[]))?;
    let second = other_base(place.path(), &below)?;
    assert_ne!(first.identity, second.identity);
    let child = place.path().join("child.vhdx");
    let before = fs::read(&child)?;
    let after = relinked(&before, &second)?;
    let image = open(after.clone())?;
    let link = image.parent().cloned().ok_or("it is a child")?;
    assert_eq!(Some(&link.identities[0]), second.identity.as_ref());
    assert_eq!(link.identities.len(), 1);
    let hints: Vec<_> = link.hints.iter().map(|hint| hint.text.as_str()).collect();
    assert_eq!(hints, [r".\a\b\other base.vhdx"]);
    for (key, is_same) in [
        ("DataWriteGuid", true),
        ("Page83", true),
        ("FileWriteGuid", false),
        ("SequenceNumber", false),
    ] {
        assert_eq!(fact(&before, key)? == fact(&after, key)?, is_same, "{key}");
    }
    // Front and metadata change, and nothing behind them.
    assert!(before[3 * MIB as usize..] == after[3 * MIB as usize..]);
    assert!(before[192 << 10..2 * MIB as usize] == after[192 << 10..2 * MIB as usize]);
    fs::write(&child, &after)?;
    fs::rename(
        place.path().join("a/b/other base.vhdx"),
        place.path().join("base.vhdx"),
    )?;
    let moved = parent_of(&*open_file(&place.path().join("base.vhdx"))?, "./base.vhdx");
    fs::write(&child, relinked(&after, &moved)?)?;
    let under = below.expected(None);
    everybody_reads(place.path(), &layer.expected(Some(&under)), "relinked")
}

#[test]
fn both_headers_are_new_and_the_same_one_counts() -> Tested {
    let before = built::child().0;
    let parent = named([8; 16], "base.vhdx");
    let after = relinked(&before, &parent)?;
    let header = |bytes: &[u8], slot: usize| {
        let at = HEADER_AT[slot] as usize;
        let head = bytes[at..].first_chunk().expect("a header");
        Header::parse(head)
    };
    for slot in [0, 1] {
        let (old, new) = (header(&before, slot), header(&after, slot));
        assert_eq!(new.sequence_number, old.sequence_number + 2);
        assert_eq!(new.checksum, new.computed_checksum());
        assert_ne!(new.file_write_guid, old.file_write_guid);
        assert_eq!(new.data_write_guid, header(&before, 1).data_write_guid);
        assert_eq!(new.log_version, LOG_VERSION);
    }
    // Named again, there is nothing to be written; another parent is another write.
    assert!(relinked(&after, &parent)? == after);
    let again = relinked(&after, &named([9; 16], "base.vhdx"))?;
    assert_ne!(
        header(&again, 0).file_write_guid,
        header(&after, 0).file_write_guid
    );
    Ok(())
}

/// A parent by its GUID.
fn named(guid: [u8; 16], path: &str) -> ParentSpec {
    let image = open(built::child().0).expect("it opens");
    let mut parent = parent_of(&*image, path);
    let text = format!("{:032x}", u128::from_be_bytes(guid));
    if let Some(identity) = &mut parent.identity {
        identity.value = text;
    }
    parent
}

#[test]
fn a_locator_that_grows_moves_and_leaves_nothing_behind() -> Tested {
    let before = built::child_of(&[
        ("parent_linkage", "{07070707-0707-0707-0707-070707070707}"),
        ("parent_linkage2", "{09090909-0909-0909-0909-090909090909}"),
        ("relative_path", r".\secret.vhdx"),
        ("absolute_win32_path", r"C:\secret.vhdx"),
        ("volume_path", r"\\?\Volume{1}\secret.vhdx"),
        ("somebody_elses", "kept"),
    ])
    .0;
    let secret: Vec<u8> = "secret".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let long = format!("{}/base.vhdx", "x".repeat(200)).repeat(20);
    for path in ["b.vhdx", &long] {
        let after = relinked(&before, &named([8; 16], path))?;
        let image = open(after.clone())?;
        let link = image.parent().ok_or("it is a child")?;
        assert_eq!(link.hints.len(), 1);
        assert_eq!(
            link.hints[0].text,
            format!(r".\{}", path.replace('/', r"\"))
        );
        assert_eq!(link.identities.len(), 1);
        let locator = fact(&after, "ParentLocator")?.ok_or("it is shown")?;
        assert!(locator.contains("somebody_elses=kept"), "{locator}");
        assert!(!after.windows(secret.len()).any(|part| part == secret));
        let report = crate::reading::check(after)?;
        assert!(report.faults.is_empty(), "{report:?}");
    }
    Ok(())
}

#[test]
fn what_cannot_be_linked_is_refused_and_said() -> Tested {
    let parent = named([8; 16], "base.vhdx");
    let refused = |bytes: Vec<u8>, parent: &ParentSpec| {
        let error = relinked(&bytes, parent).expect_err("it must be refused");
        (error.kind(), error.message().to_owned())
    };
    let (kind, said) = refused(built::dynamic().0, &parent);
    assert_eq!(kind, Kind::Unsupported);
    assert!(said.contains("not a differencing VHDX"), "{said}");
    let mut nowhere = parent.clone();
    nowhere.relative = None;
    let (kind, said) = refused(built::child().0, &nowhere);
    assert_eq!(kind, Kind::Unsupported);
    assert!(said.contains("absolute_win32_path"), "{said}");
    let mut large = parent.clone();
    large.details = vec![("LogicalSectorSize", "4096".into())];
    assert_eq!(refused(built::child().0, &large).0, Kind::Chain);
    let entry = Entry::alone(1 << 20, vec![page(BAT + 8192, 0)]);
    let dirty = built::child()
        .header("log_guid", &LOG_GUID)
        .log(0, &entry.bytes());
    let (kind, said) = refused(dirty.0, &parent);
    assert_eq!(kind, Kind::Unsupported, "{said}");
    assert!(said.contains("log must be replayed"), "{said}");
    let last = built::child().one_header(1, "sequence_number", &(u64::MAX - 1).to_le_bytes());
    let (kind, said) = refused(last.0, &parent);
    assert!(said.contains("sequence number"), "{said}");
    assert_eq!(kind, Kind::Unsupported);
    let long = named([8; 16], &"x".repeat(40_000));
    assert_eq!(refused(built::child().0, &long).0, Kind::Unsupported);
    Ok(())
}

#[test]
fn what_is_no_image_is_an_error_and_no_panic() {
    let relink = DRIVER.relink.expect("it has one");
    let source: Arc<dyn Source> = Arc::new(MemSource(vec![0; 100]));
    let refused = relink(&source, &named([8; 16], "base.vhdx"));
    assert_eq!(refused.err().map(|error| error.kind()), Some(Kind::Corrupt));
}
