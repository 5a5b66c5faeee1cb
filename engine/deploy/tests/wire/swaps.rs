//! Folders of the site are swapped for links while a delivery comes: nothing outside is written, made or deleted.

use std::{
    fs,
    io::{self, Write},
};

use imgdelta_core::Result;

use crate::{
    outside::{Outside, SWAPPED},
    pipe,
    place::{Place, noise, talk},
};

/// Frames of headquarters before the one that says where the data begin: hello, open, notice, list, choice, entry. The site holds its folder by then.
const BEFORE_DATA: u64 = 6;

/// A write end that does something before one of its frames.
struct Hooked<W, F> {
    to: W,
    left: u64,
    hook: Option<F>,
}

impl<W: Write, F: FnOnce()> Write for Hooked<W, F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.left {
            0 => {
                if let Some(hook) = self.hook.take() {
                    hook();
                }
            }
            _ => self.left -= 1,
        }
        self.to.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// What the site calls the folder of a whole image.
fn delivery(id: &imgdelta_repository::catalogue::ImageId) -> String {
    format!("+{}", id.stem().to_ascii_lowercase())
}

#[test]
fn a_folder_that_is_swapped_while_a_delivery_comes_leads_nothing_outside() -> Result<()> {
    let place = Place::new();
    let hq = place.repository("hq")?;
    let image = place.add(&hq, "patched", &noise(100_000, 1))?;
    let goods = [place.goods(&hq, "patched")?];
    let own = hq.inventory()?;
    for swapped in SWAPPED {
        // To the last one: data, end, bye.
        for frames in 1..=BEFORE_DATA + 3 {
            let when = format!("{swapped} before frame {frames}");
            let there = Place::new();
            let site = there.repository("site")?;
            let files = ["patched.image", "older.image", ".lock"];
            let outside = Outside::new(there.at("outside"), delivery(&image), &files);
            let (here, far) = pipe::line();
            let to_site = Hooked {
                to: here.1,
                left: frames,
                hook: Some(|| outside.swap(site.folder(), swapped, &there.at("moved"))),
            };
            let talked = talk(
                &place,
                (&own, &goods),
                site.folder(),
                (here.0, to_site),
                far,
            );
            outside.assert_untouched(&when);
            if swapped == ".imgdelta/incoming" {
                // The repository changes nothing while one of its own folders is a link.
                let refused = talked.site?.refused.pop();
                let kind = refused.map(|(_, why)| why.kind);
                assert!(kind.is_none_or(|kind| kind == "reference"), "{when}");
            } else if frames >= BEFORE_DATA {
                talked.all()?;
                assert_eq!(site.list()?.len(), 1, "{when}");
                let inner = match swapped {
                    ".imgdelta" => "moved/incoming",
                    _ => "moved",
                };
                // The delivery's own is gone before the last frame.
                let left = fs::read_dir(there.at(inner)).map_or(0, Iterator::count);
                assert_eq!(left, 0, "{when}: it was taken away");
            }
        }
    }
    Ok(())
}

#[test]
fn what_an_earlier_version_left_half_received_is_gone_on_with() -> Result<()> {
    let place = Place::new();
    let hq = place.repository("hq")?;
    let bytes = noise(100_000, 1);
    let image = place.add(&hq, "patched", &bytes)?;
    let goods = [place.goods(&hq, "patched")?];
    let site = place.repository("site")?;
    let folder = site.incoming().join(delivery(&image));
    fs::create_dir_all(&folder).expect("room");
    fs::write(folder.join(".lock"), "").expect("room");
    fs::write(folder.join("patched.image"), &bytes[..40_000]).expect("room");
    let (here, there) = pipe::line();
    let own = hq.inventory()?;
    let sent = talk(&place, (&own, &goods), site.folder(), here, there).all()?;
    let transfer = sent[0].transfer.expect("it was sent");
    assert_eq!((transfer.resumed, transfer.sent), (40_000, 60_000));
    assert!(!folder.exists());
    Ok(())
}

#[test]
fn a_part_that_is_a_link_is_told_by_the_name_that_its_user_knows() -> Result<()> {
    let place = Place::new();
    let hq = place.repository("hq")?;
    let image = place.add(&hq, "patched", &noise(100_000, 1))?;
    let goods = [place.goods(&hq, "patched")?];
    let site = place.repository("site")?;
    let outside = Outside::new(place.at("outside"), delivery(&image), &[]);
    let folder = site.incoming().join(delivery(&image));
    fs::create_dir_all(&folder).expect("room");
    let precious = place.at("outside/incoming").join(delivery(&image));
    std::os::unix::fs::symlink(precious.join("precious"), folder.join("patched.image"))
        .expect("links");
    let (here, there) = pipe::line();
    let own = hq.inventory()?;
    let talked = talk(&place, (&own, &goods), site.folder(), here, there);
    let error = talked.both().0.expect_err("a link");
    assert!(!error.to_string().contains("/proc/"), "{error}");
    outside.assert_untouched("a part");
    Ok(())
}
