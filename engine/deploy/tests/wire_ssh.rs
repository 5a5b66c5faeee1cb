//! A deployment through a real sshd on the loopback. The program is its own other side: called with `serve --stdio`, as ssh calls it, it
//! serves; hence it has no harness that would talk on its standard output.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "the test knows what it has made and says what it expects"
)]

use std::{
    env, fs,
    io::Write,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use imgdelta_core::{Format, Result};
use imgdelta_delta::{ExecContext, RunProgress};
use imgdelta_deploy::{
    bundle::{DeliveryContext, Outcome},
    deployment::{Deploy, SiteOutcome, deploy_over},
    wire::{ClientSession, Patience, ServeOptions, SshUrl, Transport, serve, ssh_command},
};
use imgdelta_fixtures::golden;
use imgdelta_registry::OpenSpec;
use imgdelta_repository::catalogue::{Add, Repository, Run};

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let progress = RunProgress::default();
    if arguments == ["serve", "--stdio"] {
        let options = ServeOptions {
            ownership: imgdelta_core::Ownership::default(),
            root: None,
            run: run(&progress),
            patience: &Patience::default(),
        };
        let served = serve(std::io::stdin(), std::io::stdout(), &options);
        std::process::exit(served.map_or_else(|error| error.kind().exit().into(), |_| 0));
    }
    // `cargo test NAME` and `--list` come here too.
    if arguments.iter().any(|one| one == "--list") {
        return;
    }
    match Sshd::start() {
        Ok(sshd) => {
            the_difference_travels_through_ssh_and_a_second_time_nothing_does(&sshd, &progress);
            what_ssh_does_not_reach_is_said(&sshd, &progress);
        }
        Err(why) => {
            let required = env::var("IMGDELTA_REQUIRE_PEERS").is_ok_and(|value| value == "1");
            assert!(!required, "sshd is required: {why}");
            let _ = writeln!(std::io::stderr(), "skipped: {why}");
        }
    }
}

fn the_difference_travels_through_ssh_and_a_second_time_nothing_does(
    sshd: &Sshd,
    progress: &RunProgress,
) {
    let folder = tempfile::tempdir().expect("a place");
    let at = |name: &str| folder.path().join(name);
    let hq = Repository::init(&at("hq"), Format::Vhd).expect("room");
    let site = Repository::init(&at("site with a ' in its name"), Format::Qcow2).expect("room");
    for name in ["golden.vhd", "patched.vhd"] {
        add(&hq, &golden_file(folder.path(), name), progress);
    }
    add(&site, &golden_file(folder.path(), "golden.qcow2"), progress);
    for time in 0..2 {
        let target = sshd.target(site.folder());
        let sent = send(sshd, &target, &hq, folder.path(), progress).expect("it gets there");
        if let Some(error) = sent.failure() {
            panic!("{error}");
        }
        let images = sent.images.as_deref().unwrap_or_default();
        assert_eq!(images.len(), 1 - time);
        if let Some(one) = images.first() {
            assert!(matches!(one.outcome, Outcome::Entered(_)));
            let transfer = sent.sent[0].transfer.expect("it went over the line");
            assert!(transfer.sent < 1 << 20, "only the difference travels");
        }
        let route = sent.route.as_ref().expect("it was worked out");
        assert_eq!(route.there.len(), time, "a second time it is there");
    }
    let there = site.show("patched").expect("it was entered");
    assert_eq!(
        there.content_id,
        hq.show("patched").expect("it is there").content_id
    );
    assert_eq!(there.format, Format::Qcow2);
    println!("ok: the difference travels through ssh, and a second time nothing does");
}

fn what_ssh_does_not_reach_is_said(sshd: &Sshd, progress: &RunProgress) {
    let folder = tempfile::tempdir().expect("a place");
    let hq = Repository::init(&folder.path().join("hq"), Format::Vhd).expect("room");
    let nowhere = sshd.target(Path::new("/no/such/repository"));
    let error = send(sshd, &nowhere, &hq, folder.path(), progress).expect_err("nothing is there");
    assert!(
        error
            .message()
            .starts_with("the other side: /no/such/repository: cannot find"),
        "{error}"
    );
    let mut command = sshd.command(&nowhere, "no-such-program");
    let error = ask(&command, progress).expect_err("no program");
    assert!(error.details()[0].contains("--remote-program"), "{error:?}");
    command = ssh_command(
        &SshUrl::parse("ssh://127.0.0.1:1/x").expect("plain"),
        &sshd.ssh(),
        "x",
    )
    .expect("plain");
    let error = ask(&command, progress).expect_err("no sshd");
    assert!(error.details()[0].contains("did not reach"), "{error:?}");
    println!("ok: what ssh does not reach is said");
}

/// Asks for any repository.
fn ask(command: &[std::ffi::OsString], progress: &RunProgress) -> Result<()> {
    talk(command, |(from, to)| {
        ClientSession::open(from, to, "/x", progress)?.close()
    })
}

