//! `make`, `apply` and `attach` as text.

use std::io;

use imgdelta::{
    ApplyReport, AttachAllReport, AttachReport, ChildReport, ProvenBy, TransportReport, UnusedBytes,
};

use super::{Page, Text, owners, percent};

impl Text for ChildReport {
    const IS_SUMMARY: bool = true;

    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        let size = self
            .file_size
            .map(|size| page.size(size) + " ")
            .unwrap_or_default();
        let taken = page.on_disk(self.file_size, self.on_disk);
        page.line(format_args!(
            "{}: {size}child{taken}, {} of {} blocks changed ({}), {} differ",
            self.child,
            self.blocks_changed,
            self.blocks,
            percent(self.blocks_changed, self.blocks),
            page.size(self.bytes_changed)
        ))?;
        left_out(page, self.left_out.as_ref())?;
        if page.is_loud() {
            told(page, "base", &self.base.content_id)?;
            told(page, "result", &self.target.content_id)?;
            page.field("layer", &self.layer_digest)?;
        }
        if self.base_from_memory {
            page.line("base remembered; --prove reads it anew")?;
        }
        if self.dry_run {
            return page.line("nothing was written");
        }
        if let Some(folder) = &self.search {
            page.line(format_args!(
                "the base lies in another folder: --search {folder} opens the child by its link"
            ))?;
        }
        match &self.unlinked {
            Some(why) => {
                let space = if why.options.is_empty() { "" } else { " " };
                page.line(format_args!(
                    "at the site: imgdelta apply {} -b {}{space}{} -o IMAGE",
                    self.child, self.base.path, why.options
                ))
            }
            None => page.line(format_args!(
                "at the site: imgdelta attach {} -b {}",
                self.child, self.base.path
            )),
        }
    }
}

impl Text for TransportReport {
    const IS_SUMMARY: bool = true;

    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        page.line(format_args!(
            "{}: {} transport file, {} differ: {} stored, {} from elsewhere in the base, {} repeated, {} zero",
            self.output,
            page.size(self.file_size),
            page.size(self.bytes_changed),
            page.size(self.bytes_stored),
            page.size(self.bytes_copied),
            page.size(self.bytes_repeated),
            page.size(self.bytes_zero)
        ))?;
        left_out(page, self.left_out.as_ref())?;
        if page.is_loud() {
            told(page, "base", &self.base.content_id)?;
            told(page, "result", &self.target.content_id)?;
            page.field("layer", &self.layer_digest)?;
        }
        if self.base_from_memory {
            page.line("base remembered; --prove reads it anew")?;
        }
        if self.dry_run {
            return page.line("nothing was written");
        }
        page.line(format_args!(
            "at the site: imgdelta apply {} -b {} -o IMAGE",
            self.output, self.base.path
        ))
    }
}

impl Text for ApplyReport {
    const IS_SUMMARY: bool = true;

    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        page.line(format_args!(
            "{}: {} {} disk, {}",
            self.output,
            page.size(self.size),
            self.format,
            proven(self.proven_by)
        ))?;
        if page.is_loud() {
            told(page, "base", &self.base.content_id)?;
            told(page, "result", &self.content_id)?;
        }
        if self.base_from_memory {
            page.line("base remembered, result read; --prove reads the base anew")?;
        }
        nothing(page, self.dry_run)
    }
}

impl Text for AttachAllReport {
    const IS_SUMMARY: bool = true;

    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        for one in &self.attached {
            let by = proven(one.proven_by);
            page.line(format_args!(
                "{}: child of {}, {by}",
                one.child, one.base.path
            ))?;
        }
        for left in &self.left {
            page.line(format_args!(
                "{}: left as it is: {}",
                left.child, left.reason
            ))?;
            for candidate in &left.candidates {
                page.line(format_args!("  {candidate}"))?;
            }
        }
        let (attached, left) = (self.attached.len(), self.left.len());
        page.line(format_args!(
            "{}: {attached} attached, {left} left",
            self.folder
        ))?;
        nothing(page, self.dry_run)
    }
}

impl Text for AttachReport {
    const IS_SUMMARY: bool = true;

    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        page.line(format_args!(
            "{}: child of {}, {}",
            self.child,
            self.base.path,
            proven(self.proven_by)
        ))?;
        if page.is_loud() {
            told(page, "base", &self.base.content_id)?;
            told(page, "layer", &self.layer_digest)?;
            told(page, "recorded", &self.recorded)?;
        }
        if self.base_from_memory {
            page.line("--prove reads the base anew")?;
        }
        if let Some(folder) = &self.search {
            page.line(format_args!(
                "the base lies in another folder: --search {folder} opens the child by its link"
            ))?;
        }
        nothing(page, self.dry_run)
    }
}

fn proven(by: ProvenBy) -> &'static str {
    match by {
        ProvenBy::Content => "proven",
        ProvenBy::Memory => "base remembered",
        ProvenBy::Identity => "not proven: only the recorded identity was checked",
        _ => "not proven",
    }
}

/// What nobody needs and does not travel.
fn left_out(page: &mut Page<'_>, bytes: Option<&UnusedBytes>) -> io::Result<()> {
    let Some(bytes) = bytes else {
        return Ok(());
    };
    let parts = owners::unused(bytes, page);
    page.line(format_args!("left out, as it is in the base: {parts}"))
}

fn told(page: &mut Page<'_>, name: &str, value: &Option<String>) -> io::Result<()> {
    match value {
        Some(value) => page.field(name, value),
        None => Ok(()),
    }
}

fn nothing(page: &mut Page<'_>, dry_run: bool) -> io::Result<()> {
    if dry_run {
        page.line("nothing was written")?;
    }
    Ok(())
}
