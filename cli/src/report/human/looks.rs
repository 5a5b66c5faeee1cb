//! `info`, `map` and `check` as text.

use std::io;

use imgdelta::{
    CheckedImage, ImageInfo, InfoReport, MapReport, MappedRun, PackageReport, ReferencesReport,
    StandsBy, info::ParentInfo,
};

use super::{Page, Text, disks::grouped, owners, percent};
use crate::report::Row;

impl Text for InfoReport {
    const IS_SUMMARY: bool = false;

    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        one(&self.image, page)?;
        for parent in self.parents.iter().flatten() {
            one(parent, page)?;
        }
        Ok(())
    }
}

impl Text for PackageReport {
    const IS_SUMMARY: bool = false;

    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        let count = match self.disks.len() {
            0 => "no disks".to_owned(),
            count => format!("{count} disks; choose one with --disk"),
        };
        page.line(format_args!("{}   an OVF package with {count}", self.path))?;
        for disk in &self.disks {
            let size = disk.size.map_or_else(
                || "of unknown size".to_owned(),
                |size| format!("{} virtual", page.size(size)),
            );
            let file = disk.file.as_deref().unwrap_or("no file: made empty");
            page.field(&disk.number.to_string(), format!("{file}, {size}"))?;
        }
        Ok(())
    }
}

fn one(image: &ImageInfo, page: &mut Page<'_>) -> io::Result<()> {
    let taken = image.on_disk.unwrap_or(image.file_size);
    page.line(format_args!(
        "{}   {}, {}, {} virtual, {} on disk ({})",
        image.path,
        image.format,
        image.variant,
        page.size(image.size),
        page.size(taken),
        percent(taken, image.size)
    ))?;
    if !image.within.is_empty() {
        page.field("taken from", image.within.join(", "))?;
    }
    if let Some(size) = image.block_size {
        let grain = image
            .grain
            .map(|grain| format!(", differs from its parent in {}", page.size(grain)))
            .unwrap_or_default();
        page.field("blocks", format!("{}{grain}", page.size(size)))?;
    }
    page.field("sectors", image.sector)?;
    match &image.parent {
        Some(link) => parent(link, page)?,
        None => page.field("parent", "none")?,
    }
    for file in &image.other_files {
        page.field("file", file)?;
    }
    for identity in image.identity.iter().chain(&image.aliases) {
        page.field("id", format!("{} ({})", identity.value, identity.kind))?;
    }
    for snapshot in &image.snapshots {
        let size = page.size(snapshot.size);
        page.field(
            "snapshot",
            format!("{} '{}', {size}", snapshot.id, snapshot.name),
        )?;
    }
    let width = image.details.iter().map(|detail| detail.name.len()).max();
    for detail in &image.details {
        let width = width.unwrap_or_default();
        page.line(format_args!("  {:<width$} {}", detail.name, detail.value))?;
    }
    Ok(())
}

/// All that an image says of its parent.
fn parent(link: &ParentInfo, page: &mut Page<'_>) -> io::Result<()> {
    let format = link
        .format
        .map(|format| format!(", {format}"))
        .unwrap_or_default();
    if link.paths.is_empty() {
        page.field("parent", format!("no path{format}"))?;
    }
    for path in &link.paths {
        page.field("parent", format!("{} ({}{format})", path.text, path.field))?;
    }
    for identity in &link.identities {
        page.field(
            "parent id",
            format!("{} ({})", identity.value, identity.kind),
        )?;
    }
    Ok(())
}

impl Text for ReferencesReport {
    const IS_SUMMARY: bool = false;

    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        page.line(&self.path)?;
        match &self.parent {
            Some(link) => parent(link, page)?,
            None => page.field("parent", "none")?,
        }
        for file in &self.files {
            page.field("file", file)?;
        }
        Ok(())
    }
}

impl Row for MappedRun {
    const HEAD: &'static str = "start               length          state   depth  offset";

    fn line(&self, page: &mut Page<'_>) -> io::Result<()> {
        let depth = self.depth.map_or("-".to_owned(), |depth| depth.to_string());
        let line = format!(
            "{:<18}  {:<14}  {:<6}  {depth:<5}  ",
            grouped(self.start),
            self.length,
            self.state
        );
        let place = match (self.offset, &self.file) {
            (Some(offset), Some(file)) => format!("{} in {file}", grouped(offset)),
            _ => String::new(),
        };
        let owner = match &self.owner {
            Some(one) => format!("  {}", owners::owner(one)),
            None => String::new(),
        };
        page.line(format!("{line}{place}{owner}").trim_end())
    }
}

impl Text for MapReport {
    const IS_SUMMARY: bool = true;

    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        page.line(format_args!(
            "{}: {} of {} are data ({}), layers: {}",
            self.image.path,
            page.size(self.data),
            page.size(self.image.size),
            percent(self.data, self.image.size),
            self.layers
        ))
    }
}

impl Text for CheckedImage {
    const IS_SUMMARY: bool = true;

    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        for mended in self.repair.iter().flat_map(|repair| &repair.mended) {
            page.line(format_args!("mended: {mended}"))?;
        }
        for fault in &self.faults {
            page.line(format_args!("fault: {}", fault.line))?;
        }
        if self.more {
            page.line("there may be more faults than these")?;
        }
        let counts: Vec<String> = self
            .counts
            .iter()
            .map(|count| format!("{} {}", count.count, count.name))
            .collect();
        let counts = if counts.is_empty() {
            String::new()
        } else {
            format!(" ({})", counts.join(", "))
        };
        let path = match &self.repair {
            Some(repair) => &repair.output,
            None => &self.path,
        };
        for link in self.links.iter().flatten() {
            let by = match link.by {
                StandsBy::Content => "proven by its manifest",
                StandsBy::BaseContent => "proven by its manifest, written to since",
                StandsBy::Identity => "by the identity that it records",
                StandsBy::Name => "by its name alone",
                _ => "which is not the one that it was made over",
            };
            page.line(format_args!(
                "{}: child of {}, {by}",
                link.child, link.parent
            ))?;
        }
        if self.sound {
            return page.line(format_args!("{path}: sound{counts}"));
        }
        page.line(format_args!("{path}: {} faults{counts}", self.faults.len()))?;
        if self.can_repair && self.repair.is_none() {
            page.line(format_args!(
                "'imgdelta check --repair -o FILE {path}' writes a mended copy"
            ))?;
        }
        Ok(())
    }
}
