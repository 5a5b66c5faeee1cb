//! What to say when no parent was found, or more than one: the most telling of what was wrong with the candidates.

use std::path::Path;

use imgdelta_core::{Error, Identity, Kind};

use super::{ParentSearch, RejectedCandidates, other::called};
use crate::{
    layer::Opened,
    policy::ParentOption,
    refusal::{Reason, Refused},
};

/// Whether the child was made so that no link of it leads anywhere.
fn is_unlinked(refused: &[Refused]) -> bool {
    refused.iter().any(|one| one.reason == Reason::Unlinked)
}

/// Why such a child does not open, and what it is good for.
fn unlinked(refused: &[Refused]) -> Error {
    let message = "its base is a disk that no link can name: it opens with its base only";
    let error = Error::new(Kind::Chain, message)
        .with_code("parent_unlinked")
        .with_hint(
            "'imgdelta apply' makes a full image of it and its base, 'imgdelta attach' links it to an image that is that disk",
        );
    refused
        .iter()
        .fold(error, |error, one| error.with_detail(one.to_string()))
}

/// It is in none of the places that there are.
fn missing(none_looked: bool, none_searched: bool, wanted: &str) -> Error {
    let message = match (none_looked, none_searched) {
        (true, true) => "does not say where its parent is".to_owned(),
        (false, true) => "its parent is missing".to_owned(),
        (_, false) => format!("its parent is missing: {wanted}"),
    };
    Error::new(Kind::Chain, message).with_code("parent_missing")
}

/// It may be there: not all was looked at.
fn too_many_names(what: &str, limit: &str) -> Error {
    Error::new(Kind::Unsupported, format!("{what}, and {limit}")).with_code("folder_too_large")
}

