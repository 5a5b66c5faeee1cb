//! Small XML documents as trees: descriptors and property lists.
//!
//! No entity is expanded but those of XML itself (`&amp;` and the like), and no other file is named by one: a document type is passed over.
//! Size, depth and number of elements are bounded before anything is kept.

use quick_xml::{
    Reader, XmlVersion,
    escape::resolve_predefined_entity,
    events::{BytesRef, BytesStart, Event},
};

/// The deepest that elements may stand in each other.
const DEEPEST: usize = 64;

/// Most elements of a document.
const MOST_ELEMENTS: usize = 1 << 18;

/// An element.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    /// Its name, without a namespace.
    pub name: String,
    /// Names (without a namespace) and values of its attributes, in order.
    pub attributes: Vec<(String, String)>,
    /// All text that stands in it directly, without white space at both ends.
    pub text: String,
    /// The elements in it, in order.
    pub children: Vec<Self>,
}

impl Element {
    /// Reads a document of one element; `bytes` must have met a limit: what is kept takes a few times as much.
    ///
    /// # Errors
    /// Why it is none, in words for a message.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|cause| {
            let at = cause.valid_up_to();
            format!("it is not UTF-8 at byte {at}")
        })?;
        let mut reader = Reader::from_str(text.strip_prefix('\u{feff}').unwrap_or(text));
        reader.config_mut().expand_empty_elements = true;
        let mut tree = Tree::default();
        loop {
            let event = reader.read_event().map_err(|cause| {
                let at = reader.error_position();
                format!("{cause} at byte {at}")
            })?;
            match event {
                Event::Start(start) => tree.begin(element_of(&start)?)?,
                Event::End(_) => tree.end()?,
                Event::Text(text) => tree.text(&text.xml_content(XmlVersion::Implicit1_0)),
                Event::CData(text) => tree.text(&text.xml_content(XmlVersion::Implicit1_0)),
                Event::GeneralRef(name) => tree.text(&resolved(&name)?),
                Event::Eof => return tree.finish(),
                _ => {}
            }
        }
    }

    /// The first element in it of that name.
    #[must_use]
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// All elements in it of that name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The value of the attribute of that name.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// A document that is being read.
#[derive(Default)]
struct Tree {
    /// The elements that are open, the outermost first.
    open: Vec<Element>,
    root: Option<Element>,
    elements: usize,
}

impl Tree {
    fn begin(&mut self, element: Element) -> Result<(), String> {
        self.elements += 1;
        if self.open.len() >= DEEPEST {
            return Err(format!("more than {DEEPEST} elements stand in each other"));
        }
        if self.elements > MOST_ELEMENTS {
            return Err(format!("there are more than {MOST_ELEMENTS} elements"));
        }
        if self.open.is_empty() && self.root.is_some() {
            return Err("there is a second document in it".to_owned());
        }
        self.open.push(element);
        Ok(())
    }

    fn end(&mut self) -> Result<(), String> {
        let mut element = self
            .open
            .pop()
            .ok_or("an element ends that did not begin")?;
        element.text = element.text.trim().to_owned();
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = Some(element),
        }
        Ok(())
    }

    /// Text outside of all elements means nothing.
    fn text(&mut self, text: &str) {
        if let Some(element) = self.open.last_mut() {
            element.text.push_str(text);
        }
    }

    fn finish(self) -> Result<Element, String> {
        if let Some(open) = self.open.last() {
            return Err(format!("it ends inside of <{}>", open.name.escape_debug()));
        }
        self.root
            .ok_or_else(|| "there is no element in it".to_owned())
    }
}

/// An element as its first tag says it.
fn element_of(start: &BytesStart<'_>) -> Result<Element, String> {
    let mut element = Element {
        name: start.local_name().as_ref().to_owned(),
        ..Element::default()
    };
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|cause| cause.to_string())?;
        let value = attribute
            .normalized_value(XmlVersion::Implicit1_0)
            .map_err(|cause| cause.to_string())?;
        let key = attribute.key.local_name().as_ref().to_owned();
        element.attributes.push((key, value.into_owned()));
    }
    Ok(element)
}

/// What a reference stands for: a character by its number, or one of XML's own five.
fn resolved(name: &BytesRef<'_>) -> Result<String, String> {
    let number = name.resolve_char_ref().map_err(|cause| cause.to_string())?;
    if let Some(character) = number {
        return Ok(character.to_string());
    }
    let known = resolve_predefined_entity(name);
    known
        .map(str::to_owned)
        .ok_or_else(|| format!("the entity '{}' is not expanded", name.escape_debug()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Element, String> {
        Element::parse(text.as_bytes())
    }

    #[test]
    fn elements_attributes_and_text_are_read_without_namespaces() {
        let text = "\u{feff}<?xml version='1.0'?><!DOCTYPE a PUBLIC 'x' 'y'><!-- c --><o:a o:v=\"1 &lt; 2\" w='3'>\n \
                    <b>x &amp; y&#33;<![CDATA[<z>]]></b><c/><b> 2 </b></o:a>\n";
        let root = parse(text).expect("it reads");
        assert_eq!(root.name, "a");
        assert_eq!(root.attribute("v"), Some("1 < 2"));
        assert_eq!(root.attribute("w"), Some("3"));
        assert_eq!(root.text, "");
        let texts: Vec<&str> = root.all("b").map(|child| child.text.as_str()).collect();
        assert_eq!(texts, ["x & y!<z>", "2"]);
        assert_eq!(root.child("c").map(|child| child.children.len()), Some(0));
        assert_eq!(root.child("d"), None);
    }

    #[test]
    fn no_entity_is_expanded_and_none_is_fetched() {
        let bomb = "<!DOCTYPE a [<!ENTITY x \"lol\"><!ENTITY y \"&x;&x;\">]><a>&y;</a>";
        assert!(parse(bomb).is_err_and(|why| why.contains("not expanded")));
        let file = "<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><a>&x;</a>";
        assert!(parse(file).is_err_and(|why| why.contains("not expanded")));
        assert!(parse("<a b='&x;'/>").is_err());
    }

    #[test]
    fn what_is_no_document_or_too_deep_is_refused() {
        for text in [
            "",
            "x",
            "<a>",
            "<a></b>",
            "</a>",
            "<a/><b/>",
            "<a b=1/>",
            "<a b='1' b='2'/>",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(Element::parse(b"<a>\xff</a>").is_err());
        let nested = |depth: usize| "<a>".repeat(depth) + &"</a>".repeat(depth);
        assert!(parse(&nested(DEEPEST)).is_ok());
        assert!(parse(&nested(DEEPEST + 1)).is_err());
        let many = |count: usize| format!("<a>{}</a>", "<b/>".repeat(count));
        assert!(parse(&many(MOST_ELEMENTS - 1)).is_ok());
        assert!(parse(&many(MOST_ELEMENTS)).is_err());
    }
}
