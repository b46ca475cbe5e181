//! YAML as [`Document`], so that files in YAML have the error messages of files in TOML.

use std::{fmt, path::Path, sync::Arc};

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Error, Location, Spanned};

use super::{
    problem::{Origin, Problem},
    raw::{Document, Entry, Given, Raw},
};

/// Parses YAML. A syntax error leaves no entries, because YAML has no place to continue.
///
/// A key without a value, or with an empty text, counts as not given, as in programs in Go.
pub(super) fn document(path: &Path, text: &str) -> Document {
    let place = Place(Arc::from(path));
    let parsed = serde_saphyr::from_str::<Option<Spanned<Node>>>(text);
    let root = parsed.map(|root| root.map(|root| (root.value, root.referenced)));
    let (entries, broken) = match root {
        Ok(None | Some((Node::Nothing, _))) => (Vec::new(), None),
        Ok(Some((Node::Map(entries), _))) => (place.entries(entries), None),
        Ok(Some((_, at))) => {
            let text = "not a map of keys and values";
            (Vec::new(), Some(Problem::general(place.origin(at), text)))
        }
        Err(error) => {
            let at = error.location().unwrap_or(Location::UNKNOWN);
            let text = format!("not valid YAML: {}", cause(&error));
            (Vec::new(), Some(Problem::general(place.origin(at), text)))
        }
    };
    Document {
        entries,
        broken: broken.into_iter().collect(),
    }
}

/// Only texts of the parser: others could quote a value, which may be a secret.
fn cause(error: &Error) -> &str {
    let error = error.without_snippet();
    if let Error::ExternalMessage { msg, .. } = error {
        msg
    } else if let Error::DuplicateMappingKey { .. } = error {
        "the key is there twice"
    } else {
        "its structure is wrong"
    }
}

struct Place(Arc<Path>);

impl Place {
    fn origin(&self, at: Location) -> Origin {
        if at == Location::UNKNOWN {
            return Origin::Path(self.0.to_path_buf());
        }
        let number = |of: u64| usize::try_from(of).unwrap_or(usize::MAX);
        Origin::File {
            path: Arc::clone(&self.0),
            line: number(at.line()),
            column: number(at.column()),
        }
    }

    fn entries(&self, entries: Vec<(Spanned<String>, Spanned<Node>)>) -> Vec<Entry> {
        let entry = |(name, value): (Spanned<String>, Spanned<Node>)| Entry {
            origin: self.origin(name.referenced),
            name: name.value,
            value: self.raw(value.value),
        };
        entries.into_iter().map(entry).collect()
    }

    fn raw(&self, node: Node) -> Raw {
        match node {
            Node::Nothing => Raw::Other(Raw::NOTHING),
            Node::Text(text) if text.is_empty() => Raw::Other(Raw::NOTHING),
            Node::Text(text) => Raw::Text(text),
            Node::Integer(number) => Raw::Integer(number),
            Node::Float(number) => Raw::Float(number),
            Node::Boolean(value) => Raw::Boolean(value),
            Node::Map(entries) => Raw::Table(self.entries(entries)),
            Node::List(items) => {
                let given = |item: Spanned<Node>| Given {
                    origin: self.origin(item.referenced),
                    raw: self.raw(item.value),
                };
                Raw::List(items.into_iter().map(given).collect())
            }
        }
    }
}

enum Node {
    Nothing,
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    List(Vec<Spanned<Self>>),
    Map(Vec<(Spanned<String>, Spanned<Self>)>),
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Nothing)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Boolean(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Integer(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Node, E> {
        let number = i64::try_from(value);
        number
            .map(Node::Integer)
            .map_err(|_large| E::custom("a number is too large"))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut map: Vec<(Spanned<String>, Spanned<Node>)> = Vec::new();
        while let Some((name, value)) = entries.next_entry::<Spanned<String>, _>()? {
            if map.iter().any(|(known, _)| known.value == name.value) {
                return Err(A::Error::custom("a key is there twice"));
            }
            map.push((name, value));
        }
        Ok(Node::Map(map))
    }
}
