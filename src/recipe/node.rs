// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! YAML as a tree that knows where each of its nodes stands.
//!
//! Typed values are decoded from this tree rather than from the text, so that
//! every complaint, also one found long after parsing, has a line and a
//! column. Scalars keep their text: `1.30` is never a float on its way to a
//! version.
//!
//! Not supported, and said so: tags other than `!!str`, keys that are not
//! scalars, several documents. Merge keys (`<<`) are ordinary, thus unknown,
//! keys.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, Span, Tag};

/// A recipe is written by hand; more than this is a mistake or an attack.
const MAX_TEXT: usize = 4 << 20;
/// Aliases multiply: their expansions count.
const MAX_NODES: usize = 200_000;
/// Recursion over the tree is bounded by this.
const MAX_DEPTH: usize = 64;

/// Where a node begins: origin, line and column, both from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    origin: Arc<str>,
    line: usize,
    column: usize,
}

impl Place {
    /// The name of the text it is in.
    pub(super) fn origin(&self) -> &str {
        &self.origin
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.origin, self.line, self.column)
    }
}

/// Text that is not a tree.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {message}")]
pub(super) struct SyntaxError {
    place: Place,
    message: String,
}

#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

#[derive(Debug, Clone)]
pub(super) enum Value {
    /// `plain`: written without quotes, so `null` means null.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    /// In the order of the text.
    Map(Vec<(Key, Node)>),
}

#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) place: Place,
    pub(super) text: String,
}

/// One step of the way from the root of a tree to a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Segment {
    Key(String),
    Index(usize),
}

impl Node {
    /// Parses one YAML document; `origin` names it in messages.
    pub(super) fn parse(text: &str, origin: &str) -> Result<Self, SyntaxError> {
        let mut reader = Reader {
            parser: Parser::new_from_str(text),
            origin: origin.into(),
            anchors: HashMap::new(),
            nodes: 0,
        };
        let start = reader.place_at(1, 0);
        if text.len() > MAX_TEXT {
            return Err(SyntaxError {
                place: start,
                message: format!("longer than {MAX_TEXT} bytes"),
            });
        }
        let mut root = None;
        loop {
            let (event, span) = reader.next()?;
            match event {
                Event::StreamEnd => break,
                Event::StreamStart
                | Event::DocumentStart(..)
                | Event::DocumentEnd => {}
                _ if root.is_some() => {
                    return Err(reader.error(
                        &span,
                        "a second document; a recipe is one document",
                    ));
                }
                event => root = Some(reader.node(event, &span, 0)?.0),
            }
        }
        root.ok_or(SyntaxError {
            place: start,
            message: "the document is empty".into(),
        })
    }

    /// Whether this is `~`, `null` or nothing at all.
    pub(super) fn is_null(&self) -> bool {
        match &self.value {
            Value::Scalar { text, plain: true } => {
                matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL")
            }
            _ => false,
        }
    }

    /// The text of a scalar.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// A scalar that stands where this node does.
    pub(super) fn scalar(&self, text: &str) -> Self {
        self.here(Value::Scalar {
            text: text.to_owned(),
            plain: false,
        })
    }

    /// A mapping that stands where this node does.
    pub(super) fn map_here(&self, entries: Vec<(Key, Self)>) -> Self {
        self.here(Value::Map(entries))
    }

    /// A list that stands where this node does.
    pub(super) fn list_here(&self, items: Vec<Self>) -> Self {
        self.here(Value::List(items))
    }

    fn here(&self, value: Value) -> Self {
        Self {
            place: self.place.clone(),
            value,
        }
    }

    /// A complaint about this node.
    pub(super) fn wrong(&self, message: impl Into<String>) -> SyntaxError {
        SyntaxError {
            place: self.place.clone(),
            message: message.into(),
        }
    }

    /// The value under `key`, when this is a mapping that has it.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        let Value::Map(entries) = &self.value else {
            return None;
        };
        let entry = entries.iter().find(|(name, _)| name.text == key)?;
        Some(&entry.1)
    }

    /// The node at `path`, or the closest one above it.
    pub(super) fn closest(&self, path: &[Segment]) -> &Node {
        let mut node = self;
        for segment in path {
            let next = match (segment, &node.value) {
                (Segment::Key(key), _) => node.get(key),
                (Segment::Index(index), Value::List(items)) => {
                    items.get(*index)
                }
                _ => None,
            };
            match next {
                Some(next) => node = next,
                None => break,
            }
        }
        node
    }
}

