//! JSON to tree.

use std::collections::HashSet;

use serde_json::Number;

use crate::diagnostic::{Diagnostic, line_and_column};
use crate::limits::DEPTH_MAX;
use crate::node::{Key, Node, NodeValue, Span};

/// Reads one JSON document.
pub fn parse(source: &str) -> Result<Node, Diagnostic> {
    let mut reader = Reader { source, position: 0 };
    let node = reader.value(0)?;
    reader.skip_space();
    match reader.peek() {
        None => Ok(node),
        Some(_) => Err(reader.malformed(reader.position, "text after the document")),
    }
}

struct Reader<'a> {
    source: &'a str,
    position: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.source.as_bytes().get(self.position).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.position += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Result<Node, Diagnostic> {
        self.skip_space();
        let start = self.position;
        if depth > DEPTH_MAX {
            return Err(self.malformed(start, &format!("nested deeper than {DEPTH_MAX} levels")));
        }
        let value = match self.peek() {
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.array(depth)?,
            Some(b'"') => NodeValue::String(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.word("true", NodeValue::Bool(true))?,
            Some(b'f') => self.word("false", NodeValue::Bool(false))?,
            Some(b'n') => self.word("null", NodeValue::Null)?,
            Some(_) => return Err(self.malformed(start, "a value was expected here")),
            None => return Err(self.malformed(start, "the text ends here, before the value")),
        };
        Ok(Node::new(value, Span::new(start, self.position)))
    }

    fn object(&mut self, depth: usize) -> Result<NodeValue, Diagnostic> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        let mut names = HashSet::new();
        self.position += 1;
        self.skip_space();
        if self.take(b'}') {
            return Ok(NodeValue::Mapping(entries));
        }
        loop {
            self.skip_space();
            let start = self.position;
            if self.peek() != Some(b'"') {
                return Err(self.malformed(start, "a key in double quotes was expected here"));
            }
            let key = Key { name: self.string()?, span: Span::new(start, self.position) };
            if !names.insert(key.name.clone()) {
                return Err(self.malformed(start, &format!("the key {} stands here a second time", key.name)));
            }
            self.expect(b':', "a colon was expected here")?;
            entries.push((key, self.value(depth + 1)?));
            self.skip_space();
            if self.take(b'}') {
                return Ok(NodeValue::Mapping(entries));
            }
            self.expect(b',', "a comma or } was expected here")?;
        }
    }

    fn array(&mut self, depth: usize) -> Result<NodeValue, Diagnostic> {
        let mut items = Vec::new();
        self.position += 1;
        self.skip_space();
        if self.take(b']') {
            return Ok(NodeValue::Sequence(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.skip_space();
            if self.take(b']') {
                return Ok(NodeValue::Sequence(items));
            }
            self.expect(b',', "a comma or ] was expected here")?;
        }
    }

    /// The string that begins here: its end is found here, its escapes are read by serde_json.
    fn string(&mut self) -> Result<String, Diagnostic> {
        let start = self.position;
        let bytes = self.source.as_bytes();
        let mut end = start + 1;
        loop {
            match bytes.get(end) {
                Some(b'"') => break,
                Some(b'\\') => end += 2,
                Some(b'\n') | None => return Err(self.malformed(start, "this string does not end")),
                Some(_) => end += 1,
            }
        }
        self.position = end + 1;
        let text = self.source.get(start..=end).unwrap_or_default();
        serde_json::from_str(text).map_err(|_| self.malformed(start, "this string has an escape that JSON lacks"))
    }

    fn number(&mut self) -> Result<NodeValue, Diagnostic> {
        let start = self.position;
        while matches!(self.peek(), Some(b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')) {
            self.position += 1;
        }
        let text = &self.source[start..self.position];
        match serde_json::from_str::<Number>(text) {
            Ok(number) => Ok(NodeValue::Number(number)),
            Err(_) => Err(self.malformed(start, "this is not a number")),
        }
    }

    fn word(&mut self, word: &str, value: NodeValue) -> Result<NodeValue, Diagnostic> {
        match self.source[self.position..].starts_with(word) {
            true => {
                self.position += word.len();
                Ok(value)
            }
            false => Err(self.malformed(self.position, "a value was expected here")),
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.position += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8, otherwise: &str) -> Result<(), Diagnostic> {
        self.skip_space();
        match self.take(byte) {
            true => Ok(()),
            false => Err(self.malformed(self.position, otherwise)),
        }
    }

    fn malformed(&self, offset: usize, label: &str) -> Diagnostic {
        let (line, column) = line_and_column(self.source, offset);
        let message = format!("Template format error: JSON not well-formed. (line {line}, column {column})");
        Diagnostic::new(message, Span::new(offset, offset + 1)).with_label(label)
    }
}
