//! Lines that died silently, and lines that are only silent.

use std::{
    io::Write,
    os::unix::net::UnixStream,
    thread,
    time::{Duration, Instant},
};

use imgdelta_core::{Kind, Result};
use imgdelta_deploy::{
    bundle::Outcome,
    wire::{ClientSession, Patience, PatientReader, ServeOptions, serve},
};
use serde_json::json;

use crate::{
    place::{Place, noise},
    raw::{self, greeting},
};

#[test]
fn headquarters_that_is_silent_is_given_up() -> Result<()> {
    let place = Place::new();
    let (mut here, there) = UnixStream::pair().expect("a socket");
    let to = there.try_clone().expect("a socket");
    let patience = Patience::of(Duration::from_millis(300));
    let from = PatientReader::new(there, patience.clone());
    here.write_all(&raw::bytes(0, &[greeting(1, 1, 2)]))
        .expect("it listens");
    let options = ServeOptions {
        ownership: imgdelta_core::Ownership::default(),
        patience: &patience,
        ..place.serving()
    };
    let error = serve(from, to, &options).expect_err("nobody speaks");
    assert_eq!((error.kind(), error.code()), (Kind::Peer, "cut"));
    assert!(error.message().contains("nothing was heard"), "{error}");
    Ok(())
}

#[test]
fn headquarters_of_version_1_may_be_silent() -> Result<()> {
    let place = Place::new();
    let site = place.repository("site")?;
    let (mut here, there) = UnixStream::pair().expect("a socket");
    let to = there.try_clone().expect("a socket");
    let patience = Patience::of(Duration::from_millis(100));
    let from = PatientReader::new(there, patience.clone());
    let path = site.folder().to_str().expect("text");
    let frames = [
        greeting(1, 1, 1),
        raw::json(3, &json!({"path": path})),
        (20, Vec::new()),
    ];
    let said = raw::bytes(0, &frames);
    // What is answered is heard to the end.
    let _heard = here.try_clone().expect("a socket");
    thread::scope(|scope| {
        scope.spawn(move || {
            let (first, rest) = said.split_at(40);
            here.write_all(first).expect("it listens");
            thread::sleep(Duration::from_millis(600));
            here.write_all(rest).expect("it listens");
        });
        let options = ServeOptions {
            ownership: imgdelta_core::Ownership::default(),
            patience: &patience,
            ..place.serving()
        };
        serve(from, to, &options).map(drop)
    })
}

#[test]
fn headquarters_that_packs_for_long_says_that_it_is_alive() -> Result<()> {
    let place = Place::new();
    let hq = place.repository("hq")?;
    place.add(&hq, "patched", &noise(100_000, 1))?;
    let site = place.repository("site")?;
    let goods = place.goods(&hq, "patched")?;
    let (here, there) = UnixStream::pair().expect("a socket");
    let patience = Patience::of(Duration::from_secs(3));
    let (from, to) = (there.try_clone().expect("a socket"), there);
    let from = PatientReader::new(from, patience.clone());
    let far = Place::new();
    thread::scope(|scope| {
        let served = scope.spawn(|| {
            let options = ServeOptions {
                ownership: imgdelta_core::Ownership::default(),
                patience: &patience,
                ..far.serving()
            };
            serve(from, to, &options)
        });
        let path = site.folder().to_str().expect("text");
        let own = Patience::of(Duration::from_secs(3));
        let heard = PatientReader::new(here.try_clone().expect("a socket"), own.clone());
        let mut client = ClientSession::open(heard, here, path, &place.progress)?;
        client.keep_alive(&own)?;
        client.announce(&hq.inventory()?, &[])?;
        let begun = Instant::now();
        let delivered = client.deliver(&goods.proposal, &goods.folder, || {
            thread::sleep(Duration::from_secs(5));
            Ok(goods.entry.clone())
        })?;
        assert!(begun.elapsed() > Duration::from_secs(3));
        assert!(matches!(delivered.outcome, Outcome::Entered(_)));
        client.close()?;
        served.join().expect("no panic").map(drop)
    })
}
