//! YAML 1.2 (and so JSON) as a tree that remembers its lines, bounded in every direction.
//!
//! Aliases are copied, and the copies count: a "billion laughs" document stops at [`NODES_MAX`]. Tags other than the
//! core schema's, merge keys and keys that are no text are refused, as they have no meaning in a directory.

use std::{collections::HashMap, fmt};

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, Tag};
use serde_json::{Map, Number, Value};

/// Values of one file, copies of aliases included: ten thousand applications with all they have stay below.
const NODES_MAX: usize = 2_000_000;
/// Graph's deepest property lies at six.
const DEPTH_MAX: usize = 32;

/// No object of the directory has more members than that; keys are compared with all before them.
const MEMBERS_MAX: usize = 1000;

/// Where something stands in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The letter of the line, from 1.
    pub column: usize,
}

impl Place {
    fn of(marker: &Marker) -> Self {
        Self { line: marker.line(), column: marker.col() + 1 }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// A value and the place at which it starts.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) content: Content,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Content {
    Scalar(Value),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

/// Why a file cannot be read, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mistake {
    pub(super) place: Place,
    pub(super) text: String,
}

impl Mistake {
    fn new(place: Place, text: impl Into<String>) -> Self {
        Self { place, text: text.into() }
    }
}

impl Node {
    /// The value without its lines.
    pub(super) fn to_value(&self) -> Value {
        match &self.content {
            Content::Scalar(value) => value.clone(),
            Content::List(items) => items.iter().map(Self::to_value).collect(),
            Content::Map(members) => Value::Object(
                members.iter().map(|(name, node)| (name.clone(), node.to_value())).collect::<Map<_, _>>(),
            ),
        }
    }

    /// The member of a map.
    pub(super) fn member(&self, name: &str) -> Option<&Self> {
        let Content::Map(members) = &self.content else { return None };
        members.iter().find(|(member, _)| member == name).map(|(_, node)| node)
    }

    /// The place of the deepest part of a path like `web.redirectUris` that is written.
    pub(super) fn place_of(&self, path: &str) -> Place {
        let mut node = self;
        let mut place = self.place;
        for name in path.split(['.', '/', '[', ']']).filter(|name| !name.is_empty()) {
            let next = match &node.content {
                Content::Map(_) => node.member(name),
                Content::List(items) => name.parse().ok().and_then(|at: usize| items.get(at)),
                Content::Scalar(_) => None,
            };
            let Some(next) = next else { break };
            place = next.place;
            node = next;
        }
        place
    }
}

/// The documents of a text, at most `documents_max`. Empty ones are left out.
pub(super) fn read(text: &str, documents_max: usize) -> Result<Vec<Node>, Mistake> {
    let mut reader = Reader::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| scan_error(&error))?;
        reader.take(event, span)?;
        if reader.documents.len() > documents_max {
            return Err(Mistake::new(
                Place::of(&span.start),
                format!("there may be at most {documents_max} documents"),
            ));
        }
    }
    Ok(reader.documents)
}

fn scan_error(error: &ScanError) -> Mistake {
    Mistake::new(Place::of(error.marker()), format!("is no YAML: {}", error.info()))
}

/// A collection that is being read.
struct Open {
    place: Place,
    anchor: usize,
    part: Part,
}

enum Part {
    List(Vec<Node>),
    Map { members: Vec<(String, Node)>, key: Option<String> },
}

#[derive(Default)]
struct Reader {
    open: Vec<Open>,
    anchors: HashMap<usize, (Node, usize)>,
    documents: Vec<Node>,
    nodes: usize,
}

