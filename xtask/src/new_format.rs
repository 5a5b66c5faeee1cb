//! `cargo xtask new-format NAME`: a crate for a format, from a template that compiles and whose tests pass, entered wherever the formats are listed.
//!
//! What comes out is an image of one header and one table of blocks, read only. What is to become of it stands in CONTRIBUTING.md.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::run::Failed;

/// The files of the crate, in the order of reading.
const FILES: [(&str, &str); 11] = [
    ("src/lib.rs", include_str!("../template/lib.rs")),
    ("src/layout.rs", include_str!("../template/layout.rs")),
    ("src/fault.rs", include_str!("../template/fault.rs")),
    (
        "src/open_options.rs",
        include_str!("../template/open_options.rs"),
    ),
    ("src/probe.rs", include_str!("../template/probe.rs")),
    ("src/validate.rs", include_str!("../template/validate.rs")),
    ("src/map.rs", include_str!("../template/map.rs")),
    ("src/image.rs", include_str!("../template/image.rs")),
    ("src/info.rs", include_str!("../template/info.rs")),
    ("src/check.rs", include_str!("../template/check.rs")),
    ("tests/opens.rs", include_str!("../template/opens.rs")),
];

/// The format behind which the new one is entered.
const LAST: &str = "dmg";

/// Makes the crate in the workspace in `root`, and enters it.
pub(crate) fn new_format(words: &[&str], root: &Path) -> Result<(), Failed> {
    let [name] = words else {
        return Err("usage: cargo xtask new-format NAME".into());
    };
    let is_name = name.starts_with(|first: char| first.is_ascii_lowercase())
        && name
            .chars()
            .all(|one| one.is_ascii_lowercase() || one.is_ascii_digit());
    if !is_name {
        return Err(
            format!("'{name}': a name of lower-case letters and digits is required").into(),
        );
    }
    let folder = root.join("formats").join(name);
    if folder.exists() {
        return Err(format!("{}: is there already", folder.display()).into());
    }
    let type_name = capitalised(name);
    let filled = |text: &str| text.replace("NAME", name).replace("TYPE", &type_name);
    for (file, text) in FILES {
        write(&folder.join(file), &filled(text))?;
    }
    let manifest = filled(include_str!("../template/Cargo.toml.in"));
    write(&folder.join("Cargo.toml"), &manifest)?;
    for (file, behind, line) in entries(name, &type_name) {
        enter(&root.join(file), &behind, &line)?;
    }
    // Where names stand among others depends on the name; a toolchain without rustfmt leaves them as they are.
    let mut fmt = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let _ = fmt
        .args(["fmt", "-p", &format!("imgdelta-{name}")])
        .current_dir(root)
        .status();
    println!("formats/{name}: a crate that compiles; CONTRIBUTING.md says what comes next");
    Ok(())
}

/// Where the formats are listed: the file, what the new entry stands behind, and the entry.
fn entries(name: &str, type_name: &str) -> Vec<(PathBuf, String, String)> {
    let last_type = capitalised(LAST);
    let features = |crate_name: &str, inner: &str| {
        let file = PathBuf::from(crate_name).join("Cargo.toml");
        [
            (file.clone(), format!("\"{LAST}\""), format!(", \"{name}\"")),
            (
                file,
                format!("{LAST} = [\"{}\"]", inner.replace("NAME", LAST)),
                format!("\n{name} = [\"{}\"]", inner.replace("NAME", name)),
            ),
        ]
    };
    let registry = PathBuf::from("formats/registry");
    let core = PathBuf::from("formats/core/src/format.rs");
    let mut all = vec![
        (
            "Cargo.toml".into(),
            format!("\"formats/{LAST}\","),
            format!(" \"formats/{name}\","),
        ),
        (
            "Cargo.toml".into(),
            format!("imgdelta-{LAST} = {{ path = \"formats/{LAST}\", version = \"0.1.0\" }}"),
            format!("\nimgdelta-{name} = {{ path = \"formats/{name}\", version = \"0.1.0\" }}"),
        ),
        (
            registry.join("Cargo.toml"),
            format!("imgdelta-{LAST} = {{ workspace = true, optional = true }}"),
            format!("\nimgdelta-{name} = {{ workspace = true, optional = true }}"),
        ),
        (
            registry.join("src/lib.rs"),
            format!("    &imgdelta_{LAST}::DRIVER,"),
            format!("\n    #[cfg(feature = \"{name}\")]\n    &imgdelta_{name}::DRIVER,"),
        ),
        (
            core.clone(),
            format!("    {last_type},"),
            format!("\n    {type_name},"),
        ),
        (
            core.clone(),
            format!("        Self::{last_type},"),
            format!("\n        Self::{type_name},"),
        ),
        (
            core,
            format!("            Self::{last_type} => \"{LAST}\","),
            format!("\n            Self::{type_name} => \"{name}\","),
        ),
        (".ci/run".into(), format!("|{LAST}|"), format!("{name}|")),
    ];
    all.extend(features("formats/registry", "dep:imgdelta-NAME"));
    all.extend(features("engine/operations", "imgdelta-registry/NAME"));
    all.extend(features("engine/imgdelta", "imgdelta-operations/NAME"));
    all
}

/// Puts `line` behind the first `behind` in a file.
fn enter(file: &Path, behind: &str, line: &str) -> Result<(), Failed> {
    let text = fs::read_to_string(file).map_err(|cause| format!("{}: {cause}", file.display()))?;
    let (before, after) = text
        .split_once(behind)
        .ok_or_else(|| format!("{}: '{behind}' is not there", file.display()))?;
    let mut text = format!("{before}{behind}{line}{after}");
    // The list of all formats says how many there are.
    if let Some((count, is_list)) = counted(&text).filter(|_| line.starts_with("\n        Self::"))
    {
        text = text.replace(&is_list, &format!("[Self; {}]", count + 1));
    }
    write(file, &text)
}

/// The length of `[Self; N]`, and how it is written.
fn counted(text: &str) -> Option<(u32, String)> {
    let (_, after) = text.split_once("[Self; ")?;
    let (count, _) = after.split_once(']')?;
    let count: u32 = count.parse().ok()?;
    Some((count, format!("[Self; {count}]")))
}

fn capitalised(name: &str) -> String {
    let (first, rest) = name.split_at(1);
    first.to_uppercase() + rest
}

fn write(file: &Path, text: &str) -> Result<(), Failed> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    Ok(fs::write(file, text).map_err(|cause| format!("{}: {cause}", file.display()))?)
}
