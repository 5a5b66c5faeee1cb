//! Which of the files that an image names may be looked at: a policy, never a reflex.
//!
//! Nothing here opens anything. What may be looked at is then opened by `sandbox`, which makes sure that no symbolic link leads elsewhere.

use std::{
    fs,
    path::{Component, Path, PathBuf},
};

use imgdelta_core::{Format, Hint, HintKind, ParentLink};

use crate::{
    recorded_path::{RecordedPath, read},
    refusal::{Reason, Refused},
};

/// What the user allows beyond the folder of the image.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// `--search`: more folders below which named files may lie.
    pub search: Vec<PathBuf>,
    /// `--parent`: the parents themselves, that of the top image first. They may lie anywhere and may be block devices.
    pub parent: Vec<PathBuf>,
    /// `--backing-format`: the format of parents whose format is not recorded, and of those in `parent`.
    pub backing_format: Option<Format>,
    /// `--accept-parent-id`: a parent is taken also if its identity is not the one that the child records, with a note.
    pub accept_parent_id: bool,
    /// How the user says what stands in `parent`: for hints.
    pub parent_option: ParentOption,
}

/// The option of a command that names a parent of the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParentOption {
    /// It is called so: `--parent`, `--other-parent`.
    Named(&'static str),
    /// There is none: the command takes only images that open by themselves.
    None,
}

impl Default for ParentOption {
    fn default() -> Self {
        Self::Named("--parent")
    }
}

/// A place where a named file may be looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its path, for messages.
    pub path: PathBuf,
    /// The folder that must not be left.
    pub root: PathBuf,
    /// The path below that folder; it has no `..`.
    pub inside: PathBuf,
    /// Which field of the image led here.
    pub field: &'static str,
    /// Whether only the name is what was recorded, and the folder is not.
    pub by_name: bool,
}

impl Policy {
    /// Where the parent in `link`, named by `image`, may be looked for, best first; and which of its paths are not followed.
    #[must_use]
    pub fn candidates(&self, link: &ParentLink, image: &Path) -> (Vec<Candidate>, Vec<Refused>) {
        let mut places = Places::new(image, self);
        places.is_proven = link.identities.iter().any(|identity| !identity.is_null());
        for hint in &link.hints {
            places.add(hint);
        }
        (places.candidates, places.refused)
    }
}

/// As [`Policy::candidates`].
#[must_use]
pub fn candidates(
    link: &ParentLink,
    image: &Path,
    policy: &Policy,
) -> (Vec<Candidate>, Vec<Refused>) {
    policy.candidates(link, image)
}

/// The folder of `path`, which may be the one where we stand.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// A folder below which files may lie.
#[derive(Debug)]
struct Root {
    /// As the user calls it.
    folder: PathBuf,
    /// Its absolute path, as it is called and as it is: a recorded path may use either.
    absolute: Vec<PathBuf>,
}

impl Root {
    fn new(folder: &Path) -> Self {
        let called = std::path::absolute(folder).ok();
        let real = fs::canonicalize(folder).ok();
        Self {
            folder: folder.to_owned(),
            absolute: real.into_iter().chain(called).collect(),
        }
    }

    /// The path of `absolute` below this folder.
    fn inside(&self, absolute: &Path) -> Option<PathBuf> {
        self.absolute
            .iter()
            .find_map(|root| absolute.strip_prefix(root).ok())
            .filter(|inside| !inside.as_os_str().is_empty())
            .map(Path::to_owned)
    }

    /// The absolute path that begins `up` folders above this one.
    fn resolve(&self, up: usize, down: &Path) -> Option<PathBuf> {
        let mut at = self.absolute.first()?.as_path();
        for _ in 0..up {
            // Above the root there is the root.
            at = at.parent().unwrap_or(at);
        }
        Some(at.join(down))
    }
}

/// What has been found so far of the places where a file may be.
#[derive(Debug)]
pub(crate) struct Places {
    /// The folder of the image that names it.
    home: Root,
    /// The folders that the user adds.
    search: Vec<Root>,
    /// Where it may be looked for.
    pub(crate) candidates: Vec<Candidate>,
    /// What is not followed.
    pub(crate) refused: Vec<Refused>,
    /// Whether an identity proves what is found.
    is_proven: bool,
}

