//! `HOWTO.txt`: what lies in a delivery and what to do with it, for whoever finds the stick. No program reads it.

use std::fmt::Write as _;

use imgdelta_core::Bytes;

use super::{
    entry::BundleEntry,
    index::{INDEX, Index},
};

/// What the file is called.
pub(super) const HOWTO: &str = "HOWTO.txt";

/// The text for what an index lists.
pub(super) fn text(index: &Index) -> String {
    let mut text = format!(
        "This folder holds disk images on their way from one repository to others: {INDEX} lists them\n\
         for programs, this text does so for people.\n\
         \n\
         At the site:\n\
         \n\
         \x20   imgdelta receive THIS_FOLDER --repo REPOSITORY\n\
         \n\
         It takes what the repository has the base for, proves the base by its content, makes the image,\n\
         proves that, and enters it. To run it twice does no harm.\n"
    );
    for entry in &index.items {
        // Writing to a string does not fail.
        let _ = entry_text(&mut text, entry);
    }
    text
}

/// What is said of one entry.
fn entry_text(text: &mut String, entry: &BundleEntry) -> std::fmt::Result {
    let (name, size) = (&entry.name, Bytes(entry.file.length));
    writeln!(text, "\n{name}")?;
    writeln!(text, "    content id  {}", entry.content_id)?;
    writeln!(text, "    file        {} ({size})", entry.file.name)?;
    writeln!(text, "    sha256      {}", entry.file.sha256)?;
    let output = format!("{name}.qcow2");
    match &entry.base {
        Some(base) => {
            writeln!(text, "    from        {}, {}", base.name, base.content_id)?;
            writeln!(
                text,
                "    by hand     imgdelta apply \"{}\" -b BASE -o \"{output}\"",
                entry.file.name
            )
        }
        None => {
            writeln!(text, "    from        nothing: it is the whole image")?;
            writeln!(
                text,
                "    by hand     imgdelta convert \"{}\" -o \"{output}\"",
                entry.file.name
            )
        }
    }
}