impl Reader {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Mistake> {
        let place = Place::of(&span.start);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let value = scalar(&text, style, tag.as_deref()).map_err(|text| Mistake::new(place, text))?;
                self.add(Node { place, content: Content::Scalar(value) }, anchor, 1)
            }
            Event::SequenceStart(anchor, tag) => {
                self.enter(place, anchor, tag.as_deref(), Part::List(vec![]))
            }
            Event::MappingStart(anchor, tag) => {
                self.enter(place, anchor, tag.as_deref(), Part::Map { members: vec![], key: None })
            }
            Event::SequenceEnd | Event::MappingEnd => self.leave(),
            Event::Alias(anchor) => {
                let (mut node, size) = self
                    .anchors
                    .get(&anchor)
                    .cloned()
                    .ok_or_else(|| Mistake::new(place, "refers to an anchor that is not complete"))?;
                node.place = place;
                self.add(node, 0, size)
            }
            Event::DocumentStart(_) => {
                self.anchors.clear();
                Ok(())
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    fn enter(&mut self, place: Place, anchor: usize, tag: Option<&Tag>, part: Part) -> Result<(), Mistake> {
        if self.open.len() >= DEPTH_MAX {
            return Err(Mistake::new(place, format!("is nested deeper than {DEPTH_MAX}")));
        }
        if let Some(tag) = tag.filter(|tag| !tag.is_yaml_core_schema()) {
            return Err(Mistake::new(place, format!("the tag {tag} has no meaning here")));
        }
        self.open.push(Open { place, anchor, part });
        Ok(())
    }

    fn leave(&mut self) -> Result<(), Mistake> {
        let Some(Open { place, anchor, part }) = self.open.pop() else { return Ok(()) };
        let content = match part {
            Part::List(items) => Content::List(items),
            Part::Map { members, .. } => Content::Map(members),
        };
        self.add(Node { place, content }, anchor, 1)
    }

    /// Puts a finished value where it belongs. `size` is how many values it adds to the file.
    fn add(&mut self, node: Node, anchor: usize, size: usize) -> Result<(), Mistake> {
        let place = node.place;
        self.nodes = self.nodes.saturating_add(size);
        if self.nodes > NODES_MAX {
            return Err(Mistake::new(place, format!("there may be at most {NODES_MAX} values in a file")));
        }
        if anchor > 0 {
            let size = count(&node);
            self.anchors.insert(anchor, (node.clone(), size));
        }
        match self.open.last_mut().map(|open| &mut open.part) {
            None => {
                if node.content != Content::Scalar(Value::Null) {
                    self.documents.push(node);
                }
            }
            Some(Part::List(items)) => items.push(node),
            Some(Part::Map { members, key }) => match key.take() {
                Some(name) => members.push((name, node)),
                None => *key = Some(new_key(members, node)?),
            },
        }
        Ok(())
    }
}

fn new_key(members: &[(String, Node)], node: Node) -> Result<String, Mistake> {
    let place = node.place;
    let name = match node.content {
        Content::Scalar(Value::String(name)) => name,
        Content::Scalar(Value::Bool(truth)) => truth.to_string(),
        Content::Scalar(Value::Number(number)) => number.to_string(),
        Content::Scalar(_) | Content::List(_) | Content::Map(_) => {
            return Err(Mistake::new(place, "a name must be a text"));
        }
    };
    if name == "<<" {
        return Err(Mistake::new(place, "merge keys (<<) are not part of YAML 1.2"));
    }
    if members.len() >= MEMBERS_MAX {
        return Err(Mistake::new(place, format!("there may be at most {MEMBERS_MAX} members")));
    }
    match members.iter().find(|(member, _)| *member == name) {
        Some((_, first)) => Err(Mistake::new(
            place,
            format!("'{name}' stands here again, first on line {}", first.place.line),
        )),
        None => Ok(name),
    }
}

fn count(node: &Node) -> usize {
    1 + match &node.content {
        Content::Scalar(_) => 0,
        Content::List(items) => items.iter().map(count).sum(),
        Content::Map(members) => members.iter().map(|(_, node)| count(node)).sum(),
    }
}

/// The core schema (YAML 1.2.2 §10.3.2), without its octal numbers and infinities, which JSON has no words for.
fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, String> {
    let string = || Ok(Value::String(text.to_owned()));
    match tag {
        Some(tag) if !tag.is_yaml_core_schema() => {
            return Err(format!("the tag {tag} has no meaning here"));
        }
        Some(tag) if tag.suffix == "str" => return string(),
        _ => {}
    }
    if style != ScalarStyle::Plain {
        return string();
    }
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number),
    })
}

