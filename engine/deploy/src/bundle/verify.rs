//! A delivery looked through without a repository: every file that it lists is read, and what is there besides is named.

mod own_files;

use std::{
    collections::{HashMap, HashSet},
    fs,
    path::Path,
};

use imgdelta_core::{Error, Kind, Result};
use imgdelta_delta::Digest;
use imgdelta_operations::Stage;
use imgdelta_repository::catalogue::{Name, Signer};

use self::own_files::OwnFiles;
use super::{
    DeliveryContext,
    entry::BundleEntry,
    file_names::is_file_name,
    folder::Bundle,
    healing::{HealedFile, heal},
    index::MediumNumber,
    stored_file::{Look, Part, parts},
};

/// What was found in the folder of a delivery.
#[derive(Debug, Default)]
pub struct VerifiedDelivery {
    /// Each file, in order: the list and what was written with it, what it lists, what is called so and is not listed.
    pub files: Vec<VerifiedFile>,
    /// How many other files and folders lie there: others' matter, and left alone.
    pub others: u64,
    /// By whose signature the list was believed.
    pub signer: Option<String>,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// What was found of one file.
#[derive(Debug)]
pub struct VerifiedFile {
    /// Its name, as it may be shown.
    pub name: String,
    /// How long it is in bytes, as far as it was read.
    pub length: u64,
    /// What it is.
    pub state: FileState,
    /// How much of it its parity can heal, if it is damaged and all of it can be healed.
    pub healable: Option<HealedFile>,
}

/// What a file of a delivery's folder is.
#[derive(Debug)]
pub enum FileState {
    /// What was put there.
    Sound,
    /// Not what was put there: missing, damaged, another one, a link, or listed nowhere. Why.
    Faulty(Error),
}

impl VerifiedFile {
    /// What was found of a file of that name.
    fn new(name: impl Into<String>, length: u64, fault: Option<Error>) -> Self {
        Self {
            name: name.into(),
            length,
            state: fault.map_or(FileState::Sound, FileState::Faulty),
            healable: None,
        }
    }
}

/// Reads all that lies in the delivery in `folder`, from the medium where the host lets go of what it remembers of it. If `signer` is given, his
/// signature is verified before anything of it is believed. What is wrong with one file is a finding.
///
/// # Errors
/// As [`Bundle::open_signed`]: without a list that can be read, nothing can be said of the rest; Host, if the folder cannot be listed; Interrupted.
pub fn verify(
    folder: &Path,
    signer: Option<&Signer>,
    context: &DeliveryContext<'_>,
) -> Result<VerifiedDelivery> {
    let bundle = Bundle::open_signed(folder, signer)?;
    let mut found = VerifiedDelivery {
        signer: signer.map(|signer| signer.id.clone()),
        ..VerifiedDelivery::default()
    };
    OwnFiles::read(&bundle)?.judge(signer.is_some(), &mut found)?;
    let listed = bundle.index().items.iter().flat_map(BundleEntry::files);
    let listed: Vec<Part<'_>> = listed.flat_map(parts).collect();
    let names = listed.iter().map(|part| &part.stored);
    let names = names.map(|file| (file.sha256, file.name.to_string()));
    let names: HashMap<Digest, String> = names.collect();
    if let Some(MediumNumber { number, of }) = bundle.index().medium {
        found.notes.push(format!(
            "it is medium {number} of {of}: what lies on the others was not looked at"
        ));
    }
    let longest = bundle.index().longest();
    let look = Look {
        is_on_medium: true,
        longest: &|| longest,
        progress: context.run.work.progress,
        find: &|name| bundle.find(name),
        named: &|digest| names.get(digest).cloned(),
    };
    let here = listed
        .iter()
        .filter(|part| bundle.index().holds(&part.stored));
    for part in here {
        let file = look_at(&bundle, part, &look, &mut found.notes, context)?;
        found.files.push(file);
    }
    let known = listed.iter().map(|part| part.stored.name.folded());
    let known: HashSet<String> = known.collect();
    besides(folder, &known, &mut found)?;
    Ok(found)
}

/// What one listed file is. If its parity cannot heal it, a note says why.
fn look_at(
    bundle: &Bundle,
    part: &Part<'_>,
    look: &Look<'_>,
    notes: &mut Vec<String>,
    context: &DeliveryContext<'_>,
) -> Result<VerifiedFile> {
    let name = &part.stored.name;
    let read = bundle.find(name).and_then(|place| {
        (context.on_stage)(Stage::Check(&place));
        part.fault(&place, look)
    });
    let (length, fault) = match read {
        Err(error) if error.kind() == Kind::Interrupted => return Err(error),
        Err(error) => (0, Some(part.with_range(error))),
        Ok(found) => found,
    };
    let Some(fault) = fault else {
        return Ok(VerifiedFile::new(name.as_str(), length, None));
    };
    let healing = heal(&part.stored, look.find, None, look.progress)?;
    let healable = match healing {
        Some(Ok(healable)) => Some(healable),
        Some(Err(why)) => {
            let note = format!(
                "{name}: its parity cannot heal it: {why}; 'imgdelta receive STICK --request FILE' asks for it once more"
            );
            notes.push(note);
            None
        }
        None => None,
    };
    Ok(VerifiedFile {
        healable,
        ..VerifiedFile::new(name.as_str(), length, Some(fault))
    })
}

/// What lies in the folder and is not `known`: what is called as files of deliveries are is a fault, all else is others' matter.
fn besides(folder: &Path, known: &HashSet<String>, found: &mut VerifiedDelivery) -> Result<()> {
    let failed = |cause| Error::host("cannot list", cause).in_file(folder);
    let mut unlisted = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let folded = name.parse::<Name>().map(|name| name.folded());
        if own_files::is_own(&name) || folded.is_ok_and(|folded| known.contains(&folded)) {
            continue;
        }
        if !is_file_name(&name) {
            found.others = found.others.saturating_add(1);
            continue;
        }
        let fault = Error::new(Kind::Corrupt, "is called as files of deliveries are, and nothing lists it")
            .with_code("unlisted")
            .in_file(&entry.path())
            .with_hint("it is of another delivery, or an interrupted run left it: the next 'imgdelta deploy' onto this medium deletes it");
        let length = entry.metadata().map_or(0, |found| found.len());
        unlisted.push(VerifiedFile::new(name, length, Some(fault)));
    }
    unlisted.sort_by(|one, other| one.name.cmp(&other.name));
    found.files.append(&mut unlisted);
    Ok(())
}

impl VerifiedDelivery {
    /// The faults, in the order of the files.
    pub fn faults(&self) -> impl Iterator<Item = (&VerifiedFile, &Error)> {
        self.files.iter().filter_map(|file| match &file.state {
            FileState::Faulty(error) => Some((file, error)),
            FileState::Sound => None,
        })
    }
}
