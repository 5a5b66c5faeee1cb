//! The coverage-guided binary: which target it feeds is said by `IMGDELTA_FUZZ`.

#![no_main]
#![allow(clippy::panic, reason = "a wrong name ends the run")]

use std::sync::OnceLock;

use imgdelta_fuzz::Target;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    static TARGET: OnceLock<Target> = OnceLock::new();
    let target = TARGET.get_or_init(|| {
        let name = std::env::var("IMGDELTA_FUZZ").unwrap_or_default();
        imgdelta_fuzz::target(&name)
            .unwrap_or_else(|| panic!("IMGDELTA_FUZZ names no target: '{name}'"))
    });
    target(bytes);
});
