use super::*;

#[test]
fn an_id_is_plain_and_becomes_a_file_name_of_its_own() -> Result<()> {
    let id: ImageId = "imgdelta1:00ff".parse()?;
    assert_eq!(id.stem(), "imgdelta1~00ff");
    assert_eq!("Win11".parse::<ImageId>()?.folded(), "win11");
    let long = "x".repeat(129);
    for wrong in [
        "",
        "a/b",
        "a b",
        "..\\x",
        "é",
        "a~b",
        long.as_str(),
        ".hidden",
        "..",
        "-rf",
        "con",
        "Aux.2026",
        "com1",
    ] {
        let error = wrong.parse::<ImageId>().expect_err(wrong);
        assert_eq!((error.kind(), error.code()), (Kind::Usage, "word"));
    }
    Ok(())
}

#[test]
fn a_name_is_one_that_every_file_system_takes() -> Result<()> {
    "Golden Disk".parse::<Name>()?;
    for fine in [
        "wîn-11.2",
        "console",
        "com10",
        "com0",
        "COM",
        "aux2",
        "nulls",
        "a.con",
    ] {
        fine.parse::<Name>()?;
    }
    for wrong in [
        "",
        ".",
        "..",
        ".hidden",
        "a/b",
        "a:b",
        "x.",
        "x ",
        " x",
        "a\u{1b}[31m",
        "-rf",
        "aux",
        "CON",
        "nul.old",
        "COM1.x",
        "lpt9",
        "com²",
        "PRN .a",
        "a\u{202e}lmth.b",
        "a\u{2066}b",
        "\u{feff}a",
        "a\u{2028}b",
    ] {
        assert!(wrong.parse::<Name>().is_err(), "{wrong:?}");
    }
    Ok(())
}

#[test]
fn a_path_stays_below_the_folder_and_out_of_the_repositorys_own() -> Result<()> {
    "a/b c/d.vhd".parse::<InsidePath>()?;
    "a/.imgdelta/x".parse::<InsidePath>()?;
    for wrong in [
        "",
        "/a",
        "../a",
        "a/../../b",
        "a//b",
        "a/",
        "./a",
        ".imgdelta/lock",
        ".IMGDELTA/x",
        "a\nb",
    ] {
        assert!(wrong.parse::<InsidePath>().is_err(), "{wrong:?}");
    }
    let below = InsidePath::between(Path::new("/repo"), Path::new("/repo/a/b.vhd"))?;
    assert_eq!(below.as_str(), "a/b.vhd");
    assert!(InsidePath::between(Path::new("/repo"), Path::new("/other/b.vhd")).is_err());
    Ok(())
}

#[test]
fn what_is_wrong_with_a_word_is_said_without_drawing_on_the_terminal() {
    let error = "\u{1b}]0;x\u{7}".parse::<Tag>().expect_err("control");
    assert!(!error.to_string().contains('\u{1b}'));
    let error = "x".repeat(5000).parse::<ImageId>().expect_err("long");
    assert!(error.to_string().len() < 200);
}
