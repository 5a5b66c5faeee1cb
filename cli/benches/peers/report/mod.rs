//! What was measured, and how it is shown: tables, a page, a picture.

mod line;
mod page;
mod picture;
mod sample;
mod table;

pub(crate) use self::{
    line::{Asked, Line, Series},
    page::write,
    sample::{Sample, Side, Spread},
    table::tables,
};
