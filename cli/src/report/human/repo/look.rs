//! What is looked at in a repository, as text: `list`, `tree`, `show`, `verify`.

use std::io;

use imgdelta::repository::{
    Image, ListSummary, MendedImage, ShowReport, TreeImage, TreeSummary, VerifiedImage,
    VerifySummary, catalogue::Presence,
};

use super::{in_brackets, known, marks, parent, short};
use crate::report::{
    Row,
    human::{Page, Text},
};

impl Row for Image {
    const HEAD: &'static str = "id            format        size  name";

    fn line(&self, page: &mut Page<'_>) -> io::Result<()> {
        let id = if page.is_loud() {
            self.id.as_str()
        } else {
            short(&self.id)
        };
        page.line(format_args!(
            "{id:<12}  {:<6}  {:>10}  {}{}{}",
            self.format,
            page.size(self.size),
            self.name,
            in_brackets(self),
            gone(self)
        ))
    }
}

/// What a look at an image's files says, where that is worth telling, for the end of a line.
const fn gone(image: &Image) -> &'static str {
    match image.presence {
        Presence::Present => "",
        Presence::Missing => "  ! missing",
        Presence::Changed => "  ! changed",
        _ => "  ! needs an image that is missing or changed",
    }
}

impl Text for ListSummary {
    const IS_SUMMARY: bool = true;

    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        if self.count == 0 {
            page.line(format_args!("{}: no images", self.repository))?;
        }
        Ok(())
    }
}

impl Row for TreeImage {
    const HEAD: &'static str = "";

    fn line(&self, page: &mut Page<'_>) -> io::Result<()> {
        let Image { name, parent, .. } = &self.image;
        let why = match parent {
            Some(parent) if self.is_torn => {
                let id = short(&parent.id);
                format!("  ! its parent {id} is not here, or descends from it")
            }
            Some(parent) => format!("  ({})", known(parent.known)),
            None => String::new(),
        };
        page.line(format_args!(
            "{:indent$}{name}{}{why}{}",
            "",
            in_brackets(&self.image),
            gone(&self.image),
            indent = 2 * self.depth.min(40)
        ))
    }
}

impl Text for TreeSummary {
    const IS_SUMMARY: bool = true;

    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        if self.count == 0 {
            page.line(format_args!("{}: no images", self.repository))?;
        }
        Ok(())
    }
}

impl Text for ShowReport {
    const IS_SUMMARY: bool = false;

    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        let Image { name, id, .. } = &self.image;
        page.line(format_args!("{name}"))?;
        page.field("id", id)?;
        if *id != self.image.content_id {
            page.field("content", &self.image.content_id)?;
        }
        page.field(
            "disk",
            format!("{}, {}", page.size(self.image.size), self.image.format),
        )?;
        for file in &self.files {
            let missing = if file.is_there { "" } else { ", is not there" };
            page.field(
                "file",
                format!("{}, {}{missing}", file.path, page.size(file.length)),
            )?;
        }
        match self.image.presence {
            Presence::Present | Presence::Missing => {}
            Presence::Changed => {
                page.field("state", "its file was changed since it was recorded")?
            }
            _ => page.field(
                "state",
                "an image that it is read with is missing or changed",
            )?,
        }
        page.field("parent", parent(&self.image).as_deref().unwrap_or("none"))?;
        if !self.children.is_empty() {
            page.field("children", self.children.join(", "))?;
        }
        if let Some(marks) = marks(&self.image) {
            page.field("tags", marks)?;
        }
        let whose = if self.owned {
            "the repository's to delete"
        } else {
            "not the repository's to delete"
        };
        page.field("files are", whose)?;
        if !self.leaves {
            page.field("leaves", "none: it cannot be weighed as a base")?;
        }
        page.field("entered", format!("{} by {}", self.entered, self.tool))
    }
}

impl Row for VerifiedImage {
    const HEAD: &'static str = "";

    fn line(&self, page: &mut Page<'_>) -> io::Result<()> {
        match &self.error {
            Some(error) => page.line(format_args!("! {}: {}", self.name, error.message))?,
            None if self.verdict == "damaged_leaves" => page.line(format_args!(
                "! {}: its disk is sound, its leaf digests are not",
                self.name
            ))?,
            None if self.found.is_none() => page.line(format_args!("= {}: sound", self.name))?,
            None => {
                let windows = self.windows.map_or_else(
                    || "nobody can tell where".to_owned(),
                    |windows| match windows {
                        1 => "1 window of 64 KiB differs".to_owned(),
                        _ => format!("{windows} windows of 64 KiB differ"),
                    },
                );
                page.line(format_args!(
                    "! {}: its disk is not what it was: {windows}",
                    self.name
                ))?;
            }
        }
        for region in &self.regions {
            let end = region.start.saturating_add(region.length);
            page.line(format_args!("    {:#x}..{end:#x}", region.start))?;
        }
        if let Some(repair) = &self.repair {
            mended(repair, page)?;
        }
        for note in &self.notes {
            page.line(format_args!("    {note}"))?;
        }
        Ok(())
    }
}

/// What became of an image that was to be mended.
fn mended(repair: &MendedImage, page: &mut Page<'_>) -> io::Result<()> {
    let done = match (repair.mended, repair.dry_run) {
        (true, false) => "mended",
        (true, true) => "could be mended",
        (false, _) => "not mended",
    };
    let how = match repair.how {
        Some("patched") if !repair.dry_run => ": the right bytes in a copy of its file",
        Some("rewritten") => ": its disk written anew",
        Some("relinked") => ": it leads to its parent again",
        Some("leaves") => ": its leaf digests made anew",
        _ => "",
    };
    page.line(format_args!("  {done}{how}"))?;
    for from in &repair.from {
        let repository = from.repository.as_deref();
        let of = repository.map_or_else(String::new, |folder| format!(" of {folder}"));
        let windows = super::counted(
            usize::try_from(from.windows).unwrap_or(usize::MAX),
            "window",
        );
        page.line(format_args!("    {windows} from {}{of}", from.image))?;
    }
    for region in &repair.missing {
        let end = region.start.saturating_add(region.length);
        page.line(format_args!("    nowhere: {:#x}..{end:#x}", region.start))?;
    }
    if let Some(error) = &repair.error {
        page.line(format_args!("    {}", error.message))?;
        if let Some(hint) = &error.hint {
            page.line(format_args!("    hint: {hint}"))?;
        }
    }
    Ok(())
}

impl Text for VerifySummary {
    const IS_SUMMARY: bool = true;

    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        let mended = self.mended.filter(|count| *count > 0);
        let mended = mended.map_or_else(String::new, |count| format!(" ({count} mended)"));
        page.line(format_args!(
            "{} sound{mended}, {} not",
            self.sound,
            self.faults + self.records.len()
        ))
    }
}
