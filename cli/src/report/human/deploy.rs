//! `deploy` and `receive` as text.

use std::io;

use imgdelta::deploy::{
    DeployReport, DropReport, ImageOutcome, ReceiveReport, ReceivedImage, RefillReport,
    ShippedImage, SiteReport, VerifyDeliveryReport, bundle::MediaState,
};

use super::{Page, Text, owners};

impl Text for DeployReport {
    const IS_SUMMARY: bool = true;

    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        for site in &self.sites {
            served(site, self.delivery.is_some(), page)?;
        }
        let is_short = self.sites.len() == 1;
        let failed = self.sites.iter().filter(|site| site.failure().is_some());
        if !is_short {
            page.line(format_args!(
                "{} in all; {} of {} sites served",
                page.size(self.bytes),
                self.sites.len().saturating_sub(failed.count()),
                self.sites.len()
            ))?;
        }
        for medium in &self.media {
            page.line(format_args!(
                "medium {} of {}: {} in {}",
                medium.number,
                self.media.len(),
                page.size(medium.bytes),
                medium.folder
            ))?;
        }
        match &self.delivery {
            Some(folder) if self.bytes > 0 => page.line(format_args!(
                "at the site: imgdelta receive {folder} --repo SITE"
            )),
            _ => Ok(()),
        }
    }
}

fn served(site: &SiteReport, is_carried: bool, page: &mut Page<'_>) -> io::Result<()> {
    let way = if is_carried { "for" } else { "to" };
    page.line(format_args!(
        "{way} {}: {}",
        site.site,
        page.size(site.bytes)
    ))?;
    for there in &site.there {
        page.line(format_args!("  = {}: is there already", there.image.name))?;
    }
    for parcel in &site.sent {
        sent(parcel, page)?;
    }
    for image in site.images.iter().flatten() {
        // Of a step, what was sent says all.
        if image.fate != ImageOutcome::Step {
            arrived(image, "there", "    ", page)?;
        }
    }
    Ok(())
}

fn sent(parcel: &ShippedImage, page: &mut Page<'_>) -> io::Result<()> {
    let what = match &parcel.base {
        Some(base) => format!("as the difference from {}", base.name),
        None => "as a whole".to_owned(),
    };
    let step = if parcel.is_step {
        ", only as a step to others"
    } else {
        ""
    };
    let before = match parcel.resumed {
        Some(bytes) if bytes > 0 => format!(", after {} that were there", page.size(bytes)),
        _ if parcel.is_new => String::new(),
        _ => ", lay there".to_owned(),
    };
    page.line(format_args!(
        "  + {}: {} {what}{step}{before}",
        parcel.image.name,
        page.size(parcel.bytes)
    ))?;
    if let Some(bytes) = &parcel.left_out {
        let parts = owners::unused(bytes, page);
        page.line(format_args!(
            "      left out, as it is in the base: {parts}"
        ))?;
    }
    match &parcel.file {
        Some(file) if page.is_loud() => page.line(format_args!("      file     {file}")),
        _ => Ok(()),
    }
}

impl Text for DropReport {
    const IS_SUMMARY: bool = true;

    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        let said = if self.dry_run { "would go" } else { "dropped" };
        for entry in &self.dropped {
            let what = match &entry.base {
                Some(base) => format!("as the difference from {}", base.name),
                None => "as a whole".to_owned(),
            };
            page.line(format_args!(
                "- {}: {} {what}: {said}",
                entry.image.name,
                page.size(entry.bytes)
            ))?;
        }
        page.line(format_args!(
            "{}: {} {}, {} entries left",
            self.delivery,
            page.size(self.bytes),
            if self.dry_run {
                "would be freed"
            } else {
                "freed"
            },
            self.left
        ))
    }
}

impl Text for RefillReport {
    const IS_SUMMARY: bool = true;

    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        for image in &self.images {
            let what = match image.windows {
                Some(1) => "1 window".to_owned(),
                Some(count) => format!("{count} windows"),
                None => "all of it".to_owned(),
            };
            let bytes = page.size(image.bytes);
            page.line(format_args!("+ {}: {bytes}, {what}", image.image.name))?;
        }
        page.line(format_args!(
            "at the site: imgdelta receive {} STICK --repo SITE, STICK being the delivery that was damaged",
            self.delivery
        ))
    }
}

