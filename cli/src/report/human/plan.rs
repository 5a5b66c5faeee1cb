//! `plan` as text.

use std::io;

use super::{Page, Text};
use crate::commands::{Leg, Planned, Reached};

impl Text for Planned {
    const IS_SUMMARY: bool = false;

    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        for site in &self.sites {
            reached(site, page)?;
        }
        let several = self.sites.len() > 1 || self.sites.iter().any(|site| site.legs.len() > 1);
        if several {
            let way = if self.carrier == "medium" {
                "on the medium"
            } else {
                "in all"
            };
            page.line(format_args!(
                "{way}: {}, {} less than each by itself{}",
                page.size(self.bytes),
                page.size(self.naive.saturating_sub(self.bytes)),
                time(self.seconds)
            ))?;
        }
        if let Some(media) = &self.media {
            let fits = if media.fits { "fits" } else { "does not fit" };
            page.line(format_args!(
                "{fits}: {} needed, the medium holds {}",
                page.size(media.needed),
                page.size(media.size)
            ))?;
        }
        Ok(())
    }
}

fn reached(site: &Reached, page: &mut Page<'_>) -> io::Result<()> {
    page.line(format_args!(
        "to {}: {}{}",
        site.site,
        page.size(site.bytes),
        time(site.seconds)
    ))?;
    for there in &site.there {
        page.line(format_args!(
            "  = {}: is there already, as {}",
            there.image.name, there.at_site.name
        ))?;
    }
    for leg in &site.legs {
        travelling(leg, page)?;
    }
    for alike in &site.resized {
        page.line(format_args!(
            "  {} there is {} but for its size ({} bytes there, {} here), and no base as it is",
            alike.at_site.name, alike.image.name, alike.size_at_site, alike.size
        ))?;
    }
    Ok(())
}

fn travelling(leg: &Leg, page: &mut Page<'_>) -> io::Result<()> {
    let what = match &leg.base {
        Some(base) => format!("as a child of {}", base.image.name),
        None => "as a whole".to_owned(),
    };
    let step = if leg.is_step {
        ", only as a step to others"
    } else {
        ""
    };
    page.line(format_args!(
        "  + {}: {} {what}{step}",
        leg.image.name,
        page.size(leg.bytes)
    ))?;
    let reason = if leg.base.is_some() { "base" } else { "why" };
    inner(page, reason, &leg.why)?;
    for (number, other) in leg.runners_up.iter().enumerate() {
        inner(page, if number == 0 { "next" } else { "" }, &other.text)?;
    }
    if leg.base.is_some() {
        inner(page, "whole", page.size(leg.whole))?;
    }
    if page.is_loud() {
        let weighed = format!("{} of {} in common", leg.weighed, leg.candidates);
        inner(page, "weighed", weighed)?;
    }
    Ok(())
}

/// A name and its value under an image.
fn inner(page: &mut Page<'_>, name: &str, value: impl std::fmt::Display) -> io::Result<()> {
    page.line(format_args!("      {name:<8} {value}"))
}

/// How long it takes, as people say it.
fn time(seconds: Option<u64>) -> String {
    match seconds {
        None => String::new(),
        Some(all @ 0..60) => format!(", {all} s"),
        Some(all @ 60..3600) => format!(", {} min {} s", all / 60, all % 60),
        Some(all) => format!(", {} h {} min", all / 3600, all / 60 % 60),
    }
}
