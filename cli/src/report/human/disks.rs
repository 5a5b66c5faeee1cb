//! `convert`, `compare` and `digest` as text.

use std::io;

use imgdelta::{CompareReport, ConvertReport, DifferingRun, DigestReport, SalvageReport};

use super::{Page, Text, owners};
use crate::report::Row;

impl Text for ConvertReport {
    const IS_SUMMARY: bool = true;

    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        let file = self
            .file_size
            .map(|size| format!(", a file of {}", page.size(size)))
            .unwrap_or_default();
        let taken = page.on_disk(self.file_size, self.on_disk);
        let layers = if self.layers > 1 {
            format!(", {} layers in one", self.layers)
        } else {
            String::new()
        };
        page.line(format_args!(
            "{}: {} {} disk{file}{taken}{layers}",
            self.output,
            page.size(self.size),
            self.format
        ))?;
        if self.dry_run {
            page.line("nothing was written")?;
        }
        Ok(())
    }
}

impl Text for SalvageReport {
    const IS_SUMMARY: bool = true;

    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        let lost = match self.lost_bytes {
            0 => "all of it was read".to_owned(),
            lost => format!("{} bytes could not be read and are zero", grouped(lost)),
        };
        page.line(format_args!(
            "{}: {} {} disk, {lost}",
            self.output,
            page.size(self.size),
            self.format
        ))?;
        for run in &self.lost {
            let (start, length) = (grouped(run.start), grouped(run.length));
            page.line(format_args!("  lost at {start}: {length} bytes"))?;
        }
        if self.more {
            page.line("  and more than are listed")?;
        }
        for reason in &self.reasons {
            page.line(format_args!("  because {reason}"))?;
        }
        if self.dry_run {
            page.line("nothing was written")?;
        }
        Ok(())
    }
}

impl Text for CompareReport {
    const IS_SUMMARY: bool = true;

    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        if self.same {
            return page.line(format_args!("same: {}", page.size(self.one.size)));
        }
        let sizes = format!("{} and {} bytes", self.one.size, self.other.size);
        let Some(first) = self.first else {
            return page.line(format_args!("different: only the sizes differ, {sizes}"));
        };
        let first = grouped(first);
        match (self.blocks, self.bytes) {
            (Some(blocks), Some(bytes)) => page.line(format_args!(
                "different: {blocks} blocks of {} differ ({}), first at {first}",
                page.size(self.block_size),
                page.size(bytes)
            ))?,
            _ => page.line(format_args!("different: first at {first}"))?,
        }
        if self.sizes_differ {
            page.line(format_args!("the sizes differ: {sizes}"))?;
        }
        if let Some(files) = &self.files {
            owners::changed(files, page)?;
        }
        Ok(())
    }
}

impl Row for DifferingRun {
    const HEAD: &'static str = "start               length";

    fn line(&self, page: &mut Page<'_>) -> io::Result<()> {
        page.line(format_args!("{:<18}  {}", grouped(self.start), self.length))
    }
}

impl Text for DigestReport {
    const IS_SUMMARY: bool = false;

    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        page.line(format_args!("{}  {}", self.digest, self.path))
    }
}

/// An address in hex, in groups of four digits.
pub(super) fn grouped(address: u64) -> String {
    let groups: Vec<String> = (0..4)
        .rev()
        .map(|group| address >> (16 * group))
        .skip_while(|rest| *rest == 0)
        .map(|rest| format!("{:04x}", rest & 0xffff))
        .collect();
    match groups.len() {
        0 | 1 => format!("0x0000_{address:04x}"),
        _ => format!("0x{}", groups.join("_")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_grouped() {
        assert_eq!(grouped(0), "0x0000_0000");
        assert_eq!(grouped(0x10_0000), "0x0010_0000");
        assert_eq!(grouped(0x1_0000_0000), "0x0001_0000_0000");
        assert_eq!(grouped(u64::MAX), "0xffff_ffff_ffff_ffff");
    }
}
