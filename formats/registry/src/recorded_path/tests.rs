//! Tests of its parent module.

use super::*;

/// The only meaning.
fn of(kind: HintKind, text: &str) -> Result<RecordedPath, Reason> {
    let mut all = all(kind, text);
    assert_eq!(all.len(), 1, "{text}: {all:?}");
    all.remove(0)
}

fn all(kind: HintKind, text: &str) -> Vec<Result<RecordedPath, Reason>> {
    read(&Hint {
        field: "test",
        kind,
        text: text.to_owned(),
    })
}

fn relative(up: usize, down: &str) -> Result<RecordedPath, Reason> {
    Ok(RecordedPath::Relative(RelativePath {
        up,
        down: down.into(),
    }))
}

#[test]
fn paths_are_read_without_detours() {
    let read = |text: &str| of(HintKind::Path, text);
    assert_eq!(read("base.raw"), relative(0, "base.raw"));
    assert_eq!(read("./a//b/../base.raw"), relative(0, "a/base.raw"));
    assert_eq!(read("a/../../../base"), relative(2, "base"));
    assert_eq!(
        read("/a/../../etc/x"),
        Ok(RecordedPath::Absolute("/etc/x".into()))
    );
    assert_eq!(read("./odd:name"), relative(0, "odd:name"));
    assert_eq!(read("file:base.raw"), relative(0, "base.raw"));
    assert_eq!(
        read("file:/etc/%41"),
        Ok(RecordedPath::Absolute("/etc/%41".into()))
    );
    assert_eq!(
        read("file:///etc/x"),
        Ok(RecordedPath::Absolute("/etc/x".into()))
    );
    assert_eq!(read("file://h/etc/x"), Err(Reason::Host));
    for text in ["json:{}", "nbd://h/x", "raw:file:x", "fat:rw:/etc", "c:x"] {
        assert_eq!(read(text), Err(Reason::Protocol), "{text}");
    }
    assert_eq!(
        read("imgdelta-apply:base.qcow2 (its snapshot 'a/b')"),
        Err(Reason::Unlinked)
    );
    assert_eq!(read("b\u{fffd}se"), Err(Reason::Text));
    for text in ["", ".", "..", "a/..", "/", "//"] {
        assert_eq!(read(text), Err(Reason::Empty), "{text}");
    }
    for text in ["base\0.raw", "a\nb", "\u{1b}[2J", "\u{85}"] {
        assert_eq!(read(text), Err(Reason::Control), "{text:?}");
    }
}

#[test]
fn of_a_windows_path_with_a_drive_only_the_name_is_of_use() {
    let read = |text: &str| of(HintKind::WindowsPath, text);
    let named = |name: &str| Ok(RecordedPath::Named(name.into(), Some(Reason::OtherMachine)));
    let served = |name: &str| Ok(RecordedPath::Named(name.into(), Some(Reason::Server)));
    assert_eq!(read(".\\a\\base.vhd"), relative(0, "a/base.vhd"));
    assert_eq!(read("..\\base.vhd"), relative(1, "base.vhd"));
    assert_eq!(read("C:\\vms\\base.vhd"), named("base.vhd"));
    assert_eq!(read("c:base.vhd"), named("base.vhd"));
    assert_eq!(read("\\\\host\\share\\base.vhd"), served("base.vhd"));
    assert_eq!(read("\\\\?\\C:\\base.vhd"), named("base.vhd"));
    assert_eq!(read("\\\\?\\Volume{26a2}\\base.vhd"), named("base.vhd"));
    assert_eq!(read("\\\\?\\UNC\\host\\base.vhd"), served("base.vhd"));
    assert_eq!(read("\\\\.\\PhysicalDrive0"), served("PhysicalDrive0"));
    assert_eq!(
        read("/vms/base.vhd"),
        Ok(RecordedPath::Absolute("/vms/base.vhd".into()))
    );
    assert_eq!(read("http://h/base.vhd"), Err(Reason::Protocol));
    assert_eq!(read("C:\\.."), Err(Reason::Empty));
    assert_eq!(read("C:"), Err(Reason::Empty));
    // A name with colons in it has no drive, whatever Windows thinks of it.
    let noon = "full-2026-11-29T12:00:00.vhd";
    assert_eq!(read(&format!(".\\{noon}")), relative(0, noon));
    assert_eq!(
        read(&format!("\\vms\\{noon}")),
        Ok(RecordedPath::Absolute(format!("/vms/{noon}").into()))
    );
    for text in ["base.vhd:stream", noon] {
        let both = [relative(0, text), Err(Reason::Protocol)];
        assert_eq!(all(HintKind::WindowsPath, text), both);
        assert_eq!(all(HintKind::AnyPath, text), both);
    }
    assert_eq!(
        of(HintKind::Name, noon),
        Ok(RecordedPath::Named(noon.into(), None))
    );
}

