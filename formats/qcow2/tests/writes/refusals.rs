//! What is refused, before any work where it can be known before.

use std::sync::Arc;

use imgdelta_core::{
    BlockState, Bytes, Create, Error, Format, Kind, MemSink, OneOutput, Options, Payload, PipeSink,
    Result, Sink, Unit, VirtOffset,
};
use imgdelta_fixtures::Recipe;
use imgdelta_qcow2::DRIVER;

use crate::serial::{Job, Outcome, beside, in_memory};

/// Begins an image and expects that it is refused.
fn refused(options: &[&str], size: u64, sink: Arc<dyn Sink>) -> Result<Error> {
    let create = Create {
        outputs: &OneOutput(sink),
        disk: Bytes(size).into(),
        options: Options::parse(options)?,
        parent: None,
        seed: None,
    };
    Ok(DRIVER.start(create).err().expect("there is no such image"))
}

#[test]
fn options_are_judged_before_anything_is_written() -> Outcome {
    for options in [
        &["lazy_refcounts=on"][..],
        &["compat=0.10", "extended_l2=on"],
        &["cluster_size=3M"],
    ] {
        let sink = Arc::new(MemSink::default());
        let error = refused(options, 1 << 20, Arc::clone(&sink) as Arc<dyn Sink>)?;
        assert_eq!(error.kind(), Kind::Usage, "{options:?}");
        assert!(sink.bytes().is_empty());
    }
    Ok(())
}

#[test]
fn a_disk_beyond_the_l1_table_is_not_supported() -> Outcome {
    let sink = || Arc::new(MemSink::default()) as Arc<dyn Sink>;
    for (options, size) in [
        (&["cluster_size=512"][..], (128 << 30) + 512),
        (&["cluster_size=16K", "extended_l2=on"], (64 << 40) + 512),
        (&[], u64::MAX),
    ] {
        let error = refused(options, size, sink())?;
        assert_eq!(error.kind(), Kind::Unsupported);
        assert!(
            error
                .hint()
                .is_some_and(|hint| hint.contains("cluster_size"))
        );
    }
    Ok(())
}

#[test]
fn a_pipe_is_not_supported_and_a_second_file_needs_a_place() -> Outcome {
    let error = refused(&[], 1 << 20, Arc::new(PipeSink::new(Vec::new())))?;
    assert_eq!(error.kind(), Kind::Unsupported);
    let error = refused(&["data_file=d.raw"], 1 << 20, Arc::new(MemSink::default()))?;
    assert_eq!(error.kind(), Kind::Usage);
    Ok(())
}

#[test]
fn a_parent_under_a_raw_data_file_is_refused() {
    let recipe = Recipe::empty(1 << 20);
    let options = ["data_file=d.raw", "data_file_raw=on"];
    let job = Job {
        parent: Some(beside("base.raw", Format::Raw, 1 << 20)),
        ..Job::whole(&recipe, &options)
    };
    let error = in_memory(&job, false).expect_err("qemu refuses it too");
    assert_eq!(error.kind(), Kind::Usage);
}

#[test]
fn units_out_of_order_or_off_the_disk_are_refused() -> Outcome {
    let sink = Arc::new(MemSink::default());
    let mut writer = DRIVER.start(Create {
        outputs: &OneOutput(sink),
        disk: Bytes::mib(1).into(),
        options: Options::default(),
        parent: None,
        seed: None,
    })?;
    let bytes = vec![1; 65536];
    let mut place = |at| {
        let unit = Unit {
            at: VirtOffset(at),
            bytes: &bytes,
            grains: &[BlockState::Data],
        };
        writer.place(&unit, Payload::Plain, Bytes(65536)).is_ok()
    };
    assert!(place(65536));
    for at in [65536, 0, 70000, 1 << 20] {
        assert!(!place(at), "{at}");
    }
    assert!(place(131_072));
    Ok(())
}
