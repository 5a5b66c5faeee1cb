//! The property list: `resource-fork` / `blkx`, an array of tables in base64.

use base64::{Engine, engine::general_purpose::STANDARD};
use imgdelta_core::xml::Element;

use crate::{fault::Fault, raw_table::RawTable};

/// The tables of a property list, in its order.
pub(crate) fn tables(bytes: &[u8]) -> Result<Vec<RawTable>, Fault> {
    // Some lists are followed by NUL.
    let end = bytes.iter().rposition(|byte| *byte != 0);
    let bytes = bytes.get(..end.map_or(0, |end| end.saturating_add(1)));
    let root = Element::parse(bytes.unwrap_or_default()).map_err(|why| Fault::Xml { why })?;
    let missing = |missing| Fault::PropertyList { missing };
    let dict = root.child("dict").ok_or(missing("dict"))?;
    let fork = value(dict, "resource-fork").ok_or(missing("resource-fork"))?;
    let array = value(fork, "blkx").ok_or(missing("blkx"))?;
    let table = |(number, entry): (usize, &Element)| {
        let data = value(entry, "Data").ok_or(missing("Data"))?;
        let name = value(entry, "CFName").or_else(|| value(entry, "Name"));
        let name = name.map(|name| name.text.clone());
        Ok(RawTable {
            bytes: decode(&data.text).map_err(|why| Fault::Base64 { number, why })?,
            name: name.filter(|name| !name.is_empty()),
        })
    };
    array.all("dict").enumerate().map(table).collect()
}

/// The value of a key: what stands behind it.
fn value<'a>(dict: &'a Element, key: &str) -> Option<&'a Element> {
    let is_key = |one: &Element| one.name == "key" && one.text == key;
    let at = dict.children.iter().position(is_key)?;
    dict.children.get(at.checked_add(1)?)
}

/// Base64 with white space anywhere.
fn decode(text: &str) -> Result<Vec<u8>, String> {
    let letters: Vec<u8> = text
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    STANDARD.decode(letters).map_err(|cause| cause.to_string())
}
