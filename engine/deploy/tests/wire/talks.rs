//! Conversations that come to their end.

use std::{
    cell::Cell,
    fs,
    os::unix::{fs::symlink, net::UnixStream},
};

use imgdelta_core::{Kind, Result};
use imgdelta_delta::ContentId;
use imgdelta_deploy::{
    bundle::Outcome,
    wire::{ClientSession, TransferStats, serve},
};
use imgdelta_repository::{
    catalogue::{
        Repository,
        facts::{Holdings, node},
    },
    planning::{Rules, choose},
};

use crate::{
    pipe,
    place::{Place, noise, talk},
};

#[test]
fn an_image_is_announced_chosen_sent_proven_and_entered() -> Result<()> {
    let place = Place::new();
    let hq = place.repository("hq")?;
    place.add(&hq, "patched", &noise(2_500_000, 1))?;
    let site = place.repository("site")?;
    let goods = [place.goods(&hq, "patched")?];
    let (here, there) = pipe::line();
    let sent = talk(
        &place,
        (&hq.inventory()?, &goods),
        site.folder(),
        here,
        there,
    )
    .all()?;
    let Outcome::Entered(entered) = &sent[0].outcome else {
        panic!("{sent:?}");
    };
    let transfer = TransferStats {
        sent: goods[0].entry.bytes(),
        resumed: 0,
    };
    assert_eq!(sent[0].transfer, Some(transfer));
    assert_eq!(entered.content_id, goods[0].proposal.content_id);
    assert!(entered.is_new);
    let record = site.show("patched")?;
    assert_eq!(record.id, entered.image);
    let stored = site.folder().join(record.path()?.as_path());
    assert_eq!(fs::read(stored).expect("it is there"), noise(2_500_000, 1));
    assert_eq!(
        fs::read_dir(site.incoming()).expect("it is there").count(),
        0
    );
    Ok(())
}

#[test]
fn a_second_conversation_sends_nothing_and_says_under_which_name_it_is_there() -> Result<()> {
    let place = Place::new();
    let hq = place.repository("hq")?;
    place.add(&hq, "patched", &noise(100_000, 1))?;
    let site = place.repository("site")?;
    let goods = [place.goods(&hq, "patched")?];
    let own = hq.inventory()?;
    for time in 0..2 {
        let (here, there) = UnixStream::pair().expect("a socket");
        let here = (here.try_clone().expect("a socket"), here);
        let there = (there.try_clone().expect("a socket"), there);
        let sent = talk(&place, (&own, &goods), site.folder(), here, there).all()?;
        match &sent[0].outcome {
            Outcome::Entered(_) => assert_eq!(time, 0),
            Outcome::There(there) => {
                assert_eq!((time, there.name.as_str()), (1, "patched"));
                assert_eq!(there.image, site.show("patched")?.id);
            }
            other => panic!("{other:?}"),
        }
    }
    Ok(())
}

#[test]
fn the_site_answers_with_what_both_have_and_headquarters_can_choose_by_it() -> Result<()> {
    let place = Place::new();
    let hq = place.repository("hq")?;
    let golden = noise(1 << 20, 1);
    let mut patched = golden.clone();
    patched[70_000..80_000].fill(7);
    place.add(&hq, "golden", &golden)?;
    place.add(&hq, "patched", &patched)?;
    place.add(&hq, "hq-only", &noise(1 << 20, 2))?;
    let site = place.repository("site")?;
    place.add(&site, "Golden Disk", &golden)?;
    place.add(&site, "site-only", &noise(1 << 20, 3))?;
    let (here, there) = pipe::line();
    std::thread::scope(|scope| {
        let served = scope.spawn(|| serve(there.0, there.1, &place.serving()));
        let path = site.folder().to_str().expect("text");
        let mut client = ClientSession::open(here.0, here.1, path, &place.progress)?;
        assert_eq!(client.site().repository, site.about().id);
        let own = hq.inventory()?;
        let wanted = hq.show("patched")?.id;
        let answer = client.announce(&own, std::slice::from_ref(&wanted))?;
        let names: Vec<&str> = answer
            .images
            .iter()
            .map(|item| item.name.as_str())
            .collect();
        assert_eq!(names, ["Golden Disk"], "nothing else of the site is told");
        let (listing, nodes) = (
            hq.list()?,
            answer.images.iter().map(node).collect::<Vec<_>>(),
        );
        let holdings = Holdings::of(&hq, &listing);
        let choice = choose(
            &holdings.nodes(),
            &nodes,
            wanted.as_str(),
            &holdings,
            &Rules::default(),
        )?;
        let base = choice.base().expect("both sides have the golden image");
        assert_eq!(base.at_site, site.show("Golden Disk")?.id.as_str());
        client.close()?;
        assert!(served.join().expect("no panic")?.entered.is_empty());
        Ok(())
    })
}

