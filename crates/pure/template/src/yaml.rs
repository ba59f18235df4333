//! YAML to tree.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, StrInput, Tag};

use crate::diagnostic::{Diagnostic, line_and_column};
use crate::limits::{DEPTH_MAX, NODES_MAX};
use crate::node::{Key, Node, NodeValue, Span};
use crate::tag;

/// Reads one YAML document.
pub fn parse(source: &str) -> Result<Node, Diagnostic> {
    let mut reader = Reader::new(source);
    let root = reader.document()?;
    match root {
        Some(node) => Ok(node),
        None => Err(Diagnostic::new("Template format error: unsupported structure.", Span::default())
            .with_help("the template is empty: it needs at least a Resources section")),
    }
}

struct Reader<'a> {
    source: &'a str,
    parser: Parser<'a, StrInput<'a>>,
    /// Byte offset of each character, where the text has more than ASCII.
    byte_offsets: Option<Vec<usize>>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
}

impl<'a> Reader<'a> {
    fn new(source: &'a str) -> Reader<'a> {
        let byte_offsets = (!source.is_ascii())
            .then(|| source.char_indices().map(|(offset, _)| offset).chain([source.len()]).collect());
        Reader { source, parser: Parser::new_from_str(source), byte_offsets, anchors: HashMap::new(), nodes: 0 }
    }

    fn document(&mut self) -> Result<Option<Node>, Diagnostic> {
        let mut root = None;
        while let Some(event) = self.next()? {
            match event {
                (Event::DocumentStart(_), span) if root.is_some() => {
                    return Err(self.malformed(span, "a second document; a template is one document"));
                }
                (Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing, _) => {}
                (Event::StreamEnd, _) => break,
                (event, span) => root = Some(self.node(event, span, 0)?),
            }
        }
        Ok(root)
    }

    fn next(&mut self) -> Result<Option<(Event<'a>, Span)>, Diagnostic> {
        match self.parser.next_event() {
            None => Ok(None),
            Some(Ok((event, span))) => {
                let span = Span::new(self.offset(span.start.index()), self.offset(span.end.index()));
                Ok(Some((event, span)))
            }
            Some(Err(error)) => Err(self.scan_error(&error)),
        }
    }

    /// The next event inside a collection, where the document cannot end.
    fn next_inside(&mut self, start: Span) -> Result<(Event<'a>, Span), Diagnostic> {
        self.next()?.ok_or_else(|| self.malformed(start, "this does not end"))
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, Diagnostic> {
        self.count(1, span)?;
        if depth > DEPTH_MAX {
            return Err(self.malformed(span, &format!("nested deeper than {DEPTH_MAX} levels")));
        }
        let (node, anchor, tag) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let value = self.scalar(text, style, tag.as_deref());
                (Node::new(value, span), anchor, tag)
            }
            Event::SequenceStart(anchor, tag) => (self.sequence(span, depth)?, anchor, tag),
            Event::MappingStart(anchor, tag) => (self.mapping(span, depth)?, anchor, tag),
            Event::Alias(anchor) => return self.alias(anchor, span, depth),
            _ => return Err(self.malformed(span, "unexpected here")),
        };
        let node = match tag {
            Some(tag) => self.tagged(&tag, node)?,
            None => node,
        };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn scalar(&self, text: Cow<'a, str>, style: ScalarStyle, tag: Option<&Tag>) -> NodeValue {
        let resolves = match tag {
            None => style == ScalarStyle::Plain,
            Some(tag) => tag.is_yaml_core_schema() && tag.suffix != "str",
        };
        if resolves { crate::scalar::resolve(&text) } else { NodeValue::String(text.into_owned()) }
    }

    fn sequence(&mut self, start: Span, depth: usize) -> Result<Node, Diagnostic> {
        let mut items: Vec<Node> = Vec::new();
        loop {
            let (event, span) = self.next_inside(start)?;
            if event == Event::SequenceEnd {
                let end = items.last().map_or(span.end, |item| item.span.end);
                return Ok(Node::new(NodeValue::Sequence(items), Span::new(start.start, end)));
            }
            items.push(self.node(event, span, depth + 1)?);
        }
    }

    fn mapping(&mut self, start: Span, depth: usize) -> Result<Node, Diagnostic> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        let mut names: HashSet<String> = HashSet::new();
        let mut merged: Vec<Node> = Vec::new();
        loop {
            let (event, span) = self.next_inside(start)?;
            if event == Event::MappingEnd {
                break;
            }
            let key = self.key(event, span)?;
            let (event, span) = self.next_inside(start)?;
            let value = self.node(event, span, depth + 1)?;
            if key.name == "<<" {
                merged.push(value);
            } else if names.insert(key.name.clone()) {
                entries.push((key, value));
            } else {
                return Err(self.duplicate(&key));
            }
        }
        for source in merged {
            self.merge(&mut entries, &mut names, source)?;
        }
        let end = entries.iter().map(|(_, value)| value.span.end).max().unwrap_or(start.end);
        Ok(Node::new(NodeValue::Mapping(entries), Span::new(start.start, end)))
    }

