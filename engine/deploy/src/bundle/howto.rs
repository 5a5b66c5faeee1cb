//! `HOWTO.txt`: what lies in a delivery and what to do with it, for whoever finds the stick. No program reads it.

use std::fmt::Write as _;

use imgdelta_core::{Bytes, Format};

use super::{
    entry::{BundleEntry, EntryForm},
    index::{INDEX, Index, MediumNumber},
    piece_list::PieceList,
    signature::{NAMESPACE, SIGNATURE},
    sums::SUMS,
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
         proves that, and enters it. To run it twice does no harm.\n\
         \n\
         Is all of it here, and what was put here?\n\
         \n\
         \x20   imgdelta verify THIS_FOLDER\n\
         \n\
         Without imgdelta, in this folder; the second line only where {SIGNATURE} is here, with\n\
         the file of keys and the identity that the sender has told you, not with one from this folder:\n\
         \n\
         \x20   sha256sum -c {SUMS}\n\
         \x20   ssh-keygen -Y verify -n {NAMESPACE} -f ALLOWED_SIGNERS -I IDENTITY -s {SIGNATURE} < {INDEX}\n"
    );
    if let Some(MediumNumber { number, of }) = index.medium {
        let _ = writeln!(
            text,
            "\nThis is medium {number} of {of}. The site takes them in any order, one after another by the same line; what it\n\
             has taken it keeps until the last one has come. By hand, copy all of them into one folder first."
        );
    }
    for entry in &index.items {
        // Writing to a string does not fail.
        let _ = entry_text(&mut text, entry);
    }
    text
}

/// How pieces become the file again; imgdelta reads them where they are.
fn pieces_text(text: &mut String, entry: &BundleEntry, pieces: &PieceList) -> std::fmt::Result {
    /// The longest line that Windows takes.
    const LONGEST: usize = 8000;
    let (file, size) = (&entry.file.name, Bytes(pieces.size));
    let (count, names) = (pieces.files.len(), pieces.files.iter());
    let names: Vec<String> = names.map(|piece| format!("\"{}\"", piece.name)).collect();
    let (first, last) = (names.first(), names.last());
    let [first, last] = [first, last].map(|name| name.map_or("", String::as_str));
    writeln!(
        text,
        "    pieces      {count} of {size}: {first} to {last}, which imgdelta reads as they are"
    )?;
    // As many digits as the last number has.
    let pattern = match (pieces.files.first(), count) {
        // Theirs lies beside them.
        (Some(first), _) if first.parity.is_some() => {
            let number = first.name.as_str().rsplit('.').next().unwrap_or_default();
            "[0-9]".repeat(number.len())
        }
        (_, ..=99) => "0*".to_owned(),
        _ => "[0-9]*".to_owned(),
    };
    writeln!(
        text,
        "    by hand     cat \"{file}\".{pattern} > \"{file}\""
    )?;
    let joined = names.join("+");
    if joined.len() < LONGEST {
        writeln!(text, "    on Windows  copy /b {joined} \"{file}\"")?;
    }
    writeln!(
        text,
        "    blocks      {} has the SHA-256 of every {} of them",
        pieces.blocks.name,
        Bytes(pieces.block)
    )
}

/// What is said of one entry.
fn entry_text(text: &mut String, entry: &BundleEntry) -> std::fmt::Result {
    let (name, file, size) = (&entry.name, &entry.file.name, Bytes(entry.file.length));
    writeln!(text, "\n{name}")?;
    writeln!(text, "    content id  {}", entry.content_id)?;
    writeln!(text, "    file        {file} ({size})")?;
    writeln!(text, "    sha256      {}", entry.file.sha256)?;
    if let Some(pieces) = &entry.file.pieces {
        pieces_text(text, entry, pieces)?;
    }
    if let (Some(list), Some(blocks)) = (entry.file.blocks, entry.file.blocks_file()) {
        let block = Bytes(list.block);
        writeln!(
            text,
            "    blocks      {} has the SHA-256 of every {block} of it",
            blocks.name
        )?;
    }
    if entry.stored().any(|file| file.parity.is_some()) {
        writeln!(
            text,
            "    parity      files that end with .parity: by them imgdelta receive heals what is damaged"
        )?;
    }
    let output = format!("{name}.qcow2");
    let Some(base) = &entry.base else {
        writeln!(text, "    from        nothing: it is the whole image")?;
        writeln!(
            text,
            "    by hand     imgdelta convert \"{file}\" -o \"{output}\""
        )?;
        return writeln!(
            text,
            "    without it  qemu-img convert -O qcow2 \"{file}\" \"{output}\""
        );
    };
    writeln!(text, "    from        {}, {}", base.name, base.content_id)?;
    if entry.form == EntryForm::Windows {
        return writeln!(
            text,
            "    what it is  parts of a file of a delivery that was damaged: imgdelta receive THIS_FOLDER THAT_ONE"
        );
    }
    writeln!(
        text,
        "    by hand     imgdelta apply \"{file}\" -b BASE -o \"{output}\""
    )?;
    match entry.file_format() {
        Format::Transport => {
            writeln!(
                text,
                "    without it  no: only imgdelta reads a transport file"
            )
        }
        Format::Qcow2 => {
            writeln!(text, "    without it  cp \"{file}\" child.qcow2")?;
            writeln!(
                text,
                "                qemu-img rebase -u -F BASE_FORMAT -b BASE child.qcow2"
            )?;
            writeln!(
                text,
                "                qemu-img convert -O qcow2 child.qcow2 \"{output}\""
            )
        }
        format => writeln!(
            text,
            "    without it  it opens beside its base in what reads {format}"
        ),
    }
}
