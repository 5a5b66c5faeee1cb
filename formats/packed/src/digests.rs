//! The `.mf` of a package: the digest of each of its files, as `SHA256(name)= hex`.

use std::fmt::Write as _;

use imgdelta_core::{Bytes, Error, FileOffset, Kind, Result, Source, read_vec};
use sha1::Sha1;
use sha2::{Sha256, Sha512};

/// The longest list that is read.
const LONGEST: Bytes = Bytes::mib(16);
/// What is hashed at once.
const STEP: usize = 1 << 20;

/// How a digest is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// Packages of OVF 1.
    Sha1,
    /// Packages of OVF 2.
    Sha256,
    /// Some of the latest.
    Sha512,
}

/// What the list promises of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Promise {
    name: String,
    algorithm: Algorithm,
    hex: String,
}

/// The digests of a package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Digests {
    promises: Vec<Promise>,
}

impl Algorithm {
    fn named(name: &str) -> Option<Self> {
        match name.to_ascii_uppercase().replace('-', "").as_str() {
            "SHA1" => Some(Self::Sha1),
            "SHA256" => Some(Self::Sha256),
            "SHA512" => Some(Self::Sha512),
            _ => None,
        }
    }

    /// What it is called in the list.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
            Self::Sha512 => "SHA512",
        }
    }

    const fn digits(self) -> usize {
        match self {
            Self::Sha1 => 40,
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }

    /// The digest of all of `source`, in hexadecimal digits; `each` is called for each step, and may end it.
    fn of(self, source: &dyn Source, each: &dyn Fn() -> Result<()>) -> Result<String> {
        match self {
            Self::Sha1 => hashed::<Sha1>(source, each),
            Self::Sha256 => hashed::<Sha256>(source, each),
            Self::Sha512 => hashed::<Sha512>(source, each),
        }
    }
}

fn hashed<D: sha2::Digest>(source: &dyn Source, each: &dyn Fn() -> Result<()>) -> Result<String> {
    let mut hash = D::new();
    let mut buffer = vec![0; STEP];
    let mut at = 0_u64;
    while at < source.len().0 {
        each()?;
        let len = Bytes(source.len().0.saturating_sub(at))
            .in_memory()
            .min(STEP);
        let (bytes, _) = buffer.split_at_mut(len);
        source.read_at(FileOffset(at), bytes)?;
        hash.update(&*bytes);
        at = at.saturating_add(len as u64);
    }
    Ok(hex(&hash.finalize()))
}

/// Bytes in hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // A string takes whatever is written to it.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl Digests {
    /// Reads a list.
    ///
    /// # Errors
    /// Corrupt, if a line of it is none; Unsupported, if it is larger than any that is meant, or made in a way that is not known.
    pub fn read(source: &dyn Source) -> Result<Self> {
        let placed = |error: Error| error.in_structure(".mf");
        if source.len() > LONGEST {
            let message = format!(
                "the .mf has {} bytes, at most {} are read",
                source.len().0,
                LONGEST.0
            );
            return Err(placed(Error::new(Kind::Unsupported, message)));
        }
        let bytes = read_vec(source, FileOffset::ZERO, source.len())?;
        let text = String::from_utf8_lossy(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes))
            .into_owned();
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let promises = lines.map(|line| promise_of(line).map_err(placed));
        Ok(Self {
            promises: promises.collect::<Result<_>>()?,
        })
    }

    /// The names of all files that it lists, as recorded.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.promises.iter().map(|promise| promise.name.as_str())
    }

    /// Whether it says something of the file `name`.
    #[must_use]
    pub fn lists(&self, name: &str) -> bool {
        self.names().any(|known| known == name)
    }

    /// Holds `source` against what is promised of the file `name`; nothing is done where nothing is. `each` is called for each step, and may
    /// end it.
    ///
    /// # Errors
    /// Digest, if it has another one; those of the source and of `each`.
    pub fn prove(
        &self,
        name: &str,
        source: &dyn Source,
        each: &dyn Fn() -> Result<()>,
    ) -> Result<()> {
        for promise in self.promises.iter().filter(|promise| promise.name == name) {
            let found = promise.algorithm.of(source, each)?;
            if found != promise.hex {
                let (algorithm, name) = (promise.algorithm.name(), name.escape_debug());
                return Err(Error::new(Kind::Digest, format!("'{name}' is not what the .mf promises: its {algorithm} is {found}, {} is required", promise.hex))
                    .with_code("mf_mismatch")
                    .with_hint("copy the package once more"));
            }
        }
        Ok(())
    }
}

