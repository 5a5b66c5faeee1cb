//! Several deployments at once: to one repository, and from one.

use std::thread;

use imgdelta_core::{Format, Result};
use imgdelta_deploy::bundle::receive;
use imgdelta_deploy::deployment::{Deploy, Destination, deploy_many};
use imgdelta_repository::catalogue::Repository;

use crate::place::{Place, Windows, assert_sound, deploy, names, stored};

#[test]
fn two_deployments_to_one_repository_at_once_enter_each_image_once() -> Result<()> {
    let place = Place::new();
    let hq = place.repository("hq", Format::Qcow2)?;
    let site = place.repository("site", Format::Vhd)?;
    let old = Windows::new(8, 1);
    place.add(&hq, "old", &old, Format::Raw, None)?;
    place.add(&site, "old", &old, Format::Raw, None)?;
    let name = |number: usize| format!("new {number}");
    let disk = |number: usize| old.with(number..number + 1, 2);
    for number in 0..6 {
        place.add(&hq, &name(number), &disk(number), Format::Raw, Some("old"))?;
    }
    let wanted: Vec<String> = (0..6).map(name).collect();
    let words: Vec<&str> = wanted.iter().map(String::as_str).collect();
    place.carry(&hq, &words, &[&site], "stick")?;
    thread::scope(|scope| {
        let by_path = |backwards: bool| {
            let (folder, hq) = (place.at("site"), place.at("hq"));
            let mut words = words.clone();
            if backwards {
                words.reverse();
            }
            move || -> Result<()> {
                let here = Place::new();
                let hq = Repository::open(&hq)?;
                for word in words {
                    let one = Deploy {
                        sites: vec![Destination::Folder(folder.clone())],
                        ..deploy(&hq, &[word])
                    };
                    let deployed = deploy_many(&one, &here.context())?;
                    assert!(deployed.failure().is_none(), "{deployed:?}");
                }
                Ok(())
            }
        };
        let from_stick = || -> Result<()> {
            let here = Place::new();
            let site = Repository::open(&place.at("site"))?;
            let received = receive(
                &place.at("stick"),
                &site,
                &imgdelta_deploy::bundle::StoreOptions::default(),
                &here.context(),
            )?;
            assert!(received.failure().is_none(), "{received:?}");
            Ok(())
        };
        let all = [
            scope.spawn(by_path(false)),
            scope.spawn(by_path(true)),
            scope.spawn(by_path(false)),
        ];
        let carried = scope.spawn(from_stick);
        for one in all {
            one.join().expect("it ends")?;
        }
        carried.join().expect("it ends")
    })?;
    let mut expected = wanted.clone();
    expected.push("old".to_owned());
    assert_eq!(names(&site)?, expected);
    for number in 0..6 {
        assert_eq!(stored(&site, &name(number))?, disk(number).bytes());
    }
    assert_sound(&site, &place)
}
