//! Images that are chosen for, packed, sent and made for real; the oracle is the bytes that the images were made of.

use std::fs;

use imgdelta_core::{Format, Result};
use imgdelta_deploy::{
    bundle::{DeliveryContext, Outcome, StoreOptions},
    deployment::{Deploy, SiteOutcome, deploy_over},
    wire::{ClientSession, Served, serve},
};
use imgdelta_repository::catalogue::{ParentEvidence, Repository};

use crate::{
    pipe,
    place::{Place, noise},
};

const MIB: usize = 1 << 20;

/// Sends the images over a pipe in memory.
fn send(
    place: &Place,
    hq: &Repository,
    site: &Repository,
    images: &[&str],
    store: StoreOptions,
) -> (Result<SiteOutcome>, Result<Served>) {
    let packing = place.at("packing");
    fs::create_dir_all(&packing).expect("room");
    let deploy = Deploy {
        images: images.iter().map(|&image| image.to_owned()).collect(),
        store,
        ..Deploy::from(hq)
    };
    let (here, there) = pipe::line();
    let path = site.folder().to_str().expect("text");
    let far = Place::new();
    let both = std::thread::scope(|scope| {
        let served = scope.spawn(|| serve(there.0, there.1, &far.serving()));
        let sent = ClientSession::open(here.0, here.1, path, &place.progress).and_then(|client| {
            deploy_over(
                &deploy,
                client,
                &packing,
                &DeliveryContext::quiet(place.run()),
            )
        });
        (sent, served.join().expect("no panic"))
    });
    assert_eq!(
        fs::read_dir(&packing).expect("it is there").count(),
        0,
        "what was packed goes"
    );
    // What was refused stays for the next time.
    let is_refused = both
        .1
        .as_ref()
        .is_ok_and(|served| !served.refused.is_empty());
    let left = fs::read_dir(site.incoming()).expect("it is there").count();
    assert!(left == 0 || is_refused);
    both
}

/// The bytes of a raw image of a repository.
fn bytes(repository: &Repository, name: &str) -> Result<Vec<u8>> {
    let record = repository.show(name)?;
    assert_eq!(record.format, Format::Raw);
    Ok(fs::read(repository.folder().join(record.path()?.as_path())).expect("it is there"))
}

/// The bytes with a stretch replaced.
fn changed(bytes: &[u8], at: usize, len: usize, seed: u64) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    changed[at..at + len].copy_from_slice(&noise(len, seed));
    changed
}

#[test]
fn a_difference_becomes_the_image_and_a_second_time_nothing_travels() -> Result<()> {
    let place = Place::new();
    let (hq, site) = (place.repository("hq")?, place.repository("site")?);
    let golden = noise(4 * MIB, 1);
    let patched = changed(&golden, MIB, 100_000, 2);
    place.add(&hq, "golden", &golden)?;
    place.add(&hq, "patched", &patched)?;
    place.add(&site, "Golden Disk", &golden)?;
    let (sent, served) = send(&place, &hq, &site, &["patched"], StoreOptions::default());
    let sent = sent?;
    assert_eq!(served?.entered.len(), 1);
    let images = sent.images.as_deref().unwrap_or_default();
    assert!(matches!(images[0].outcome, Outcome::Entered(_)));
    let transfer = sent.sent[0].transfer.expect("it went over the line");
    assert!(transfer.sent < MIB as u64 / 2 && transfer.resumed == 0);
    assert_eq!(bytes(&site, "patched")?, patched);
    let (again, served) = send(&place, &hq, &site, &["patched"], StoreOptions::default());
    let again = again?;
    let route = again.route.as_ref().expect("it was worked out");
    assert!(again.images.is_none() && route.there.len() == 1);
    assert!(served?.entered.is_empty());
    Ok(())
}

#[test]
fn without_a_base_the_whole_image_travels_and_as_a_child_it_stays_one() -> Result<()> {
    let place = Place::new();
    let hq = place.repository("hq")?;
    let site = Repository::init(&place.at("site"), Format::Vhd)?;
    let golden = noise(4 * MIB, 1);
    place.add(&hq, "golden", &golden)?;
    place.add(&hq, "patched", &changed(&golden, MIB, 100_000, 2))?;
    let store = StoreOptions {
        format: Some(Format::Qcow2),
        as_child: true,
        ..StoreOptions::default()
    };
    let (sent, served) = send(&place, &hq, &site, &["golden", "patched"], store);
    assert_eq!(served?.entered.len(), 2);
    assert!(sent?.failure().is_none());
    let child = site.show("patched")?;
    assert_eq!(
        (child.format, child.content_id),
        (Format::Qcow2, hq.show("patched")?.content_id)
    );
    let parent = child.parent.expect("it has one");
    assert_eq!(
        (parent.known, parent.id),
        (ParentEvidence::Linked, site.show("golden")?.id)
    );
    Ok(())
}

