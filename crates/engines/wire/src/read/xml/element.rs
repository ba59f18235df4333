use quick_xml::XmlVersion;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};

use crate::read::Unreadable;

/// How deep elements may be nested.
const DEPTH_MAX: usize = 64;
/// How many elements a document may have.
const ELEMENTS_MAX: usize = 200_000;

/// An element with its parts. Names are without their prefixes, except those of attributes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) text: String,
    pub(crate) children: Vec<Element>,
}

impl Element {
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.children.iter().any(|child| child.name == name)
    }

    /// The children of that name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.name == name)
    }
}

/// Parses a document; gives its root. Document types, and with them entities, are refused.
pub(crate) fn parse(body: &[u8]) -> Result<Element, Unreadable> {
    let text = std::str::from_utf8(body).map_err(|_| malformed("not UTF-8"))?;
    let mut reader = quick_xml::Reader::from_str(text);
    let mut open: Vec<Element> = vec![Element::default()];
    let mut count = 0usize;
    loop {
        match reader.read_event().map_err(malformed)? {
            Event::Start(start) => {
                count += 1;
                if open.len() > DEPTH_MAX || count > ELEMENTS_MAX {
                    return Err(Unreadable::Deep);
                }
                open.push(begin(&start)?);
            }
            Event::Empty(start) => {
                count += 1;
                if count > ELEMENTS_MAX {
                    return Err(Unreadable::Deep);
                }
                innermost(&mut open).children.push(begin(&start)?);
            }
            Event::End(_) => {
                let done = open.pop().expect("an end follows its start");
                open.last_mut().ok_or_else(|| malformed("an element ends twice"))?.children.push(done);
            }
            Event::Text(text) => innermost(&mut open).text.push_str(&text.xml10_content()),
            Event::CData(data) => innermost(&mut open).text.push_str(&data.xml10_content()),
            Event::GeneralRef(reference) => reference_into(&reference, &mut innermost(&mut open).text)?,
            Event::DocType(_) => return Err(malformed("a document type is not allowed")),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
            Event::Eof => return finish(open),
        }
    }
}

fn innermost(open: &mut [Element]) -> &mut Element {
    open.last_mut().expect("the document itself is open")
}

fn finish(mut open: Vec<Element>) -> Result<Element, Unreadable> {
    let document = open.pop().filter(|_| open.is_empty()).ok_or_else(|| malformed("an element does not end"))?;
    let mut roots = document.children.into_iter();
    match (roots.next(), roots.next()) {
        (Some(root), None) if document.text.trim().is_empty() => Ok(root),
        _ => Err(malformed("a document has one root")),
    }
}

fn begin(start: &BytesStart<'_>) -> Result<Element, Unreadable> {
    let mut element = Element { name: start.local_name().as_ref().to_owned(), ..Element::default() };
    for attribute in start.attributes() {
        let attribute = attribute.map_err(malformed)?;
        let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(malformed)?.into_owned();
        element.attributes.push((attribute.key.as_ref().to_owned(), value));
    }
    Ok(element)
}

fn reference_into(reference: &BytesRef<'_>, text: &mut String) -> Result<(), Unreadable> {
    if let Some(letter) = reference.resolve_char_ref().map_err(malformed)? {
        text.push(letter);
        return Ok(());
    }
    let name = reference.xml10_content();
    text.push_str(resolve_predefined_entity(&name).ok_or_else(|| malformed("an unknown entity"))?);
    Ok(())
}

fn malformed(detail: impl std::fmt::Display) -> Unreadable {
    Unreadable::Body(detail.to_string())
}
