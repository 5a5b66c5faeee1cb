//! Who must have signed what is believed here: an identity, and the file that says which keys are its own, as git and OpenSSH know it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use imgdelta_core::{Error, Existing, Kind, Result};
use serde::{Deserialize, Serialize};

use super::{Repository, Run, layout::write_small};

/// Most bytes of an identity, and of the path of a file.
const MOST_BYTES: usize = 4096;

/// An identity whose signature is required, and the files that decide which keys are good for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signer {
    /// The identity, one of those in the file: `images@example.org`.
    pub id: String,
    /// The file of keys, in the form `allowed_signers` of ssh-keygen(1); it is read whenever a signature is verified.
    pub signers: PathBuf,
    /// The file of keys that are good no more: a list of public keys, or a KRL of OpenSSH.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<PathBuf>,
}

impl Signer {
    /// The identity `id` by these files, whose paths become absolute.
    ///
    /// # Errors
    /// Usage, if the identity is none, or a path is not UTF-8; Host, if the folder that one stands in is not known.
    pub fn new(id: impl Into<String>, signers: &Path, revoked: Option<&Path>) -> Result<Self> {
        let signer = Self {
            id: id.into(),
            signers: whole_path(signers)?,
            revoked: revoked.map(whole_path).transpose()?,
        };
        signer.validate()?;
        Ok(signer)
    }

    /// Makes sure that its files are there.
    ///
    /// # Errors
    /// Usage (`no_signers`), if one is not; Host.
    pub fn require_files(&self) -> Result<()> {
        require_file(&self.signers)?;
        self.revoked.as_deref().map_or(Ok(()), require_file)
    }

    /// Makes sure that it says somebody.
    ///
    /// # Errors
    /// Usage, if the identity is empty, too long, or has control characters.
    pub fn validate(&self) -> Result<()> {
        let id = &self.id;
        if !id.is_empty() && id.len() <= MOST_BYTES && !id.contains(char::is_control) {
            return Ok(());
        }
        let shown: String = id.chars().take(80).collect();
        let message = format!("'{}' is no identity of a signer", shown.escape_debug());
        Err(Error::new(Kind::Usage, message)
            .with_code("signer")
            .with_hint("it is what stands first in a line of the file of --signers, images@example.org say"))
    }
}

impl Repository {
    /// From now on nothing is received from a medium whose list this signer has not signed; `None`: from now on that is not required.
    ///
    /// # Errors
    /// Usage, if a file of keys is not there (`no_signers`); Busy, if another process changes the repository; Host.
    pub fn require_signer(&self, signer: Option<Signer>, run: &Run<'_>) -> Result<Self> {
        signer.as_ref().map_or(Ok(()), Signer::require_files)?;
        let change = self.change(run, "require-signer")?;
        let now = Self::open(self.folder())?;
        let about = now.about.with_signer(signer);
        write_small(&now.paths.about(), &about.to_json()?, Existing::Replace)?;
        drop(change);
        Ok(Self { about, ..now })
    }
}

/// Makes sure that a file of keys is there: without it, nothing is said of a signature.
fn require_file(file: &Path) -> Result<()> {
    match fs::metadata(file) {
        Ok(found) if found.is_file() => Ok(()),
        Ok(_) => Err(Error::new(Kind::Usage, "is not a file of keys")
            .with_code("no_signers")
            .in_file(file)),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
            Err(Error::new(Kind::Usage, "the file of keys is not here")
                .with_code("no_signers")
                .in_file(file)
                .with_hint("a line of it is 'IDENTITY namespaces=\"imgdelta\" ssh-ed25519 AAAA...', as in the allowed_signers of git"))
        }
        Err(cause) => Err(Error::host("cannot look at", cause).in_file(file)),
    }
}

/// An absolute path that can be written down.
fn whole_path(path: &Path) -> Result<PathBuf> {
    let whole = std::path::absolute(path)
        .map_err(|cause| Error::host("cannot tell where it stands", cause).in_file(path))?;
    let is_text = whole.to_str().is_some_and(|text| text.len() <= MOST_BYTES);
    if is_text {
        return Ok(whole);
    }
    let message = "the path cannot be written down: it is not UTF-8, or too long";
    Err(Error::new(Kind::Usage, message).in_file(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_text_and_paths_are_absolute() -> Result<()> {
        let signer = Signer::new("images@example.org", Path::new("allowed"), None)?;
        assert!(signer.signers.is_absolute());
        for id in ["", "two\nlines", "tab\t", &"x".repeat(MOST_BYTES + 1)] {
            let error = Signer::new(id, Path::new("allowed"), None).expect_err("none");
            assert_eq!(error.kind(), Kind::Usage);
        }
        Ok(())
    }
}