#[test]
fn a_path_with_backslashes_is_a_name_first_and_then_one_of_windows() {
    for kind in [HintKind::Path, HintKind::AnyPath] {
        assert_eq!(
            all(kind, "back\\slash"),
            [relative(0, "back\\slash"), relative(0, "back/slash")]
        );
        assert_eq!(all(kind, "..\\x"), [relative(0, "..\\x"), relative(1, "x")]);
        for text in ["C:\\vms\\x", "d:/vms/x"] {
            let name = RecordedPath::Named("x".into(), Some(Reason::OtherMachine));
            assert_eq!(of(kind, text), Ok(name), "{text}");
        }
    }
    let name = RecordedPath::Named("x".into(), Some(Reason::Server));
    assert_eq!(of(HintKind::AnyPath, "\\\\host\\x"), Ok(name));
    assert_eq!(of(HintKind::AnyPath, "nbd://h/x"), Err(Reason::Protocol));
    assert_eq!(
        of(HintKind::AnyPath, "/vms/x"),
        Ok(RecordedPath::Absolute("/vms/x".into()))
    );
}

#[test]
fn a_file_url_is_decoded_before_it_is_judged() {
    let read = |text: &str| of(HintKind::FileUrl, text);
    let absolute = |path: &str| Ok(RecordedPath::Absolute(path.into()));
    assert_eq!(read("file:///a/b%20c.vhd"), absolute("/a/b c.vhd"));
    assert_eq!(read("file://localhost/a.vhd"), absolute("/a.vhd"));
    assert_eq!(read("FILE:/a.vhd"), absolute("/a.vhd"));
    assert_eq!(read("file:///%2e%2e/%2E%2e/etc/x"), absolute("/etc/x"));
    assert_eq!(read("file:///a%2f..%2fb"), absolute("/b"));
    assert_eq!(read("file://other/a.vhd"), Err(Reason::Host));
    for text in [
        "file:///a%00b",
        "file:///a%0Ab",
        "file:///%1b[2J",
        "file:///%c2%85",
    ] {
        assert_eq!(read(text), Err(Reason::Control), "{text}");
    }
    assert_eq!(read("http://localhost/a"), Err(Reason::Protocol));
    let name = RecordedPath::Named("a.vhd".into(), Some(Reason::OtherMachine));
    assert_eq!(read("file:///C:/vms/a.vhd"), Ok(name));
    for text in [
        "file://./a.vhd",
        "file:./a.vhd",
        "file:a.vhd",
        "file://a.vhd",
    ] {
        assert_eq!(read(text), relative(0, "a.vhd"), "{text}");
    }
    assert_eq!(read("file://./b/a%20b.vhd"), relative(0, "b/a b.vhd"));
    assert_eq!(read("file://../a.vhd"), relative(1, "a.vhd"));
    assert_eq!(read("file://%2e%2e"), Err(Reason::Empty));
    for text in [
        "file:",
        "file://",
        "file:///a%4",
        "file:///%zz",
        "file:///%ff",
        "file:///%%20",
        "file:///%2",
        "file:///%+2",
        "file:///%c3",
    ] {
        assert_eq!(read(text), Err(Reason::Url), "{text}");
    }
}

#[test]
fn of_a_name_field_only_the_name_is_taken() {
    let named = |name: &str| Ok(RecordedPath::Named(name.into(), None));
    assert_eq!(of(HintKind::Name, "base.vhd"), named("base.vhd"));
    assert_eq!(of(HintKind::Name, "D:\\old\\base.vhd"), named("base.vhd"));
    assert_eq!(of(HintKind::Name, "/old/base.vhd"), named("base.vhd"));
    assert_eq!(of(HintKind::Name, ".."), Err(Reason::Empty));
}