/// `SHA256(disk.vmdk)= 0123...`, with or without spaces.
fn promise_of(line: &str) -> Result<Promise> {
    let refused = |why: &str| {
        let line: String = line.chars().take(80).collect();
        let message = format!("the line '{}' of the .mf {why}", line.escape_debug());
        Error::new(Kind::Corrupt, message).with_code("mf")
    };
    // A name may hold any of the marks, the digest none.
    let parts = line.rsplit_once('=').and_then(|(head, hex)| {
        let head = head.trim_end().strip_suffix(')')?;
        let (algorithm, name) = head.split_once('(')?;
        Some((algorithm.trim(), name, hex.trim()))
    });
    let (algorithm, name, hex) = parts.ok_or_else(|| refused("is no digest"))?;
    let Some(algorithm) = Algorithm::named(algorithm) else {
        let message = format!(
            "the digests of the .mf are {}, which is not supported",
            algorithm.escape_debug()
        );
        return Err(Error::new(Kind::Unsupported, message).with_code("mf"));
    };
    let is_hex = hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    if hex.len() != algorithm.digits() || !is_hex {
        return Err(refused("has no digest of the right length"));
    }
    Ok(Promise {
        name: name.to_owned(),
        algorithm,
        hex: hex.to_ascii_lowercase(),
    })
}

#[cfg(test)]
mod tests {
    use imgdelta_core::MemSource;

    use super::*;

    /// Of `abc`, as FIPS 180 prints them.
    const SHA1: &str = "a9993e364706816aba3e25717850c26c9cd0d89d";
    const SHA256: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn read(text: &str) -> Result<Digests> {
        Digests::read(&MemSource(text.into()))
    }

    #[test]
    fn a_file_is_held_against_its_digest() -> Result<()> {
        let text = format!(
            "SHA1(a (1)=b.vmdk)= {SHA1}\r\n\nSHA256 (c.vmdk) = {}\nSHA-256(d.vmdk)={SHA1}{}\n",
            SHA256.to_uppercase(),
            &SHA1[..24]
        );
        let digests = read(&text)?;
        assert_eq!(
            digests.names().collect::<Vec<_>>(),
            ["a (1)=b.vmdk", "c.vmdk", "d.vmdk"]
        );
        let abc = MemSource(b"abc".to_vec());
        let go_on = || Ok(());
        digests.prove("a (1)=b.vmdk", &abc, &go_on)?;
        digests.prove("c.vmdk", &abc, &go_on)?;
        digests.prove("not listed", &abc, &go_on)?;
        assert!(digests.lists("c.vmdk") && !digests.lists("not listed"));
        let error = digests
            .prove("d.vmdk", &abc, &go_on)
            .expect_err("it is another one");
        assert_eq!((error.kind(), error.code()), (Kind::Digest, "mf_mismatch"));
        assert!(error.message().contains(SHA256), "{error}");
        let error = digests.prove("c.vmdk", &abc, &|| Err(Error::interrupted()));
        assert_eq!(error.expect_err("it was stopped").kind(), Kind::Interrupted);
        Ok(())
    }

    #[test]
    fn a_line_that_is_no_digest_is_damage() {
        for (text, kind) in [
            ("hello", Kind::Corrupt),
            ("SHA256(a)= 00", Kind::Corrupt),
            ("SHA256 a = 00", Kind::Corrupt),
            ("MD5(a)= 00", Kind::Unsupported),
        ] {
            assert_eq!(read(text).expect_err(text).kind(), kind, "{text}");
        }
        let other = format!("SHA256(a)= {}", "g".repeat(64));
        assert_eq!(read(&other).expect_err("no digits").kind(), Kind::Corrupt);
        assert_eq!(
            read("").map(|digests| digests.names().count()).ok(),
            Some(0)
        );
    }
}