    fn key(&mut self, event: Event<'a>, span: Span) -> Result<Key, Diagnostic> {
        match event {
            Event::Scalar(text, _, _, None) => Ok(Key { name: text.into_owned(), span }),
            Event::Scalar(text, _, _, Some(tag)) if tag.is_yaml_core_schema() => {
                Ok(Key { name: text.into_owned(), span })
            }
            _ => Err(self.malformed(span, "a key must be a plain string")),
        }
    }

    /// YAML 1.1's merge key: what the mapping does not have itself comes from the merged ones, the first first.
    fn merge(
        &mut self,
        entries: &mut Vec<(Key, Node)>,
        names: &mut HashSet<String>,
        source: Node,
    ) -> Result<(), Diagnostic> {
        match source.value {
            NodeValue::Mapping(inherited) => {
                entries.extend(inherited.into_iter().filter(|(key, _)| names.insert(key.name.clone())));
                Ok(())
            }
            NodeValue::Sequence(sources) => sources.into_iter().try_for_each(|source| match source.value {
                NodeValue::Mapping(_) => self.merge(entries, names, source),
                _ => Err(self.malformed(source.span, "only mappings can be merged")),
            }),
            _ => Err(self.malformed(source.span, "only mappings can be merged")),
        }
    }

    fn alias(&mut self, anchor: usize, span: Span, depth: usize) -> Result<Node, Diagnostic> {
        let node = match self.anchors.get(&anchor) {
            Some(node) => node.clone(),
            None => return Err(self.malformed(span, "an alias inside its own anchor")),
        };
        let (nodes, levels) = measure(&node);
        self.count(nodes, span)?;
        if depth + levels > DEPTH_MAX {
            return Err(self.malformed(span, &format!("nested deeper than {DEPTH_MAX} levels")));
        }
        Ok(node)
    }

    fn tagged(&self, tag: &Tag, node: Node) -> Result<Node, Diagnostic> {
        if tag.is_yaml_core_schema() {
            return Ok(node);
        }
        let name = if tag.handle == "!" { tag::long_name(&tag.suffix) } else { None };
        let Some(name) = name else {
            let label = format!("unknown tag {}{}", tag.handle, tag.suffix);
            return Err(self.malformed(node.span, &label));
        };
        let tag_span = self.tag_span(&tag.suffix, node.span);
        Ok(tag::expand(name, node, tag_span))
    }

    /// The tag stands before the value, with white space between.
    fn tag_span(&self, suffix: &str, value: Span) -> Span {
        let start = value.start.min(self.source.len());
        let before = self.source.get(..start).unwrap_or_default().trim_end();
        match before.strip_suffix(suffix).and_then(|rest| rest.strip_suffix('!')) {
            Some(rest) => Span::new(rest.len(), before.len()),
            None => value,
        }
    }

    fn count(&mut self, nodes: usize, span: Span) -> Result<(), Diagnostic> {
        self.nodes = self.nodes.saturating_add(nodes);
        match self.nodes > NODES_MAX {
            true => Err(self.malformed(span, &format!("more than {NODES_MAX} values after aliases are expanded"))),
            false => Ok(()),
        }
    }

    fn offset(&self, char_index: usize) -> usize {
        match &self.byte_offsets {
            None => char_index.min(self.source.len()),
            Some(offsets) => offsets.get(char_index).copied().unwrap_or(self.source.len()),
        }
    }

    fn scan_error(&self, error: &ScanError) -> Diagnostic {
        let offset = self.offset(error.marker().index());
        self.malformed(Span::new(offset, offset + 1), error.info())
    }

    fn duplicate(&self, key: &Key) -> Diagnostic {
        self.malformed(key.span, &format!("the key {} stands here a second time", key.name))
            .with_help("a key may stand once in a mapping: rename or remove one of the two")
    }

    fn malformed(&self, span: Span, label: &str) -> Diagnostic {
        let (line, column) = line_and_column(self.source, span.start);
        let message = format!("Template format error: YAML not well-formed. (line {line}, column {column})");
        Diagnostic::new(message, span).with_label(label)
    }
}

/// How many nodes a tree has, and how many levels.
fn measure(node: &Node) -> (usize, usize) {
    let fold = |(nodes, levels): (usize, usize), child: &Node| {
        let (n, l) = measure(child);
        (nodes + n, levels.max(l + 1))
    };
    match &node.value {
        NodeValue::Sequence(items) => items.iter().fold((1, 0), fold),
        NodeValue::Mapping(entries) => entries.iter().map(|(_, value)| value).fold((1, 0), fold),
        _ => (1, 0),
    }
}