#[test]
fn what_the_site_does_not_take_is_told_and_the_next_image_follows() -> Result<()> {
    let place = Place::new();
    let hq = place.repository("hq")?;
    for (name, seed) in [("one", 1), ("two", 2), ("three", 3), ("four", 4)] {
        place.add(&hq, name, &noise(100_000, seed))?;
    }
    let site = place.repository("site")?;
    let mut goods = ["one", "two", "three", "four"]
        .iter()
        .map(|name| place.goods(&hq, name))
        .collect::<Result<Vec<_>>>()?;
    // The base is not there; the id is another disk's; the content is not what was said.
    goods[0].proposal.base = Some("nobody".parse()?);
    goods[1].proposal.image = place.add(&site, "taken", &noise(1000, 9))?;
    goods[2].proposal.content_id = ContentId(imgdelta_delta::Digest([7; 32]));
    goods[2].entry.content_id = goods[2].proposal.content_id;
    let (here, there) = pipe::line();
    let talked = talk(
        &place,
        (&hq.inventory()?, &goods),
        site.folder(),
        here,
        there,
    );
    let outcomes = talked.client?;
    let told = |at: usize| {
        outcomes[at]
            .as_ref()
            .map(|_| ())
            .expect_err("it was refused")
    };
    assert_eq!(
        told(0).message(),
        "the other side: the base 'nobody' is not here any more"
    );
    assert!(
        told(1).message().contains("is taken by 'taken'"),
        "{}",
        told(1)
    );
    assert!(
        told(2).message().contains("'three'; it is damaged"),
        "{}",
        told(2)
    );
    assert!((0..3).all(|at| told(at).kind() == Kind::Peer));
    let last = outcomes[3].as_ref().map(|delivered| &delivered.outcome);
    assert!(matches!(last, Ok(Outcome::Entered(_))));
    let served = talked.site?;
    assert_eq!((served.entered.len(), served.refused.len()), (1, 3));
    let kinds: Vec<&str> = served
        .refused
        .iter()
        .map(|(_, why)| why.kind.as_str())
        .collect();
    assert_eq!(kinds, ["chain", "usage", "digest"]);
    Ok(())
}

#[test]
fn what_cannot_be_packed_stops_only_itself_and_what_is_there_is_not_packed() -> Result<()> {
    let place = Place::new();
    let hq = place.repository("hq")?;
    place.add(&hq, "one", &noise(1000, 1))?;
    place.add(&hq, "two", &noise(1000, 2))?;
    let site = place.repository("site")?;
    place.add(&site, "one-there", &noise(1000, 1))?;
    let (one, two) = (place.goods(&hq, "one")?, place.goods(&hq, "two")?);
    let (here, there) = pipe::line();
    std::thread::scope(|scope| {
        let served = scope.spawn(|| serve(there.0, there.1, &place.serving()));
        let path = site.folder().to_str().expect("text");
        let mut client = ClientSession::open(here.0, here.1, path, &place.progress)?;
        let early = client.deliver(&one.proposal, &one.folder, || Ok(one.entry.clone()));
        assert_eq!(
            early.expect_err("nothing was announced").kind(),
            Kind::Usage
        );
        client.announce(&hq.inventory()?, &[])?;
        let packed = Cell::new(0);
        let delivered = client.deliver(&one.proposal, &one.folder, || {
            packed.set(packed.get() + 1);
            Ok(one.entry.clone())
        })?;
        assert!(matches!(delivered.outcome, Outcome::There(_)));
        assert_eq!(packed.get(), 0);
        let failed = client.deliver(&two.proposal, &two.folder, || {
            Err(imgdelta_core::Error::new(Kind::Host, "no room to pack it"))
        });
        assert_eq!(failed.expect_err("not packed").kind(), Kind::Host);
        let delivered = client.deliver(&two.proposal, &two.folder, || Ok(two.entry.clone()))?;
        assert!(matches!(delivered.outcome, Outcome::Entered(_)));
        client.close()?;
        served.join().expect("no panic").map(|_| ())
    })
}