impl ParentSearch<'_> {
    /// Why there is no parent: the most telling of what was wrong with the candidates.
    pub(super) fn error(self) -> Error {
        let child = self.child.path.clone();
        let loops = self.passed.looping.as_ref().map(|path| self.looping(path));
        let other = self.other_identity();
        let (wanted, hint) = (self.wanted(), self.hint_at_places());
        let RejectedCandidates {
            failed,
            refused,
            host,
            looked,
            searched,
            not_listed,
            ..
        } = self.passed;
        if let Some(error) = failed.or(loops) {
            return error;
        }
        let unsearched = searched.iter().filter_map(|one| one.images.as_ref().err());
        let mut limits = not_listed.iter().chain(unsearched);
        let limit = limits.find(|one| one.is_limit()).map(ToString::to_string);
        let mut error = match other {
            Some(other) => other,
            None if is_unlinked(&refused) => return unlinked(&refused).in_file(&child),
            None if refused.iter().any(|one| one.reason.is_unsafe()) => Error::new(
                Kind::Reference,
                "names its parent by a path that is not followed",
            )
            .with_code("reference_refused"),
            None => match host {
                Some(error) => return error,
                None => match limit {
                    Some(limit) => too_many_names("its parent is not where it is recorded", &limit),
                    None => missing(looked.is_empty(), searched.is_empty(), &wanted),
                },
            },
        };
        for one in &refused {
            error = error.with_detail(one.to_string());
        }
        for (path, cause) in &looked {
            error = error.with_detail(format!("looked for {}: {cause}", path.display()));
        }
        for one in &not_listed {
            error = error.with_detail(one.to_string());
        }
        for one in &searched {
            error = error.with_detail(one.to_string());
        }
        error.in_file(&child).with_hint(hint)
    }

    /// What helps where the parent lies elsewhere.
    fn hint_at_places(&self) -> String {
        match self.spec.policy.parent_option {
            ParentOption::Named(option) => format!(
                "--search DIR adds a folder in which it may lie, {option} FILE names the parent itself"
            ),
            ParentOption::None => format!(
                "--search DIR adds a folder in which it may lie; {}",
                self.full_image("--parent FILE")
            ),
        }
    }

    /// How an image with a parent that cannot be named here becomes one without.
    fn full_image(&self, options: &str) -> String {
        let top = self.spec.path.display();
        format!(
            "'imgdelta convert {top} -o FULL {options}' makes an image of it that needs no parent"
        )
    }

    /// How to say which of several files is the parent.
    pub(super) fn hint_at_one(&self) -> String {
        match self.spec.policy.parent_option {
            ParentOption::Named(option) => format!("say with {option} FILE which one it is"),
            ParentOption::None => self.full_image("--parent FILE"),
        }
    }

    /// What helps where a candidate has another identity.
    fn hint_at_other(&self, other: &Opened) -> String {
        let path = other.path.display();
        let option = match self.spec.policy.parent_option {
            ParentOption::Named(option) => Some(option),
            ParentOption::None => None,
        };
        let accept = match option {
            _ if self.is_no_guess(other) => {
                format!("if {path} is the right disk all the same, --accept-parent-id takes it")
            }
            Some(option) => format!(
                "if {path} is the right disk, and raw, {option} {path} --backing-format raw takes it"
            ),
            None => {
                let raw = format!("--parent {path} --backing-format raw");
                let full = self.full_image(&raw);
                format!("if {path} is the right disk, and raw, {full}")
            }
        };
        let named = self.chain.len().saturating_sub(1);
        match (self.spec.policy.parent.get(named), option) {
            (Some(_), _) => accept,
            (None, Some(option)) => format!(
                "{accept}; --search DIR adds a folder in which the parent may lie, {option} FILE names it"
            ),
            (None, None) => {
                format!("{accept}; --search DIR adds a folder in which the parent may lie")
            }
        }
    }

    /// The identity that the parent must have.
    pub(super) fn wanted(&self) -> String {
        let wanted: Vec<String> = self
            .link
            .identities
            .iter()
            .map(Identity::to_string)
            .collect();
        wanted.join(" or ")
    }

    /// `parent chain loops: a -> b -> a`.
    fn looping(&self, again: &Path) -> Error {
        let name = |path: &Path| match path.file_name() {
            Some(name) => name.to_string_lossy().into_owned(),
            None => path.display().to_string(),
        };
        let mut names: Vec<String> = self.chain.iter().map(|one| name(&one.path)).collect();
        names.push(name(again));
        Error::new(
            Kind::Chain,
            format!("parent chain loops: {}", names.join(" -> ")),
        )
        .with_code("parent_loop")
        .in_file(&self.spec.path)
    }

    /// Files were found, and they are not the parent.
    fn other_identity(&self) -> Option<Error> {
        let mut others = self.passed.others.iter();
        let first = others.next()?;
        let error = Error::new(
            Kind::Chain,
            format!(
                "{} is not its parent: it has {}, {} is required",
                first.path.display(),
                called(first),
                self.wanted()
            ),
        )
        .with_code("parent_identity")
        .with_hint(self.hint_at_other(first));
        let error = others.fold(error, |error, other| {
            error.with_detail(format!("{} has {}", other.path.display(), called(other)))
        });
        Some(error)
    }

    /// A file has the parent's name but for how letters are written, and there may be others.
    pub(super) fn not_all_looked_at(&self, limit: &str) -> Error {
        too_many_names("its parent has no file of exactly its name", limit)
            .with_hint(self.hint_at_one())
            .in_file(&self.child.path)
    }

    /// Several images are the parent, by their identity or by names that mean the same.
    pub(super) fn ambiguous(&self, fitting: &[Opened]) -> Error {
        let message = if self.link.identities.is_empty() {
            format!(
                "{} files have its parent's name but for how letters are written",
                fitting.len()
            )
        } else {
            format!(
                "{} images have the identity of its parent, {}",
                fitting.len(),
                self.wanted()
            )
        };
        let error = Error::new(Kind::Chain, message).with_code("parent_ambiguous");
        fitting
            .iter()
            .fold(error, |error, one| {
                error.with_detail(one.path.display().to_string())
            })
            .with_hint(self.hint_at_one())
            .in_file(&self.child.path)
    }
}