/// Whether `text` is a mapping in YAML.
pub(super) fn is_mapping(text: &str) -> bool {
    let tree = Node::parse(text, "");
    tree.is_ok_and(|tree| matches!(tree.value, Value::Map(_)))
}

struct Reader<'a> {
    parser: Parser<'a, serde_saphyr::granit_parser::StrInput<'a>>,
    origin: Arc<str>,
    /// Nodes by anchor, with their height.
    anchors: HashMap<usize, (Node, usize, usize)>,
    nodes: usize,
}

impl<'a> Reader<'a> {
    /// `column` from 0, as the parser counts.
    fn place_at(&self, line: usize, column: usize) -> Place {
        Place {
            origin: Arc::clone(&self.origin),
            line,
            column: column.saturating_add(1),
        }
    }

    fn place(&self, span: &Span) -> Place {
        self.place_at(span.start.line(), span.start.col())
    }

    fn error(&self, span: &Span, message: impl Into<String>) -> SyntaxError {
        SyntaxError {
            place: self.place(span),
            message: message.into(),
        }
    }

    /// The next event that is not a comment.
    fn next(&mut self) -> Result<(Event<'a>, Span), SyntaxError> {
        loop {
            match self.parser.next_event() {
                None => return Ok((Event::StreamEnd, Span::default())),
                Some(Ok((Event::Comment(..), _))) => {}
                Some(Ok(pair)) => return Ok(pair),
                Some(Err(error)) => {
                    let mark = error.marker();
                    return Err(SyntaxError {
                        place: self.place_at(mark.line(), mark.col()),
                        message: format!("not valid YAML: {}", error.info()),
                    });
                }
            }
        }
    }

    fn count(&mut self, nodes: usize, span: &Span) -> Result<(), SyntaxError> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MAX_NODES {
            return Err(self.error(
                span,
                format!("more than {MAX_NODES} values, aliases expanded"),
            ));
        }
        Ok(())
    }

    /// The node that begins with `event`, its height and its node count.
    fn node(
        &mut self,
        event: Event<'a>,
        span: &Span,
        depth: usize,
    ) -> Result<(Node, usize, usize), SyntaxError> {
        if depth > MAX_DEPTH {
            return Err(self.error(span, too_deep()));
        }
        if let Event::Alias(id) = event {
            return self.alias(id, span, depth);
        }
        self.count(1, span)?;
        let (anchor, tag) = match &event {
            Event::Scalar(_, _, anchor, tag)
            | Event::SequenceStart(_, anchor, tag)
            | Event::MappingStart(_, anchor, tag) => (*anchor, tag.as_deref()),
            _ => (0, None),
        };
        let is_str = self.check_tag(tag, span)?;
        let (value, height, nodes) = match event {
            Event::Scalar(text, style, ..) => {
                let plain = style == ScalarStyle::Plain && !is_str;
                let text = text.into_owned();
                (Value::Scalar { text, plain }, 0, 1)
            }
            Event::SequenceStart(..) => self.list(depth)?,
            Event::MappingStart(..) => self.map(depth)?,
            _ => return Err(self.error(span, "not a value")),
        };
        let place = self.place(span);
        let node = Node { place, value };
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), height, nodes));
        }
        Ok((node, height, nodes))
    }

    fn alias(
        &mut self,
        id: usize,
        span: &Span,
        depth: usize,
    ) -> Result<(Node, usize, usize), SyntaxError> {
        let Some((_, height, nodes)) = self.anchors.get(&id) else {
            return Err(self.error(span, "an alias inside its own anchor"));
        };
        let (height, nodes) = (*height, *nodes);
        if depth.saturating_add(height) > MAX_DEPTH {
            return Err(self.error(span, too_deep()));
        }
        self.count(nodes, span)?;
        match self.anchors.get(&id) {
            Some(entry) => Ok(entry.clone()),
            None => Err(self.error(span, "an alias without an anchor")),
        }
    }

    /// Whether the tag is `!!str`; any other is refused.
    fn check_tag(
        &self,
        tag: Option<&Tag>,
        span: &Span,
    ) -> Result<bool, SyntaxError> {
        let Some(tag) = tag else { return Ok(false) };
        match tag.core_suffix() {
            Some("str") => Ok(true),
            Some("map" | "seq" | "bool" | "int" | "null") => Ok(false),
            _ => Err(self.error(
                span,
                format!("the tag {} means nothing here", tag.original()),
            )),
        }
    }

    fn list(
        &mut self,
        depth: usize,
    ) -> Result<(Value, usize, usize), SyntaxError> {
        let mut items = Vec::new();
        let mut height = 0;
        let mut nodes = 1usize;
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::SequenceEnd | Event::StreamEnd) {
                return Ok((Value::List(items), height, nodes));
            }
            let (item, below, count) = self.node(event, &span, depth + 1)?;
            height = height.max(below + 1);
            nodes = nodes.saturating_add(count);
            items.push(item);
        }
    }

    fn map(
        &mut self,
        depth: usize,
    ) -> Result<(Value, usize, usize), SyntaxError> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        let mut seen: HashMap<String, Place> = HashMap::new();
        let mut height = 0;
        let mut nodes = 1usize;
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd | Event::StreamEnd) {
                return Ok((Value::Map(entries), height, nodes));
            }
            let (key, ..) = self.node(event, &span, depth + 1)?;
            let Value::Scalar { text, .. } = key.value else {
                return Err(self.error(&span, "a key must be a plain word"));
            };
            if let Some(first) = seen.get(&text) {
                return Err(self.error(
                    &span,
                    format!("`{text}` is already at line {}", first.line),
                ));
            }
            let key = Key {
                place: key.place,
                text,
            };
            seen.insert(key.text.clone(), key.place.clone());
            let (event, span) = self.next()?;
            let (value, below, count) = self.node(event, &span, depth + 1)?;
            height = height.max(below + 1);
            nodes = nodes.saturating_add(count);
            entries.push((key, value));
        }
    }
}

