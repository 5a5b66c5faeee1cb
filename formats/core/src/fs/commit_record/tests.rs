use super::*;

fn record() -> CommitRecord {
    let trace = |inode| Trace {
        inode,
        len: 7,
        modified: -5,
    };
    let member = |draft: &str, name: &[u8], old| Member {
        draft: draft.into(),
        written: trace(3),
        name: OsString::from_vec(name.to_vec()),
        old,
    };
    CommitRecord {
        members: vec![
            member(".imgdelta-0123456789abcdef.tmp", b"a b%\n\xff", None),
            member(".imgdelta-0123456789abcdef-1.tmp", b"c.vhd", Some(trace(9))),
        ],
    }
}

#[test]
fn a_record_reads_as_it_was_written() {
    let record = record();
    assert_eq!(CommitRecord::parse(record.text().as_bytes()), Some(record));
}

#[test]
fn a_damaged_record_says_nothing() {
    let text = record().text();
    for at in 0..text.len() {
        assert_eq!(CommitRecord::parse(&text.as_bytes()[..at]), None, "{at}");
        let mut bytes = text.clone().into_bytes();
        bytes[at] ^= 1;
        assert_eq!(CommitRecord::parse(&bytes), None, "{at}");
    }
}

#[test]
fn a_record_names_only_drafts_and_only_its_own_folder() {
    for (draft, name) in [
        ("precious.vhd", "c.vhd"),
        ("../.imgdelta-0123456789abcdef.tmp", "c.vhd"),
        (".imgdelta-0123456789abcdef.tmp", "../c.vhd"),
        (".imgdelta-0123456789abcdef.tmp", "/etc/passwd"),
        (".imgdelta-0123456789abcdef.tmp", ".."),
        (".imgdelta-0123456789abcdef.tmp", ""),
    ] {
        let mut record = record();
        record.members[0].draft = draft.into();
        record.members[0].name = name.into();
        assert_eq!(
            CommitRecord::parse(record.text().as_bytes()),
            None,
            "{name}"
        );
    }
}

#[test]
fn a_copy_that_kept_its_time_is_the_file_and_another_version_is_not() {
    let one = Trace {
        inode: 7,
        len: 4096,
        modified: 1_700_000_000_123_456_789,
    };
    let copied = Trace { inode: 8, ..one };
    assert!(one.is(&copied, true));
    for other in [
        Trace {
            len: 4097,
            ..copied
        },
        Trace {
            modified: one.modified + 1,
            ..copied
        },
    ] {
        assert!(!one.is(&other, true));
    }
}

#[test]
fn where_inodes_do_not_last_length_and_time_tell_in_any_time_zone() {
    let second = 1_000_000_000;
    let at = |inode, len, modified| Trace {
        inode,
        len,
        modified,
    };
    let one = at(1, 7, 100 * second);
    assert!(one.is(&one, true) && !one.is(&at(2, 7, 100 * second), true));
    for (other, is_same) in [
        (at(2, 7, 101 * second), true),
        (at(2, 7, 100 * second + 2 * 3600 * second), true),
        (at(2, 7, 98 * second + 5 * 900 * second + 1), true),
        (at(2, 8, 100 * second), false),
        (at(2, 7, 103 * second), false),
        (at(2, 7, 100 * second + 30 * 3600 * second), false),
    ] {
        assert_eq!(one.is(&other, false), is_same, "{other:?}");
    }
}