/// Sends the patched image.
fn send(
    sshd: &Sshd,
    target: &SshUrl,
    hq: &Repository,
    folder: &Path,
    progress: &RunProgress,
) -> Result<SiteOutcome> {
    let program = env::current_exe().expect("it runs");
    let command = sshd.command(target, program.to_str().expect("text"));
    let context = DeliveryContext::quiet(run(progress));
    let packing = folder.join("packing");
    fs::create_dir_all(&packing).expect("room");
    let deploy = Deploy {
        images: match hq.list()?.is_empty() {
            true => Vec::new(),
            false => vec!["patched".to_owned()],
        },
        ..Deploy::from(hq)
    };
    talk(&command, |(from, to)| {
        let client = ClientSession::open(from, to, target.path(), progress)?;
        deploy_over(&deploy, client, &packing, &context)
    })
}

type Ends = (Box<dyn std::io::Read>, Box<dyn Write>);

fn talk<T>(command: &[std::ffi::OsString], say: impl FnOnce(Ends) -> Result<T>) -> Result<T> {
    let mut transport = Transport::start(command)?;
    let (from, to) = transport.ends()?;
    let said = say((Box::new(from), Box::new(to)));
    transport.end(said)
}

fn run(progress: &RunProgress) -> Run<'_> {
    Run {
        work: ExecContext {
            time: Some(1_700_000_000),
            ..ExecContext::new(1, progress)
        },
        wait: Duration::from_secs(10),
    }
}

fn golden_file(folder: &Path, name: &str) -> PathBuf {
    let files = golden::files();
    let (_, bytes) = files
        .iter()
        .find(|(known, _)| *known == name)
        .expect("the story has it");
    let path = folder.join(name);
    fs::write(&path, bytes).expect("room");
    path
}

fn add(repository: &Repository, image: &Path, progress: &RunProgress) {
    let add = Add {
        image: OpenSpec::of(image),
        ..Add::default()
    };
    repository.add(&add, &run(progress)).expect("it is sound");
}

/// An sshd of the test's own, on a port of the loopback, that lets in whoever has the test's key.
struct Sshd {
    child: Child,
    folder: tempfile::TempDir,
    port: u16,
    user: String,
}

impl Sshd {
    /// Starts it; if there is none, says why.
    fn start() -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|cause| cause.to_string())?;
        for name in ["host", "key"] {
            let made = quiet("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(folder.path().join(name))
                .status();
            if !made.is_ok_and(|status| status.success()) {
                return Err("no ssh-keygen (Debian package openssh-client)".to_owned());
            }
        }
        let sshd = ["/usr/sbin/sshd", "/usr/bin/sshd", "/usr/local/sbin/sshd"];
        let sshd = sshd.into_iter().find(|place| Path::new(place).exists());
        let sshd = sshd.ok_or("no sshd (Debian package openssh-server)")?;
        // As root it wants this folder, which its package's service makes.
        let _ = fs::create_dir_all("/run/sshd");
        let user = Command::new("id")
            .arg("-un")
            .output()
            .map_err(|cause| cause.to_string())?;
        let port = free_port().map_err(|cause| cause.to_string())?;
        let config = folder.path().join("config");
        let lines = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {place}/host\nAuthorizedKeysFile {place}/key.pub\n\
             StrictModes no\nUsePAM no\nPidFile none\nPasswordAuthentication no\nLogLevel ERROR\n",
            place = folder.path().display(),
        );
        fs::write(&config, lines).map_err(|cause| cause.to_string())?;
        let child = quiet(sshd)
            .args(["-D", "-f"])
            .arg(&config)
            .spawn()
            .map_err(|cause| cause.to_string())?;
        let sshd = Self {
            child,
            folder,
            port,
            user: String::from_utf8_lossy(&user.stdout).trim().to_owned(),
        };
        let until = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if Instant::now() > until {
                return Err("sshd does not listen".to_owned());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(sshd)
    }

    /// The repository in `folder`, by ssh.
    fn target(&self, folder: &Path) -> SshUrl {
        let path = folder.to_str().expect("text").replace(' ', "%20");
        let word = format!("ssh://{}@127.0.0.1:{}{path}", self.user, self.port);
        SshUrl::parse(&word).expect("it is one")
    }

    /// ssh, that knows nothing but the test's key.
    fn ssh(&self) -> String {
        format!(
            "ssh -F none -i {}/key -o IdentitiesOnly=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
             -o BatchMode=yes -o LogLevel=ERROR",
            self.folder.path().display()
        )
    }

    fn command(&self, target: &SshUrl, program: &str) -> Vec<std::ffi::OsString> {
        ssh_command(target, &self.ssh(), program).expect("plain")
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn quiet(program: &str) -> Command {
    let mut command = Command::new(program);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
