//! `delivery.json.sig`: by whom the list of a delivery was made, as the system's ssh-keygen signs and verifies files (SSHSIG).
//!
//! The list holds the length and SHA-256 of every other file that is received, and the content ids of the images: who has signed it has signed all
//! of it. What is verified are the very bytes that are read as the list afterwards.

mod keygen;

use std::{
    ffi::OsStr,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use imgdelta_core::{
    AtomicFile, Bytes, Error, Existing, FileOffset, FileSource, Kind, Result, Source, read_vec,
};
use imgdelta_repository::catalogue::Signer;

use self::keygen::{LONGEST, Talk};
use super::index::INDEX;

/// What the file is called: ssh-keygen's own name for the signature of the list.
pub const SIGNATURE: &str = "delivery.json.sig";

/// What a signature is for: one that was made for mail or for git counts for nothing here.
pub const NAMESPACE: &str = "imgdelta";

/// Where the signature stands while it is verified.
const SCRATCH: &str = "/tmp";

/// A key that deliveries are signed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningKey(PathBuf);

impl SigningKey {
    /// The key in that file: a private key, or the public one (`.pub`) of a key that the ssh agent holds.
    ///
    /// # Errors
    /// Host, if there is no ssh-keygen (`no_ssh_keygen`); Usage, if it does not take the file for a key.
    pub fn new(file: &Path) -> Result<Self> {
        let key = absolute(file)?;
        let arguments = [OsStr::new("-l"), OsStr::new("-f"), key.as_os_str()];
        let said = keygen::run(&arguments, &[], Talk::Kept)?;
        if said.is_ok() {
            return Ok(Self(key));
        }
        let error = Error::new(Kind::Usage, "is not a key that ssh-keygen reads")
            .with_code("no_key")
            .in_file(file)
            .with_hint("--sign takes a private key file, or the .pub of a key in the ssh agent ('ssh-add -L' lists those)");
        Err(said.blamed(error))
    }

    /// The signature of a message.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        let [quiet, mode, sign] = ["-q", "-Y", "sign"].map(OsStr::new);
        let [space, name, file] = ["-n", NAMESPACE, "-f"].map(OsStr::new);
        let arguments = [quiet, mode, sign, space, name, file, self.0.as_os_str()];
        let said = keygen::run(&arguments, message, Talk::User)?;
        if said.is_ok() && !said.out.is_empty() {
            return Ok(said.out);
        }
        let error = Error::new(Kind::Host, "the key does not sign")
            .with_code("not_signed")
            .in_file(&self.0)
            .with_detail("what was packed is whole on the medium, without a signature")
            .with_hint("run the same line again: of a .pub the ssh agent must hold the key, 'ssh-add -L' lists what it holds");
        Err(said.blamed(error))
    }
}

/// Signs the list in `folder`: `index` is what was written there.
///
/// # Errors
/// Host, if the key does not sign (`not_signed`), or the host cannot write.
pub(super) fn sign(folder: &Path, index: &[u8], key: &SigningKey) -> Result<()> {
    let signature = key.sign(index)?;
    let draft = AtomicFile::create(&folder.join(SIGNATURE), Existing::Replace)?;
    draft.sink().write_at(FileOffset::ZERO, &signature)?;
    draft.commit()
}

/// Makes sure that `signer` has signed `index`, the bytes of the list in `folder`.
///
/// # Errors
/// Digest, if there is no signature (`unsigned`), or not his of these bytes (`signature`); Usage, if the file of signers is not there; Host.
pub(super) fn verify(folder: &Path, index: &[u8], signer: &Signer) -> Result<()> {
    signer.validate()?;
    let required = format!(
        "a signature by '{}' is required: at headquarters, 'imgdelta deploy IMAGE -o STICK --sign KEY' makes it",
        signer.id
    );
    let signature = read_signature(folder, &required)?;
    signer.require_files()?;
    let kept = keep(&signature)?;
    let [mode, verify, space, name] = ["-Y", "verify", "-n", NAMESPACE].map(OsStr::new);
    let [of, by, file, revoked] = ["-f", "-I", "-s", "-r"].map(OsStr::new);
    let mut arguments = vec![mode, verify, space, name, of, signer.signers.as_os_str()];
    arguments.extend([by, OsStr::new(&signer.id), file, kept.path().as_os_str()]);
    if let Some(list) = &signer.revoked {
        arguments.extend([revoked, list.as_os_str()]);
    }
    let said = keygen::run(&arguments, index, Talk::Kept)?;
    if said.is_ok() {
        return Ok(());
    }
    let hint = format!(
        "nothing of it is believed; ask headquarters to deploy it anew with --sign. If '{}' signs with another key by now, {} must list that",
        signer.id,
        signer.signers.display()
    );
    Err(said.blamed(no_signature(folder, &format!("by '{}'", signer.id), &hint)))
}

/// Makes sure that the signature in `folder` is one of `index`, by whichever key: nothing is said of whose that is.
///
/// # Errors
/// Digest, if there is no signature (`unsigned`), or none of these bytes (`signature`); Host.
pub(super) fn require_whole(folder: &Path, index: &[u8]) -> Result<()> {
    let hint = "at headquarters, 'imgdelta deploy IMAGE -o STICK --sign KEY' makes a new one";
    let kept = keep(&read_signature(folder, hint)?)?;
    let [mode, check, space, name] = ["-Y", "check-novalidate", "-n", NAMESPACE].map(OsStr::new);
    let arguments = [mode, check, space, name, OsStr::new("-s")];
    let mut arguments = Vec::from(arguments);
    arguments.push(kept.path().as_os_str());
    let said = keygen::run(&arguments, index, Talk::Kept)?;
    if said.is_ok() {
        return Ok(());
    }
    Err(said.blamed(no_signature(folder, "as it is", hint)))
}

/// It is none of the list.
fn no_signature(folder: &Path, by: &str, hint: &str) -> Error {
    Error::new(Kind::Digest, format!("is no signature of {INDEX} {by}"))
        .with_code("signature")
        .in_file(&folder.join(SIGNATURE))
        .with_hint(hint)
}

/// The signature beside the list. It comes from anywhere: no link is followed, and no more is read than a signature has.
fn read_signature(folder: &Path, hint: &str) -> Result<Vec<u8>> {
    let place = folder.join(SIGNATURE);
    let refused = |what: &str| {
        let error = Error::new(Kind::Digest, what).with_code("unsigned");
        error.in_file(&place).with_hint(hint)
    };
    match fs::symlink_metadata(&place) {
        Ok(found) if found.is_file() => {}
        Ok(_) => return Err(refused("is not a regular file")),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
            return Err(refused("the delivery is not signed"));
        }
        Err(cause) => return Err(Error::host("cannot look at", cause).in_file(&place)),
    }
    let source = FileSource::open(&place)?;
    if source.len() > Bytes(LONGEST) {
        return Err(refused("is longer than a signature is"));
    }
    read_vec(&source, FileOffset::ZERO, source.len())
}

/// The signature in a file that nobody else writes to: what is verified is what was read.
fn keep(signature: &[u8]) -> Result<tempfile::NamedTempFile> {
    let failed = |cause| Error::host("cannot keep the signature", cause);
    let mut kept = tempfile::NamedTempFile::new_in(SCRATCH).map_err(failed)?;
    kept.write_all(signature).map_err(failed)?;
    Ok(kept)
}

/// A path that no program takes for an option.
fn absolute(file: &Path) -> Result<PathBuf> {
    std::path::absolute(file)
        .map_err(|cause| Error::host("cannot tell where it stands", cause).in_file(file))
}
