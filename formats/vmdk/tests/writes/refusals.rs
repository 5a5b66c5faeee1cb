//! What cannot be is refused; whatever is written reads back.

use super::*;

#[test]
fn what_cannot_be_is_refused() -> Outcome {
    let disk = vec![1; 65536];
    let refused = |job: &Job<'_>| write(&disk, job).err().map(|error: Error| error.kind());
    for options in [
        &["subformat=thick"][..],
        &["adapter_type=sata"],
        &["hwversion=x"],
        &["zeroed_grain=maybe"],
        &["zeroed_grain=on", "subformat=streamOptimized"],
        &["block_size=1M"],
        &["split_size=1M"],
        &["split_size=1M", "subformat=monolithicFlat"],
        &["split_size=1M", "subformat=vmfs"],
        &["split_size=0", "subformat=twoGbMaxExtentFlat"],
        &["split_size=1000000", "subformat=twoGbMaxExtentFlat"],
        &["split_size=2T", "subformat=twoGbMaxExtentSparse"],
        &["split_size=big", "subformat=twoGbMaxExtentSparse"],
        &["zeroed_grain=on", "subformat=vmfs"],
    ] {
        assert_eq!(refused(&of_kind(options)), Some(Kind::Usage), "{options:?}");
    }
    assert!(write(&[], &Job::default()).is_err());
    // More extents than most readers take.
    for (size, options) in [
        (Bytes::gib(2048), &["subformat=twoGbMaxExtentFlat"][..]),
        (
            Bytes::mib(1025),
            &["subformat=twoGbMaxExtentSparse", "split_size=1M"],
        ),
    ] {
        let split = DRIVER.start(Create {
            outputs: &DigestCache::default(),
            disk: size.into(),
            options: Options::parse(options)?,
            parent: None,
            seed: None,
        });
        let code = split.err().map(|error| error.code());
        assert_eq!(code, Some("vmdk_too_many_pieces"), "{options:?}");
    }
    let base = open(&write(&disk, &Job::default())?)?;
    let parent = parent_of(&*base, "base.vmdk");
    let child = |options: &'static [&'static str], parent: ParentSpec| {
        refused(&Job {
            options,
            parent: Some((parent, &disk)),
            seed: None,
        })
    };
    for options in [
        &["subformat=monolithicFlat"][..],
        &["subformat=twoGbMaxExtentFlat"],
        &["subformat=streamOptimized"],
        &["subformat=vmfs"],
    ] {
        assert_eq!(
            child(options, parent.clone()),
            Some(Kind::Unsupported),
            "{options:?}"
        );
    }
    for parent in [
        ParentSpec {
            format: Some(Format::Raw),
            ..parent.clone()
        },
        ParentSpec {
            identity: None,
            ..parent.clone()
        },
        ParentSpec {
            size: Bytes::mib(1),
            ..parent.clone()
        },
        ParentSpec {
            relative: Some("a\"b.vmdk".into()),
            ..parent.clone()
        },
        ParentSpec {
            relative: Some("a\nb.vmdk".into()),
            ..parent
        },
    ] {
        assert_eq!(
            child(&[], parent.clone()),
            Some(Kind::Unsupported),
            "{parent:?}"
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn whatever_is_written_reads_back(
        seed: u64,
        sectors in 1_u64..3000,
        kind in 0_usize..6,
        zeroed: bool,
    ) {
        let size = sectors * 512;
        let below = Recipe::scatter(size, 64 * KIB, seed).expected(None);
        let target = Recipe::sectors(size, seed ^ 1).expected(Some(&below));
        let kind = format!("subformat={}", KINDS[kind]);
        let has_children = kind.ends_with("Sparse");
        let zeroed = format!("zeroed_grain={}", if zeroed && has_children { "on" } else { "off" });
        let options: [&str; 2] = [&kind, &zeroed];
        let read = || -> Result<Vec<u8>> {
            let parent = if has_children {
                let base = open(&write(&below, &of_kind(&options))?)?;
                Some((parent_of(&*base, "base.vmdk"), below.as_slice()))
            } else {
                None
            };
            let job = Job { options: &options, parent, seed: None };
            let files = write(&target, &job)?;
            assert_eq!(files, write(&target, &job)?, "the same disk gives the same bytes");
            let under = if has_children { below.as_slice() } else { &[] };
            read_over(&*open(&files)?, under)
        };
        prop_assert!(read().expect("it reads") == target);
    }
}