#[test]
fn steps_are_kept_for_what_is_made_from_them_and_go_when_all_is_done() -> Result<()> {
    let place = Place::new();
    let hq = place.repository("hq")?;
    let mut goods = Vec::new();
    for (name, seed) in [("one", 1), ("two", 2), ("three", 3)] {
        place.add(&hq, name, &noise(100_000, seed))?;
        goods.push(place.goods(&hq, name)?);
    }
    // One twice is one too many; the last one is no step.
    goods.insert(1, goods[0].clone());
    for step in &mut goods[..3] {
        step.proposal.step = true;
    }
    let site = place.repository("site")?;
    let (here, there) = pipe::line();
    let own = hq.inventory()?;
    let talked = talk(&place, (&own, &goods), site.folder(), here, there);
    let outcomes = talked.client?;
    let twice = outcomes[1].as_ref().expect_err("it was kept before");
    assert!(twice.message().contains("a step too many"), "{twice}");
    for at in [0, 2] {
        let outcome = outcomes[at].as_ref().map(|delivered| &delivered.outcome);
        assert!(matches!(outcome, Ok(Outcome::Step)), "{outcome:?}");
    }
    let last = outcomes[3].as_ref().map(|delivered| &delivered.outcome);
    assert!(matches!(last, Ok(Outcome::Entered(_))), "{last:?}");
    assert_eq!(site.list()?.len(), 1);
    assert_eq!(
        fs::read_dir(site.incoming()).expect("it is there").count(),
        0
    );
    Ok(())
}

#[test]
fn only_what_lies_below_the_root_is_served() -> Result<()> {
    let place = Place::new();
    let inside = Repository::init(&place.at("root/site"), imgdelta_core::Format::Vhd)?;
    let outside = place.repository("outside")?;
    symlink(outside.folder(), place.at("root/link")).expect("room");
    let root = place.at("root");
    let ask = |path: &str| {
        let (here, there) = pipe::line();
        std::thread::scope(|scope| {
            let served = scope.spawn(|| {
                let options = imgdelta_deploy::wire::ServeOptions {
                    ownership: imgdelta_core::Ownership::default(),
                    root: Some(&root),
                    ..place.serving()
                };
                serve(there.0, there.1, &options)
            });
            let opened =
                ClientSession::open(here.0, here.1, path, &place.progress).and_then(|client| {
                    let site = client.site().clone();
                    client.close()?;
                    Ok(site)
                });
            (opened, served.join().expect("no panic"))
        })
    };
    let path = |name: &str| place.at(name).to_str().expect("text").to_owned();
    let (opened, served) = ask(&path("root/site"));
    assert_eq!(opened?.repository, inside.about().id);
    served?;
    for wrong in [
        "outside",
        "root/link",
        "root/../outside",
        "root/none",
        "nowhere",
    ] {
        let (opened, served) = ask(&path(wrong));
        let served = served.expect_err(wrong);
        assert_eq!((served.kind(), served.code()), (Kind::Reference, "outside"));
        let opened = opened.expect_err(wrong);
        assert_eq!(opened.kind(), Kind::Peer);
        assert!(
            opened
                .message()
                .contains("is no folder that may be had here"),
            "{opened}"
        );
    }
    let (opened, served) = ask(&path("root"));
    assert!(
        opened
            .expect_err("no repository")
            .message()
            .contains("is not a repository")
    );
    assert_eq!(served.expect_err("no repository").kind(), Kind::Usage);
    Ok(())
}

#[test]
fn a_stop_is_heard_between_two_frames() -> Result<()> {
    let place = Place::new();
    let hq = place.repository("hq")?;
    place.add(&hq, "patched", &noise(1 << 20, 1))?;
    let goods = place.goods(&hq, "patched")?;
    let site = place.repository("site")?;
    let (here, there) = pipe::line();
    let far = Place::new();
    let outcome = std::thread::scope(|scope| {
        let served = scope.spawn(|| serve(there.0, there.1, &far.serving()));
        let path = site.folder().to_str().expect("text");
        let mut client = ClientSession::open(here.0, here.1, path, &place.progress)?;
        client.announce(&hq.inventory()?, &[])?;
        let outcome = client.deliver(&goods.proposal, &goods.folder, || {
            place.progress.stop();
            Ok(goods.entry.clone())
        });
        drop(client);
        let served = served
            .join()
            .expect("no panic")
            .expect_err("it was broken off");
        assert_eq!(served.message(), "the other side: interrupted");
        outcome
    });
    assert_eq!(outcome.expect_err("stopped").kind(), Kind::Interrupted);
    assert!(site.list()?.is_empty());
    Ok(())
}