impl Text for ReceiveReport {
    const IS_SUMMARY: bool = true;

    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        for signer in &self.signers {
            page.line(format_args!("{}: signed by {signer}", self.delivery))?;
        }
        for image in &self.images {
            arrived(image, "here", "", page)?;
        }
        if let Some(request) = &self.request {
            page.line(format_args!(
                "at headquarters: imgdelta deploy --refill {request} -o FOLDER"
            ))?;
        }
        if let Some(media) = &self.media {
            return waiting(media, self, page);
        }
        if self.images.is_empty() {
            page.line(format_args!(
                "{}: holds nothing for this repository",
                self.delivery
            ))?;
        }
        Ok(())
    }
}

/// What is said of media that must still come.
fn waiting(media: &MediaState, report: &ReceiveReport, page: &mut Page<'_>) -> io::Result<()> {
    let named = |numbers: &[u32]| {
        let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
        numbers.join(", ")
    };
    let taken = match report.dry_run {
        true => "would be taken",
        false => "taken",
    };
    page.line(format_args!(
        "{}: medium {} of {} {taken}; still missing: {}",
        report.delivery,
        named(&media.here),
        media.of,
        named(&media.missing)
    ))?;
    page.line(format_args!(
        "put in one of those and run the same line again; nothing is entered before the last one"
    ))
}

impl Text for VerifyDeliveryReport {
    const IS_SUMMARY: bool = true;

    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        let is_loud = page.is_loud();
        let shown = self.files.iter().filter(|file| !file.sound || is_loud);
        for file in shown {
            let (sign, what) = match (file.sound, &file.healable) {
                (true, _) => ('=', "is what was put there".to_owned()),
                (false, None) => ('!', "is not what was put there".to_owned()),
                (false, Some(healable)) => (
                    '!',
                    format!(
                        "is not what was put there; {} are damaged, and its parity heals them",
                        healable.damage()
                    ),
                ),
            };
            page.line(format_args!("{sign} {}: {what}", file.name))?;
        }
        let (count, length) = self.files.iter().fold((0_usize, 0_u64), |(n, sum), file| {
            (n.saturating_add(1), sum.saturating_add(file.length))
        });
        let by = self.signer.as_ref();
        let by = by.map_or_else(String::new, |signer| format!(", signed by {signer}"));
        let faulty = self.files.iter().filter(|file| !file.sound).count();
        let length = page.size(length);
        match faulty {
            0 => page.line(format_args!(
                "{}: {count} files, {length}, all are what was put there{by}",
                self.delivery
            )),
            _ => page.line(format_args!(
                "{}: {faulty} of {count} files are not what was put there{by}",
                self.delivery
            )),
        }
    }
}

/// What the base of an image is called at the site, and, where that is another name, at headquarters.
fn based_on(image: &ReceivedImage) -> Option<String> {
    let base = image.base.as_ref()?;
    Some(match &image.base_at_site {
        Some(there) => format!("{there} [{base} at headquarters]"),
        None => base.clone(),
    })
}

/// What became of an image `place`, behind an indent.
fn arrived(
    image: &ReceivedImage,
    place: &str,
    indent: &str,
    page: &mut Page<'_>,
) -> io::Result<()> {
    let name = &image.name;
    let as_named = image.image.as_ref().filter(|there| there.name != *name);
    let as_named = as_named.map_or_else(String::new, |there| format!(" as {}", there.name));
    let base = based_on(image).unwrap_or_default();
    let base = base.as_str();
    let what = match image.fate {
        ImageOutcome::Entered => format!("proven and entered{as_named}{}", kept(image, page)),
        ImageOutcome::Due => match base {
            "" => "would be entered".to_owned(),
            base => format!("would be made from {base} and entered"),
        },
        ImageOutcome::There => format!("is {place} already{as_named}"),
        ImageOutcome::Step => "only served others as a step".to_owned(),
        ImageOutcome::Unfit => format!("left alone, its base {base} is not {place}"),
        // Standard error says why.
        _ => "failed".to_owned(),
    };
    page.line(format_args!("{indent}{name}: {what}"))
}

/// In which form an image is kept.
fn kept(image: &ReceivedImage, page: &Page<'_>) -> String {
    let Some(there) = &image.image else {
        return String::new();
    };
    let size = page.size(there.size);
    let is_child = image.as_child == Some(true);
    let parent = there.parent.as_ref();
    let parent = parent.and_then(|parent| parent.name.as_ref());
    let base = based_on(image);
    match parent.filter(|_| is_child).or(base.as_ref()) {
        Some(base) if is_child => format!(", {size}, {} child of {base}", there.format),
        Some(base) => format!(", {size} {} made from {base}", there.format),
        None => format!(", {size} {}", there.format),
    }
}