fn too_deep() -> String {
    format!("nested deeper than {MAX_DEPTH} levels")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Node::parse(text, "r.yaml").unwrap_err().to_string()
    }

    #[test]
    fn places_are_those_of_the_text() {
        let tree = Node::parse("a:\n  - x\n  - b: {c: 1}\n", "f").unwrap();
        let path = [
            Segment::Key("a".into()),
            Segment::Index(1),
            Segment::Key("b".into()),
            Segment::Key("c".into()),
        ];
        assert_eq!(tree.closest(&path).place.to_string(), "f:3:12");
        assert_eq!(tree.closest(&path[..1]).place.to_string(), "f:2:3");
    }

    #[test]
    fn what_is_refused() {
        for (text, expected) in [
            ("", "r.yaml:1:1: the document is empty"),
            ("a: 1\nb: 2\na: 3\n", "r.yaml:3:1: `a` is already at line 1"),
            ("a: !x 1\n", "r.yaml:1:7: the tag !x means nothing here"),
            ("[a]: 1\n", "r.yaml:1:1: a key must be a plain word"),
            (
                "a: 1\n---\nb: 2\n",
                "r.yaml:3:1: a second document; a recipe is one document",
            ),
        ] {
            assert_eq!(error(text), expected, "{text:?}");
        }
    }

    #[test]
    fn broken_yaml_has_a_place() {
        assert!(error("a: [1,\n").starts_with("r.yaml:"));
        assert!(error("a: \"x\n").contains("not valid YAML"));
        assert!(error("a:\n\t- b\n").starts_with("r.yaml:2:"));
    }

    #[test]
    fn aliases_are_expanded_within_bounds() {
        let tree = Node::parse("a: &x [1, 2]\nb: *x\n", "f").unwrap();
        assert!(matches!(
            &tree.get("b").unwrap().value,
            Value::List(items) if items.len() == 2
        ));

        let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for level in 1..12 {
            let alias = format!("*a{},", level - 1).repeat(10);
            bomb.push_str(&format!("a{level}: &a{level} [{alias}]\n"));
        }
        assert!(error(&bomb).contains("aliases expanded"));

        let mut tower = "a0: &a0 [x]\n".to_owned();
        for level in 1..200 {
            let below = level - 1;
            tower.push_str(&format!("a{level}: &a{level} [*a{below}]\n"));
        }
        assert!(error(&tower).contains("nested deeper"));
        let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
        assert!(error(&deep).contains("nested deeper"));
    }
}
