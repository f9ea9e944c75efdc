//! Documents under construction.

use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use serde_json::ser::PrettyFormatter;
use serde_json::value::RawValue;

use crate::Extra;

/// A JSON value whose members have an order.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    Text(String),
    Number(u64),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
    /// A value that passes through unchanged.
    Raw(Box<RawValue>),
}

impl Node {
    pub(crate) fn text(text: impl ToString) -> Self {
        Self::Text(text.to_string())
    }

    pub(crate) fn texts(texts: &[String]) -> Self {
        Self::List(texts.iter().map(Self::text).collect())
    }

    /// Prints the document as the Go library does, indented by four spaces.
    pub(crate) fn to_pretty_json(&self) -> String {
        let mut json = Vec::new();
        let formatter = PrettyFormatter::with_indent(b"    ");
        self.serialize(&mut serde_json::Serializer::with_formatter(&mut json, formatter))
            .expect("a node has a JSON form, and writing to a Vec cannot fail");
        String::from_utf8(json).expect("serde_json writes UTF-8")
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Number(number) => serializer.serialize_u64(*number),
            Self::Raw(json) => json.serialize(serializer),
            Self::List(elements) => {
                let mut list = serializer.serialize_seq(Some(elements.len()))?;
                elements.iter().try_for_each(|element| list.serialize_element(element))?;
                list.end()
            }
            Self::Object(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                members.iter().try_for_each(|(key, value)| map.serialize_entry(key, value))?;
                map.end()
            }
        }
    }
}

/// An object under construction.
#[derive(Default)]
pub(crate) struct Members(Vec<(String, Node)>);

impl Members {
    pub(crate) fn put(&mut self, key: &str, value: Node) {
        self.0.push((key.to_owned(), value));
    }

    pub(crate) fn put_if_any(&mut self, key: &str, value: Option<Node>) {
        if let Some(value) = value {
            self.put(key, value);
        }
    }

    /// Adds a list, unless it is empty.
    pub(crate) fn put_list(&mut self, key: &str, elements: Vec<Node>) {
        if !elements.is_empty() {
            self.put(key, Node::List(elements));
        }
    }

    /// Adds the unknown keys after the known ones. A key that equals one of `shape`, ignoring ASCII case, would be read
    /// as the field of that name, so it is left out and its path is added to `lost`. `at` is the path of the object with
    /// a dot at the end.
    pub(crate) fn with_extra(
        mut self,
        extra: &Extra,
        shape: &[&str],
        at: &str,
        lost: &mut Vec<String>,
    ) -> Self {
        for (key, json) in extra.raw() {
            if shape.iter().any(|known| known.eq_ignore_ascii_case(key)) {
                lost.push(format!("{at}{key}"));
            } else {
                self.0.push((key.to_owned(), Node::Raw(json.to_owned())));
            }
        }
        self
    }

    /// Makes an object with the keys in the order of the calls.
    pub(crate) fn in_order(self) -> Node {
        Node::Object(self.0)
    }

    /// Makes an object with the keys in alphabetical order.
    pub(crate) fn sorted(mut self) -> Node {
        self.0.sort_by(|(a, _), (b, _)| a.cmp(b));
        Node::Object(self.0)
    }
}
