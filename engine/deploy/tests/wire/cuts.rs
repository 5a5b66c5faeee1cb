//! Connections that are cut: at every frame in either direction, within frames, and what is gone on with then.

use std::fs;

use imgdelta_core::{Kind, Result};
use imgdelta_deploy::wire::LONGEST_PAYLOAD;
use imgdelta_repository::catalogue::Repository;

use crate::{
    pipe::{self, Breaking, Cut},
    place::{Goods, Place, Talked, noise, talk},
};

/// Four frames of data and a short one.
const LEN: usize = LONGEST_PAYLOAD * 3 + 1000;

/// Headquarters, a site, and an image on its way.
struct Story {
    place: Place,
    hq: Repository,
    site: Repository,
    goods: Goods,
}

impl Story {
    fn new() -> Result<Self> {
        let place = Place::new();
        let hq = place.repository("hq")?;
        place.add(&hq, "patched", &noise(LEN, 1))?;
        let site = place.repository("site")?;
        let goods = place.goods(&hq, "patched")?;
        Ok(Self {
            place,
            hq,
            site,
            goods,
        })
    }

    /// A conversation whose directions are cut so.
    fn talk(&self, to_site: Cut, to_client: Cut) -> Result<Talked> {
        let (here, there) = pipe::line();
        Ok(talk(
            &self.place,
            (&self.hq.inventory()?, std::slice::from_ref(&self.goods)),
            self.site.folder(),
            (here.0, Breaking::new(here.1, to_site)),
            (there.0, Breaking::new(there.1, to_client)),
        ))
    }

    /// A conversation that is not cut: what was sent, and what had come before. `None` if the image was there.
    fn finish(&self) -> Result<Option<(u64, u64)>> {
        let outcomes = self.talk(Cut::Never, Cut::Never)?.all()?;
        assert_eq!(
            self.site.show("patched")?.content_id,
            self.goods.proposal.content_id
        );
        assert_eq!(self.left(), 0);
        let transfer = outcomes[0].transfer;
        Ok(transfer.map(|transfer| (transfer.sent, transfer.resumed)))
    }

    /// How many folders lie in the site's incoming folder.
    fn left(&self) -> usize {
        fs::read_dir(self.site.incoming())
            .expect("it is there")
            .count()
    }

    fn total(&self) -> u64 {
        self.goods.entry.bytes()
    }
}

#[test]
fn cut_after_every_frame_to_the_site_the_next_conversation_goes_on_with_it() -> Result<()> {
    // hello, open, notice, list, choice, entry, from; four of data; end; bye.
    let mut resumed_at = Vec::new();
    for frames in 0..13 {
        let story = Story::new()?;
        let cut = story.talk(Cut::AfterFrames(frames), Cut::Never)?;
        let (client, site) = cut.both();
        let error = client.expect_err("it was cut");
        assert_eq!(
            (error.kind(), error.code()),
            (Kind::Peer, "cut"),
            "{frames}: {error}"
        );
        assert!(site.is_err(), "{frames}");
        assert_eq!(
            story.site.list()?.len(),
            usize::from(frames >= 12),
            "{frames}"
        );
        match story.finish()? {
            Some((sent, resumed)) => {
                assert_eq!(sent + resumed, story.total());
                resumed_at.push(resumed);
            }
            None => assert_eq!(frames, 12, "only the farewell was cut"),
        }
    }
    let frame = LONGEST_PAYLOAD as u64;
    assert_eq!(resumed_at[..8], [0; 8]);
    assert_eq!(resumed_at[8..], [frame, 2 * frame, 3 * frame, LEN as u64]);
    Ok(())
}

#[test]
fn cut_after_every_frame_to_headquarters_the_next_conversation_ends_it() -> Result<()> {
    // welcome, opened, common, list, ready, held, entered, bye.
    for frames in 0..8 {
        let story = Story::new()?;
        let cut = story.talk(Cut::Never, Cut::AfterFrames(frames))?;
        assert_eq!(
            cut.both().0.expect_err("it was cut").kind(),
            Kind::Peer,
            "{frames}"
        );
        let is_entered = frames >= 6;
        assert_eq!(
            story.site.list()?.len(),
            usize::from(is_entered),
            "{frames}"
        );
        assert_eq!(story.finish()?.is_none(), is_entered, "{frames}");
    }
    Ok(())
}

#[test]
fn cut_within_a_frame_nothing_of_that_frame_counts() -> Result<()> {
    let story = Story::new()?;
    let whole = story.total();
    for bytes in [3_u64, 900, 1100, 1200, 500_000, 1_500_000, 2_200_000] {
        let story = Story::new()?;
        let cut = story.talk(Cut::AfterBytes(bytes), Cut::Never)?;
        let (client, site) = cut.both();
        assert!(client.is_err() && site.is_err());
        let (sent, resumed) = story.finish()?.expect("it was not there");
        assert_eq!(sent + resumed, whole);
        assert!(resumed <= bytes, "{resumed} of {bytes}");
        assert!(resumed.is_multiple_of(LONGEST_PAYLOAD as u64));
    }
    Ok(())
}

