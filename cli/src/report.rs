//! The only place that prints results: as text for people, as JSON for programs.
//!
//! Results go to standard output, notes to standard error. What is in a result is the calls' business, how an error looks is
//! that of [`crate::errors`].

mod human;
mod json;

use std::io::{self, BufWriter, Write};

use serde::Serialize;

use crate::{
    call::Outcome,
    errors::{complain, failed_one},
};
pub(crate) use human::{Page, Text, clean};

/// How a result is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// For people.
    Text,
    /// One JSON document.
    Json,
    /// One JSON object a line: one an item, the result last.
    JsonLines,
}

impl Form {
    /// Whether it is for programs.
    pub(crate) const fn is_json(self) -> bool {
        !matches!(self, Self::Text)
    }
}

/// How everything is told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report {
    /// For whom.
    pub(crate) form: Form,
    /// How much: 0 is usual, below 0 there is no summary, below -1 there are no notes.
    pub(crate) loudness: i8,
    /// Whether sizes are exact numbers.
    pub(crate) exact: bool,
    /// Whether standard output carries an image, so that the result goes to standard error.
    pub(crate) output_is_taken: bool,
}

impl Report {
    /// Tells a result.
    pub(crate) fn result<T: Outcome + Text>(&self, outcome: &T) -> io::Result<()> {
        let mut out = self.out();
        match self.form {
            Form::Text => {
                self.notes(outcome.notes())?;
                if self.loudness >= 0 || !T::IS_SUMMARY {
                    outcome.text(&mut Page::new(&mut *out, self.exact, self.loudness))?;
                }
            }
            Form::Json => json::document(&mut out, outcome)?,
            Form::JsonLines => json::line(&mut out, outcome)?,
        }
        out.flush()?;
        self.failures(outcome);
        Ok(())
    }

    /// Tells what went wrong with some of several on standard error, each in a line, whatever else is kept silent.
    fn failures(&self, outcome: &impl Outcome) {
        for (what, failed) in outcome.failures() {
            complain(&failed_one(&what, failed, self.form.is_json()));
        }
    }

    /// Begins a result that comes item by item; `name` is what JSON calls the list.
    pub(crate) fn rows(&self, name: &'static str) -> Rows {
        Rows {
            report: *self,
            out: self.out(),
            name,
            count: 0,
        }
    }

    /// Writes bytes as they are.
    pub(crate) fn bytes(&self, bytes: &[u8]) -> io::Result<()> {
        let mut out = self.out();
        out.write_all(bytes)?;
        out.flush()
    }

    /// Tells what the user should know, on standard error.
    pub(crate) fn notes(&self, notes: &[String]) -> io::Result<()> {
        if self.loudness >= -1 {
            let mut out = io::stderr().lock();
            for note in notes {
                writeln!(out, "note: {}", clean(note))?;
            }
        }
        Ok(())
    }

    fn out(&self) -> Box<dyn Write + Send> {
        if self.output_is_taken {
            Box::new(io::stderr())
        } else {
            Box::new(BufWriter::with_capacity(64 << 10, io::stdout()))
        }
    }
}

/// An item of a result that comes item by item.
pub(crate) trait Row: Serialize {
    /// What stands above the items; nothing, if it is empty.
    const HEAD: &'static str;

    /// The item as a line.
    fn line(&self, page: &mut Page<'_>) -> io::Result<()>;
}

/// A result on its way out, item by item. Before the first item, nothing is written: a failure leaves standard output empty.
pub(crate) struct Rows {
    report: Report,
    out: Box<dyn Write + Send>,
    name: &'static str,
    count: u64,
}

impl Rows {
    /// Tells an item.
    pub(crate) fn row<T: Outcome, R: Row>(&mut self, row: &R) -> io::Result<()> {
        self.count += 1;
        let first = self.count == 1;
        match self.report.form {
            Form::Text => {
                if first && !R::HEAD.is_empty() {
                    writeln!(self.out, "{}", R::HEAD)?;
                }
                row.line(&mut Page::new(
                    &mut *self.out,
                    self.report.exact,
                    self.report.loudness,
                ))
            }
            Form::Json => {
                if first {
                    json::open::<T>(&mut self.out, self.name)?;
                } else {
                    self.out.write_all(b",")?;
                }
                json::item(&mut self.out, row)
            }
            Form::JsonLines => json::bare_line(&mut self.out, row),
        }
    }

    /// Ends the items and tells the rest of the result.
    pub(crate) fn end<T: Outcome + Text>(mut self, outcome: &T) -> io::Result<()> {
        match self.report.form {
            Form::Text => {
                self.report.notes(outcome.notes())?;
                if self.report.loudness >= 0 {
                    outcome.text(&mut Page::new(
                        &mut *self.out,
                        self.report.exact,
                        self.report.loudness,
                    ))?;
                }
            }
            Form::Json => {
                if self.count == 0 {
                    json::open::<T>(&mut self.out, self.name)?;
                }
                json::close(&mut self.out, outcome)?;
            }
            Form::JsonLines => json::line(&mut self.out, outcome)?,
        }
        self.out.flush()?;
        self.report.failures(outcome);
        Ok(())
    }
}
