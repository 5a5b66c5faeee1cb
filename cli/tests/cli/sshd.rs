//! An sshd of a test's own, on the loopback or on another host of a network of its own, and ssh that knows nothing but that test's key.

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{
    host::{done, tool},
    network::{self, Network},
    place::Place,
};

/// What is needed, with the Debian packages that have it.
pub(crate) const PROGRAMS: [(&str, &str); 3] = [
    ("sshd", "openssh-server"),
    ("ssh", "openssh-client"),
    ("ssh-keygen", "openssh-client"),
];

/// The port where nobody else listens.
const PORT: u16 = 2222;

/// A running sshd that lets in whoever has the test's key.
pub(crate) struct Sshd {
    child: Child,
    address: &'static str,
    port: u16,
    /// What ssh is called through.
    through: String,
}

impl Sshd {
    /// One on a port of the loopback.
    pub(crate) fn on_loopback(place: &Place) -> Self {
        let free = TcpListener::bind(("127.0.0.1", 0)).expect("a loopback");
        let port = free.local_addr().expect("it is bound").port();
        drop(free);
        Self::start(place, ("127.0.0.1", port), ("", ""))
    }

    /// One on the site's host; ssh is called on that of headquarters.
    pub(crate) fn on(network: &Network, place: &Place) -> Self {
        let through = (&*network.at_site(), &*network.at_headquarters());
        Self::start(place, (network::SITE, PORT), through)
    }

    fn start(place: &Place, at: (&'static str, u16), through: (&str, &str)) -> Self {
        for name in ["host", "key"] {
            let mut command = tool("ssh-keygen");
            command.args(["-q", "-t", "ed25519", "-N", "", "-f"]);
            done(command.arg(place.path(name))).expect("a key");
        }
        // As root it wants this folder, which its package's service makes.
        let _ = fs::create_dir_all("/run/sshd");
        let lines = format!(
            "Port {port}\nListenAddress {address}\nHostKey {host}\nAuthorizedKeysFile {key}\n\
             StrictModes no\nUsePAM no\nPidFile none\nPasswordAuthentication no\nLogLevel ERROR\n\
             ClientAliveInterval 1\nClientAliveCountMax 3\n",
            address = at.0,
            port = at.1,
            host = place.path("host").display(),
            key = place.path("key.pub").display(),
        );
        place.write("config", lines.as_bytes());
        // It wants to be called by its whole path.
        let places = ["/usr/sbin/sshd", "/usr/bin/sshd", "/usr/local/sbin/sshd"];
        let program = places.iter().find(|path| Path::new(path).exists());
        let program = program.expect("sshd is where systems have it");
        let words = format!("{} {program} -D -f", through.0);
        let mut words = words.split_whitespace();
        let child = tool(words.next().expect("one"))
            .args(words)
            .arg(place.path("config"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let sshd = Self {
            child,
            address: at.0,
            port: at.1,
            through: through.1.to_owned(),
        };
        sshd.wait(place);
        sshd
    }

    /// Waits until ssh gets there.
    fn wait(&self, place: &Place) {
        let ssh = self.ssh(place);
        let mut words = ssh.split_whitespace();
        let mut asked = tool(words.next().expect("one"));
        asked
            .args(words)
            .args(["-p", &self.port.to_string(), self.address, "true"]);
        let until = Instant::now() + Duration::from_secs(30);
        while let Err(why) = done(&mut asked) {
            assert!(Instant::now() < until, "sshd does not answer: {why}");
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// How a folder of the place is called from elsewhere.
    pub(crate) fn url(&self, place: &Place, folder: &str) -> String {
        let folder = place.path(folder);
        format!("ssh://{}:{}{}", self.address, self.port, folder.display())
    }

    /// ssh, that knows nothing but the test's key.
    pub(crate) fn ssh(&self, place: &Place) -> String {
        format!(
            "{} ssh -F none -i {} -o IdentitiesOnly=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
             -o BatchMode=yes -o LogLevel=ERROR -o ServerAliveInterval=1 -o ServerAliveCountMax=3",
            self.through,
            place.path("key").display()
        )
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
