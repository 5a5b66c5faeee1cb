//! What, beside the sources, decides how many instructions a kernel takes.

use std::{ffi::OsString, process::Command};

use crate::callgrind;

/// Something that a count depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The Rust compiler: all of them do.
    Rustc,
    /// The C compiler, of libraries that are C.
    Cc,
    /// The C library, which copies and compares bytes.
    Libc,
    /// The features of the processor, for code that chooses by them as it runs.
    Processor,
}

pub(crate) const PARTS: [(Part, &str); 4] = [
    (Part::Rustc, "rustc"),
    (Part::Cc, "cc"),
    (Part::Libc, "libc"),
    (Part::Processor, "processor"),
];

/// What the counts of a run depend on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct MadeBy(pub(crate) Vec<(String, String)>);

impl MadeBy {
    /// As it is here.
    pub(crate) fn here() -> Result<Self, String> {
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let cc = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
        let values = [
            first_line(rustc, "--version"),
            first_line(cc, "--version"),
            first_line("getconf".into(), "GNU_LIBC_VERSION"),
            callgrind::said(&["--kernel", FEATURES])?.trim().to_owned(),
        ];
        let named = PARTS.iter().map(|(_, name)| (*name).to_owned());
        Ok(Self(named.zip(values).collect()))
    }

    /// What it says of a part.
    pub(crate) fn of(&self, part: Part) -> Option<&str> {
        let (_, name) = PARTS.iter().find(|(one, _)| *one == part)?;
        let found = self.0.iter().find(|(one, _)| one == name)?;
        Some(&found.1)
    }
}

fn first_line(program: OsString, option: &str) -> String {
    let said = Command::new(program).arg(option).output();
    let said = said.map(|said| String::from_utf8_lossy(&said.stdout).into_owned());
    let line = said.unwrap_or_default().lines().next().map(str::to_owned);
    line.unwrap_or_else(|| "none".into())
}

/// The kernel that is none: it prints what the processor can do.
pub(crate) const FEATURES: &str = "processor";

/// The features that the libraries under the kernels choose by.
pub(crate) fn features() -> String {
    let mut said = vec![std::env::consts::ARCH];
    #[cfg(target_arch = "x86_64")]
    {
        let known = [
            ("ssse3", is_x86_feature_detected!("ssse3")),
            ("sse4.2", is_x86_feature_detected!("sse4.2")),
            ("pclmulqdq", is_x86_feature_detected!("pclmulqdq")),
            ("avx2", is_x86_feature_detected!("avx2")),
            ("bmi2", is_x86_feature_detected!("bmi2")),
            ("sha", is_x86_feature_detected!("sha")),
            ("avx512f", is_x86_feature_detected!("avx512f")),
        ];
        said.extend(known.iter().filter(|(_, has)| *has).map(|(name, _)| *name));
    }
    said.join(" ")
}
