//! A network of a test's own: two hosts, each a network namespace, with a slow line between them, taken away again whatever happens. What
//! crosses the line is the tests' own.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::host::{are_there, done, skipped, tool};

/// What is needed, with the Debian packages that have it.
const PROGRAMS: [(&str, &str); 2] = [("ip", "iproute2"), ("tc", "iproute2")];

/// The addresses of the two hosts. Nobody outside can see them.
const HEADQUARTERS: &str = "10.77.1.1";
/// That of the site.
pub(crate) const SITE: &str = "10.77.1.2";

/// Two hosts and the line between them.
pub(crate) struct Network {
    /// The names of the namespaces, and of the line's end in each.
    headquarters: String,
    site: String,
}

impl Network {
    /// A network whose line lets so much through, as tc says it; `None`, loudly, where a program is missing or the machine does not
    /// allow it.
    pub(crate) fn limited(rate: &str) -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        if !are_there(&PROGRAMS) {
            return None;
        }
        // An interface's name has at most 15 letters.
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let stem = format!("id{}x{number}", std::process::id());
        let network = Self {
            headquarters: format!("{stem}h"),
            site: format!("{stem}s"),
        };
        let made = network.make(rate);
        made.inspect_err(|why| skipped(&format!("no network of two hosts: {why}")))
            .ok()?;
        Some(network)
    }

    fn make(&self, rate: &str) -> Result<(), String> {
        let Self { headquarters, site } = self;
        for line in [
            format!("netns add {headquarters}"),
            format!("netns add {site}"),
            format!(
                "link add {headquarters} netns {headquarters} type veth peer name {site} netns {site}"
            ),
            format!("-n {headquarters} addr add {HEADQUARTERS}/24 dev {headquarters}"),
            format!("-n {site} addr add {SITE}/24 dev {site}"),
            format!("-n {headquarters} link set {headquarters} up"),
            format!("-n {site} link set {site} up"),
            format!(
                "netns exec {headquarters} tc qdisc add dev {headquarters} root tbf rate {rate} burst 32kbit latency 400ms"
            ),
        ] {
            ip(&line)?;
        }
        Ok(())
    }

    /// What stands before a command that is to run on headquarters' host.
    pub(crate) fn at_headquarters(&self) -> String {
        format!("ip netns exec {}", self.headquarters)
    }

    /// What stands before a command that is to run on the site's host.
    pub(crate) fn at_site(&self) -> String {
        format!("ip netns exec {}", self.site)
    }

    /// How many bytes headquarters has put on the line, as the host counts them.
    pub(crate) fn sent(&self) -> u64 {
        let name = &self.headquarters;
        let line = format!("netns exec {name} cat /sys/class/net/{name}/statistics/tx_bytes");
        let count = ip(&line).expect("it counts");
        count.trim().parse().expect("a number")
    }

    /// Cuts the line.
    pub(crate) fn cut(&self) {
        ip(&format!("-n {0} link set {0} down", self.headquarters)).expect("it was up");
    }

    /// Mends it.
    pub(crate) fn mend(&self) {
        ip(&format!("-n {0} link set {0} up", self.headquarters)).expect("it was down");
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // One that was never made is not there, and with the first one goes the line.
        for name in [&self.headquarters, &self.site] {
            let _ = ip(&format!("netns del {name}"));
        }
    }
}

fn ip(line: &str) -> Result<String, String> {
    done(tool("ip").args(line.split_whitespace()))
}