#[test]
fn an_image_that_only_serves_as_a_step_travels_and_is_not_entered() -> Result<()> {
    let place = Place::new();
    let (hq, site) = (place.repository("hq")?, place.repository("site")?);
    let golden = noise(8 * MIB, 1);
    let middle = changed(&golden, 0, 3 * MIB, 2);
    place.add(&hq, "golden", &golden)?;
    place.add(&site, "golden", &golden)?;
    place.add(&hq, "middle", &middle)?;
    // Each differs from the middle in half a MiB of its own, and from each other one in two of those.
    let wanted = ["one", "two", "three", "four"];
    let mut images = Vec::new();
    for (name, at) in wanted.iter().zip(4..) {
        images.push(changed(&middle, at * MIB, MIB / 2, at as u64 * 10));
        place.add_child(&hq, name, images.last().expect("just pushed"), "middle")?;
    }
    let (sent, served) = send(&place, &hq, &site, &wanted, StoreOptions::default());
    let sent = sent?;
    assert!(sent.failure().is_none(), "{:?}", sent.failure());
    let arrived = sent.images.as_deref().unwrap_or_default();
    let kept: Vec<&str> = arrived
        .iter()
        .filter(|one| matches!(one.outcome, Outcome::Step))
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(kept, ["middle"]);
    assert_eq!(served?.entered.len(), 4);
    assert_eq!(site.list()?.len(), 5, "the step is not among them");
    for (name, image) in wanted.iter().zip(&images) {
        assert_eq!(bytes(&site, name)?, *image, "{name}");
    }
    Ok(())
}

#[test]
fn a_base_that_is_only_said_to_be_the_same_is_not_chosen() -> Result<()> {
    let place = Place::new();
    let (hq, site) = (place.repository("hq")?, place.repository("site")?);
    let golden = noise(4 * MIB, 1);
    let patched = changed(&golden, MIB, 100_000, 2);
    place.add(&hq, "golden", &golden)?;
    place.add(&hq, "patched", &patched)?;
    place.add(&site, "golden", &changed(&golden, 2 * MIB, 100_000, 3))?;
    for repository in [&hq, &site] {
        repository.set_id("golden", &"win11".parse()?, &place.run())?;
    }
    let (sent, served) = send(&place, &hq, &site, &["patched"], StoreOptions::default());
    let sent = sent?;
    assert!(sent.failure().is_none(), "{sent:?}");
    let route = sent.route.as_ref().expect("it was worked out");
    assert_eq!(route.transfers[0].from.base(), None);
    assert_eq!(served?.entered.len(), 1);
    assert_eq!(bytes(&site, "patched")?, patched);
    Ok(())
}

#[test]
fn a_base_is_proven_before_anything_is_sent_and_the_next_one_is_taken() -> Result<()> {
    let first = noise(8 * MIB, 1);
    let second = changed(&first, 0, MIB, 2);
    let third = changed(&second, 5 * MIB, 200_000, 3);
    for (spoilt, base) in [(1, Some("first")), (2, None)] {
        let place = Place::new();
        let (hq, site) = (place.repository("hq")?, place.repository("site")?);
        for (name, bytes) in [("first", &first), ("second", &second), ("third", &third)] {
            place.add(&hq, name, bytes)?;
        }
        place.add(&site, "first", &first)?;
        place.add(&site, "second", &second)?;
        for name in ["second.raw", "first.raw"].into_iter().take(spoilt) {
            let file = site.folder().join(name);
            let mut bytes = fs::read(&file).expect("it is there");
            bytes[7 * MIB] ^= 1;
            // Its time stays: a look at it shows nothing.
            let time = fs::metadata(&file).and_then(|found| found.modified());
            fs::write(&file, bytes).expect("room");
            let rotten = fs::File::options().write(true).open(&file).expect("there");
            let set = rotten.set_modified(time.expect("a time"));
            set.expect("it can be set");
        }
        let (sent, served) = send(&place, &hq, &site, &["third"], StoreOptions::default());
        let sent = sent?;
        assert!(sent.failure().is_none(), "{sent:?}");
        let [one] = &sent.sent[..] else {
            panic!("nothing travels in vain: {:?}", sent.sent);
        };
        let from = one.entry.base.as_ref().map(|base| base.name.as_str());
        assert_eq!(from, base);
        let image = &sent.images.as_deref().expect("it was reached")[0];
        assert_eq!(image.rejected.len(), spoilt);
        assert!(
            image.rejected[0]
                .message()
                .contains("'second' is not what its record says"),
            "{:?}",
            image.rejected
        );
        let served = served?;
        let kinds: Vec<&str> = served.refused.iter().map(|(_, why)| &*why.kind).collect();
        assert_eq!(kinds, vec!["chain"; spoilt]);
        assert_eq!(bytes(&site, "third")?, third);
    }
    Ok(())
}