impl Places {
    /// No place yet.
    pub(crate) fn new(image: &Path, policy: &Policy) -> Self {
        Self {
            home: Root::new(folder_of(image)),
            search: policy
                .search
                .iter()
                .map(|folder| Root::new(folder))
                .collect(),
            candidates: Vec::new(),
            refused: Vec::new(),
            is_proven: false,
        }
    }

    /// Adds the places that `hint` leads to.
    pub(crate) fn add(&mut self, hint: &Hint) {
        for meaning in read(hint) {
            match meaning {
                Err(reason) => self.refuse(hint, reason),
                Ok(wish) => self.add_wish(hint, wish),
            }
        }
    }

    fn add_wish(&mut self, hint: &Hint, wish: RecordedPath) {
        match wish {
            RecordedPath::Relative(way) if way.up == 0 => {
                self.push(hint, None, &way.down, false);
                self.search_all(hint, &way.down, false);
                self.add_name(hint, &way.down, self.is_proven);
            }
            RecordedPath::Relative(way) => {
                let there = self.home.resolve(way.up, &way.down);
                if !there.is_some_and(|there| self.push_absolute(hint, &there)) {
                    self.refuse(hint, Reason::Leaves);
                }
                self.add_name(hint, &way.down, self.is_proven);
            }
            RecordedPath::Absolute(path) => {
                if !self.push_absolute(hint, &path) {
                    self.refuse(hint, Reason::Outside);
                }
                let is_foreign = matches!(hint.kind, HintKind::WindowsPath | HintKind::FileUrl);
                self.add_name(hint, &path, self.is_proven || is_foreign);
            }
            RecordedPath::Named(name, reason) => {
                if let Some(reason) = reason {
                    self.refuse(hint, reason);
                }
                self.push(hint, None, &name, true);
                self.search_all(hint, &name, true);
            }
        }
    }

    fn refuse(&mut self, hint: &Hint, reason: Reason) {
        self.refused.push(Refused {
            field: hint.field,
            text: hint.text.clone(),
            reason,
        });
    }

    /// The absolute path, if it lies below one of the folders.
    fn push_absolute(&mut self, hint: &Hint, path: &Path) -> bool {
        let roots = std::iter::once(&self.home).chain(&self.search);
        let found = roots.enumerate().find_map(|(number, root)| {
            let inside = root.inside(path)?;
            Some((number.checked_sub(1), inside))
        });
        match found {
            Some((root, inside)) => {
                self.push(hint, root, &inside, false);
                true
            }
            None => false,
        }
    }

    fn search_all(&mut self, hint: &Hint, inside: &Path, by_name: bool) {
        for number in 0..self.search.len() {
            self.push(hint, Some(number), inside, by_name);
        }
    }

    /// Adds the places where a file stands that has only the last part of the path in common: the user's folders, and the image's own, unless to
    /// take that file would be a guess.
    fn add_name(&mut self, hint: &Hint, path: &Path, is_sure: bool) {
        let Some(name) = path.file_name() else { return };
        self.search_all(hint, Path::new(name), true);
        if is_sure {
            self.push(hint, None, Path::new(name), true);
        }
    }

    /// Adds a place in the folder of the image (`None`) or in the added folder of that number, unless it is known.
    fn push(&mut self, hint: &Hint, root: Option<usize>, inside: &Path, by_name: bool) {
        let root = match root {
            None => &self.home,
            Some(number) => match self.search.get(number) {
                Some(root) => root,
                None => return,
            },
        };
        debug_assert!(
            inside
                .components()
                .all(|part| matches!(part, Component::Normal(_)))
        );
        let path = match root.folder.as_path() {
            here if here == Path::new(".") => inside.to_owned(),
            folder => folder.join(inside),
        };
        if self.candidates.iter().any(|known| known.path == path) {
            return;
        }
        let root = root.folder.clone();
        self.candidates.push(Candidate {
            path,
            root,
            inside: inside.to_owned(),
            field: hint.field,
            by_name,
        });
    }
}
