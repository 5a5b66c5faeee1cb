//! How a child names its parent, and what it refuses to write down.

use super::*;

#[test]
fn a_relinked_child_names_the_other_base_in_both_ways() -> Outcome {
    let below = Recipe::scatter(MIB, 4096, 3).expected(None);
    let base = |byte: u8| -> Result<Arc<dyn Image>> {
        let mut disk = below.clone();
        disk[0] = byte;
        open(&write(&disk, &Job::default())?)
    };
    let (first, second) = (base(1)?, base(2)?);
    let relink = DRIVER.relink.ok_or("it has one")?;
    let mut target = below.clone();
    target[5] ^= 1;
    for options in [&[][..], &["subformat=twoGbMaxExtentSparse"]] {
        let job = Job {
            options,
            parent: Some((
                parent_of(&*first, "a/long/way/to/the/first/base.vmdk"),
                &below,
            )),
            seed: None,
        };
        let mut files = write(&target, &job)?;
        let parent = parent_of(&*second, "b.vmdk");
        let source = Arc::new(imgdelta_core::MemSource(files[0].1.clone()));
        for patch in relink(&(source as _), &parent)? {
            let at = patch.at.0 as usize;
            files[0].1[at..at + patch.bytes.len()].copy_from_slice(&patch.bytes);
        }
        let image = open(&files)?;
        let link = image.parent().ok_or("it is a child")?;
        assert_eq!(
            Some(&link.identities[0]),
            second.metadata().identity.as_ref()
        );
        assert_eq!(link.hints[0].text, "b.vmdk");
        let text = String::from_utf8_lossy(&files[0].1).into_owned();
        let detail = |name| {
            let found = second
                .metadata()
                .details
                .iter()
                .find(|(known, _)| *known == name);
            found.map(|(_, value)| value.clone()).expect("it has one")
        };
        assert!(text.contains(&format!(
            "ddb.uuid.parent = \"{}\"",
            detail("ddb.uuid.image")
        )));
        assert!(read_over(&*image, &below)? == target);
        let far = ParentSpec {
            relative: Some("x/".repeat(6000)),
            ..parent
        };
        let source = Arc::new(imgdelta_core::MemSource(files[0].1.clone()));
        let refused = relink(&(source as _), &far).err().map(|error| error.kind());
        assert_eq!(refused, options.is_empty().then_some(Kind::Unsupported));
    }
    Ok(())
}

#[test]
fn a_name_that_the_childs_encoding_has_no_letters_for_is_refused() -> Outcome {
    let below = Recipe::scatter(MIB, 4096, 3).expected(None);
    let base = open(&write(&below, &Job::default())?)?;
    let job = Job {
        parent: Some((parent_of(&*base, "base.vmdk"), &below)),
        ..Job::default()
    };
    let mut files = write(&below, &job)?;
    let bytes = &mut files[0].1;
    let was = b"encoding=\"UTF-8\"";
    let at = bytes.windows(was.len()).position(|part| part == was);
    let at = at.ok_or("it is there")?;
    bytes[at..at + was.len()].copy_from_slice(b"encoding=\"cp866\"");
    let relink = DRIVER.relink.ok_or("it has one")?;
    let to = |name| {
        let source = Arc::new(imgdelta_core::MemSource(files[0].1.clone()));
        relink(&(source as _), &parent_of(&*base, name))
    };
    assert!(to("база.vmdk").is_ok());
    let refused = to("テ.vmdk").err().ok_or("it should be refused")?;
    assert_eq!(
        (refused.kind(), refused.code()),
        (Kind::Unsupported, "vmdk_unrecordable_name")
    );
    Ok(())
}

#[test]
fn what_a_parent_calls_itself_does_not_get_into_the_text_unless_it_is_a_uuid() -> Outcome {
    let below = Recipe::scatter(MIB, 4096, 3).expected(None);
    let base = open(&write(&below, &Job::default())?)?;
    let mut parent = parent_of(&*base, "base.vmdk");
    for (name, value) in &mut parent.details {
        if name.starts_with("ddb.uuid.") {
            *value = "x\"\nparentFileNameHint=\"/etc/passwd".into();
        }
    }
    let job = Job {
        parent: Some((parent, &below)),
        ..Job::default()
    };
    let mut target = below.clone();
    target[0] ^= 1;
    let files = write(&target, &job)?;
    let text = String::from_utf8_lossy(&files[0].1[512..21 * 512]).into_owned();
    assert!(!text.contains("passwd"), "{text}");
    assert!(read_over(&*open(&files)?, &below)? == target);
    Ok(())
}
