//! What changes a repository, and `inventory`, as text. What is looked at stands in `look`.

mod look;

use std::io;

use imgdelta::repository::{
    AddReport, AddedImage, EditReport, GcReport, Image, InitReport, InventoryReport, RemoveReport,
    RequireSignerReport, ScanReport,
    catalogue::{ParentEvidence, Signer},
};

use super::{Page, Text};

impl Text for InitReport {
    const IS_SUMMARY: bool = true;

    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        page.line(format_args!(
            "{}: a repository; images that are made here are {}, and copies keep their format, raw too, unless 'repo add --format' says another",
            self.repository, self.default_format
        ))?;
        if let Some(signer) = &self.signer {
            requires(&self.repository, signer, page)?;
        }
        nothing(page, self.dry_run)
    }
}

/// Who must have signed.
fn requires(repository: &str, signer: &Signer, page: &mut Page<'_>) -> io::Result<()> {
    page.line(format_args!(
        "{repository}: receives from a medium only what '{}' has signed, by {}",
        signer.id,
        signer.signers.display()
    ))
}

impl Text for RequireSignerReport {
    const IS_SUMMARY: bool = true;

    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        match &self.signer {
            Some(signer) => requires(&self.repository, signer, page)?,
            None => page.line(format_args!(
                "{}: receives from a medium whatever is proven, signed or not",
                self.repository
            ))?,
        }
        nothing(page, self.dry_run)
    }
}

impl Text for AddReport {
    const IS_SUMMARY: bool = true;

    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        for one in &self.images {
            added(one, page)?;
        }
        nothing(page, self.dry_run)
    }
}

fn added(one: &AddedImage, page: &mut Page<'_>) -> io::Result<()> {
    if let Some(image) = &one.part_of {
        return page.line(format_args!("{}: is a part of {image}", one.path));
    }
    match (&one.image, &one.error) {
        // Standard error says why.
        (_, Some(_)) => Ok(()),
        (Some(image), None) if one.is_new => {
            page.line(format_args!("{}: added as {}", one.path, image.name))?;
            told(image, page)
        }
        (Some(image), None) => page.line(format_args!(
            "{}: is here already, as {}",
            one.path, image.name
        )),
        (None, None) => Ok(()),
    }
}

/// What is worth telling of an image under its name.
fn told(image: &Image, page: &mut Page<'_>) -> io::Result<()> {
    let id = if page.is_loud() {
        image.id.as_str()
    } else {
        short(&image.id)
    };
    page.field("id", id)?;
    page.field(
        "disk",
        format!("{}, {}", page.size(image.size), image.format),
    )?;
    if let Some(parent) = parent(image) {
        page.field("parent", parent)?;
    }
    if let Some(marks) = marks(image) {
        page.field("tags", marks)?;
    }
    Ok(())
}

/// Its parent, and how that is known.
fn parent(image: &Image) -> Option<String> {
    let parent = image.parent.as_ref()?;
    let name = parent.name.as_deref();
    let name = name.map_or_else(
        || format!("{}, which is not here", short(&parent.id)),
        ToOwned::to_owned,
    );
    Some(format!("{name} ({})", known(parent.known)))
}

const fn known(known: ParentEvidence) -> &'static str {
    match known {
        ParentEvidence::Linked => "needed to read it",
        ParentEvidence::Measured => "said and measured",
        ParentEvidence::Declared => "only said",
    }
}

/// `golden` and its tags.
fn marks(image: &Image) -> Option<String> {
    let golden = image.golden.then_some(if image.immutable {
        "golden, immutable"
    } else {
        "golden"
    });
    let tags = image.tags.iter().map(String::as_str);
    let marks: Vec<&str> = golden.into_iter().chain(tags).collect();
    (!marks.is_empty()).then(|| marks.join(", "))
}

/// The same in brackets, for the end of a line.
fn in_brackets(image: &Image) -> String {
    marks(image).map_or_else(String::new, |marks| format!("  [{marks}]"))
}

impl Text for ScanReport {
    const IS_SUMMARY: bool = true;

    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        if self.dry_run {
            for file in &self.found {
                page.line(format_args!("{file}: would be looked at"))?;
            }
            return nothing(page, true);
        }
        for image in &self.added {
            page.line(format_args!(
                "{}: taken in, {} {} disk",
                image.name,
                page.size(image.size),
                image.format
            ))?;
        }
        for same in &self.same {
            page.line(format_args!(
                "{}: is the same disk as {}",
                same.path, same.image
            ))?;
        }
        page.line(format_args!(
            "{} taken in, {} known, {} the same as others, {} failed",
            self.added.len(),
            self.known,
            self.same.len(),
            self.failed.len()
        ))
    }
}

impl Text for EditReport {
    const IS_SUMMARY: bool = true;

    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        let name = &self.image.name;
        let before = if self.before == *name {
            String::new()
        } else {
            format!(", {} before", self.before)
        };
        let id = short(&self.image.id);
        let marks = in_brackets(&self.image);
        page.line(format_args!("{name}{before}: {id}{marks}"))?;
        nothing(page, self.dry_run)
    }
}

impl Text for RemoveReport {
    const IS_SUMMARY: bool = true;

    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        let done = if self.dry_run {
            "would be removed"
        } else {
            "removed"
        };
        page.line(format_args!("{}: {done}", self.image.name))?;
        for file in &self.deleted {
            page.field("deleted", file)?;
        }
        for file in &self.kept {
            page.field("kept", file)?;
        }
        if !self.orphans.is_empty() {
            let heir = self.image.parent.as_ref();
            let heir = heir.and_then(|parent| parent.name.as_deref());
            page.field(
                "children",
                format!(
                    "{} descend from {} now",
                    self.orphans.join(", "),
                    heir.unwrap_or("nothing")
                ),
            )?;
        }
        nothing(page, self.dry_run)
    }
}

impl Text for GcReport {
    const IS_SUMMARY: bool = true;

    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        if page.is_loud() {
            for file in &self.removed {
                page.line(file)?;
            }
        }
        page.line(format_args!(
            "{}: swept away: {}, {}",
            self.repository,
            counted(self.removed.len(), "file"),
            page.size(self.bytes)
        ))?;
        nothing(page, self.dry_run)
    }
}

impl Text for InventoryReport {
    const IS_SUMMARY: bool = true;

    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        page.line(format_args!(
            "{}: {}, {}",
            self.output,
            counted(self.images, "image"),
            page.size(self.bytes as u64)
        ))?;
        nothing(page, self.dry_run)
    }
}

/// An id as people read it: of a content id the first digits, which name it wherever an image is asked for.
fn short(id: &str) -> &str {
    match id.strip_prefix("imgdelta1:") {
        Some(digits) => digits.get(..12).unwrap_or(digits),
        None => id,
    }
}

/// So many of them.
fn counted(count: usize, what: &str) -> String {
    let end = if count == 1 { "" } else { "s" };
    format!("{count} {what}{end}")
}

fn nothing(page: &mut Page<'_>, dry_run: bool) -> io::Result<()> {
    if dry_run {
        page.line("nothing was written")?;
    }
    Ok(())
}
