use imgdelta_core::{Format, Result};
use imgdelta_delta::Digest;

use super::*;
use crate::bundle::{
    entry::{EntryForm, ImageRef, Recipient},
    file_entry::FileEntry,
};

const HERE: &str = "00000000-0000-4000-8000-000000000001";
const THERE: &str = "00000000-0000-4000-8000-000000000002";

fn content(name: &str) -> ContentId {
    ContentId(Digest::plain(name.as_bytes()))
}

/// An entry that makes the image from its base, `-` being nothing, in a file of that length.
fn entry(base: &str, image: &str, length: u64, sites: &[(&str, bool)]) -> Result<BundleEntry> {
    let shipped = |name: String| -> Result<FileEntry> {
        Ok(FileEntry::whole(name.parse()?, length, Digest::default()))
    };
    let pointer = |name: &str| -> Result<ImageRef> {
        Ok(ImageRef {
            id: name.parse()?,
            content_id: content(name),
            name: name.parse()?,
        })
    };
    let base = Some(base).filter(|base| *base != "-").map(pointer);
    let base = base.transpose()?;
    let beside = format!("{image}.json");
    let is_for = |(repository, step): &(&str, bool)| -> Result<Recipient> {
        Ok(Recipient {
            repository: repository.parse()?,
            step: *step,
        })
    };
    Ok(BundleEntry {
        manifest: base.as_ref().map(|_| shipped(beside)).transpose()?,
        base,
        image: image.parse()?,
        content_id: content(image),
        size: 1,
        ancestors: Vec::new(),
        data: None,
        name: image.parse()?,
        tags: std::collections::BTreeSet::new(),
        golden: false,
        parent: None,
        form: EntryForm::Image,
        format: Format::Qcow2,
        file: shipped(image.to_owned())?,
        requires: Vec::new(),
        sites: sites.iter().map(is_for).collect::<Result<_>>()?,
    })
}

/// As [`entry`], of a pair of letters.
fn pair(pair: &str, length: u64, sites: &[(&str, bool)]) -> Result<BundleEntry> {
    let (base, image) = pair.split_at(1);
    entry(base, image, length, sites)
}

/// The way for a site that has `here`: what is made, steps in brackets; what is there; what is unfit.
fn way(items: &[BundleEntry], here: &str) -> Result<(String, String, String)> {
    let index = Index {
        items: items.to_vec(),
        ..Index::new()
    };
    let here: Vec<ContentId> = here.split("").map(content).collect();
    let found = schedule(
        &index,
        &HERE.parse()?,
        |wanted| here.contains(wanted),
        |wanted| here.contains(wanted),
        |_| true,
    );
    let pair = |number: &usize| {
        let entry = &items[*number];
        let base = entry.base.as_ref().map_or("-", |base| base.name.as_str());
        format!("{base}{}", entry.name)
    };
    let names = |numbers: &[usize]| numbers.iter().map(pair).collect::<Vec<_>>().join(" ");
    let legs = found.legs.iter().map(|leg| match leg.is_step {
        true => format!("[{}]", pair(&leg.entry)),
        false => pair(&leg.entry),
    });
    let legs = legs.collect::<Vec<_>>().join(" ");
    Ok((legs, names(&found.there), names(&found.unfit)))
}

#[test]
fn each_image_comes_by_the_cheapest_way_and_bases_come_first() -> Result<()> {
    let mine = [(HERE, false)];
    let items = [
        pair("DF", 3, &mine)?,
        pair("AF", 20, &mine)?,
        pair("-F", 90, &mine)?,
        pair("AD", 10, &[(HERE, true)])?,
    ];
    let legs = |here: &str| way(&items, here).map(|(legs, ..)| legs);
    assert_eq!(legs("A")?, "[AD] DF");
    assert_eq!(legs("AD")?, "DF");
    assert_eq!(legs("X")?, "-F");
    assert_eq!(
        way(&items, "AF")?,
        (String::new(), "DF".to_owned(), String::new())
    );
    Ok(())
}

#[test]
fn a_site_gets_what_is_for_it_by_whatever_leads_there() -> Result<()> {
    let (mine, theirs) = ([(HERE, false)], [(THERE, false)]);
    let items = [
        pair("AF", 3, &mine)?,
        pair("DF", 3, &theirs)?,
        pair("DG", 3, &theirs)?,
        pair("AH", 3, &[(THERE, true)])?,
    ];
    assert_eq!(way(&items, "AD")?.0, "AF", "G is not for it");
    assert_eq!(
        way(&items, "D")?.0,
        "DF",
        "the base for which it was meant is gone"
    );
    assert_eq!(
        way(&items, "X")?,
        (String::new(), String::new(), "AF".to_owned())
    );
    // Nobody named this one: it takes all that it has bases for, but steps.
    let strange = [
        pair("AF", 3, &theirs)?,
        pair("DG", 3, &theirs)?,
        pair("AH", 3, &[(THERE, true)])?,
    ];
    assert_eq!(
        way(&strange, "A")?,
        ("AF".to_owned(), String::new(), "DG".to_owned())
    );
    Ok(())
}

#[test]
fn circles_lead_nowhere() -> Result<()> {
    let mine = [(HERE, false)];
    let circle = [
        pair("PQ", 0, &mine)?,
        pair("QP", 0, &mine)?,
        pair("QR", 0, &mine)?,
    ];
    assert_eq!(way(&circle, "X")?.0, "");
    assert_eq!(way(&circle, "P")?.0, "PQ QR");
    Ok(())
}

/// As many as the longest index that is read may list: each of them goes over its base once, or this takes hours.
#[test]
fn a_hundred_thousand_entries_are_planned_in_any_order() -> Result<()> {
    const COUNT: usize = 100_000;
    let image = |number: usize| format!("i{number}");
    let link = |number: usize| entry(&image(number), &image(number + 1), 1, &[]);
    let mut items = (0..COUNT).map(link).collect::<Result<Vec<BundleEntry>>>()?;
    let has = content(&image(0));
    let reversed = items.iter().rev().cloned().collect();
    // Far from each other's neighbours: a step that has no divisor in common with their number.
    let scattered = (0..COUNT).filter_map(|number| items.get(number * 7919 % COUNT).cloned());
    let scattered = scattered.collect();
    for items in [std::mem::take(&mut items), reversed, scattered] {
        let index = Index {
            items,
            ..Index::new()
        };
        let begun = std::time::Instant::now();
        let found = {
            let is_it = |wanted: &ContentId| *wanted == has;
            schedule(&index, &HERE.parse()?, is_it, is_it, |_| true)
        };
        eprintln!("planned {COUNT} entries in {:?}", begun.elapsed());
        assert_eq!(found.legs.len(), COUNT);
        let is_sequential = |pair: &[Leg]| {
            let made = &index.items[pair[0].entry].content_id;
            let base = index.items[pair[1].entry].base.as_ref();
            base.is_some_and(|base| base.content_id == *made)
        };
        assert!(found.legs.windows(2).all(is_sequential));
    }
    Ok(())
}