#[test]
fn a_conversation_that_is_cut_again_and_again_comes_to_its_end() -> Result<()> {
    let story = Story::new()?;
    let mut times = 0;
    // Seven frames until the first new byte, then two of data; the second time the farewell alone is missing.
    while story
        .talk(Cut::AfterFrames(9), Cut::Never)?
        .both()
        .0
        .is_err()
    {
        times += 1;
        assert!(times < 20);
    }
    assert_eq!(times, 2);
    assert!(story.finish()?.is_none());
    Ok(())
}

#[test]
fn what_was_held_counts_only_if_it_is_what_is_sent() -> Result<()> {
    for change in [
        // A byte that fell over; what a crash left as zeros; more than there is; nothing.
        |bytes: &mut Vec<u8>| bytes[5] ^= 1,
        |bytes: &mut Vec<u8>| {
            let half = bytes.len() / 2;
            bytes[half..].fill(0);
        },
        |bytes: &mut Vec<u8>| bytes.resize(LEN * 2, 7),
        |bytes: &mut Vec<u8>| bytes.clear(),
    ] {
        let story = Story::new()?;
        story.talk(Cut::AfterFrames(10), Cut::Never)?;
        let folder = fs::read_dir(story.site.incoming()).expect("it is there");
        let folder = folder.flatten().next().expect("one was begun").path();
        let held = folder.join("patched.image");
        let mut bytes = fs::read(&held).expect("it was begun");
        change(&mut bytes);
        fs::write(&held, &bytes).expect("room");
        fs::write(folder.join("of an earlier offer"), b"x").expect("room");
        let (sent, resumed) = story.finish()?.expect("it was not there");
        assert_eq!(sent + resumed, story.total());
        assert_eq!(resumed, 0);
    }
    Ok(())
}

#[test]
fn a_part_that_changed_since_it_was_offered_is_refused_and_can_be_offered_anew() -> Result<()> {
    let story = Story::new()?;
    let image = story.place.at("patched.image");
    let mut bytes = noise(LEN, 1);
    bytes[LEN - 1] ^= 1;
    fs::write(&image, &bytes).expect("room");
    let talked = story.talk(Cut::Never, Cut::Never)?;
    let (client, site) = talked.both();
    let error = client.expect_err("it is another file");
    assert!(
        error.message().contains("'patched.image' has the sha256"),
        "{error}"
    );
    assert_eq!(site.expect_err("the same").kind(), Kind::Digest);
    fs::write(&image, &bytes[..LEN / 2]).expect("room");
    let talked = story.talk(Cut::Never, Cut::Never)?;
    let error = talked.both().0.expect_err("short");
    assert_eq!(error.kind(), Kind::Host);
    assert!(error.message().contains("became shorter"), "{error}");
    assert!(story.site.list()?.is_empty());
    fs::write(&image, noise(LEN, 1)).expect("room");
    let (sent, resumed) = story.finish()?.expect("it was not there");
    assert_eq!(sent + resumed, story.total());
    Ok(())
}

#[test]
fn two_conversations_do_not_write_into_the_same_files() -> Result<()> {
    let story = Story::new()?;
    story.talk(Cut::AfterFrames(9), Cut::Never)?;
    let folder = fs::read_dir(story.site.incoming()).expect("it is there");
    let folder = folder.flatten().next().expect("one was begun").path();
    let lock = fs::File::open(folder.join(".lock")).expect("it is there");
    lock.try_lock().expect("nobody holds it");
    let talked = story.talk(Cut::Never, Cut::Never)?;
    let error = talked.client?.remove(0).expect_err("it is held");
    assert!(
        error
            .message()
            .contains("another deployment is sending the same image"),
        "{error}"
    );
    assert_eq!(talked.site?.refused[0].1.kind, "busy");
    drop(lock);
    assert!(story.finish()?.is_some_and(|(_, resumed)| resumed > 0));
    Ok(())
}

#[test]
fn a_link_in_place_of_what_is_held_is_not_written_through() -> Result<()> {
    let story = Story::new()?;
    story.talk(Cut::AfterFrames(9), Cut::Never)?;
    let folder = fs::read_dir(story.site.incoming()).expect("it is there");
    let folder = folder.flatten().next().expect("one was begun").path();
    let outside = tempfile::tempdir().expect("a place");
    fs::remove_dir_all(&folder).expect("it is there");
    fs::write(outside.path().join("thesis"), "words").expect("room");
    std::os::unix::fs::symlink(outside.path(), &folder).expect("links");
    let talked = story.talk(Cut::Never, Cut::Never)?;
    talked.client?.remove(0).expect_err("it leads out");
    assert_eq!(talked.site?.refused[0].1.kind, "reference");
    assert_eq!(fs::read_dir(outside.path()).expect("there").count(), 1);
    assert!(story.site.list()?.is_empty());
    Ok(())
}
