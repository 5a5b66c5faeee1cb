//! `plan` as text.

use std::{collections::HashMap, io};

use imgdelta::repository::{PlanLeg, PlanReport, SitePlan};

use super::{Page, Text, owners};

impl Text for PlanReport {
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

fn reached(site: &SitePlan, page: &mut Page<'_>) -> io::Result<()> {
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
    for (depth, leg) in tree(&site.legs) {
        travelling(leg, depth, page)?;
    }
    for alike in &site.resized {
        page.line(format_args!(
            "  {} there is {} but for its size ({} bytes there, {} here), and no base as it is",
            alike.at_site.name, alike.image.name, alike.size_at_site, alike.size
        ))?;
    }
    Ok(())
}

/// What is sent as a tree: each image is followed, one step further in, by those that are made from it.
fn tree(legs: &[PlanLeg]) -> Vec<(usize, &PlanLeg)> {
    let base = |leg: &PlanLeg| match &leg.base {
        Some(base) if base.at_site.is_none() => Some(base.image.id.clone()),
        _ => None,
    };
    let mut above: HashMap<Option<String>, Vec<&PlanLeg>> = HashMap::new();
    for leg in legs.iter().rev() {
        above.entry(base(leg)).or_default().push(leg);
    }
    let mut left: Vec<(usize, &PlanLeg)> = Vec::new();
    let mut tree = Vec::with_capacity(legs.len());
    let mut next = (0, None);
    loop {
        let (depth, from) = next;
        let made_from_it = above.remove(&from).unwrap_or_default();
        left.extend(made_from_it.into_iter().map(|leg| (depth, leg)));
        let Some((depth, leg)) = left.pop() else {
            return tree;
        };
        tree.push((depth, leg));
        next = (depth + 1, Some(leg.image.id.clone()));
    }
}

fn travelling(leg: &PlanLeg, depth: usize, page: &mut Page<'_>) -> io::Result<()> {
    let what = match &leg.base {
        Some(base) => format!("as the difference from {}", base.image.name),
        None => "as a whole".to_owned(),
    };
    let step = if leg.is_step {
        ", only as a step to others"
    } else {
        ""
    };
    let margin = "  ".repeat(depth.min(40));
    page.line(format_args!(
        "  {margin}+ {}: {} {what}{step}",
        leg.image.name,
        page.size(leg.bytes)
    ))?;
    let reason = if leg.base.is_some() { "base" } else { "why" };
    inner(page, &margin, reason, &leg.why)?;
    for (number, other) in leg.runners_up.iter().enumerate() {
        inner(
            page,
            &margin,
            if number == 0 { "next" } else { "" },
            &other.text,
        )?;
    }
    if leg.base.is_some() {
        inner(page, &margin, "whole", page.size(leg.whole))?;
    }
    if let Some(unneeded) = &leg.unneeded {
        inner(page, &margin, "unneeded", owners::unused(unneeded, page))?;
    }
    if page.is_loud() {
        let weighed = format!("{} of {} in common", leg.weighed, leg.candidates);
        inner(page, &margin, "weighed", weighed)?;
    }
    Ok(())
}

/// A name and its value under an image.
fn inner(
    page: &mut Page<'_>,
    margin: &str,
    name: &str,
    value: impl std::fmt::Display,
) -> io::Result<()> {
    page.line(format_args!("      {margin}{name:<8} {value}"))
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
