use proptest::prelude::*;

use super::*;

fn command(word: &str) -> Result<Vec<String>> {
    let command = ssh_command(&SshUrl::parse(word)?, SSH, REMOTE_PROGRAM)?;
    let text = |word: OsString| word.into_string().expect("text");
    Ok(command.into_iter().map(text).collect())
}

#[test]
fn a_target_becomes_a_command_without_its_path() -> Result<()> {
    assert_eq!(
        command("ssh://nas01/srv/images")?,
        ["ssh", "-T", "nas01", "--", "imgdelta serve --stdio"]
    );
    assert_eq!(
        command("SSH://op@nas01:2222/~/my%20images")?,
        [
            "ssh",
            "-T",
            "-p",
            "2222",
            "op@nas01",
            "--",
            "imgdelta serve --stdio"
        ]
    );
    assert_eq!(command("ssh://[fe80::1%25eth0]:22/x")?[4], "fe80::1%eth0");
    assert_eq!(command("ssh://[::1]/x")?[2], "::1");
    let target = SshUrl::parse("ssh://h/~/my%20images")?;
    assert_eq!(target.path(), "/~/my images");
    let own = ssh_command(&target, "ssh -i key -F none", "sudo /opt/imgdelta")?;
    assert_eq!(own[..5], ["ssh", "-i", "key", "-F", "none"]);
    assert_eq!(own[8], "sudo /opt/imgdelta serve --stdio");
    Ok(())
}

#[test]
fn a_target_is_written_as_it_can_be_read() -> Result<()> {
    for (word, written) in [
        ("SSH://h/a b", "ssh://h/a%20b"),
        ("ssh://a%5cb%40c@h:22/x", "ssh://a%5Cb%40c@h:22/x"),
        ("ssh://h/~/a-b_c.d+e%25", "ssh://h/~/a-b_c.d%2Be%25"),
        (
            "ssh://u.v_w-x@h/%c3%a4\u{e4}",
            "ssh://u.v_w-x@h/%C3%A4%C3%A4",
        ),
        ("ssh://[fe80::1%eth0]/x", "ssh://[fe80::1%25eth0]/x"),
    ] {
        assert_eq!(SshUrl::parse(word)?.to_string(), written);
    }
    Ok(())
}

#[test]
fn nothing_that_ssh_or_a_shell_could_take_for_more_is_a_target() {
    let long = format!("ssh://h/{}", "x".repeat(5000));
    for wrong in [
        "http://h/x",
        "ssh:/h/x",
        "ssh://",
        "ssh:///x",
        "ssh://h",
        "ssh://h/",
        "ssh://-oProxyCommand=touch%20x/x",
        "ssh://-l/x",
        "ssh://[-oProxyCommand=x]/x",
        "ssh://-u@h/x",
        "ssh://%2du@h/x",
        "ssh://@h/x",
        "ssh://u@/x",
        "ssh://u;x@h/x",
        "ssh://$(x)/x",
        "ssh://h`x`/x",
        "ssh://h x/x",
        "ssh://h\n/x",
        "ssh://h:/x",
        "ssh://h:0/x",
        "ssh://h:+22/x",
        "ssh://h:65536/x",
        "ssh://h:x/x",
        "ssh://[::1/x",
        "ssh://[::1]22/x",
        "ssh://h/a%0ab",
        "ssh://h/a%00",
        "ssh://h/%zz",
        "ssh://h/%f",
        "ssh://h/%ff",
        "ssh://h/%%20",
        "ssh://h/%2",
        "ssh://h/%+2",
        "ssh://h/%1b",
        "ssh://h/%c2%85",
        "ssh://%u@h/x",
        "ssh://h/~root/x",
        long.as_str(),
    ] {
        let error = SshUrl::parse(wrong).expect_err(wrong);
        assert_eq!(
            (error.kind(), error.code()),
            (Kind::Usage, "target"),
            "{wrong}"
        );
        assert!(error.hint().is_some());
    }
    let target = SshUrl::parse("ssh://h/x").expect("plain");
    for (ssh, remote) in [
        ("", "imgdelta"),
        ("ssh", ""),
        ("ssh", "-x"),
        ("ssh", "a\nb"),
    ] {
        assert!(ssh_command(&target, ssh, remote).is_err());
    }
}

proptest! {
    #[test]
    fn what_is_a_target_is_the_same_one_when_it_is_written(word in "(ssh://)?([a-z%@-]{0,4}@)?[a-z:0-9.\\[\\]-]{0,8}/?\\PC{0,12}") {
        if let Ok(target) = SshUrl::parse(&word) {
            let again = SshUrl::parse(&target.to_string()).expect("it was one");
            prop_assert_eq!(again, target);
        }
    }

    #[test]
    fn no_text_is_too_much_for_the_parser(word in "\\PC*", bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        let _ = SshUrl::parse(&word);
        let _ = SshUrl::parse(&format!("ssh://{}", String::from_utf8_lossy(&bytes)));
    }
}