fn number(text: &str) -> Option<Number> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    // `1.2.3`, dates and GUIDs stay texts, and so does what loses digits as a number (`007`).
    let first = unsigned.bytes().next()?;
    if !first.is_ascii_digit() || (first == b'0' && unsigned.len() > 1 && !unsigned.starts_with("0.")) {
        return None;
    }
    match text.trim_start_matches('+').parse::<i64>() {
        Ok(number) => Some(number.into()),
        Err(_) => text.parse::<f64>().ok().and_then(Number::from_f64),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn one(text: &str) -> Value {
        read(text, 10).unwrap().first().unwrap().to_value()
    }

    #[test]
    fn the_core_schema_and_json() {
        assert_eq!(
            one("a: 1\nb: true\nc: ~\nd: 'true'\ne: 2027-01-31\nf: 00000003-0000-0000-c000-000000000000\n\
                 g: 007\nh: -1.5\ni: no\nj: |\n  two\n  lines\nk: [x, {y: z}]\nl: !!str 5\nm:\n"),
            json!({"a": 1, "b": true, "c": null, "d": "true", "e": "2027-01-31",
                "f": "00000003-0000-0000-c000-000000000000", "g": "007", "h": -1.5, "i": "no",
                "j": "two\nlines\n", "k": ["x", {"y": "z"}], "l": "5", "m": null})
        );
        assert_eq!(one(r#"{"a": [1, "\u00e9", null], "b": {}}"#), json!({"a": [1, "é", null], "b": {}}));
    }

    #[test]
    fn documents_and_their_lines() {
        let all =
            read("---\nkind: A\nweb:\n  redirectUris:\n  - one\n  - two\n---\n\n---\nkind: B\n", 10).unwrap();
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].place_of("web.redirectUris").line, 5, "a list starts with its first item");
        assert_eq!(all[0].place_of("web.redirectUris[1]").line, 6);
        assert_eq!(all[0].place_of("web.nothing").line, 4);
        assert_eq!(all[1].place_of("kind").line, 10);
        assert_eq!(all[0].place_of("web.redirectUris[1]"), Place { line: 6, column: 5 });
    }

    #[test]
    fn aliases_are_copied_and_counted() {
        assert_eq!(one("a: &x [1, 2]\nb: *x\n"), json!({"a": [1, 2], "b": [1, 2]}));
        let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for at in 1..10 {
            let item = format!("*a{},", at - 1).repeat(10);
            bomb = format!("{bomb}a{at}: &a{at} [{item}]\n");
        }
        let mistake = read(&bomb, 10).unwrap_err();
        assert!(mistake.text.contains("values in a file"), "{mistake:?}");
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_line() {
        let deep = format!("a: {}", "[".repeat(40));
        for (text, line, part) in [
            ("a: 1\na: 2\n", 2, "again"),
            ("a: 1\nb: [1,\n", 3, "no YAML"),
            ("a: *x\n", 1, "no YAML"),
            ("a: !thing 1\n", 1, "tag"),
            ("<<: 1\n", 1, "merge keys"),
            ("? [a]\n: b\n", 1, "a name must be a text"),
            (&deep, 1, "deeper"),
        ] {
            let mistake = read(text, 10).unwrap_err();
            assert!(mistake.text.contains(part), "{text}: {mistake:?}");
            assert_eq!(mistake.place.line, line, "{text}: {mistake:?}");
        }
        assert!(read("---\na: 1\n---\nb: 2\n", 1).is_err());
        assert_eq!(read("# nothing\n", 1).unwrap(), []);
    }
}
