//! Results as JSON: each with its schema first, as one document, as lines, or as a document that is written item by item.

use std::io::{self, Write};

use serde::Serialize;

use crate::call::Outcome;

/// A result with its schema.
#[derive(Serialize)]
struct Envelope<'a, T> {
    schema: &'static str,
    #[serde(flatten)]
    body: &'a T,
}

impl<'a, T: Outcome> Envelope<'a, T> {
    const fn of(body: &'a T) -> Self {
        Self {
            schema: T::SCHEMA,
            body,
        }
    }
}

/// One document, for eyes too.
pub(super) fn document<T: Outcome>(out: &mut impl Write, outcome: &T) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &Envelope::of(outcome))?;
    out.write_all(b"\n")
}

/// One line.
pub(super) fn line<T: Outcome>(out: &mut impl Write, outcome: &T) -> io::Result<()> {
    bare_line(out, &Envelope::of(outcome))
}

/// One line without a schema.
pub(super) fn bare_line(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}

/// What stands before the items of a document that is written item by item.
pub(super) fn open<T: Outcome>(out: &mut impl Write, name: &str) -> io::Result<()> {
    write!(out, "{{\"schema\":\"{}\",\"{name}\":[", T::SCHEMA)
}

/// An item, on a line of its own.
pub(super) fn item(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    out.write_all(b"\n")?;
    Ok(serde_json::to_writer(&mut *out, value)?)
}

/// What stands behind the items: the rest of the result.
pub(super) fn close<T: Outcome>(out: &mut impl Write, outcome: &T) -> io::Result<()> {
    let body = serde_json::to_vec(outcome)?;
    // An object: its brace was written before the items.
    let rest = body.strip_prefix(b"{").unwrap_or(&body);
    out.write_all(b"\n]")?;
    if rest != b"}" {
        out.write_all(b",")?;
    }
    out.write_all(rest)?;
    out.write_all(b"\n")
}
