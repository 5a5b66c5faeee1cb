//! `env` and `version` as text.

use std::io;

use super::{Page, Text};
use crate::call::{Environment, Versions};

impl Text for Environment {
    const IS_SUMMARY: bool = false;

    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        for setting in &self.settings {
            let value = setting.value.as_deref().unwrap_or("none");
            let from = setting.from.unwrap_or(setting.origin);
            page.line(format_args!("{:<10} {value:<28} {from}", setting.name))?;
        }
        Ok(())
    }
}

impl Text for Versions {
    const IS_SUMMARY: bool = false;

    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        page.line(format_args!("imgdelta {}", self.version))?;
        page.field("manifest", self.manifest)?;
        for format in &self.formats {
            let mut can = vec![if format.writes {
                "reads, writes"
            } else {
                "reads"
            }];
            if format.children {
                can.push("children");
            }
            if format.streams {
                can.push("pipes");
            }
            page.field(
                format.name,
                format!("{} (.{})", can.join(", "), format.extensions.join(", .")),
            )?;
        }
        Ok(())
    }
}
