//! How a child is to name its base, and whether it may: a link that opens to another disk than the base is never written.

use std::path::Path;

use imgdelta_core::{Driver, Error, ParentSpec, Result};
use imgdelta_delta::{self as delta, Layer};
use imgdelta_registry::{OpenSpec, Policy, new_parent, unlinked_parent};
use serde::Serialize;

use crate::{
    context::{Context, Ids},
    disk::Disk,
};

/// Longest name of a snapshot that is told in full, in characters.
const LONGEST: usize = 80;

/// A base that no link can name: its file opens as another disk.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct UnlinkedBase {
    /// Which disk of that file it is, in words.
    pub as_of: String,
    /// What `apply` is to be told beside the base's path, as it is typed.
    pub options: String,
    /// The same for `convert`, which makes an image of its own of it.
    #[serde(skip)]
    pub(crate) remedy: String,
}

/// What a child at `place`, of the format of `driver`, is to record of `base`, which was opened as `spec` says; and why that is no link, if it
/// is none.
///
/// # Errors
/// Unsupported (`base_not_linkable`), if there is no link and the format needs one; as [`new_parent`]; those of comparing disks.
pub(crate) fn of_child(
    driver: &Driver,
    spec: &OpenSpec,
    base: &Disk,
    place: &Path,
    context: &Context,
) -> Result<(ParentSpec, Option<UnlinkedBase>)> {
    match unlinked(driver, spec, base, context)? {
        None => Ok((new_parent(&base.top, place)?, None)),
        Some(why) => {
            let parent = unlinked_parent(driver, &base.top, &why.as_of, place);
            Ok((parent.map_err(|error| why.hint(error, spec))?, Some(why)))
        }
    }
}

/// Why a link to the base's file would open another disk; `None` if it opens that one, or nothing.
pub(crate) fn unlinked(
    driver: &Driver,
    spec: &OpenSpec,
    base: &Disk,
    context: &Context,
) -> Result<Option<UnlinkedBase>> {
    if let Some(name) = &spec.snapshot {
        let shown: String = name.chars().take(LONGEST).collect();
        return Ok(Some(UnlinkedBase::new(
            format!("its snapshot '{shown}'"),
            spec,
        )));
    }
    if let Some(packing) = base.top.within.first() {
        return Ok(Some(UnlinkedBase::new(
            format!("what is packed in its file ({packing})"),
            spec,
        )));
    }
    let Some(as_of) = as_of(spec) else {
        return Ok(None);
    };
    let plain = OpenSpec {
        // Who knows its parent by a name records the format with it.
        format: driver
            .child
            .is_some_and(|rule| rule.by_name)
            .then_some(base.top.driver.format),
        policy: Policy {
            search: spec.policy.search.clone(),
            ..Policy::default()
        },
        ..OpenSpec::of(&spec.path)
    };
    // A link that opens to nothing is told of when it is followed.
    let Ok(plain) = Disk::open(&plain) else {
        return Ok(None);
    };
    let is_same = has_same_layers(base, &plain) || has_same_content(base, &plain, context)?;
    Ok((!is_same).then(|| UnlinkedBase::new(as_of, spec)))
}

/// What was said of the base that a link does not say.
fn as_of(spec: &OpenSpec) -> Option<String> {
    let mut said = Vec::new();
    if let Some(format) = spec.format {
        said.push(format!("as {format}"));
    }
    if !spec.options.is_empty() {
        said.push(format!("with {}", spec.options));
    }
    if !spec.policy.parent.is_empty() {
        said.push("over another parent".to_owned());
    }
    if let Some(format) = spec.policy.backing_format {
        said.push(format!("over a parent that is {format}"));
    }
    (!said.is_empty()).then(|| format!("the file as it is read {}", said.join(" ")))
}

fn has_same_layers(one: &Disk, other: &Disk) -> bool {
    let layers = |disk: &Disk| disk.chain.layers().to_vec();
    let (one, other): (Vec<Layer>, Vec<Layer>) = (layers(one), layers(other));
    let mut pairs = one.iter().zip(&other);
    one.len() == other.len() && pairs.all(|(one, other)| one.id().is_same(other.id()))
}

fn has_same_content(one: &Disk, other: &Disk, context: &Context) -> Result<bool> {
    let compare = delta::Compare {
        one: &one.chain,
        other: &other.chain,
        stops_early: true,
        ignores_size: false,
        work: context.exec(Ids::OfContent)?,
    };
    Ok(compare.run(&mut |_, _| Ok(()))?.is_none())
}

impl UnlinkedBase {
    fn new(as_of: String, spec: &OpenSpec) -> Self {
        let words = |prefix: &str, format: &str| {
            let mut words = Vec::new();
            let mut say = |flag: &str, value: &str| words.push(format!("{flag} {}", quoted(value)));
            if let Some(value) = spec.format {
                say(format, value.name());
            }
            if let Some(name) = &spec.snapshot {
                say(&format!("--{prefix}snapshot"), name);
            }
            if let Some(disk) = spec.unpack.as_ref().and_then(|unpack| unpack.disk.as_ref()) {
                say(&format!("--{prefix}disk"), disk);
            }
            if !spec.options.is_empty() {
                let flag = if prefix.is_empty() {
                    "--input-option"
                } else {
                    "--base-option"
                };
                say(flag, &spec.options.to_string());
            }
            for parent in &spec.policy.parent {
                say("--parent", &parent.display().to_string());
            }
            if let Some(value) = spec.policy.backing_format {
                say("--backing-format", value.name());
            }
            words.join(" ")
        };
        Self {
            as_of,
            options: words("base-", "--base-format"),
            remedy: words("", "--input-format"),
        }
    }

    /// The error with the way out.
    pub(crate) fn hint(&self, error: Error, spec: &OpenSpec) -> Error {
        error.with_hint(format!(
            "'imgdelta convert {}{} -o IMAGE' makes an image of its own of it",
            quoted(&spec.path.display().to_string()),
            behind(&self.remedy)
        ))
    }

    /// What to say of a child that was made over it.
    pub(crate) fn note(&self, base: &Path) -> String {
        format!(
            "no link can name the base, {}: the child names no parent that opens, it is used with 'imgdelta apply -b {}{}'",
            self.as_of,
            quoted(&base.display().to_string()),
            behind(&self.options)
        )
    }
}

/// Options as they stand behind another word.
fn behind(options: &str) -> String {
    if options.is_empty() {
        String::new()
    } else {
        format!(" {options}")
    }
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |one: char| one.is_alphanumeric() || "-_./=,:+@%".contains(one);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}
